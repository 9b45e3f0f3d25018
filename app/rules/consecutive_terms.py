"""Consecutive terms of a subject on one list: their cap, and extensions of a term.

Consecutive terms follow each other without a free day and form one period. The lengths are data
(`ListType.consecutive_cap`, `ListType.extension`). Sources: for the cap
电信网络诈骗及其关联违法犯罪联合惩戒办法, for extensions 法释〔2013〕17号 Art 2.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from app.errors import Sentence, TermNotAllowed
from app.rules.admission import Ruling
from app.rules.calendar import add_span
from app.rules.law import ListType
from app.rules.status import Term


def apply_consecutive_cap(
    ruling: Ruling, list_type: ListType, other_terms: Iterable[Term], *, is_last_day_given: bool
) -> Ruling:
    """Limit the last day of a ruling by the cap on consecutive terms.

    `other_terms` are the terms of the subject's other entries on the same list. A last day that
    the push gives is refused beyond the cap; a last day by the term of the list type is shortened.

    Raises:
        TermNotAllowed: the period would exceed the cap; gives the latest allowed last day.
    """
    if list_type.consecutive_cap is None:
        return ruling
    other_terms = [term for term in other_terms if _was_ever_in_effect(term)]
    period_start = find_period_start(ruling.effective_from, other_terms)
    latest = add_span(period_start, list_type.consecutive_cap)
    if not is_last_day_given and (
        ruling.effective_until is None or ruling.effective_until > latest
    ):
        ruling = replace(ruling, effective_until=latest)
    require_within_consecutive_cap(ruling.term, list_type, other_terms)
    return ruling


def require_within_consecutive_cap(
    term: Term, list_type: ListType, other_terms: Iterable[Term]
) -> None:
    """Raise where a term makes the subject's period on the list longer than the cap.

    Raises:
        TermNotAllowed: gives the latest allowed last day of the period.
    """
    if list_type.consecutive_cap is None:
        return
    other_terms = [other for other in other_terms if _was_ever_in_effect(other)]
    latest = add_span(
        find_period_start(term.effective_from, other_terms), list_type.consecutive_cap
    )
    day_after_period = find_day_after_period(term, other_terms)
    too_long = day_after_period is None or day_after_period > latest + timedelta(days=1)
    if too_long or latest < term.effective_from:
        raise TermNotAllowed(
            Sentence(
                f"Consecutive periods on this list end on {latest} at the latest",
                f"该名单连续列入期限最晚至 {latest}",
            ),
            latest=latest.isoformat(),
        )


def _was_ever_in_effect(term: Term) -> bool:
    """Return True where the term had at least one day in effect."""
    ended_at_once = term.ends_on is not None and term.ends_on <= term.effective_from
    return not term.void and not ended_at_once


def find_period_start(effective_from: date, other_terms: Iterable[Term]) -> date:
    """Return the first day of the period that a term from `effective_from` belongs to."""
    period_start = effective_from
    for term in sorted(
        filter(_was_ever_in_effect, other_terms), key=lambda term: term.effective_from, reverse=True
    ):
        is_adjacent = term.ends_on is None or term.ends_on >= period_start
        if is_adjacent and term.effective_from < period_start:
            period_start = term.effective_from
    return period_start


def find_day_after_period(term: Term, other_terms: Iterable[Term]) -> date | None:
    """Return the first day after the period of a term; None where the period is open."""
    day_after_period = term.ends_on
    for other in sorted(
        filter(_was_ever_in_effect, other_terms), key=lambda term: term.effective_from
    ):
        if day_after_period is None:
            return None
        reaches_beyond = other.ends_on is None or other.ends_on > day_after_period
        if other.effective_from <= day_after_period and reaches_beyond:
            day_after_period = other.ends_on
    return day_after_period


def limit_last_day_to_cap(
    last_day: date | None, effective_from: date, list_type: ListType, other_terms: Iterable[Term]
) -> date | None:
    """Return the last day, shortened to the cap on consecutive terms."""
    if list_type.consecutive_cap is None:
        return last_day
    latest = add_span(find_period_start(effective_from, other_terms), list_type.consecutive_cap)
    return latest if last_day is None else min(last_day, latest)


def validate_extended_last_day(
    term: Term,
    requested_last_day: date,
    list_type: ListType,
    *,
    was_extended: bool,
    term_start: date,
) -> date:
    """Return the requested last day if a decision may extend the term to it.

    `term_start` is the start of the term for its maximum length.

    Raises:
        TermNotAllowed: the list type allows no extension, the term is open, it was extended before,
            or the requested day is outside the allowed range.
    """
    if list_type.extension is None or term.effective_until is None or was_extended:
        raise TermNotAllowed(
            Sentence(
                "The term cannot be extended: the list type allows none, it is open, or it was"
                " extended before",
                "不能延长期限：该名单类型不允许延长、期限未定或已延长过",
            )
        )
    latest = add_span(term.effective_until, list_type.extension)
    if list_type.maximum_term is not None:
        latest = min(latest, add_span(term_start, list_type.maximum_term))
    if not term.effective_until < requested_last_day <= latest:
        raise TermNotAllowed(
            Sentence(
                f"The new last day lies after {term.effective_until} and is {latest} at the latest",
                f"延长后的有效期止须晚于 {term.effective_until}，最晚为 {latest}",
            ),
            latest=latest.isoformat(),
        )
    return requested_last_day
