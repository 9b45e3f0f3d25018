"""The deadline of 7 working days: days, states, required channels."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.rules.law import DisclosureClass
from app.rules.permissions import Role
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_decision,
    build_organisation,
    build_penalty_changes,
    build_person,
    build_publication,
    build_push,
    build_red_changes,
)
from tests.support.world import World

VECTORS: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "deadlines.json").read_text(encoding="utf-8")
)["cases"]
CHANNELS = ("department_site", "credit_china_zaozhuang", "enterprise_publicity_shandong")


def deadline(world: World, decided_on: str) -> dict[str, Any]:
    answer = world.api().get("/v1/calendar/deadline", params={"decided_on": decided_on})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def clock_of(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    answer = world.api("auditor").get(f"/v1/entries/{entry['id']}")
    return dict(answer.json()["disclosure"])


def record_publications(world: World, entry: dict[str, Any], on: str, *channels: str) -> None:
    for channel in channels:
        sent = build_publication(on, channel)
        answer = world.api().post(f"/v1/entries/{entry['id']}/disclosures", json=sent)
        assert answer.status_code == 200, answer.text


# --- deadlines -----------------------------------------------------------


def test_every_vector_has_its_deadline(world: World) -> None:
    for vector in VECTORS:
        assert deadline(world, vector["decided_on"]) == {
            **vector,
            "working_days": 7,
            "provisional": False,
            "calendar_version": "1",
        }


def test_a_deadline_that_runs_into_a_year_without_a_notice_is_provisional(world: World) -> None:
    assert not deadline(world, "2026-12-22")["provisional"]
    assert not deadline(world, "2004-02-03")["provisional"]
    for decided_on in ("2026-12-23", "2026-12-31", "2027-06-01", "2030-01-01", "2199-12-31"):
        assert deadline(world, decided_on)["provisional"], decided_on
    # New Year's Day is a holiday by statute, with any notice.
    assert deadline(world, "2026-12-23")["deadline"] == "2027-01-04"


FAULTY = [
    ({}, "missing"),
    ({"decided_on": ""}, "invalid_date"),
    ({"decided_on": "2026-02-30"}, "invalid_date"),
    ({"decided_on": "2026-2-3"}, "invalid_date"),
    ({"decided_on": "20261120"}, "invalid_date"),
    ({"decided_on": "2026-11-20T00:00:00"}, "invalid_date"),
    ({"decided_on": "1795132800"}, "invalid_date"),
    ({"decided_on": "2200-01-01"}, "date_out_of_range"),
    ({"decided_on": "1949-09-30"}, "date_out_of_range"),
]


def test_an_impossible_day_is_refused_with_a_pointer(world: World) -> None:
    for query, code in FAULTY:
        answer = world.api().get("/v1/calendar/deadline", params=query)
        assert answer.status_code == 422
        [fault] = answer.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("?decided_on", code), query


def test_any_key_may_read_a_deadline_and_no_key_may_not(world: World) -> None:
    asked = {"decided_on": "2026-11-20"}
    for role in Role:
        answer = world.api(role.value).get("/v1/calendar/deadline", params=asked)
        assert answer.status_code == 200
    with world.client(None) as nobody:
        assert nobody.get("/v1/calendar/deadline", params=asked).status_code == 401


# --- states --------------------------------------------------------------


def test_the_state_changes_as_days_pass(world: World) -> None:
    entry = world.record()
    walk = {}
    for number in range(14):
        on = date(2026, 11, 20) + timedelta(days=number)
        if on >= date(2026, 11, 22):
            world.clock.set_day(on)
            walk[on.isoformat()] = clock_of(world, entry)["state"]
    assert walk == {
        **dict.fromkeys([f"2026-11-{day}" for day in range(22, 27)], "pending"),
        **dict.fromkeys([f"2026-11-{day}" for day in range(27, 31)], "due_soon"),
        "2026-12-01": "due_soon",
        "2026-12-02": "overdue",
        "2026-12-03": "overdue",
    }


def test_published_on_all_channels_in_time_stays_on_time(world: World) -> None:
    entry = world.record()
    world.clock.set_day(date(2026, 12, 1))
    record_publications(world, entry, "2026-11-23", CHANNELS[0])
    record_publications(world, entry, "2026-12-01", CHANNELS[1])
    assert clock_of(world, entry)["state"] == "due_soon"
    record_publications(world, entry, "2026-12-01", CHANNELS[2])
    assert clock_of(world, entry)["state"] == "on_time"
    world.clock.set_day(date(2027, 3, 1))
    assert clock_of(world, entry)["state"] == "on_time"


def test_one_channel_that_is_a_day_late_makes_the_entry_late(world: World) -> None:
    entry = world.record()
    world.clock.set_day(date(2026, 12, 2))
    record_publications(world, entry, "2026-12-01", *CHANNELS[:2])
    shown = clock_of(world, entry)
    assert shown["state"] == "overdue"
    assert [item["state"] for item in shown["channels"]] == ["on_time", "on_time", "overdue"]
    record_publications(world, entry, "2026-12-02", CHANNELS[2])
    shown = clock_of(world, entry)
    assert shown["state"] == "late"
    assert [item["state"] for item in shown["channels"]] == ["on_time", "on_time", "late"]


def test_a_publication_reported_after_the_deadline_is_judged_by_its_own_day(world: World) -> None:
    entry = world.record()
    world.clock.set_day(date(2026, 12, 20))
    assert clock_of(world, entry)["state"] == "overdue"
    record_publications(world, entry, "2026-12-01", *CHANNELS)
    assert clock_of(world, entry)["state"] == "on_time"


def test_reported_and_published_are_separate(world: World) -> None:
    in_time = world.record(source_ref="in time", subject=build_organisation(1))
    world.clock.set_day(date(2026, 12, 1))
    last_day = world.record(source_ref="last day", subject=build_organisation(2))
    world.clock.set_day(date(2026, 12, 2))
    late = world.record(source_ref="late", subject=build_organisation(3))
    reported = [entry["disclosure"]["reported"] for entry in (in_time, last_day, late)]
    assert reported == ["on_time", "on_time", "late"]
    record_publications(world, late, "2026-11-30", *CHANNELS)
    shown = clock_of(world, late)
    assert (shown["reported"], shown["state"]) == ("late", "on_time")


def test_the_civil_day_of_zaozhuang_decides(world: World) -> None:
    entry = world.record()
    # 17:00 UTC of the last day is one in the morning of the next in Zaozhuang.
    world.clock.instant = world.clock.instant.replace(month=12, day=1, hour=15, minute=59)
    assert clock_of(world, entry)["state"] == "due_soon"
    world.clock.instant = world.clock.instant.replace(hour=17)
    assert clock_of(world, entry)["state"] == "overdue"


def test_a_deadline_at_the_end_of_the_year_is_provisional(
    world: World,
) -> None:
    world.clock.set_day(date(2026, 12, 28))
    settled = world.record(
        decision=build_decision("2026-12-22"), effective_from=None, source_ref="a"
    )
    open_end = world.record(
        decision=build_decision("2026-12-23"),
        effective_from=None,
        source_ref="b",
        subject=build_organisation(1),
    )
    shown = [
        (entry["disclosure"]["deadline"], entry["disclosure"]["provisional"])
        for entry in (settled, open_end)
    ]
    assert shown == [("2026-12-31", False), ("2027-01-04", True)]


# --- what is required ----------------------------------------------------


def test_only_a_uscc_of_an_enterprise_requires_the_enterprise_channel(
    world: World,
) -> None:
    for serial, (prefix, kind, enterprise) in enumerate(
        (
            ("91370403", "legal_person", True),
            ("92370403", "individual_business", True),
            ("93370404", "legal_person", True),
            ("51370400", "legal_person", False),
            ("12370400", "legal_person", False),
            ("N2370481", "legal_person", False),
            ("A1370400", "legal_person", False),
        )
    ):
        subject = build_organisation(serial, prefix) | {"kind": kind}
        entry = world.record(subject=subject, source_ref=prefix)
        required = {item["channel"]: item["required"] for item in entry["disclosure"]["channels"]}
        assert required == {CHANNELS[0]: True, CHANNELS[1]: True, CHANNELS[2]: enterprise}
        record_publications(world, entry, "2026-11-22", *CHANNELS[:2])
        assert clock_of(world, entry)["state"] == ("pending" if enterprise else "on_time")


def test_a_person_on_a_published_list_is_due_on_two_channels(world: World) -> None:
    entry = world.record(subject=build_person(PERSON_RESIDENT_ID), responsible_persons=None)
    shown = entry["disclosure"]
    assert (shown["class"], shown["state"]) == ("public", "pending")
    assert [item["required"] for item in shown["channels"]] == [True, True, False]


EXEMPT = {"class": "exempt", "exemption": "trade_secret", "basis": "反不正当竞争法第十条"}


@pytest.mark.parametrize("sent", [{"class": "restricted"}, EXEMPT])
def test_a_non_public_entry_need_not_and_may_not_be_published(
    world: World, sent: dict[str, str]
) -> None:
    entry = world.record(disclosure=sent)
    shown = entry["disclosure"]
    assert shown["state"] == "not_required"
    assert shown["deadline"] == "2026-12-01"
    assert [(item["required"], item["state"]) for item in shown["channels"]] == (
        [(False, "not_required")] * 3
    )
    for channel in CHANNELS:
        answer = world.api().post(
            f"/v1/entries/{entry['id']}/disclosures", json=build_publication(channel=channel)
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "publication_not_allowed")
    world.clock.set_day(date(2027, 3, 1))
    assert clock_of(world, entry)["state"] == "not_required"


def test_a_person_is_not_published_unless_the_list_allows_it(world: World) -> None:
    facts = build_penalty_changes(
        subject=build_person(PERSON_RESIDENT_ID), disclosure={"class": "public"}
    )
    refused = world.api().post("/v1/entries", json=build_push(**facts))
    assert (refused.status_code, refused.json()["code"]) == (409, "publication_not_allowed")
    entry = world.record(
        **build_penalty_changes(subject=build_person(PERSON_RESIDENT_ID), disclosure=None)
    )
    assert entry["disclosure"]["class"] == DisclosureClass.restricted
    assert entry["disclosure"]["state"] == "not_required"


def test_red_entries_and_records_have_the_same_clock(world: World) -> None:
    honour = world.record(**build_red_changes(subject=build_organisation(5)))
    fined = world.record(**build_penalty_changes())
    assert honour["disclosure"]["deadline"] == "2026-11-11"
    assert (honour["disclosure"]["state"], honour["disclosure"]["reported"]) == ("overdue", "late")
    assert fined["disclosure"]["deadline"] == "2026-11-25"
    assert fined["disclosure"]["state"] == "pending"
