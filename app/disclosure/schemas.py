"""Bodies of publications and withdrawals, and the lists of due work."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.http.request_bodies import RequestBody
from app.http.schemas import Day, Line, View
from app.rules.disclosure import Channel, DisclosureState, TakeDown
from app.rules.law import ListKind


class Publication(RequestBody):
    """The entry was published on a channel on a day."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "channel": "department_site",
                    "published_on": "2026-11-22",
                    "url": "https://example.org/notice/12",
                }
            ]
        }
    )

    channel: Channel
    published_on: Day
    url: Annotated[Line, Field(pattern=r"^https?://")] | None = None


class Withdrawal(RequestBody):
    """The entry was taken off a channel on a day."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"channel": "department_site", "withdrawn_on": "2026-11-22"}]
        }
    )

    channel: Channel
    withdrawn_on: Day


class DueView(View):
    """One entry with a duty to publish, open or fulfilled."""

    entry_id: UUID
    department: str
    list_type: str
    list_: Annotated[ListKind, Field(alias="list")]
    source_ref: str
    decision_number: str
    decided_on: Day
    deadline: Day
    provisional: bool
    working_days_left: int
    working_days_late: int
    missing: list[Channel]
    reported: Literal["on_time", "late"]
    state: DisclosureState


class DuePage(View):
    """A page of the list, the earliest deadline first."""

    on: Day
    disclosures: list[DueView]
    next: str | None


class ShownOn(View):
    """A channel that still shows an entry."""

    channel: Channel
    published_on: Day
    url: str | None


class TakeDownItem(View):
    """One entry that is still public although it may no longer be."""

    entry_id: UUID
    department: str
    list_type: str
    source_ref: str
    because: Literal["revoked", "repaired", "exited", "expired", "not_public"]
    since: Day
    due: Day
    state: TakeDown
    working_days_late: int
    channels: list[ShownOn]


class TakeDownPage(View):
    """A page of the list, the longest overdue first."""

    on: Day
    withdrawals: list[TakeDownItem]
    next: str | None
