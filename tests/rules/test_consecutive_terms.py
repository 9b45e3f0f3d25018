"""Consecutive terms of a subject on one list, their cap, and extensions."""

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.errors import TermNotAllowed
from app.rules.admission import Ruling
from app.rules.calendar import add_span
from app.rules.consecutive_terms import (
    apply_consecutive_cap,
    find_period_start,
    limit_last_day_to_cap,
    require_within_consecutive_cap,
    validate_extended_last_day,
)
from app.rules.law import DisclosureClass, Issuer, ListKind, ListType, Severity, Span, SubjectKind
from app.rules.status import Term

DAY = timedelta(days=1)
FIVE = Span(years=5)


def law(**changes: Any) -> ListType:
    facts: dict[str, Any] = {
        "code": "telecom_fraud.black",
        "domain": "telecom_fraud",
        "kind": ListKind.black,
        "name": "a list",
        "issuers": (Issuer(function="public_security"),),
        "subject_kinds": tuple(SubjectKind),
        "term": Span(years=3),
        "maximum_term": FIVE,
        "consecutive_cap": FIVE,
    }
    return ListType(**(facts | changes))


def ruling(first: date, last: date | None) -> Ruling:
    return Ruling(
        effective_from=first,
        effective_until=last,
        cap_ends_on=None,
        severity=Severity.general,
        disclosure_class=DisclosureClass.public,
    )


def term(first: date, last: date | None = None, **ends: Any) -> Term:
    return Term(effective_from=first, effective_until=last, **ends)


# --- the start of a period -----------------------------------------------

FIRST = term(date(2022, 1, 10), date(2024, 1, 10))
SECOND = term(date(2024, 1, 11), date(2026, 1, 11))
NEXT = date(2026, 1, 12)


def test_adjacent_terms_form_one_period_in_any_order() -> None:
    for others in permutations([FIRST, SECOND]):
        assert find_period_start(NEXT, others) == FIRST.effective_from


def test_one_free_day_ends_the_period() -> None:
    assert find_period_start(NEXT + DAY, [FIRST, SECOND]) == NEXT + DAY
    assert find_period_start(NEXT, [FIRST, term(date(2024, 1, 12), date(2026, 1, 11))]) == (
        date(2024, 1, 12)
    )


def test_an_overlapping_term_belongs_to_the_period() -> None:
    assert find_period_start(date(2025, 5, 1), [FIRST, SECOND]) == FIRST.effective_from
    assert find_period_start(date(2025, 5, 1), [term(date(2023, 1, 1))]) == date(2023, 1, 1)


def test_a_short_term_does_not_hide_a_long_one() -> None:
    long, short = (
        term(date(2020, 1, 1), date(2026, 12, 31)),
        term(date(2022, 1, 1), date(2023, 1, 1)),
    )
    for others in permutations([long, short]):
        assert find_period_start(NEXT, others) == date(2020, 1, 1)


@pytest.mark.parametrize("ends", ["exited_on", "revoked_on", "repaired_on", "cap_ends_on"])
def test_an_early_end_limits_the_period(ends: str) -> None:
    over = date(2026, 1, 12) - (DAY if ends == "cap_ends_on" else 0 * DAY)
    left = term(date(2024, 1, 11), date(2029, 1, 11), **{ends: over})
    assert find_period_start(NEXT, [left]) == date(2024, 1, 11)
    assert find_period_start(NEXT + DAY, [left]) == NEXT + DAY


def test_a_term_never_in_effect_does_not_count() -> None:
    void = term(date(2024, 1, 11), date(2026, 1, 11), void=True)
    at_once = term(date(2025, 1, 11), None, revoked_on=date(2025, 1, 11))
    before = term(date(2026, 1, 11), None, revoked_on=date(2025, 6, 1))
    assert find_period_start(NEXT, [void, at_once, before]) == NEXT


def test_a_later_term_does_not_start_the_period() -> None:
    assert find_period_start(NEXT, [term(NEXT), term(NEXT + DAY)]) == NEXT


DAYS = some.integers(0, 40).map(lambda number: date(2026, 1, 1) + timedelta(days=number))
TERMS = some.lists(
    some.builds(
        term,
        DAYS,
        some.none() | DAYS,
        revoked_on=some.none() | DAYS,
        repaired_on=some.none() | DAYS,
        void=some.booleans(),
    ),
    max_size=5,
)


@given(DAYS, TERMS)
def test_the_period_covers_days_with_an_entry_in_effect(first: date, others: list[Term]) -> None:
    def listed(on: date) -> bool:
        return any(
            not other.void
            and other.effective_from <= on
            and (other.ends_on is None or on < other.ends_on)
            for other in others
        )

    began = first
    while listed(began - DAY):
        began -= DAY
    assert find_period_start(first, others) == began


# --- the cap -------------------------------------------------------------


def test_a_list_without_a_cap_leaves_terms_as_they_are() -> None:
    free = law(consecutive_cap=None)
    asked = ruling(NEXT, date(2099, 1, 1))
    assert apply_consecutive_cap(asked, free, [FIRST, SECOND], is_last_day_given=True) is asked
    require_within_consecutive_cap(term(NEXT), free, [FIRST, SECOND])
    assert limit_last_day_to_cap(None, NEXT, free, [FIRST]) is None
    assert limit_last_day_to_cap(date(2099, 1, 1), NEXT, free, [FIRST]) == date(2099, 1, 1)


