"""Loading a calendar notice: dates are recomputed in one change, and no department becomes late."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select

import app.disclosure.service
import app.entries.changes.next_version
import app.entries.recording.accepted
import app.notices.service
from app.calendar.notices import CalendarNotice, read_calendar_notice
from app.calendar.service import record_year
from app.db.counter import read_head, take_sequence
from app.db.tables import CalendarVersion, EntryVersion
from app.errors import InvalidPayload
from app.notices.service import load_calendar_notice
from app.redress.due_days import recompute_due_days
from app.rules.calendar import CalendarYear
from tests.support.redress_cases import build_objection, open_case, require_status, take_case_step
from tests.support.request_bodies import (
    build_decision,
    build_organisation,
    build_publication,
    build_push,
)
from tests.support.world import World

CHANNELS = ("department_site", "credit_china_zaozhuang", "enterprise_publicity_shandong")
NOTICE: dict[str, Any] = {
    "year": 2027,
    "off_days": ["2027-01-01", "2027-10-01"],
    "working_days": [],
    "source": "a notice for tests",
}
# The deadline of a decision of Monday, 2026-12-28 is 2027-01-07 by statute alone.
PLAIN = NOTICE
LATER = NOTICE | {"off_days": [*NOTICE["off_days"], "2027-01-04"]}
EARLIER = NOTICE | {"working_days": ["2027-01-02", "2027-01-03"]}
BY_STATUTE, WHEN_LATER, WHEN_EARLIER = "2027-01-07", "2027-01-08", "2027-01-05"


def load(world: World, tmp_path: Path, notice: dict[str, Any]) -> tuple[int, int]:
    """Load a notice as `redblack calendar load` does; return the version and the entries."""
    file = tmp_path / "notice.yaml"
    file.write_text(yaml.safe_dump(notice, allow_unicode=True), encoding="utf-8")
    result = load_calendar_notice(world.registry, read_calendar_notice(file))
    return result.calendar_version, result.deadlines


def decided(world: World, decided_on: str, serial: int = 1, **more: Any) -> dict[str, Any]:
    return world.record(
        source_ref=f"{decided_on} {serial}",
        subject=build_organisation(serial, "12370400"),
        decision=build_decision(decided_on),
        effective_from=None,
        effective_until=None,
        **{"disclosure": {"class": "public"}, **more},
    )


def publish(world: World, entry: dict[str, Any], on: str) -> None:
    for channel in CHANNELS[:2]:
        answer = world.api().post(
            f"/v1/entries/{entry['id']}/disclosures", json=build_publication(on, channel)
        )
        assert answer.status_code == 200, answer.text


def shown(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    return dict(world.api("auditor").get(f"/v1/entries/{entry['id']}").json())


def clock(world: World, entry: dict[str, Any]) -> tuple[str, bool, str]:
    found = shown(world, entry)["disclosure"]
    return found["deadline"], found["provisional"], found["calendar_version"]


def state(world: World, entry: dict[str, Any]) -> str:
    return str(shown(world, entry)["disclosure"]["state"])


def require_gap_free(world: World) -> None:
    with world.registry.database.reading() as connection:
        numbers = list(connection.scalars(select(EntryVersion.seq).order_by(EntryVersion.seq)))
        instants = list(
            connection.scalars(select(EntryVersion.recorded_at).order_by(EntryVersion.seq))
        )
        assert numbers == list(range(1, read_head(connection).seq + 1))
        assert instants == sorted(instants)


# --- recomputed deadlines -------------------------------------------------


def test_only_affected_deadlines_are_recomputed(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    untouched = decided(world, "2026-12-22", 1)
    touched = decided(world, "2026-12-28", 2)
    kept = decided(world, "2026-12-23", 3, disclosure={"class": "restricted"})
    assert clock(world, touched) == (BY_STATUTE, True, "1")
    assert clock(world, kept) == ("2027-01-04", True, "1")

    assert load(world, tmp_path, LATER) == (2, 2)

    assert clock(world, untouched) == ("2026-12-31", False, "1")
    assert clock(world, touched) == (WHEN_LATER, False, "2")
    assert clock(world, kept) == ("2027-01-05", False, "2")
    assert [shown(world, one)["version"] for one in (untouched, touched, kept)] == [1, 2, 2]
    answer = world.api().get("/v1/calendar/deadline", params={"decided_on": "2026-12-28"}).json()
    assert (
        answer.items()
        >= {
            "deadline": WHEN_LATER,
            "provisional": False,
            "calendar_version": "2",
        }.items()
    )
    require_gap_free(world)


def test_the_history_gives_the_calendar_as_reason(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    entry = decided(world, "2026-12-28")
    load(world, tmp_path, LATER)
    last = world.api().get(f"/v1/entries/{entry['id']}/history").json()["versions"][-1]
    assert (
        last.items()
        >= {
            "version": 2,
            "seq": 2,
            "action": "recompute",
            "reason": "calendar",
            "actor": "command line",
        }.items()
    )
    assert {change["field"]: (change["old"], change["new"]) for change in last["changes"]} == {
        "disclosure.calendar_version": ("1", "2"),
        "disclosure.deadline": (BY_STATUTE, WHEN_LATER),
        "disclosure.provisional": (True, False),
    }


def test_an_unchanged_deadline_becomes_final(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    entry = decided(world, "2026-12-28")
    assert load(world, tmp_path, PLAIN) == (2, 1)
    assert clock(world, entry) == (BY_STATUTE, False, "2")


def test_a_repeated_notice_recomputes_nothing(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    entry = decided(world, "2026-12-28")
    load(world, tmp_path, LATER)
    assert load(world, tmp_path, LATER) == (3, 0)
    assert clock(world, entry) == (WHEN_LATER, False, "2")
    assert load(world, tmp_path, EARLIER) == (4, 1)
    assert clock(world, entry) == (WHEN_EARLIER, False, "4")
    assert load(world, tmp_path, NOTICE | {"year": 2028, "off_days": OFF_2028}) == (5, 0)
    require_gap_free(world)


OFF_2028 = ["2028-05-01", "2028-10-02", "2028-10-03"]


def test_ended_and_void_entries_are_recomputed_too(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    ended, void = decided(world, "2026-12-28", 1), decided(world, "2026-12-28", 2)
    for entry, action, body in (
        (ended, "exits", {"exited_on": "2026-12-28"}),
        (void, "revocations", {"reason_code": "wrong_subject", "revoked_on": "2026-12-28"}),
    ):
        world.api().post(
            f"/v1/entries/{entry['id']}/{action}",
            json={"reason": "测试", **body},
            headers={"If-Match": '"1"'},
        )
    assert load(world, tmp_path, LATER) == (2, 2)
    for entry in (ended, void):
        view = shown(world, entry)
        assert view["status"] == "removed"
        assert view["disclosure"]["deadline"] == WHEN_LATER
        assert view["disclosure"]["state"] == "not_required"


def test_entries_beyond_one_batch_are_recomputed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.disclosure.service, "MAX_ENTRIES_PER_RECOMPUTATION", 2)
    world.clock.set_day(date(2026, 12, 28))
    entries = [decided(world, f"2026-12-{21 + number}", number) for number in range(7)]
    assert load(world, tmp_path, LATER) == (2, 5)
    assert [shown(world, entry)["version"] for entry in entries] == [1, 1, 2, 2, 2, 2, 2]
    require_gap_free(world)


# --- no department becomes late -------------------------------------------


def test_a_publication_in_time_stays_on_time(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    punctual, silent = decided(world, "2026-12-28", 1), decided(world, "2026-12-28", 2)
    world.clock.set_day(date(2027, 1, 6))
    publish(world, punctual, "2027-01-06")
    load(world, tmp_path, EARLIER)
    assert clock(world, punctual)[0] == WHEN_EARLIER
    assert state(world, punctual) == "on_time"
    assert state(world, silent) == "overdue"
    publish(world, silent, "2027-01-06")
    assert state(world, silent) == "late"
    version = world.api().get(f"/v1/entries/{punctual['id']}").headers["ETag"]
    corrected = world.api().post(
        f"/v1/entries/{punctual['id']}/corrections",
        json={"reason": "文字更正", "changes": {"reason": "拖欠农民工工资"}},
        headers={"If-Match": version},
    )
    assert corrected.json()["disclosure"]["state"] == "on_time"


def test_a_later_deadline_makes_a_late_publication_on_time(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    a_day_late, two_days = decided(world, "2026-12-28", 1), decided(world, "2026-12-28", 2)
    world.clock.set_day(date(2027, 1, 9))
    publish(world, a_day_late, "2027-01-08")
    publish(world, two_days, "2027-01-09")
    assert (state(world, a_day_late), state(world, two_days)) == ("late", "late")
    load(world, tmp_path, LATER)
    assert (state(world, a_day_late), state(world, two_days)) == ("on_time", "late")


def test_a_report_in_time_never_becomes_late(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2027, 1, 6))
    in_time = decided(world, "2026-12-28", 1)
    world.clock.set_day(date(2027, 1, 8))
    a_day_late = decided(world, "2026-12-28", 2)
    world.clock.set_day(date(2027, 1, 9))
    two_days = decided(world, "2026-12-28", 3)

    def reported() -> list[str]:
        return [
            shown(world, one)["disclosure"]["reported"] for one in (in_time, a_day_late, two_days)
        ]

    assert reported() == ["on_time", "late", "late"]
    load(world, tmp_path, LATER)
    assert reported() == ["on_time", "on_time", "late"]
    load(world, tmp_path, EARLIER)
    assert reported() == ["on_time", "on_time", "late"]


def test_only_earlier_publications_keep_the_earlier_deadline(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    entry = decided(world, "2026-12-28")
    world.clock.set_day(date(2027, 1, 6))
    where = f"/v1/entries/{entry['id']}/disclosures"
    world.api().post(where, json=build_publication("2027-01-06", CHANNELS[0]))
    load(world, tmp_path, EARLIER)
    world.api().post(where, json=build_publication("2027-01-06", CHANNELS[1]))
    found = shown(world, entry)["disclosure"]
    assert [item["state"] for item in found["channels"]] == ["on_time", "late", "not_required"]
    assert found["state"] == "late"


# --- changes during the load ----------------------------------------------


def load_during_change(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any
) -> Callable[[], None]:
    """Load the notice just before a change takes its sequence number.

    The change was decided by the old calendar. On SQLite the writer is alone, so the load waits
    until the change is done.
    """
    loader = threading.Thread(target=load, args=(world, tmp_path, LATER))

    def take(*taken: Any, **versions: Any) -> int:
        if loader.ident is None:
            loader.start()
            if not world.registry.database.embedded:
                loader.join()
        return take_sequence(*taken, **versions)

    monkeypatch.setattr(module, "take_sequence", take)
    return loader.join


def test_a_push_during_the_load_uses_the_new_calendar(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.set_day(date(2026, 12, 28))
    wait = load_during_change(world, tmp_path, monkeypatch, app.entries.recording.accepted)
    entry = decided(world, "2026-12-28")
    wait()
    assert clock(world, entry) == (WHEN_LATER, False, "2")
    decided_at_once = not world.registry.database.embedded
    assert shown(world, entry)["version"] == (1 if decided_at_once else 2)
    require_gap_free(world)


def test_a_publication_during_the_load_uses_the_new_calendar(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.set_day(date(2026, 12, 28))
    entry = decided(world, "2026-12-28")
    world.clock.set_day(date(2027, 1, 8))
    wait = load_during_change(world, tmp_path, monkeypatch, app.entries.changes.next_version)
    publish(world, entry, "2027-01-08")
    wait()
    view = shown(world, entry)
    assert view["version"] == 4
    assert (view["disclosure"]["deadline"], view["disclosure"]["state"]) == (WHEN_LATER, "on_time")
    require_gap_free(world)


def test_a_step_of_a_case_during_the_load_does_not_deadlock(
    world: World,
    case_and_entry: tuple[dict[str, Any], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, entry = case_and_entry
    year = CalendarNotice.model_validate(LATER).to_calendar_year()
    results: list[tuple[int, int, int]] = []
    attempts: list[CalendarYear] = []
    loader = threading.Thread(
        target=lambda: results.append(load_calendar_notice(world.registry, year))
    )

    def record(*arguments: Any) -> int:
        attempts.append(arguments[-1])
        return record_year(*arguments)

    def take(*taken: Any, **versions: Any) -> Any:
        if loader.ident is None:
            loader.start()
            loader.join(0.3)  # the step holds its case, so the load waits for it
        return take_sequence(*taken, **versions)

    monkeypatch.setattr(app.notices.service, "record_year", record)
    monkeypatch.setattr(app.entries.changes.next_version, "take_sequence", take)
    rejected = {"outcome": "rejected", "reasons": "无误"}
    require_status(take_case_step(world.api(), case, "decision", rejected, 2))
    loader.join()
    assert results == [(2, 1, 0)]
    assert attempts == [year]
    assert clock(world, entry) == (WHEN_LATER, False, "2")
    require_gap_free(world)


def test_pushes_during_a_load_use_the_new_calendar(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 28))
    bodies = [
        build_push(
            source_ref=f"beside {number}",
            subject=build_organisation(number, "12370400"),
            decision=build_decision("2026-12-28"),
            effective_from=None,
            effective_until=None,
        )
        for number in range(12)
    ]
    api = world.api()
    answers: list[int] = []

    def send(chosen: list[dict[str, Any]]) -> None:
        answers.extend(api.post("/v1/entries", json=body).status_code for body in chosen)

    senders = [threading.Thread(target=send, args=(bodies[start::3],)) for start in range(3)]
    loader = threading.Thread(target=load, args=(world, tmp_path, LATER))
    for thread in (*senders[:2], loader, senders[2]):
        thread.start()
    for thread in (*senders, loader):
        thread.join()
    assert answers == [201] * len(bodies)
    page = world.api("auditor").get("/v1/entries", params={"limit": 500}).json()
    found = {entry["source_ref"]: entry["disclosure"] for entry in page["entries"]}
    assert len(found) == len(bodies)
    assert {item["deadline"] for item in found.values()} == {WHEN_LATER}
    assert {item["provisional"] for item in found.values()} == {False}
    require_gap_free(world)


def test_a_failure_in_the_deadlines_leaves_the_old_calendar(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.set_day(date(2026, 12, 28))
    entries = [decided(world, "2026-12-28", number) for number in range(3)]
    taken = iter((True, False))

    def take(*arguments: Any, **versions: Any) -> int:
        if next(taken):
            return take_sequence(*arguments, **versions)
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(app.disclosure.service, "MAX_ENTRIES_PER_RECOMPUTATION", 2)
        broken.setattr(app.entries.changes.next_version, "take_sequence", take)
        with pytest.raises(ZeroDivisionError):
            load(world, tmp_path, LATER)
    assert {clock(world, entry) for entry in entries} == {(BY_STATUTE, True, "1")}
    assert load(world, tmp_path, EARLIER) == (2, 3)
    assert {clock(world, entry) for entry in entries} == {(WHEN_EARLIER, False, "2")}
    require_gap_free(world)


@pytest.fixture
def case_and_entry(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open an objection on 2026-12-30, due on 2027-01-05 by statute; return it and its entry."""
    world.clock.set_day(date(2026, 12, 30))
    entry = decided(world, "2026-12-28")
    case = open_case(world.api(), entry, "objections", build_objection())
    assert due_days(world) == {case["id"]: ("2027-01-05", True)}
    return case, entry


