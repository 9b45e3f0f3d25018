"""The duty to publish within 7 working days, channel by channel (枣文明委〔2019〕2号 三.3).

Reported (to the registry) and published (on a channel) are kept apart. A publication is judged by
the later of the deadline that was shown when it was made and the present one, so that a calendar
notice never makes a punctual department late after the fact.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from app.rules.calendar import Calendar
from app.rules.law import DisclosureClass

DUE_SOON_WORKING_DAYS = 2
TAKE_DOWN_WORKING_DAYS = 3  # 行政处罚法 Art 48; 山东省社会信用条例 Art 40


class Channel(StrEnum):
    """The three places that the plan names."""

    department_site = "department_site"
    credit_china_zaozhuang = "credit_china_zaozhuang"
    enterprise_publicity_shandong = "enterprise_publicity_shandong"


class DisclosureState(StrEnum):
    """Where the duty stands, from best to worst."""

    not_required = "not_required"
    on_time = "on_time"
    pending = "pending"
    due_soon = "due_soon"
    late = "late"
    overdue = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPublication:
    """What is known of one channel; `judged_by` is the deadline that its day is held against."""

    required: bool
    published_on: date | None = None
    url: str | None = None
    recorded_at: str | None = None
    withdrawn_on: date | None = None
    applicable_deadline: date | None = None

    def fulfills_duty(self, ended_on: date | None) -> bool:
        """Tell whether it fulfilled the duty: withdrawn only once the entry itself had ended."""
        if self.published_on is None:
            return False
        return self.withdrawn_on is None or (ended_on is not None and ended_on <= self.withdrawn_on)

    @property
    def is_late(self) -> bool:
        """True where it was published after the day that it is judged by."""
        return (
            self.published_on is not None
            and self.applicable_deadline is not None
            and self.published_on > self.applicable_deadline
        )

    @property
    def is_currently_published(self) -> bool:
        """True while it can be read there."""
        return self.published_on is not None and self.withdrawn_on is None


Channels = Mapping[Channel, ChannelPublication]

# An export reads three of them for each entry, most of them the same.
_NOT_PUBLISHED = {required: ChannelPublication(required=required) for required in (True, False)}
_CHANNELS_BY_NAME = {channel.value: channel for channel in Channel}


class TakeDown(StrEnum):
    """Where the duty to take an entry down stands, once it may not be public any more."""

    due = "due"
    overdue = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """The channels summed up: the day the last required one was published, and whether late."""

    published_on: date | None
    published_late: bool | None


def build_channels_for_codes(usccs: list[str]) -> dict[Channel, ChannelPublication]:
    """The empty channels of a new entry; enterprises (USCC 9…) also go to the third one."""
    return build_empty_channels(is_enterprise_subject=is_enterprise(usccs))


def is_enterprise(usccs: Iterable[str]) -> bool:
    """Tell whether one of the codes is an enterprise's."""
    return any(code.startswith("9") for code in usccs)


def build_empty_channels(*, is_enterprise_subject: bool) -> dict[Channel, ChannelPublication]:
    """The channels on which nothing is published yet."""
    return {
        channel: ChannelPublication(
            required=is_enterprise_subject or channel is not Channel.enterprise_publicity_shandong
        )
        for channel in Channel
    }


def is_published_on_any_channel(channels: Channels) -> bool:
    """Tell whether the entry can be read on any channel, required or not."""
    return any(channel.is_currently_published for channel in channels.values())


def compute_take_down_deadline(first_day: date, calendar: Calendar) -> date:
    """The last day for taking an entry down that may not be public from `first` on."""
    return calendar.add_working_days(first_day, TAKE_DOWN_WORKING_DAYS).day


def find_latest_overdue_first_day(today: date, calendar: Calendar) -> date:
    """The latest first day whose time for taking down is over by today; for the SQL twin."""
    first_day = today
    while compute_take_down_deadline(first_day, calendar) >= today:
        first_day -= timedelta(days=1)
    return first_day


def compute_fulfilment(channels: Channels, ended_on: date | None) -> Fulfilment:
    """Sum the required channels up; `ended_on` is the first day the entry was over, if any."""
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
    """The channels held against a new deadline.

    With `grace` (a calendar notice) each keeps the later of its old and the new one; without (the
    decision day itself was wrong) the new one alone counts.
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
    """The state of the duty on a day: the worst of the required channels.

    An entry that ended before its deadline, or never stood, need not be published any more; one
    that ended after it stays overdue in the record, for the duty was missed.
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
    """The state of a channel that was not yet published."""
    if day > deadline:
        return DisclosureState.overdue
    if deadline <= calendar.find_last_day_within(day, DUE_SOON_WORKING_DAYS):
        return DisclosureState.due_soon
    return DisclosureState.pending


def parse_channels(stored: Mapping[str, Any]) -> dict[Channel, ChannelPublication]:
    """Channels from their stored form."""
    return {_CHANNELS_BY_NAME[name]: _parse_publication(item) for name, item in stored.items()}


def _parse_publication(item: Mapping[str, Any]) -> ChannelPublication:
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


def serialize_channels(channels: Channels) -> dict[str, Any]:
    """Channels in their stored form."""
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
