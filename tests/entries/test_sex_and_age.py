"""Sex and age as fields of an entry, by the catalogue."""

from pathlib import Path
from typing import Any

import pytest

from app.catalogue.loading.files import read_sections
from app.errors import InvalidPayload
from tests.support.export_readers import parse_ndjson
from tests.support.numbers import build_resident_id
from tests.support.request_bodies import build_decision, build_person
from tests.support.world import World

SNAPSHOT = "/v1/changes/snapshot"


def record_defaulter(world: World, **changes: Any) -> dict[str, Any]:
    facts = {
        "list_type": "judgment_defaulting.black",
        "source_ref": "FY-1",
        "case_ref": None,
        "subject": build_person(build_resident_id(1)),
        "responsible_persons": None,
        "decision": build_decision("2026-06-11", kind="court_decision"),
        "effective_from": "2026-06-11",
        "effective_until": None,
        "conduct_ended_on": "2026-05-31",
    }
    return world.record(world.api("department", "court"), **facts | changes)


def read_details(entry: dict[str, Any]) -> tuple[str | None, int | None]:
    return entry["subject"]["sex"], entry["subject"]["age"]


def test_defaulters_are_told_apart_by_sex_and_age(world: World) -> None:
    entry = record_defaulter(world)
    [public] = parse_ndjson(world.api("subscriber").get(SNAPSHOT).content).rows
    [exported] = parse_ndjson(world.api("auditor").get("/v1/exports/entries").content).rows
    assert read_details(entry) == read_details(public) == read_details(exported)
    assert read_details(public) == ("male", 40)
    assert public["subject"]["identifiers"] == [{"scheme": "resident_id", "masked": "*" * 18}]
    csv = world.api("auditor").get("/v1/exports/entries", params={"format": "csv"}).text
    assert ",male,40" in csv


def test_the_age_does_not_move_with_the_day_and_follows_the_decision(world: World) -> None:
    entry = record_defaulter(world)
    correction = {
        "reason": "更正决定日期",
        "changes": {"decision": {"decided_on": "2026-06-12"}, "effective_from": "2026-06-12"},
    }
    path = f"/v1/entries/{entry['id']}"
    answer = world.api("department", "court").post(
        f"{path}/corrections", json=correction, headers={"If-Match": '"1"'}
    )
    assert answer.status_code == 200, answer.text
    assert read_details(answer.json()) == ("male", 41)
    world.clock.set_day(world.clock.today().replace(year=2028))
    assert read_details(world.api("department", "court").get(path).json()) == ("male", 41)


def test_a_passport_shows_no_sex(world: World) -> None:
    subject = build_person("E12345678") | {"birth_date": "1985-06-12"}
    subject["identifiers"] = [{"scheme": "passport", "number": "E12345678"}]
    assert read_details(record_defaulter(world, subject=subject)) == (None, 40)


def test_other_lists_show_neither(world: World) -> None:
    person = world.record(subject=build_person(build_resident_id(2)), responsible_persons=None)
    assert read_details(person) == (None, None)
    assert read_details(world.record(source_ref="O-1")) == (None, None)


def test_a_catalogue_file_names_the_law_of_such_fields(tmp_path: Path) -> None:
    file = tmp_path / "list_types.yaml"
    lines = [
        "list_types:",
        "  - code: wage_arrears.x",
        "    domain: wage_arrears",
        "    kind: black",
        "    name: 甲",
        "    issuers: []",
        "    subject_kinds: [natural_person]",
        "    namesake_fields: [age]",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InvalidPayload) as refused:
        read_sections(file)
    [fault] = refused.value.faults
    assert (fault.pointer, fault.code) == ("/list_types/0/namesake_reference", "missing")
    file.write_text("\n".join([*lines, "    namesake_reference: 某规定第六条"]), encoding="utf-8")
    assert read_sections(file)["list_types"][0].namesake_fields == ("age",)
