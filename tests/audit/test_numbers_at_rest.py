"""No personal number is in clear anywhere: not in a table, a file, the trail or an export."""

from typing import Any

import pytest
from sqlalchemy import text

from app.db.tables import Base
from tests.support.numbers import build_resident_id
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_push,
    build_question,
)
from tests.support.world import World

LISTED, RESPONSIBLE, ASKED = PERSON_RESIDENT_ID, build_resident_id(21), build_resident_id(22)
PASSPORT = "E87654321"
NUMBERS = (LISTED, RESPONSIBLE, ASKED, PASSPORT)


@pytest.fixture
def used(world: World) -> World:
    """A registry that has received personal numbers in every possible way."""
    entry = world.record(subject=build_person(), responsible_persons=None)
    facts = build_push(source_ref="HR-2")
    facts["responsible_persons"][0]["identifier"]["number"] = RESPONSIBLE
    organisation = world.record(**facts)
    foreigner = build_person(PASSPORT, "John Doe") | {"birth_date": "1980-01-01"}
    foreigner["identifiers"][0]["scheme"] = "passport"
    world.record(source_ref="HR-3", subject=foreigner, responsible_persons=None)
    world.api().post(
        f"/v1/entries/{organisation['id']}/corrections",
        json={"reason": "补充", "changes": {"responsible_persons": [_head(ASKED)]}},
        headers={"If-Match": '"1"'},
    )
    approver = world.api("approver")
    approver.post(
        "/v1/checks",
        json=build_check(
            build_question(LISTED, "张某", scheme="resident_id", ref="a"),
            build_question(LISTED, "李四", scheme="resident_id", ref="b"),
            build_question(ASKED, None, scheme="resident_id", ref="c"),
            build_question(PASSPORT, "John Doe", scheme="passport", ref="d"),
            build_question(LISTED, "张某", scheme="uscc", ref="e"),
            build_question(LISTED, "张某", scheme="passport", ref="f"),
        ),
    )
    world.api("auditor").post(
        "/v1/checks",
        json=build_check(build_question(ASKED, "王某", scheme="resident_id"), on="2026-11-21"),
    )
    for name in ("张某", "李四"):
        world.api().post(
            "/v1/subjects/lookup",
            json={
                "scheme": "resident_id",
                "number": LISTED,
                "name": name,
                "purpose": "受理前查询",
                "case_no": "RS-1",
            },
        )
    for refused in (
        build_push(source_ref=LISTED),
        build_push(reason=f"本人 {LISTED}"),
        build_push() | {LISTED: LISTED},
        build_check() | {"purpose": ASKED},
        [LISTED],
        LISTED,
    ):
        world.api().post("/v1/entries", json=refused)
        approver.post("/v1/checks", json=refused)
    world.api().get(f"/v1/entries?source_ref={LISTED}")
    world.api("auditor").get("/v1/audit/records", headers={"X-Request-ID": LISTED})
    world.api("auditor").get(f"/v1/entries/{entry['id']}", headers={"If-Match": LISTED})
    return world


def _head(number: str) -> dict[str, Any]:
    return {
        "role": "legal_representative",
        "name": "王某",
        "identifier": {"scheme": "resident_id", "number": number},
    }


def test_no_table_holds_a_personal_number_in_clear(used: World) -> None:
    dumped = []
    database = used.registry.database
    for table in Base.metadata.sorted_tables:
        way = database.reading if table.schema is None else database.reading_ledger
        with way() as connection:
            rows = connection.execute(table.select()).all()
        dumped.append((table.name, str([tuple(row) for row in rows])))
    assert len(dumped) == len(Base.metadata.tables)
    assert all(rows != "[]" for name, rows in dumped if name in {"checks", "access_records"})
    for name, rows in dumped:
        for number in NUMBERS:
            assert number not in rows, name


def test_no_file_of_the_database_holds_one(used: World) -> None:
    if not used.registry.database.embedded:
        pytest.skip("a database server keeps its own files")
    files = [path for path in used.registry.settings.data_dir.iterdir() if path.is_file()]
    assert {path.suffix for path in files} >= {".sqlite3"}
    for path in files:
        content = path.read_bytes()
        for number in NUMBERS:
            assert number.encode() not in content, path.name
            assert number.encode("utf-16-le") not in content, path.name


def test_the_same_number_is_not_sealed_alike_twice(world: World) -> None:
    for serial in range(2):
        facts = build_push(source_ref=f"HR-{serial}")
        world.record(**facts)
    with world.registry.database.reading() as connection:
        sealed = connection.execute(text("SELECT lookup_key, ciphertext FROM entry_persons")).all()
    assert len({bytes(row.ciphertext) for row in sealed}) == 2
    assert len({row.lookup_key for row in sealed}) == 1


def test_no_answer_of_the_trail_or_an_export_holds_one(used: World) -> None:
    auditor = used.api("auditor")
    answers = [
        auditor.get("/v1/audit/records?limit=500").text,
        *(
            auditor.get(f"/v1/exports/entries?scope=all&format={form}").text
            for form in ("ndjson", "json", "csv")
        ),
        auditor.get("/v1/entries").text,
        used.client(None).get("/metrics").text,
    ]
    for answer in answers:
        assert len(answer) > 100
        for number in NUMBERS:
            assert number not in answer
