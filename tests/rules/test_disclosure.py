from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.calendar.notices import read_announced_years
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    Channel,
    ChannelPublication,
    DisclosureState,
    Fulfilment,
    apply_new_deadline,
    build_channels_for_codes,
    compute_disclosure_state,
    compute_fulfilment,
    compute_unpublished_state,
    parse_channels,
    serialize_channels,
)
from app.rules.law import DisclosureClass

SITE, CITY, ENTERPRISE = Channel
CALENDAR = Calendar({year.year: year for year in read_announced_years() if year.year <= 2026}, "1")
DEADLINE = date(2026, 10, 12)
"""The deadline of a decision of 2026-09-25, after the October holiday and a make-up Saturday."""
DAYS = some.dates(date(2026, 9, 25), date(2026, 11, 10))
NOT_YET = Fulfilment(published_on=None, published_late=None)


def day(number: int) -> date:
    return DEADLINE + timedelta(days=number)


def published(
    on: date | None, withdrawn: date | None = None, by: date = DEADLINE
) -> ChannelPublication:
    return ChannelPublication(
        required=True,
        published_on=on,
        withdrawn_on=withdrawn,
        applicable_deadline=None if on is None else by,
    )


def state(on: date, **changes: object) -> DisclosureState:
    facts: dict[str, object] = {
        "disclosure_class": DisclosureClass.public,
        "deadline": DEADLINE,
        "fulfilment": NOT_YET,
        "ended_on": None,
        "void": False,
        "calendar": CALENDAR,
    }
    return compute_disclosure_state(day=on, **(facts | changes))  # type: ignore[arg-type]


# --- channels ------------------------------------------------------------


@pytest.mark.parametrize(
    ("usccs", "enterprise"),
    [
        (["91370403MB000CT75T"], True),
        (["92370402MA3T00019X"], True),
        (["93370404MA3T000257"], True),
        (["51370400MJE100014P"], False),
        (["12370400MB2T000190"], False),
        (["N2370481MF3T00015N"], False),
        ([], False),
    ],
)
def test_the_enterprise_channel_is_required_for_uscc_9_only(
    usccs: list[str], *, enterprise: bool
) -> None:
    required = {channel: item.required for channel, item in build_channels_for_codes(usccs).items()}
    assert required == {SITE: True, CITY: True, ENTERPRISE: enterprise}


def test_new_channels_have_no_publication() -> None:
    assert all(
        item == ChannelPublication(required=item.required)
        for item in build_channels_for_codes(["91370403MB000CT75T"]).values()
    )


@given(
    some.dictionaries(
        some.sampled_from(Channel),
        some.builds(
            ChannelPublication,
            required=some.booleans(),
            published_on=some.none() | DAYS,
            url=some.none() | some.text(max_size=20),
            recorded_at=some.none() | some.just("2026-11-22T02:00:00.001Z"),
            withdrawn_on=some.none() | DAYS,
            applicable_deadline=some.none() | DAYS,
        ),
    )
)
def test_channels_survive_serialization(
    channels: dict[Channel, ChannelPublication],
) -> None:
    assert parse_channels(serialize_channels(channels)) == channels


# --- fulfilment ----------------------------------------------------------


def test_the_last_required_channel_fulfils_the_duty() -> None:
    channels = {SITE: published(day(-3)), CITY: published(day(-1))}
    expected = Fulfilment(published_on=day(-1), published_late=False)
    assert compute_fulfilment(channels, None) == expected


def test_a_publication_is_in_time_until_the_last_day() -> None:
    channels = {SITE: published(day(0)), CITY: published(day(0))}
    assert compute_fulfilment(channels, None).published_late is False
    channels[CITY] = published(day(1))
    assert compute_fulfilment(channels, None).published_late is True


def test_every_required_channel_is_needed() -> None:
    assert compute_fulfilment({SITE: published(day(-3)), CITY: published(None)}, None) == NOT_YET


def test_other_channels_do_not_count() -> None:
    late = ChannelPublication(required=False, published_on=day(5), applicable_deadline=DEADLINE)
    channels = {SITE: published(day(-1)), CITY: published(day(-2)), ENTERPRISE: late}
    expected = Fulfilment(published_on=day(-1), published_late=False)
    assert compute_fulfilment(channels, None) == expected
    assert compute_fulfilment(
        {SITE: published(None), CITY: published(day(-2)), ENTERPRISE: late}, None
    ) == (NOT_YET)


@pytest.mark.parametrize(
    ("ended_on", "fulfils"), [(None, False), (4, False), (3, True), (2, True), (-5, True)]
)
def test_a_withdrawal_before_the_end_undoes_a_publication(
    ended_on: int | None, *, fulfils: bool
) -> None:
    taken_down = published(day(-1), withdrawn=day(3))
    assert taken_down.fulfills_duty(None if ended_on is None else day(ended_on)) is fulfils


