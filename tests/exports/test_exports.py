"""Exports for auditors: complete, filtered, reproducible, and proved by their own trailer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any

import httpx
import pytest

from app.calendar.queries import read_current_calendar
from app.catalogue.service import put_list_type_in_force
from app.demo.synthetic import build_uscc
from app.entries.store import snapshots
from app.exports import snapshot
from app.notices.service import load_calendar_notice
from app.rules.calendar import CalendarYear
from app.rules.permissions import Caller, Role
from app.rules.status import Status
from tests.support.export_readers import EXPORT_PARSERS, ExportContent, parse_csv, parse_ndjson
from tests.support.request_bodies import (
    BUILDER_USCC,
    OTHER_USCC,
    PERSON_RESIDENT_ID,
    build_penalty_changes,
    build_person,
    build_push,
    build_red_changes,
    build_subject,
)
from tests.support.world import World

ADDRESS = "/v1/exports/entries"


def read_export(world: World, export_format: str = "ndjson", **asked: Any) -> ExportContent:
    answer = world.api("auditor").get(ADDRESS, params={"format": export_format, **asked})
    assert answer.status_code == 200, answer.text
    export = EXPORT_PARSERS[export_format](answer.content)
    export.require_matching_trailer()
    return export


def read_source_refs(export: ExportContent) -> set[str]:
    return {row["source_ref"] for row in export.rows}


def read_export_bytes(world: World, **asked: Any) -> bytes:
    answer = world.api("auditor").get(ADDRESS, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.content


def record_entries(world: World) -> dict[str, dict[str, Any]]:
    """Record an entry of each state: in force, scheduled, suspended, expired, removed, void."""
    made = {
        "red": world.record(**build_red_changes(source_ref="RED")),
        "black": world.record(source_ref="BLACK"),
        "scheduled": world.record(
            source_ref="SCHEDULED",
            subject=build_subject(OTHER_USCC, "滕州某某劳务有限公司"),
            effective_from="2026-12-01",
        ),
        "penalty": world.record(**build_penalty_changes(source_ref="PENALTY")),
        "person": world.record(
            source_ref="PERSON", subject=build_person(name="李某"), responsible_persons=None
        ),
        "expired": world.record(
            source_ref="EXPIRED",
            subject=build_subject(build_uscc(1), "枣庄甲公司"),
            decision={"number": "旧一号", "kind": "list_decision", "decided_on": "2023-01-10"},
            conduct_ended_on="2022-12-01",
            effective_from="2023-01-10",
            effective_until="2026-01-10",
        ),
        "revoked": world.record(
            source_ref="REVOKED", subject=build_subject(build_uscc(2), "枣庄乙公司")
        ),
        "void": world.record(source_ref="VOID", subject=build_subject(build_uscc(3), "枣庄丙公司")),
    }
    for name, code in (("revoked", "decision_revoked"), ("void", "wrong_subject")):
        answer = world.api().post(
            f"/v1/entries/{made[name]['id']}/revocations",
            json={"reason": "复议撤销", "reason_code": code, "revoked_on": "2026-11-22"},
            headers={"If-Match": '"1"'},
        )
        assert answer.status_code == 200, answer.text
    return made


IN_FORCE = {"RED", "BLACK", "SCHEDULED", "PENALTY", "PERSON"}
ENDED = {"EXPIRED", "REVOKED", "VOID"}


def test_a_reader_can_prove_that_the_file_is_whole(world: World) -> None:
    record_entries(world)
    pinned = {
        "epoch": 1,
        "seq": 11,  # eight pushes, the suspension of a red one, two revocations
        "on": "2026-11-22",
        "catalogue_version": "1",
        "filters": {"scope": "in_force"},
    }
    for export_format in EXPORT_PARSERS:
        export = read_export(world, export_format)
        assert read_source_refs(export) == IN_FORCE
        expected_pin = {name: value for name, value in pinned.items() if name in export.trailer}
        assert expected_pin == {"seq": 11} if export_format == "csv" else pinned
        assert {name: export.trailer[name] for name in expected_pin} == expected_pin
        assert export.meta == (pinned if export_format == "json" else None)


def test_an_empty_export_is_a_whole_one(world: World) -> None:
    for export_format in EXPORT_PARSERS:
        export = read_export(world, export_format, scope="all")
        assert export.rows == []
        assert export.trailer["count"] == 0


def test_scope_all_holds_what_is_over_and_says_so(world: World) -> None:
    record_entries(world)
    export = read_export(world, scope="all")
    marks = {row["source_ref"]: row["in_force"] for row in export.rows}
    assert marks == dict.fromkeys(IN_FORCE, True) | dict.fromkeys(ENDED, False)
    assert {row["source_ref"] for row in export.rows if row["void"]} == {"VOID"}
    assert export.trailer["filters"] == {"scope": "all"}
    statuses = {row["source_ref"]: row["status"] for row in export.rows}
    assert statuses["RED"] == "suspended"
    assert statuses["SCHEDULED"] == "scheduled"
    assert statuses["EXPIRED"] == "expired"
    assert statuses["REVOKED"] == statuses["VOID"] == "removed"


def test_the_three_formats_hold_the_same_entries(world: World) -> None:
    record_entries(world)
    ndjson, json, csv = (
        read_export(world, name, scope="all") for name in ("ndjson", "json", "csv")
    )
    assert ndjson.rows == json.rows
    assert [row["id"] for row in csv.rows] == [row["id"] for row in ndjson.rows]
    by_line, by_cell = ndjson.rows[1], csv.rows[1]
    assert by_cell["subject_name"] == by_line["subject"]["name"]
    assert by_cell["deadline"] == by_line["disclosure"]["deadline"]
    assert by_cell["in_force"] == "true"
    assert by_cell["effective_until"] == by_line["effective_until"]


def test_filters_narrow_it_and_stand_in_the_trailer(world: World) -> None:
    record_entries(world)
    tax = world.api("department", "tax")
    world.record(tax, list_type="tax_fraud.black", source_ref="TAX", case_ref=None)
    held_by: list[tuple[dict[str, str], set[str]]] = [
        ({"list": "red"}, {"RED"}),
        ({"list": "record"}, {"PENALTY"}),
        ({"domain": "wage_arrears"}, IN_FORCE),
        ({"domain": "tax_fraud"}, {"TAX"}),
        ({"domain": "no_such"}, set()),
        ({"department": "tax"}, {"TAX"}),
        ({"status": "suspended"}, {"RED"}),
        ({"status": "scheduled"}, {"SCHEDULED"}),
        ({"status": "expired", "scope": "all"}, {"EXPIRED"}),
        ({"list": "black", "status": "active", "domain": "wage_arrears"}, {"BLACK", "PERSON"}),
    ]
    for asked, held in held_by:
        export = read_export(world, **asked)
        assert read_source_refs(export) == held, asked
        assert export.trailer["filters"] == {"scope": "in_force", **asked}


def test_a_past_day_shows_the_entries_as_they_stood_then(world: World) -> None:
    record_entries(world)
    past = read_export(world, on="2026-01-10", scope="all")
    statuses = {row["source_ref"]: row["status"] for row in past.rows}
    assert statuses["EXPIRED"] == "active"
    assert statuses["REVOKED"] == "scheduled"
    assert {row["on"] for row in past.rows} == {"2026-01-10"} == {past.trailer["on"]}
    assert "EXPIRED" in read_source_refs(read_export(world, on="2026-01-10"))
    assert "EXPIRED" not in read_source_refs(read_export(world, on="2026-01-11"))


def test_known_at_gives_an_earlier_export_again_byte_for_byte(world: World) -> None:
    made = record_entries(world)
    known_at = world.clock.now().isoformat()
    before = {name: read_export_bytes(world, format=name, scope="all") for name in EXPORT_PARSERS}

    world.record(source_ref="LATER", subject=build_subject(build_uscc(9), "枣庄丁公司"))
    corrected = world.api().post(
        f"/v1/entries/{made['black']['id']}/corrections",
        json={"reason": "录入错误", "changes": {"reason": "更正后的事由"}},
        headers={"If-Match": '"1"'},
    )
    published = world.api().post(
        f"/v1/entries/{made['black']['id']}/disclosures",
        json={"channel": "department_site", "published_on": "2026-11-22"},
    )
    assert (corrected.status_code, published.status_code) == (200, 200)
    put_list_type_in_force(world.registry, "charity.black", "《慈善法》")
    # A day is amended so that a deadline comes earlier: earlier results stay as they were shown.
    load_calendar_notice(world.registry, build_amended_year(world, date(2026, 11, 29)))
    world.clock.set_day(date(2026, 12, 2))

    for name, then in before.items():
        assert read_export_bytes(world, format=name, scope="all") != then
        past = {"on": "2026-11-22", "known_at": known_at}
        assert read_export_bytes(world, format=name, scope="all", **past) == then


def build_amended_year(world: World, made_working: date) -> CalendarYear:
    with world.registry.database.reading() as connection:
        year = read_current_calendar(world.registry, connection).years[made_working.year]
    return replace(year, working_days=year.working_days | {made_working})


def test_the_future_and_what_no_export_knows_are_refused(world: World) -> None:
    for name, value in (
        ("on", "2026-11-23"),
        ("on", "2199-12-31"),
        ("known_at", "2026-11-22T12:00:00Z"),
        ("known_at", "9999-12-31T23:59:59-12:00"),
        ("on", "today"),
        ("known_at", "2026-11-21T12:00:00"),
        ("format", "xml"),
        ("scope", "some"),
        ("list", "grey"),
        ("status", "gone"),
    ):
        answer = world.api("auditor").get(ADDRESS, params={name: value})
        assert answer.status_code == 422, value
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"?{name}"]


def test_texts_that_no_database_keeps_are_refused(world: World) -> None:
    for path, names in (
        (ADDRESS, ("domain", "department")),
        ("/v1/audit/records", ("action", "outcome", "target", "department")),
    ):
        for name in names:
            answer = world.api("auditor").get(path, params={name: "a\0b"})
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), name


def test_a_compressed_answer_holds_the_same_bytes(world: World) -> None:
    record_entries(world)
    auditor = world.api("auditor")
    plain = auditor.get(ADDRESS, headers={"Accept-Encoding": "identity"})
    packed = auditor.get(ADDRESS, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == plain.content  # the client unpacked it
    parse_ndjson(packed.content).require_matching_trailer()


def test_auditors_alone_export(world: World) -> None:
    for role in ("department", "approver", "operator", "subscriber"):
        answer = world.api(role).get(ADDRESS)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    with world.client(None) as nobody:
        assert nobody.get(ADDRESS).status_code == 401


def test_it_is_a_file_to_keep_and_never_to_cache(world: World) -> None:
    answer = world.api("auditor").get(ADDRESS, params={"format": "csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="entries-1-0-2026-11-22.csv"'
    )
    assert answer.headers["Cache-Control"] == "no-store"


def test_who_pulled_what_is_on_record_with_the_same_hash(world: World) -> None:
    record_entries(world)
    export = read_export(world, "json", list="black", status="active")
    records = {
        record["action"]: record
        for record in world.api("auditor").get("/v1/audit/records").json()["records"]
    }
    started, completed = records["export_started"], records["export_completed"]
    assert started["detail"]["filters"] == export.trailer["filters"]
    assert started["detail"]["format"] == completed["detail"]["format"] == "json"
    for name in ("count", "seq", "sha256"):
        assert completed["detail"][name] == export.trailer[name]
    assert started["actor_name"] == completed["actor_name"] == "auditor None"


def test_personal_numbers_leave_masked(world: World) -> None:
    record_entries(world)
    for export_format in EXPORT_PARSERS:
        text = read_export_bytes(world, format=export_format, scope="all").decode()
        assert PERSON_RESIDENT_ID not in text
        assert "*" * 18 in text
        assert PERSON_RESIDENT_ID[:6] not in text.replace(BUILDER_USCC, "")
        assert BUILDER_USCC in text


def test_a_spreadsheet_finds_no_formula_in_a_cell(world: World) -> None:
    for place, start in enumerate("=+-@\uff1d\uff0b\uff0d\uff20"):
        world.record(
            source_ref=f"{start}cmd|' /C calc'!A0",
            case_ref=f"{start}1+1",
            reason=f'{start}SUM(A1:A9),"引号"\n第二行',
            subject=build_subject(build_uscc(place), f"{start}公司"),
        )
    [*rows] = parse_csv(read_export_bytes(world, format="csv")).rows
    for row in rows:
        for value in row.values():
            assert not value.startswith(tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20"))
    assert rows[0]["reason"] == '\'=SUM(A1:A9),"引号"\n第二行'


def test_the_snapshot_holds_still_while_pushes_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE_ROWS", 3)  # many pages, so that changes can come between
    clients = [world.client(world.api().headers["Authorization"][7:]) for _ in range(3)]
    pushing = threading.Event()
    pushed: list[int] = []

    def push_on(number: int) -> None:
        for turn in range(15):
            serial = number * 100 + turn
            answer = clients[number].post(
                "/v1/entries",
                json=build_push(
                    source_ref=f"P-{serial}", subject=build_subject(build_uscc(serial), "某公司")
                ),
            )
            assert answer.status_code == 201, answer.text
            pushed.append(answer.json()["seq"])
            pushing.set()

    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(push_on, number) for number in range(3)]
        pushing.wait(10)
        exports = []
        while not all(item.done() for item in work):
            exports.append(read_export(world, scope="all"))
        for item in work:
            item.result()
    for export in exports:
        # Only pushes: every change up to the pin is one entry, and none is beyond it.
        assert sorted(row["seq"] for row in export.rows) == list(
            range(1, export.trailer["seq"] + 1)
        )
    assert len(exports) > 1
    assert sorted(pushed) == list(range(1, 46))
    for client in clients:
        client.close()


def test_pages_of_any_size_make_the_same_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_entries(world)
    for asked in ({}, {"scope": "all"}, {"list": "red"}, {"status": "expired"}, {"domain": "none"}):
        for export_format in EXPORT_PARSERS:
            made = set()
            for size in (1, 2, 3, 500):
                monkeypatch.setattr(snapshot, "PAGE_ROWS", size)
                made.add(read_export_bytes(world, format=export_format, **asked))
            assert len(made) == 1, (asked, export_format)


@pytest.mark.parametrize("role", [Role.auditor, Role.operator, Role.subscriber])
def test_a_page_costs_what_it_holds_however_many_entries_there_are(
    world: World, role: Role
) -> None:
    if not world.registry.database.embedded:
        pytest.skip("PostgreSQL plans by how many entries there are, and here are none")
    day = world.clock.today()
    asked = {"after": snapshots.MIN_ID, "until": snapshots.MAX_ID}
    for statuses, filters in product(
        ([], [Status.active, Status.suspended], [Status.removed]),
        ({}, {"list": "red"}, {"domain": "tax_fraud"}, {"department": "tax"}),
    ):
        query = snapshots.build_snapshot_query(
            day, filters=filters, caller=Caller(None, "-", role), statuses=statuses, seq=7
        )
        with world.registry.database.reading() as connection:
            statement = query.params(asked).compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            plan = [
                row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
            ]
        assert plan[0].endswith(("(id>? AND id<?)", "(entry_id>? AND entry_id<?)")), plan
        assert not any(step.startswith("SCAN") for step in plan), plan


def test_a_reader_who_hangs_up_leaves_nothing_open_and_no_proof(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE_ROWS", 1)
    for serial in range(6):
        world.record(source_ref=f"H-{serial}", subject=build_subject(build_uscc(serial), "某公司"))
    gone, ended = threading.Event(), threading.Event()
    plain = snapshot._read_export_pages

    def pages(*given: Any) -> Any:
        try:
            for place, rows in enumerate(plain(*given)):
                if place == 3:
                    gone.wait(10)
                yield rows
        finally:
            ended.set()

    monkeypatch.setattr(snapshot, "_read_export_pages", pages)
    with world.api("auditor").stream("GET", ADDRESS) as answer:
        next(answer.iter_raw())
    gone.set()
    assert ended.wait(10)
    records = world.api("auditor").get("/v1/audit/records").json()["records"]
    actions = [record["action"] for record in records]
    assert "export_started" in actions
    assert "export_completed" not in actions
    database = world.registry.database
    for engine in (database._reads, database._writes, database._ledger):
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_failure_half_way_leaves_the_file_without_its_trailer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE_ROWS", 1)
    for serial in range(4):
        world.record(source_ref=f"F-{serial}", subject=build_subject(build_uscc(serial), "某公司"))
    plain = snapshot.build_exported_entry

    def failing(row: Any, *given: Any) -> Any:
        if row.source_ref == "F-3":
            raise OSError("the disk went away")
        return plain(row, *given)

    monkeypatch.setattr(snapshot, "build_exported_entry", failing)
    received: list[bytes] = []
    with (
        world.api("auditor").stream("GET", ADDRESS) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        received.extend(answer.iter_raw())
    assert b"trailer" not in b"".join(received)


def test_the_trail_pages_from_the_newest_and_filters(world: World) -> None:
    record_entries(world)
    auditor = world.api("auditor")
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {"action": "entry_recorded", "limit": 3, "next": cursor}
        page = auditor.get(
            "/v1/audit/records", params={key: value for key, value in params.items() if value}
        ).json()
        seen += page["records"]
        cursor = page["next"]
        if cursor is None:
            break
    seqs = [record["seq"] for record in seen]
    assert seqs == sorted(seqs, reverse=True)
    [turned] = {*range(1, 10)} - {*seqs}  # the suspension of a red entry is no record of its own
    assert turned == 3
    assert auditor.get("/v1/audit/records", params={"next": "bm8="}).json()["code"] == "bad_cursor"
    assert world.api().get("/v1/audit/records").status_code == 403
    for record in seen:
        assert PERSON_RESIDENT_ID not in str(record)
