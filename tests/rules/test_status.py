from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product

import pytest

from app.rules.law import ListKind
from app.rules.status import ENDED_STATUSES, Removal, Status, Term, compute_status

START = date(2026, 11, 20)


def day(number: int) -> date:
    return START + timedelta(days=number)


SPAN = [day(number) for number in range(-3, 12)]
LIST_KINDS = (ListKind.red, ListKind.black, ListKind.record)


def terms() -> Iterator[Term]:
    """Return terms with every order of the dated facts, on a few days."""
    ends = (None, *(day(number) for number in (0, 2, 5)))
    for starts, until, cap, exited, revoked, void in product(
        (day(0), day(3)), ends, ends, ends, ends, (False, True)
    ):
        yield Term(
            effective_from=starts,
            effective_until=until,
            cap_ends_on=cap,
            exited_on=exited,
            revoked_on=revoked,
            void=void,
        )


EVERY_TERM = list(terms())


def is_in_effect(term: Term, on: date) -> bool:
    """Return True where no fact ends the entry on that day; the simplest definition."""
    return (
        not term.void
        and term.effective_from <= on
        and (term.effective_until is None or on <= term.effective_until)
        and (term.cap_ends_on is None or on <= term.cap_ends_on)
        and (term.exited_on is None or on < term.exited_on)
        and (term.revoked_on is None or on < term.revoked_on)
    )


def status(term: Term, on: date, kind: ListKind = ListKind.black, *, black: bool = False) -> Status:
    return compute_status(term, kind, on, has_active_black_entry=black)


def test_an_entry_is_active_exactly_while_it_is_in_effect() -> None:
    for term, on in product(EVERY_TERM, SPAN):
        assert (status(term, on) is Status.active) is is_in_effect(term, on), (term, on)


def test_statuses_have_an_order() -> None:
    for term, on in product(EVERY_TERM, SPAN):
        if is_in_effect(term, on):
            continue
        taken_away = [end for end in (term.exited_on, term.revoked_on) if end and end <= on]
        if term.void or taken_away:
            expected = Status.removed
        elif term.last_day is not None and on > term.last_day:
            expected = Status.expired
        else:
            expected = Status.scheduled
        assert status(term, on) is expected, (term, on)


def test_only_a_red_entry_in_effect_is_suspended() -> None:
    for term, on, kind in product(EVERY_TERM, SPAN, LIST_KINDS):
        alone, beside_black = (status(term, on, kind, black=black) for black in (False, True))
        if kind is ListKind.red and alone is Status.active:
            assert beside_black is Status.suspended
        else:
            assert beside_black is alone


def test_an_ended_entry_stays_ended() -> None:
    for term in EVERY_TERM:
        statuses = [status(term, on) for on in SPAN]
        ended = [found in ENDED_STATUSES for found in statuses]
        assert ended == sorted(ended), term


def test_the_last_day_of_the_term_counts() -> None:
    term = Term(effective_from=day(0), effective_until=day(5))
    assert status(term, day(5)) is Status.active
    assert status(term, day(6)) is Status.expired


def test_a_term_may_have_one_day() -> None:
    term = Term(effective_from=day(0), effective_until=day(0))
    found = [status(term, day(number)) for number in (-1, 0, 1)]
    assert found == [Status.scheduled, Status.active, Status.expired]


def test_the_cap_ends_an_entry_before_its_term() -> None:
    term = Term(effective_from=day(0), effective_until=day(9), cap_ends_on=day(5))
    assert status(term, day(5)) is Status.active
    assert status(term, day(6)) is Status.expired


def test_the_cap_ends_an_open_term() -> None:
    assert status(Term(effective_from=day(0), cap_ends_on=day(5)), day(6)) is Status.expired


def test_exit_and_revocation_end_the_entry_on_their_day() -> None:
    for ended in (
        Term(effective_from=day(0), exited_on=day(5)),
        Term(effective_from=day(0), revoked_on=day(5)),
    ):
        assert status(ended, day(4)) is Status.active
        assert status(ended, day(5)) is Status.removed


def test_a_void_entry_is_never_in_effect() -> None:
    term = Term(effective_from=day(3), revoked_on=day(5), void=True)
    assert {status(term, on) for on in SPAN} == {Status.removed}


@pytest.mark.parametrize(
    ("exited", "revoked", "on", "expected"),
    [
        (None, None, 9, None),
        (5, None, 4, None),
        (5, None, 5, Removal.exited),
        (None, 5, 5, Removal.revoked),
        (3, 5, 4, Removal.exited),
        (3, 5, 5, Removal.revoked),
        (5, 3, 3, Removal.revoked),
        (5, 3, 9, Removal.revoked),
    ],
)
def test_a_revocation_comes_before_an_exit(
    exited: int | None, revoked: int | None, on: int, expected: Removal | None
) -> None:
    term = Term(
        effective_from=day(0),
        exited_on=None if exited is None else day(exited),
        revoked_on=None if revoked is None else day(revoked),
    )
    assert term.find_removal_on(day(on)) is expected


def test_the_end_is_the_first_day_after_the_entry() -> None:
    for term in EVERY_TERM:
        if term.void:
            continue
        over = [on for on in SPAN if status(term, on) in ENDED_STATUSES]
        begun = [on for on in over if on >= term.effective_from or term.find_removal_on(on)]
        if term.ends_on is None:
            assert not over
        elif term.ends_on >= term.effective_from:
            assert begun[0] == term.ends_on, term


def test_terms_overlap_where_they_share_a_day() -> None:
    standing = [term for term in EVERY_TERM if not term.void]
    days = {id(term): {on for on in SPAN if is_in_effect(term, on)} for term in standing}
    for one, other in product(standing[::3], standing[::5]):
        assert one.overlaps(other) is bool(days[id(one)] & days[id(other)]), (one, other)
        assert one.overlaps(other) is other.overlaps(one)


def test_terms_that_meet_end_to_start_do_not_overlap() -> None:
    first = Term(effective_from=day(0), effective_until=day(4))
    assert not first.overlaps(Term(effective_from=day(5)))
    assert first.overlaps(Term(effective_from=day(4)))


def test_an_exit_on_the_next_start_leaves_no_overlap() -> None:
    left = Term(effective_from=day(0), exited_on=day(5))
    assert not left.overlaps(Term(effective_from=day(5), effective_until=day(9)))


def test_open_terms_always_overlap() -> None:
    assert Term(effective_from=day(0)).overlaps(Term(effective_from=date(2199, 1, 1)))
