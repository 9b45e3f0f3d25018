"""The status of repaired entries, and of entries with a withdrawn repair, by enumeration."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product

import pytest

from app.rules.law import ListKind
from app.rules.status import Removal, Status, Term, compute_status

START = date(2026, 11, 20)


def day(number: int) -> date:
    return START + timedelta(days=number)


SPAN = [day(number) for number in range(-2, 14)]
GAPS = [
    (None, None),
    (day(2), day(2)),  # repaired and restored on one day
    (day(2), day(3)),
    (day(1), day(6)),
]


def terms() -> Iterator[Term]:
    """Return repaired terms, and lapsed and restored ones, with every other end."""
    some_days = (None, day(4), day(8))
    for until, exited, revoked, repaired, (since, back), void in product(
        (None, day(10)), some_days, some_days, (None, day(7), day(8)), GAPS, (False, True)
    ):
        yield Term(
            effective_from=day(0),
            effective_until=until,
            exited_on=exited,
            revoked_on=revoked,
            repaired_on=repaired,
            lapsed_from=since,
            lapsed_until=back,
            void=void,
        )


EVERY_TERM = list(terms())


def lapsed(term: Term, on: date) -> bool:
    since, back = term.lapsed_from, term.lapsed_until
    return since is not None and back is not None and since <= on < back


def is_in_effect(term: Term, on: date) -> bool:
    """Return True where no fact ends the entry on that day; the simplest definition."""
    ends = (term.exited_on, term.revoked_on, term.repaired_on)
    return (
        not term.void
        and term.effective_from <= on
        and (term.effective_until is None or on <= term.effective_until)
        and all(end is None or on < end for end in ends)
        and not lapsed(term, on)
    )


def status(term: Term, on: date, kind: ListKind = ListKind.black, *, black: bool = False) -> Status:
    return compute_status(term, kind, on, has_active_black_entry=black)


def test_an_entry_is_active_exactly_while_it_is_in_effect() -> None:
    for term, on in product(EVERY_TERM, SPAN):
        assert (status(term, on) is Status.active) is is_in_effect(term, on), (term, on)


def test_causes_of_removal_have_an_order() -> None:
    for term, on in product(EVERY_TERM, SPAN):
        if term.void or (term.revoked_on is not None and term.revoked_on <= on):
            expected = Removal.revoked
        elif (term.repaired_on is not None and term.repaired_on <= on) or lapsed(term, on):
            expected = Removal.repaired
        elif term.exited_on is not None and term.exited_on <= on:
            expected = Removal.exited
        else:
            expected = None
        assert term.find_removal_on(on) is expected, (term, on)
        assert (status(term, on) is Status.removed) is (expected is not None)


def test_repair_ends_the_entry_on_its_day() -> None:
    term = Term(effective_from=day(0), repaired_on=day(5))
    assert [status(term, day(number)) for number in (4, 5, 6)] == [
        Status.active,
        Status.removed,
        Status.removed,
    ]
    assert term.ends_on == day(5)


def test_a_lapsed_entry_is_in_effect_before_and_after() -> None:
    term = Term(
        effective_from=day(0), effective_until=day(9), lapsed_from=day(2), lapsed_until=day(4)
    )
    found = [status(term, day(number)) for number in range(-1, 11)]
    stood, gone = Status.active, Status.removed
    assert found == [Status.scheduled, *[stood] * 2, *[gone] * 2, *[stood] * 6, Status.expired]
    assert term.ends_on == day(10)


def test_a_repair_withdrawn_on_its_day_leaves_no_gap() -> None:
    term = Term(effective_from=day(0), lapsed_from=day(2), lapsed_until=day(2))
    assert {status(term, on) for on in SPAN if on >= day(0)} == {Status.active}


def test_an_incomplete_gap_is_ignored() -> None:
    for term in (
        Term(effective_from=day(0), lapsed_from=day(2)),
        Term(effective_from=day(0), lapsed_until=day(2)),
    ):
        assert {status(term, on) for on in SPAN if on >= day(0)} == {Status.active}


def test_only_a_revocation_comes_before_a_lapse() -> None:
    gap = {"effective_from": day(0), "lapsed_from": day(2), "lapsed_until": day(6)}
    assert Term(**gap, revoked_on=day(4)).find_removal_on(day(4)) is Removal.revoked
    assert Term(**gap, exited_on=day(4)).find_removal_on(day(4)) is Removal.repaired
    assert Term(**gap, exited_on=day(4)).find_removal_on(day(6)) is Removal.exited


def test_a_lapsed_black_entry_suspends_no_red_entry() -> None:
    black = Term(effective_from=day(0), lapsed_from=day(2), lapsed_until=day(5))
    red = Term(effective_from=day(0))
    for on in SPAN:
        active = status(black, on) is Status.active
        expected = Status.suspended if active else Status.active
        if on >= day(0):
            assert status(red, on, ListKind.red, black=active) is expected
            assert active is not (day(2) <= on < day(5))


@pytest.mark.parametrize("kind", ListKind)
def test_repair_ends_every_kind_of_entry(kind: ListKind) -> None:
    for term, on in product(EVERY_TERM[::7], SPAN):
        alone = status(term, on, kind)
        assert alone is status(term, on)
        beside_black = status(term, on, kind, black=True)
        suspended = kind is ListKind.red and alone is Status.active
        assert beside_black is (Status.suspended if suspended else alone)


def test_the_end_is_the_first_day_of_the_final_end() -> None:
    for term in EVERY_TERM:
        if term.void:
            continue
        later = [on for on in SPAN if on >= term.effective_from]
        stood = [on for on in later if is_in_effect(term, on)]
        if term.ends_on is None:
            assert stood[-1] == SPAN[-1]
        elif not lapsed(term, term.ends_on - timedelta(days=1)):
            assert stood[-1] == term.ends_on - timedelta(days=1), term


def test_a_repaired_term_overlaps_only_before_its_repair() -> None:
    repaired = Term(effective_from=day(0), repaired_on=day(5))
    assert repaired.overlaps(Term(effective_from=day(4)))
    assert not repaired.overlaps(Term(effective_from=day(5)))