def test_the_cap_allows_its_last_day_and_not_the_next() -> None:
    latest = date(2027, 1, 10)
    for named in (False, True):
        asked = ruling(NEXT, latest)
        assert (
            apply_consecutive_cap(asked, law(), [FIRST, SECOND], is_last_day_given=named) is asked
        )
    require_within_consecutive_cap(term(NEXT, latest), law(), [FIRST, SECOND])
    with pytest.raises(TermNotAllowed) as refusal:
        apply_consecutive_cap(
            ruling(NEXT, latest + DAY), law(), [FIRST, SECOND], is_last_day_given=True
        )
    assert refusal.value.members["latest"] == "2027-01-10"
    with pytest.raises(TermNotAllowed) as refusal:
        require_within_consecutive_cap(term(NEXT, latest + DAY), law(), [FIRST, SECOND])
    assert refusal.value.members["latest"] == "2027-01-10"


def test_a_default_last_day_is_shortened() -> None:
    moved = apply_consecutive_cap(
        ruling(NEXT, date(2029, 1, 12)), law(), [FIRST, SECOND], is_last_day_given=False
    )
    assert (moved.effective_from, moved.effective_until) == (NEXT, date(2027, 1, 10))
    assert moved.severity is Severity.general


def test_an_open_term_gets_the_cap_or_is_refused() -> None:
    asked = ruling(NEXT, None)
    assert apply_consecutive_cap(
        asked, law(), [], is_last_day_given=False
    ).effective_until == add_span(NEXT, FIVE)
    for refuse in (
        lambda: apply_consecutive_cap(asked, law(), [], is_last_day_given=True),
        lambda: require_within_consecutive_cap(term(NEXT), law(), []),
    ):
        with pytest.raises(TermNotAllowed):
            refuse()


def test_a_used_cap_leaves_no_day() -> None:
    used_up = term(date(2021, 1, 11), date(2026, 1, 11))
    for named in (False, True):
        with pytest.raises(TermNotAllowed) as refusal:
            apply_consecutive_cap(ruling(NEXT, NEXT), law(), [used_up], is_last_day_given=named)
        assert refusal.value.members["latest"] == "2026-01-11"
    # With one day more, that day is left.
    almost = term(date(2021, 1, 12), date(2026, 1, 11))
    left = apply_consecutive_cap(
        ruling(NEXT, date(2029, 1, 12)), law(), [almost], is_last_day_given=False
    )
    assert left.effective_until == NEXT


def test_the_cap_may_end_on_the_last_day_of_a_month() -> None:
    first = term(date(2024, 2, 29), date(2027, 2, 28))
    moved = apply_consecutive_cap(
        ruling(date(2027, 3, 1), date(2030, 3, 1)), law(), [first], is_last_day_given=False
    )
    assert moved.effective_until == date(2029, 2, 28)


@pytest.mark.parametrize(
    ("last_day", "expected"),
    [
        (None, date(2027, 1, 10)),
        (date(2030, 1, 1), date(2027, 1, 10)),
        (date(2026, 6, 1), date(2026, 6, 1)),
    ],
)
def test_a_restored_term_ends_by_the_cap(last_day: date | None, expected: date) -> None:
    assert limit_last_day_to_cap(last_day, NEXT, law(), [FIRST, SECOND]) == expected


# --- extension -----------------------------------------------------------

EXTENDABLE = law(
    term=None, maximum_term=FIVE, open_term=True, extension=Span(years=3), consecutive_cap=None
)
RUNNING = term(date(2026, 3, 1), date(2028, 2, 29))


def extended(
    wanted: date, by: ListType = EXTENDABLE, running: Term = RUNNING, *, before: bool = False
) -> date:
    began = running.effective_from
    return validate_extended_last_day(running, wanted, by, was_extended=before, term_start=began)


def too_far(wanted: date, **more: Any) -> str | None:
    with pytest.raises(TermNotAllowed) as refusal:
        extended(wanted, **more)
    latest = refusal.value.members.get("latest")
    return None if latest is None else str(latest)


def test_a_term_is_extended_up_to_the_extension() -> None:
    assert extended(date(2028, 3, 1)) == date(2028, 3, 1)
    assert extended(date(2031, 2, 28)) == date(2031, 2, 28)  # three years later there is no 29th
    for wanted in (date(2031, 3, 1), date(2028, 2, 29), date(2028, 2, 28)):
        assert too_far(wanted) == "2031-02-28"


def test_a_term_is_not_extended_beyond_the_maximum() -> None:
    named_long = term(date(2026, 3, 1), date(2029, 3, 1))
    assert extended(date(2031, 3, 1), running=named_long) == date(2031, 3, 1)
    assert too_far(date(2031, 3, 2), running=named_long) == "2031-03-01"
    unbounded = law(maximum_term=None, extension=Span(years=3))
    assert extended(date(2032, 3, 1), unbounded, named_long) == date(2032, 3, 1)


def test_without_an_extension_no_latest_day_is_given() -> None:
    assert too_far(date(2029, 2, 28), by=law(extension=None)) is None
    assert too_far(date(2029, 2, 28), before=True) is None
    assert too_far(date(2029, 2, 28), running=term(date(2026, 3, 1))) is None