def due_days(world: World) -> dict[str, tuple[str, bool]]:
    cases = world.api().get("/v1/objections").json()["cases"]
    return {case["id"]: (case["due_on"], case["provisional"]) for case in cases}


def test_deadlines_and_due_days_change_together(
    world: World, case_and_entry: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    case, entry = case_and_entry
    year = CalendarNotice.model_validate(LATER).to_calendar_year()
    assert load_calendar_notice(world.registry, year) == (2, 1, 1)
    assert clock(world, entry) == (WHEN_LATER, False, "2")
    assert due_days(world) == {case["id"]: ("2027-01-06", False)}
    require_gap_free(world)


def test_a_failure_in_the_due_days_leaves_nothing(
    world: World,
    case_and_entry: tuple[dict[str, Any], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, entry = case_and_entry
    year = CalendarNotice.model_validate(LATER).to_calendar_year()
    before = shown(world, entry)

    def fail(*arguments: Any) -> int:
        recompute_due_days(*arguments)
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(app.notices.service, "recompute_due_days", fail)
        with pytest.raises(ZeroDivisionError):
            load_calendar_notice(world.registry, year)
    assert shown(world, entry) == before
    assert due_days(world) == {case["id"]: ("2027-01-05", True)}
    records = world.api("auditor").get("/v1/audit/records").json()["records"]
    assert not {"calendar_loaded", "deadline_recomputed", "objection_recounted"} & {
        record["action"] for record in records
    }
    assert load_calendar_notice(world.registry, year) == (2, 1, 1)
    require_gap_free(world)


def test_every_load_is_recorded(world: World, tmp_path: Path) -> None:
    load(world, tmp_path, LATER)
    with world.registry.database.reading() as connection:
        loaded = connection.execute(
            select(CalendarVersion.version, CalendarVersion.actor, CalendarVersion.note).order_by(
                CalendarVersion.version
            )
        ).all()
    assert [tuple(row) for row in loaded] == [
        (1, "command line", "shipped with the app"),
        (2, "command line", "a notice for tests"),
    ]


# --- the file ------------------------------------------------------------

FAULTY: list[tuple[str, str]] = [
    ("year: 2027\noff_days: [2027-01-01]\nsource: x", "2027-10-01: a holiday by law"),
    ("year: 2027\noff_days: [2026-12-31]\nsource: x", "2026-12-31: not in 2027"),
    (
        (
            "year: 2027\noff_days: [2027-01-01, 2027-10-01, 2027-01-02]\n"
            "working_days: [2027-01-02]\nsource: x"
        ),
        "2027-01-02: both off and worked",
    ),
    (
        "year: 2027\noff_days: [2027-01-01, 2027-10-01]\nworking_days: [2027-01-06]\nsource: x",
        "2027-01-06: no Saturday or Sunday",
    ),
    ("year: 2027\noff_days: [20270101]\nsource: x", "/off_days/0"),
    ("year: 1999\noff_days: []\nsource: x", "/year"),
    ("off_days: []", "/source"),
    ("year: 2027\noff_days: []\nsource: x\nnote: y", "/note"),
    ("year: 2027\noff_days: [2027-02-30]\nsource: x", "a day that does not exist"),
    ("year: [", "cannot be read as YAML"),
    ("- 2027", "valid dictionary"),
    ("", "valid dictionary"),
]


@pytest.mark.parametrize(("text", "expected"), FAULTY)
def test_faults_of_a_notice_are_named(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "notice.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPayload) as refusal:
        read_calendar_notice(file)
    faults = [f"{fault.pointer} {fault.sentence.en}" for fault in refusal.value.faults]
    assert any(expected in one for one in [refusal.value.detail.en, *faults]), faults


def test_the_command_loads_a_notice_or_names_its_faults(tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REDBLACK_")},
        "REDBLACK_DATA_DIR": str(tmp_path / "data"),
    }

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("redblack")), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert command("db", "upgrade").returncode == 0
    file = tmp_path / "notice.yaml"
    file.write_text(FAULTY[0][0], encoding="utf-8")
    refused = command("calendar", "load", str(file))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert FAULTY[0][1] in refused.stderr
    assert "Traceback" not in refused.stderr
    file.write_text(yaml.safe_dump(LATER, allow_unicode=True), encoding="utf-8")
    loaded = command("calendar", "load", str(file))
    output = "calendar version 2, 0 deadlines recomputed, 0 of open cases\n"
    assert (loaded.returncode, loaded.stdout) == (0, output)
    assert command("calendar", "load", str(tmp_path / "missing.yaml")).returncode != 0