# --- a new deadline ------------------------------------------------------


@given(DAYS, DAYS, DAYS)
def test_a_notice_keeps_the_later_deadline(on: date, shown: date, new: date) -> None:
    before = {SITE: published(on, by=shown)}
    after = apply_new_deadline(before, new, keep_later_deadline=True)
    assert after[SITE].applicable_deadline == max(shown, new)
    assert after[SITE].is_late <= before[SITE].is_late


@given(DAYS, DAYS, DAYS)
def test_a_correction_uses_only_the_new_deadline(on: date, shown: date, new: date) -> None:
    [judged] = apply_new_deadline(
        {SITE: published(on, by=shown)}, new, keep_later_deadline=False
    ).values()
    assert judged.is_late is (on > new)


@pytest.mark.parametrize("grace", [False, True])
def test_a_channel_without_a_publication_gets_no_deadline(*, grace: bool) -> None:
    empty = {SITE: published(None)}
    assert apply_new_deadline(empty, day(9), keep_later_deadline=grace) == empty


# --- states --------------------------------------------------------------


def test_the_state_goes_from_pending_to_overdue() -> None:
    walk = {on: state(on) for on in (date(2026, 9, 25) + timedelta(days=n) for n in range(20))}
    # Days off from the 1st to the 7th; the 10th is a make-up Saturday, the 12th a Monday.
    assert [on for on, found in walk.items() if found is DisclosureState.due_soon] == [
        date(2026, 10, 9),
        date(2026, 10, 10),
        date(2026, 10, 11),
        date(2026, 10, 12),
    ]
    assert walk[date(2026, 10, 8)] is DisclosureState.pending
    assert walk[date(2026, 10, 13)] is DisclosureState.overdue


@given(DAYS)
def test_due_soon_means_two_working_days_or_less(on: date) -> None:
    left = CALENDAR.count_working_days_left(on, DEADLINE)
    if on > DEADLINE:
        expected = DisclosureState.overdue
    else:
        expected = DisclosureState.due_soon if left <= 2 else DisclosureState.pending
    assert compute_unpublished_state(DEADLINE, on, CALENDAR) is expected


@given(some.lists(some.none() | DAYS, min_size=3, max_size=3), DAYS)
def test_the_state_is_the_worst_of_the_required_channels(
    days: list[date | None], today: date
) -> None:
    days_so_far = [None if on is None or on > today else on for on in days]
    channels = dict(zip(Channel, map(published, days_so_far), strict=True))

    def one(publication: ChannelPublication) -> DisclosureState:
        if publication.published_on is None:
            return compute_unpublished_state(DEADLINE, today, CALENDAR)
        return DisclosureState.late if publication.is_late else DisclosureState.on_time

    order = list(DisclosureState)
    worst = max((one(item) for item in channels.values()), key=order.index)
    assert state(today, fulfilment=compute_fulfilment(channels, None)) is worst


@given(today=DAYS, on=some.none() | DAYS, late=some.booleans(), void=some.booleans())
def test_restricted_exempt_and_void_entries_have_no_duty(
    today: date, on: date | None, *, late: bool, void: bool
) -> None:
    done = Fulfilment(published_on=on, published_late=None if on is None else late)
    for kept in (DisclosureClass.restricted, DisclosureClass.exempt):
        found = state(today, disclosure_class=kept, fulfilment=done, void=void)
        assert found is DisclosureState.not_required
    assert state(today, fulfilment=done, void=True) is DisclosureState.not_required


def test_an_entry_that_ended_by_its_deadline_has_no_duty() -> None:
    for ended in (day(-4), day(0)):
        assert state(day(9), ended_on=ended) is DisclosureState.not_required
        assert state(ended, ended_on=ended) is DisclosureState.not_required
        assert state(ended - timedelta(days=1), ended_on=ended) is not DisclosureState.not_required


def test_an_entry_that_ended_after_its_deadline_stays_overdue() -> None:
    assert state(day(9), ended_on=day(1)) is DisclosureState.overdue


def test_a_publication_counts_after_the_end_of_the_entry() -> None:
    for late, expected in ((False, DisclosureState.on_time), (True, DisclosureState.late)):
        done = Fulfilment(published_on=day(-1), published_late=late)
        for ended in (day(-3), day(0), day(3)):
            assert state(day(30), fulfilment=done, ended_on=ended) is expected


def test_a_duty_never_gets_better_by_waiting() -> None:
    order = list(DisclosureState)
    for ended, late in product((None, day(1)), (None, False, True)):
        done = NOT_YET if late is None else Fulfilment(published_on=day(-9), published_late=late)
        walk = [state(day(number), fulfilment=done, ended_on=ended) for number in range(-17, 20)]
        positions = [order.index(found) for found in walk]
        assert positions == sorted(positions)
