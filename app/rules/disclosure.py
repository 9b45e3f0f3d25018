"""The duty to publish within 7 working days on each channel (枣文明委〔2019〕2号 三.3).

Reporting to the registry and publishing on a channel are separate facts. Of the deadline at the
time of a publication and the current deadline, the later one applies to it. So a calendar notice
never makes a publication late that was in time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from app.rules.calendar import Calendar
from app.rules.law import DisclosureClass
from app.rules.stored_json import StoredChannels, StoredPublication

DUE_SOON_WORKING_DAYS = 2
TAKE_DOWN_WORKING_DAYS = 3  # 行政处罚法 Art 48; 山东省社会信用条例 Art 40


class Channel(StrEnum):
    """The three publication channels of the plan."""

    department_site = "department_site"
    credit_china_zaozhuang = "credit_china_zaozhuang"
    enterprise_publicity_shandong = "enterprise_publicity_shandong"


class DisclosureState(StrEnum):
    """The state of the duty to publish, from best to worst."""

    not_required = "not_required"
    on_time = "on_time"
    pending = "pending"
    due_soon = "due_soon"
    late = "late"
    overdue = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPublication:
    """The publication of an entry on one channel.

    `applicable_deadline` is the deadline for its day (`judged_by` in the stored form).
    """

    required: bool
    published_on: date | None = None
    url: str | None = None
    recorded_at: str | None = None
    withdrawn_on: date | None = None
    applicable_deadline: date | None = None

    def fulfills_duty(self, ended_on: date | None) -> bool:
        """Return True where it was published, and not withdrawn before the entry ended."""
        if self.published_on is None:
            return False
        return self.withdrawn_on is None or (ended_on is not None and ended_on <= self.withdrawn_on)

    @property
    def is_late(self) -> bool:
        """True where it was published after its deadline."""
        return (
            self.published_on is not None
            and self.applicable_deadline is not None
            and self.published_on > self.applicable_deadline
        )

    @property
    def is_currently_published(self) -> bool:
        """True while the entry is on the channel."""
        return self.published_on is not None and self.withdrawn_on is None


Channels = Mapping[Channel, ChannelPublication]

# An export reads three channels for each entry, and most are equal.
_NOT_PUBLISHED = {required: ChannelPublication(required=required) for required in (True, False)}
_CHANNELS_BY_NAME = {channel.value: channel for channel in Channel}


class TakeDown(StrEnum):
    """The state of the duty to take down an entry that may no longer be public."""

    due = "due"
    overdue = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """The required channels: the day of the last publication, None until all have one."""

    published_on: date | None
    published_late: bool | None


def build_channels_for_codes(usccs: list[str]) -> dict[Channel, ChannelPublication]:
    """Return the unpublished channels of a new entry; enterprises also need the third channel."""
    return build_empty_channels(is_enterprise_subject=is_enterprise(usccs))


def is_enterprise(usccs: Iterable[str]) -> bool:
    """Return True where one of the codes belongs to an enterprise (it starts with 9)."""
    return any(code.startswith("9") for code in usccs)


def build_empty_channels(*, is_enterprise_subject: bool) -> dict[Channel, ChannelPublication]:
    """Return channels without a publication; enterprises also need the third channel."""
    return {
        channel: ChannelPublication(
            required=is_enterprise_subject or channel is not Channel.enterprise_publicity_shandong
        )
        for channel in Channel
    }


def is_published_on_any_channel(channels: Channels) -> bool:
    """Return True while the entry is on any channel, required or not."""
    return any(channel.is_currently_published for channel in channels.values())


def compute_take_down_deadline(first_day: date, calendar: Calendar) -> date:
    """Return the last day for taking down an entry that may not be public from `first_day` on."""
    return calendar.add_working_days(first_day, TAKE_DOWN_WORKING_DAYS).day


def find_latest_overdue_first_day(today: date, calendar: Calendar) -> date:
    """Return the latest first day with a take-down deadline before today; for the SQL twin."""
    first_day = today
    while compute_take_down_deadline(first_day, calendar) >= today:
        first_day -= timedelta(days=1)
    return first_day


def compute_fulfilment(channels: Channels, ended_on: date | None) -> Fulfilment:
    """Return the summary of required channels; `ended_on` is the first day after the entry."""
    required = [channel for channel in channels.values() if channel.required]
    days = [channel.published_on for channel in required if channel.fulfills_duty(ended_on)]
    if len(days) < len(required):
        return Fulfilment(published_on=None, published_late=None)
    return Fulfilment(
        published_on=max(day for day in days if day is not None),
        published_late=any(channel.is_late for channel in required),
    )


def apply_new_deadline(
    channels: Channels, deadline: date, *, keep_later_deadline: bool
) -> dict[Channel, ChannelPublication]:
    """Return the channels with a new deadline.

    With `keep_later_deadline` (after a calendar notice) each publication keeps the later of its old
    and its new deadline. Without it (after a correction of the decision day) the new one applies.
    """

    def update_publication(publication: ChannelPublication) -> ChannelPublication:
        if publication.applicable_deadline is None:
            return publication
        new_deadline = (
            max(publication.applicable_deadline, deadline) if keep_later_deadline else deadline
        )
        return replace(publication, applicable_deadline=new_deadline)

    return {channel: update_publication(publication) for channel, publication in channels.items()}


def compute_disclosure_state(
    *,
    disclosure_class: DisclosureClass,
    deadline: date,
    fulfilment: Fulfilment,
    ended_on: date | None,
    void: bool,
    day: date,
    calendar: Calendar,
) -> DisclosureState:
    """Return the state of the duty on a day: the worst state of the required channels.

    An entry that is void, or ended before its deadline, needs no publication any more. An entry
    that ended after its deadline stays overdue.
    SQL twin: `app/disclosure/store.py`.
    """
    if disclosure_class is not DisclosureClass.public or void:
        return DisclosureState.not_required
    if fulfilment.published_on is not None:
        return DisclosureState.late if fulfilment.published_late else DisclosureState.on_time
    if ended_on is not None and ended_on <= min(day, deadline):
        return DisclosureState.not_required
    return compute_unpublished_state(deadline, day, calendar)


def compute_unpublished_state(deadline: date, day: date, calendar: Calendar) -> DisclosureState:
    """Return the state of a channel without a publication."""
    if day > deadline:
        return DisclosureState.overdue
    if deadline <= calendar.find_last_day_within(day, DUE_SOON_WORKING_DAYS):
        return DisclosureState.due_soon
    return DisclosureState.pending


def parse_channels(stored: StoredChannels) -> dict[Channel, ChannelPublication]:
    """Return channels from their stored form."""
    return {_CHANNELS_BY_NAME[name]: _parse_publication(item) for name, item in stored.items()}


def _parse_publication(item: StoredPublication) -> ChannelPublication:
    if all(value is None for name, value in item.items() if name != "required"):
        return _NOT_PUBLISHED[item["required"]]
    return ChannelPublication(
        required=item["required"],
        published_on=_parse_day(item["published_on"]),
        url=item["url"],
        recorded_at=item["recorded_at"],
        withdrawn_on=_parse_day(item["withdrawn_on"]),
        applicable_deadline=_parse_day(item["judged_by"]),
    )


def serialize_channels(channels: Channels) -> StoredChannels:
    """Return channels in their stored form."""
    return {
        channel.value: {
            "required": item.required,
            "published_on": _format_day(item.published_on),
            "url": item.url,
            "recorded_at": item.recorded_at,
            "withdrawn_on": _format_day(item.withdrawn_on),
            "judged_by": _format_day(item.applicable_deadline),
        }
        for channel, item in channels.items()
    }


def _parse_day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _format_day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
