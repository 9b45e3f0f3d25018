"""How long a subject stays on a list: over entries that follow each other, and by extension.

The figures are data (`ListType.consecutive_cap`, `ListType.extension`). Consecutive periods are
capped by 电信网络诈骗及其关联违法犯罪联合惩戒办法; fixed terms are lengthened by 法释〔2013〕17号
Art 2.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from app.errors import Sentence, TermNotAllowed
from app.rules.admission import Ruling, later
from app.rules.law import ListType
from app.rules.status import Term


def within_consecutive_cap(
    ruling: Ruling, list_type: ListType, others: Iterable[Term], *, named: bool
) -> Ruling:
    """Keep a subject's time on a list within the list type's cap on consecutive periods.

    `others` are the terms of the subject's other entries on the same list. Entries that follow each
    other without a free day are one stay. A last day that was `named` is refused where it goes too
    far; one that follows from the list type's term is moved forward.

    Raises:
        TermNotAllowed: with the latest last day that would be allowed.
    """
    if list_type.consecutive_cap is None:
        return ruling
    others = [term for term in others if _stood(term)]
    began = stay_began(ruling.effective_from, others)
    latest = later(began, list_type.consecutive_cap)
    if not named and (ruling.effective_until is None or ruling.effective_until > latest):
        ruling = replace(ruling, effective_until=latest)
    require_within_cap(ruling.term, list_type, others)
    return ruling


def require_within_cap(term: Term, list_type: ListType, others: Iterable[Term]) -> None:
    """Refuse a term that makes the subject's unbroken stay on the list too long.

    Raises:
        TermNotAllowed: with the latest day on which the whole stay may end.
    """
    if list_type.consecutive_cap is None:
        return
    others = [other for other in others if _stood(other)]
    latest = later(stay_began(term.effective_from, others), list_type.consecutive_cap)
    over_from = stay_over_from(term, others)
    too_long = over_from is None or over_from > latest + timedelta(days=1)
    if too_long or latest < term.effective_from:
        raise TermNotAllowed(
            Sentence(
                f"Consecutive periods on this list end on {latest} at the latest",
                f"该名单连续列入期限最晚至 {latest}",
            ),
            latest=latest.isoformat(),
        )


def _stood(term: Term) -> bool:
    """Tell whether there was a day on which an entry of that term stood."""
    ended = term.ends_on is not None and term.ends_on <= term.effective_from
    return not term.void and not ended


def stay_began(effective_from: date, others: Iterable[Term]) -> date:
    """The first day of the unbroken stay on a list that an entry from that day on belongs to."""
    began = effective_from
    for term in sorted(filter(_stood, others), key=lambda term: term.effective_from, reverse=True):
        reaches = term.ends_on is None or term.ends_on >= began
        if reaches and term.effective_from < began:
            began = term.effective_from
    return began


def stay_over_from(term: Term, others: Iterable[Term]) -> date | None:
    """The first day after the unbroken stay that a term belongs to; None where it is open."""
    over = term.ends_on
    for other in sorted(filter(_stood, others), key=lambda term: term.effective_from):
        if over is None:
            return None
        reaches_beyond = other.ends_on is None or other.ends_on > over
        if other.effective_from <= over and reaches_beyond:
            over = other.ends_on
    return over


def within_stay(
    last_day: date | None, effective_from: date, list_type: ListType, others: Iterable[Term]
) -> date | None:
    """The last day, moved forward where the cap on consecutive periods demands it."""
    if list_type.consecutive_cap is None:
        return last_day
    latest = later(stay_began(effective_from, others), list_type.consecutive_cap)
    return latest if last_day is None else min(last_day, latest)


def extended_until(
    term: Term, wanted: date, list_type: ListType, *, extended_before: bool, began_on: date
) -> date:
    """The last day of a term, running from `began_on`, that a decision lengthens.

    Raises:
        TermNotAllowed: the list type knows no extension, the term is open, it was extended once
            already, or the day lies outside of what the list type allows.
    """
    if list_type.extension is None or term.effective_until is None or extended_before:
        raise TermNotAllowed(
            Sentence(
                "The term cannot be extended: the list type allows none, it is open, or it was"
                " extended before",
                "不能延长期限：该名单类型不允许延长、期限未定或已延长过",
            )
        )
    latest = later(term.effective_until, list_type.extension)
    if list_type.maximum_term is not None:
        latest = min(latest, later(began_on, list_type.maximum_term))
    if not term.effective_until < wanted <= latest:
        raise TermNotAllowed(
            Sentence(
                f"The new last day lies after {term.effective_until} and is {latest} at the latest",
                f"延长后的有效期止须晚于 {term.effective_until}，最晚为 {latest}",
            ),
            latest=latest.isoformat(),
        )
    return wanted
