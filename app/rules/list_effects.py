"""Effects of red lists, black lists and records on their subjects, as one table."""

from collections.abc import Mapping
from typing import NamedTuple

from app.rules.law import ListKind, MeasureKind, Severity


class ListEffects(NamedTuple):
    """Effects of one kind of list.

    Attributes:
        measure_kind: the kind of measures that follow; None where an entry brings no measures.
        gives_standing: an active entry decides the standing of its subject.
        suspends_red: an active entry suspends red entries of the subject and bars new ones.
        is_suspended_by_black: the opposite side of `suspends_red`.
        has_five_year_cap: the entry ends 5 years after the conduct (山东省社会信用条例 Art 38).
        is_repairable: repair can end the entry before its term.
        needs_conduct_end: a push gives the end of the conduct, or that it continues.
        term_is_maximum: without a maximum term, the term of the list type is the maximum.
        default_severity: the class of an entry where neither push nor list type gives one.
    """

    measure_kind: MeasureKind | None
    gives_standing: bool
    suspends_red: bool
    is_suspended_by_black: bool
    has_five_year_cap: bool
    is_repairable: bool
    needs_conduct_end: bool
    term_is_maximum: bool
    default_severity: Severity | None


LIST_EFFECTS: Mapping[ListKind, ListEffects] = {
    ListKind.red: ListEffects(
        measure_kind=MeasureKind.reward,
        gives_standing=True,
        suspends_red=False,
        is_suspended_by_black=True,
        has_five_year_cap=False,
        is_repairable=False,
        needs_conduct_end=False,
        term_is_maximum=False,
        default_severity=None,
    ),
    ListKind.black: ListEffects(
        measure_kind=MeasureKind.punishment,
        gives_standing=True,
        suspends_red=True,
        is_suspended_by_black=False,
        has_five_year_cap=True,
        is_repairable=True,
        needs_conduct_end=True,
        term_is_maximum=True,
        default_severity=Severity.serious,
    ),
    ListKind.record: ListEffects(
        measure_kind=None,
        gives_standing=False,
        suspends_red=False,
        is_suspended_by_black=False,
        has_five_year_cap=True,
        is_repairable=True,
        needs_conduct_end=False,
        term_is_maximum=False,
        default_severity=None,
    ),
}
