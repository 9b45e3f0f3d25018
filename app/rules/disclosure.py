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
class Publication:
    """What is known of one channel; `judged_by` is the deadline that its day is held against."""

    required: bool
    published_on: date | None = None
    url: str | None = None
    recorded_at: str | None = None
    withdrawn_on: date | None = None
    judged_by: date | None = None

    def stands(self, ended_on: date | None) -> bool:
        """Tell whether it fulfilled the duty: withdrawn only once the entry itself had ended."""
        if self.published_on is None:
            return False
        return self.withdrawn_on is None or (ended_on is not None and ended_on <= self.withdrawn_on)

    @property
    def late(self) -> bool:
        """True where it was published after the day that it is judged by."""
        return (
            self.published_on is not None
            and self.judged_by is not None
            and self.published_on > self.judged_by
        )

    @property
    def on_show(self) -> bool:
        """True while it can be read there."""
        return self.published_on is not None and self.withdrawn_on is None


Channels = Mapping[Channel, Publication]

# An export reads three of them for each entry, most of them the same.
_NOT_PUBLISHED = {required: Publication(required=required) for required in (True, False)}
_CHANNELS = {channel.value: channel for channel in Channel}


class TakeDown(StrEnum):
    """Where the duty to take an entry down stands, once it may not be public any more."""

    due = "due"
    overdue = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """The channels summed up: the day the last required one was published, and whether late."""

    published_on: date | None
    published_late: bool | None


def channels_for(usccs: list[str]) -> dict[Channel, Publication]:
    """The empty channels of a new entry; enterprises (USCC 9…) also go to the third one."""
    return empty_channels(enterprise=is_enterprise(usccs))


def is_enterprise(usccs: Iterable[str]) -> bool:
    """Tell whether one of the codes is an enterprise's."""
    return any(code.startswith("9") for code in usccs)


def empty_channels(*, enterprise: bool) -> dict[Channel, Publication]:
    """The channels on which nothing is published yet."""
    return {
        channel: Publication(
            required=enterprise or channel is not Channel.enterprise_publicity_shandong
        )
        for channel in Channel
    }


def on_show(channels: Channels) -> bool:
    """Tell whether the entry can be read on any channel, required or not."""
    return any(channel.on_show for channel in channels.values())


def take_down_by(first: date, calendar: Calendar) -> date:
    """The last day for taking an entry down that may not be public from `first` on."""
    return calendar.add_working_days(first, TAKE_DOWN_WORKING_DAYS).day


def overdue_since(today: date, calendar: Calendar) -> date:
    """The latest first day whose time for taking down is over by today; for the SQL twin."""
    first = today
    while take_down_by(first, calendar) >= today:
        first -= timedelta(days=1)
    return first


def fulfilment(channels: Channels, ended_on: date | None) -> Fulfilment:
    """Sum the required channels up; `ended_on` is the first day the entry was over, if any."""
    required = [channel for channel in channels.values() if channel.required]
    days = [channel.published_on for channel in required if channel.stands(ended_on)]
    if len(days) < len(required):
        return Fulfilment(published_on=None, published_late=None)
    return Fulfilment(
        published_on=max(day for day in days if day is not None),
        published_late=any(channel.late for channel in required),
    )


def rejudged(channels: Channels, deadline: date, *, grace: bool) -> dict[Channel, Publication]:
    """The channels held against a new deadline.

    With `grace` (a calendar notice) each keeps the later of its old and the new one; without (the
    decision day itself was wrong) the new one alone counts.
    """

    def judge(publication: Publication) -> Publication:
        if publication.judged_by is None:
            return publication
        by = max(publication.judged_by, deadline) if grace else deadline
        return replace(publication, judged_by=by)

    return {channel: judge(publication) for channel, publication in channels.items()}


def state_on(
    *,
    disclosure_class: DisclosureClass,
    deadline: date,
    fulfilled: Fulfilment,
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
    if fulfilled.published_on is not None:
        return DisclosureState.late if fulfilled.published_late else DisclosureState.on_time
    if ended_on is not None and ended_on <= min(day, deadline):
        return DisclosureState.not_required
    return open_state(deadline, day, calendar)


def open_state(deadline: date, day: date, calendar: Calendar) -> DisclosureState:
    """The state of a channel that was not yet published."""
    if day > deadline:
        return DisclosureState.overdue
    if deadline <= calendar.last_day_within(day, DUE_SOON_WORKING_DAYS):
        return DisclosureState.due_soon
    return DisclosureState.pending


def read_channels(stored: Mapping[str, Any]) -> dict[Channel, Publication]:
    """Channels from their stored form."""
    return {_CHANNELS[name]: _publication(item) for name, item in stored.items()}


def _publication(item: Mapping[str, Any]) -> Publication:
    if all(value is None for name, value in item.items() if name != "required"):
        return _NOT_PUBLISHED[item["required"]]
    return Publication(
        required=item["required"],
        published_on=_day(item["published_on"]),
        url=item["url"],
        recorded_at=item["recorded_at"],
        withdrawn_on=_day(item["withdrawn_on"]),
        judged_by=_day(item["judged_by"]),
    )


def write_channels(channels: Channels) -> dict[str, Any]:
    """Channels in their stored form."""
    return {
        channel.value: {
            "required": item.required,
            "published_on": _text(item.published_on),
            "url": item.url,
            "recorded_at": item.recorded_at,
            "withdrawn_on": _text(item.withdrawn_on),
            "judged_by": _text(item.judged_by),
        }
        for channel, item in channels.items()
    }


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
