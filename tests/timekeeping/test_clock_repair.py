"""Repair of a registry that a wrong clock hurt: nothing that was recorded is rewritten."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.db.tables import (
    ClockCorrection,
    EntryStatusChange,
    EntryVersion,
    RegistryState,
    Submission,
)
from app.errors import InvalidPayload
from app.timekeeping.repair import Repair, RepairResult
from app.timekeeping.service import confirm_clock, repair_clock
from tests.support.clocks import TEN_YEARS, build_timekeeper, start_process
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    build_check,
    build_organisation,
    build_publication,
    build_question,
)
from tests.support.world import World

TODAY = date(2026, 11, 22)
TWO_YEARS = timedelta(days=731)


def record(world: World, serial: int, **changes: Any) -> dict[str, Any]:
    return world.record(source_ref=f"HR-{serial}", subject=build_organisation(serial), **changes)


def go_ahead(world: World, distance: timedelta = TEN_YEARS) -> datetime:
    """Set the clock ahead for a release that did not notice; return the right instant."""
    right = world.clock.instant
    world.clock.instant += distance
    return right


def come_back(world: World, app: FastAPI, distance: timedelta = TEN_YEARS) -> None:
    """Set the clock right and start the server again."""
    world.clock.instant -= distance
    start_process(world, app)


def repair(world: World, right: datetime, **command: Any) -> RepairResult:
    today = world.clock.today()
    result = repair_clock(world.registry, today, Repair(right, "主板电池失效", **command))
    assert world.client(None).get("/readyz").status_code == 200
    return result


def read(world: World, entry: dict[str, Any], **past: Any) -> dict[str, Any]:
    answer = world.api("auditor").get(f"/v1/entries/{entry['id']}", params=past)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read_standing(world: World, serial: int) -> str:
    subject = build_organisation(serial)
    question = build_question(subject["identifiers"][0]["number"], subject["name"])
    answer = world.api("approver").post("/v1/checks", json=build_check(subjects=[question]))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["results"][0]["standing"])


class TestOneReadTenYearsAhead:
    """The day was ended by one read of the feed; nothing else was recorded."""

    @pytest.fixture
    def entry(self, world: World, app: FastAPI) -> dict[str, Any]:
        entry = record(world, 1)
        right = go_ahead(world)
        feed = world.api("subscriber").get("/v1/changes").json()
        assert feed["changes"][-1]["op"] == "remove"
        come_back(world, app)
        return {**entry, "right": right}

    @pytest.mark.usefixtures("entry")
    def test_the_registry_waits_for_the_repair(self, world: World) -> None:
        answer = world.client(None).get("/readyz")
        require_refused(answer, 503, "clock_untrusted")
        assert "repair-clock" in answer.json()["detail"]
        with pytest.raises(InvalidPayload) as refusal:
            confirm_clock(world.registry, TODAY, "对时")
        assert "repair-clock" in refusal.value.detail.en

    def test_day_and_feed_are_right_again(self, world: World, entry: dict[str, Any]) -> None:
        result = repair(world, entry["right"])
        assert (result.damage.day, result.status_changes, result.epoch) == (
            date(2036, 11, 22),
            1,
            2,
        )
        assert read(world, entry)["status"] == "active"
        assert read_standing(world, 1) == "black"
        gone = world.api("subscriber").get("/v1/changes", params={"epoch": 1, "after": 1})
        require_refused(gone, 410, "feed_gone")
        feed = world.api("subscriber").get("/v1/changes").json()
        assert (feed["epoch"], feed["changes"][-1]["op"]) == (2, "upsert")
        record(world, 2)
        with world.registry.database.reading() as connection:
            state = connection.execute(select(RegistryState.turned_on)).scalar_one()
        assert state == TODAY

    def test_the_days_that_were_ended_too_early_come_again(
        self, world: World, entry: dict[str, Any]
    ) -> None:
        repair(world, entry["right"])
        for day in (date(2029, 11, 21), date(2036, 11, 22)):
            world.clock.set_day(day)
            build_timekeeper(world).tick()
        with world.registry.database.reading() as connection:
            rows = connection.execute(
                select(EntryStatusChange.day, EntryStatusChange.status).order_by(
                    EntryStatusChange.seq
                )
            )
            assert [tuple(row) for row in rows] == [
                (date(2036, 11, 22), "expired"),
                (TODAY, "active"),
                (date(2029, 11, 21), "expired"),
            ]


def test_the_same_day_may_change_an_entry_again_after_a_repair(world: World, app: FastAPI) -> None:
    # Three days ahead: the very day on which the entry ends was begun too early.
    record(world, 1, effective_until="2026-11-24", effective_from="2026-11-20", severity="general")
    distance = timedelta(days=3)
    right = go_ahead(world, distance)
    build_timekeeper(world).tick()
    come_back(world, app, distance)
    repair(world, right)
    world.clock.set_day(date(2026, 11, 25))
    build_timekeeper(world).tick()
    assert read_standing(world, 1) == "none"


class TestEntriesOfTheWrongTime:
    @pytest.fixture
    def hurt(self, world: World, app: FastAPI) -> dict[str, Any]:
        before = record(world, 1)
        right = go_ahead(world, TWO_YEARS)
        during = record(world, 2)
        assert during["disclosure"]["reported"] == "late"
        come_back(world, app, TWO_YEARS)
        return {"before": before, "during": during, "right": right}

    def test_what_was_late_by_it_is_in_time(self, world: World, hurt: dict[str, Any]) -> None:
        result = repair(world, hurt["right"])
        assert result.versions == 1
        view = read(world, hurt["during"])
        assert view["disclosure"]["reported"] == "on_time"
        assert view["received_at"].startswith("2026-11-22")
        assert view["version"] == 2
        assert read(world, hurt["before"])["version"] == 1

    def test_nothing_is_rewritten(self, world: World, hurt: dict[str, Any]) -> None:
        recorded = read_recorded(world)
        repair(world, hurt["right"])
        assert [row for row in read_recorded(world) if row in recorded] == recorded
        past = read(world, hurt["during"], known_seq=hurt["during"]["seq"])
        assert past["received_at"] == hurt["during"]["received_at"]
        assert past["disclosure"]["reported"] == "late"

    def test_known_at_reads_by_the_right_instants(self, world: World, hurt: dict[str, Any]) -> None:
        repair(world, hurt["right"])
        listed = list_known(world, hurt["right"] - timedelta(milliseconds=1))
        assert listed == {hurt["before"]["id"]}
        world.clock.instant += timedelta(hours=1)
        listed = list_known(world, hurt["right"] + timedelta(minutes=59))
        assert listed == {hurt["before"]["id"], hurt["during"]["id"]}

    def test_a_known_number_has_the_law_of_its_right_instant(
        self, world: World, hurt: dict[str, Any]
    ) -> None:
        repair(world, hurt["right"])
        subject = build_organisation(2)
        question = build_question(subject["identifiers"][0]["number"], subject["name"])
        body = build_check(subjects=[question], known_seq=hurt["during"]["seq"])
        answer = world.api("auditor").post("/v1/checks", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["standing"] == "black"

    def test_the_correction_is_recorded(self, world: World, hurt: dict[str, Any]) -> None:
        repair(world, hurt["right"])
        with world.registry.database.reading() as connection:
            rows = connection.execute(
                select(
                    ClockCorrection.series,
                    ClockCorrection.first_number,
                    ClockCorrection.right_from,
                    ClockCorrection.reason,
                )
            ).all()
        assert [tuple(row) for row in rows] == [
            ("changes", hurt["during"]["seq"], hurt["right"], "主板电池失效")
        ]
        answer = world.api("auditor").get("/v1/audit/records", params={"action": "clock_repaired"})
        [found] = answer.json()["records"]
        assert found["detail"]["versions"] == 1

    def test_a_second_repair_finds_nothing(self, world: World, hurt: dict[str, Any]) -> None:
        repair(world, hurt["right"])
        with pytest.raises(InvalidPayload):
            repair(world, hurt["right"])

    def test_later_changes_keep_the_right_day_of_receipt(
        self, world: World, hurt: dict[str, Any]
    ) -> None:
        repair(world, hurt["right"])
        entry = read(world, hurt["during"])
        answer = world.api().post(
            f"/v1/entries/{entry['id']}/corrections",
            json={"reason": "更正", "changes": {"severity": "general"}},
            headers={"If-Match": f'"{entry["version"]}"'},
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == 3
        assert answer.json()["received_at"] == entry["received_at"]

    @pytest.mark.parametrize("hours", [-100_000, 1])
    def test_an_impossible_right_instant_is_refused(
        self, world: World, hurt: dict[str, Any], hours: int
    ) -> None:
        recorded = read_recorded(world)
        with pytest.raises(InvalidPayload):
            repair(world, hurt["right"] + timedelta(hours=hours))
        assert read_recorded(world) == recorded


def test_days_in_the_future_become_the_day_of_recording(world: World, app: FastAPI) -> None:
    entry = record(world, 1)
    right = go_ahead(world, TWO_YEARS)
    sent = build_publication(published_on="2028-11-22")
    answer = world.api().post(f"/v1/entries/{entry['id']}/disclosures", json=sent)
    assert answer.status_code in {200, 201}, answer.text
    come_back(world, app, TWO_YEARS)
    repair(world, right)
    channels = read(world, entry)["disclosure"]["channels"]
    [channel] = [item for item in channels if item["published_on"] is not None]
    assert channel["published_on"] == "2026-11-22"


def test_an_end_in_the_future_becomes_the_day_of_recording(world: World, app: FastAPI) -> None:
    entry = record(world, 1)
    right = go_ahead(world, TWO_YEARS)
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/revocations",
        json={
            "reason": "决定被撤销",
            "reason_code": "decision_revoked",
            "revoked_on": "2028-11-22",
        },
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    come_back(world, app, TWO_YEARS)
    repair(world, right)
    assert read(world, entry)["status"] == "removed"


def test_numbers_in_the_past_are_corrected_by_their_bounds(world: World, app: FastAPI) -> None:
    # The clock was two days ahead, and nobody noticed before these days had come.
    record(world, 1)
    right = go_ahead(world, timedelta(days=2))
    during = record(world, 2)
    world.clock.instant += timedelta(days=1)
    after = record(world, 3)
    repair(world, right, first_number=during["seq"], last_number=during["seq"])
    assert during["id"] in list_known(world, right)
    assert after["id"] not in list_known(world, right + timedelta(days=2, hours=1))
    assert after["id"] in list_known(world, world.clock.instant)
    assert read(world, during)["received_at"].startswith("2026-11-22")
    with pytest.raises(InvalidPayload):
        repair(world, right, first_number=during["seq"], last_number=during["seq"])


def test_a_lease_until_2036_ends(world: World, app: FastAPI) -> None:
    record(world, 1)
    right = go_ahead(world)
    header = {"Content-Type": "text/csv"}
    answer = world.api().post(
        "/v1/submissions?list_type=wage_arrears.black", content="a,b\n1,2\n", headers=header
    )
    assert answer.status_code < 500, answer.text
    with world.registry.database.writing() as connection:
        connection.execute(
            Submission.__table__.update().values(leased_until=world.clock.instant)  # type: ignore[attr-defined]
        )
    build_timekeeper(world).tick()
    come_back(world, app)
    repair(world, right)
    with world.registry.database.reading() as connection:
        leases = connection.scalars(select(Submission.leased_until)).all()
    assert all(lease is None or lease.year == 2026 for lease in leases)


def read_recorded(world: World) -> list[tuple[Any, ...]]:
    """Return every version and status change as it was recorded."""
    versions = select(
        EntryVersion.seq, EntryVersion.entry_id, EntryVersion.recorded_at, EntryVersion.facts_digest
    )
    changes = select(
        EntryStatusChange.seq, EntryStatusChange.entry_id, EntryStatusChange.recorded_at
    )
    with world.registry.database.reading() as connection:
        rows = [*connection.execute(versions), *connection.execute(changes)]
    return sorted(tuple(row) for row in rows)


def list_known(world: World, instant: datetime) -> set[str]:
    answer = world.api("auditor").get("/v1/entries", params={"known_at": instant.isoformat()})
    assert answer.status_code == 200, answer.text
    return {entry["id"] for entry in answer.json()["entries"]}
