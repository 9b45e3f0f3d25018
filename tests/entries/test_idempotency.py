"""A push may be sent again: the same facts are the same entry, other facts are refused."""

import json
from datetime import date
from typing import Any

import pytest

from app.catalogue.service import load_catalogue_file
from tests.support.problems import count_written_rows, require_refused
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_licence_changes,
    build_penalty_changes,
    build_person,
    build_push,
    build_subject,
)
from tests.support.world import World

PASSPORT = {"scheme": "passport", "number": "E12345678"}
JSON = {"Content-Type": "application/json"}
OTHER_FACTS = {"reason": "拖欠农民工工资,数额较大"}


def full_width(text: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text)


def changed(world: World, entry: dict[str, Any], version: int, **changes: Any) -> dict[str, Any]:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "更正", "changes": changes},
        headers={"If-Match": f'"{version}"'},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def same(world: World, body: dict[str, Any], entry: dict[str, Any]) -> None:
    """Require that the body returns the entry and writes nothing."""
    before = count_written_rows(world)
    answer = world.api().post("/v1/entries", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == entry["id"]
    assert answer.headers["Location"] == f"/v1/entries/{entry['id']}"
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    assert count_written_rows(world) == before


def test_field_order_and_spaces_of_a_body_do_not_matter(world: World) -> None:
    entry = world.record()
    turned = dict(reversed(build_push().items()))
    for text in (json.dumps(turned, indent=4), json.dumps(turned, ensure_ascii=False)):
        answer = world.api().post("/v1/entries", content=text.encode(), headers=JSON)
        assert (answer.status_code, answer.json()["id"]) == (200, entry["id"])


def test_a_number_may_be_written_in_any_way(world: World) -> None:
    entry = world.record()
    number = build_subject()["identifiers"][0]["number"]
    for other in (full_width(number), number.lower(), f" {number[:8]} {number[8:]} "):
        body = build_push(subject=build_subject(other))
        body["responsible_persons"][0]["identifier"]["number"] = full_width(PERSON_RESIDENT_ID)
        same(world, body, entry)


def test_full_width_and_lower_case_are_normalised(world: World) -> None:
    number = build_subject()["identifiers"][0]["number"]
    entry = world.record(subject=build_subject(full_width(number.lower())))
    assert entry["subject"]["identifiers"] == [{"scheme": "uscc", "number": number}]


def test_identifiers_may_come_in_any_order(world: World) -> None:
    numbers = [*build_person()["identifiers"], PASSPORT]
    body = build_push(subject=build_person() | {"identifiers": numbers}, responsible_persons=None)
    entry = world.api().post("/v1/entries", json=body).json()
    same(world, body | {"subject": build_person() | {"identifiers": numbers[::-1]}}, entry)


def test_spaces_around_a_text_do_not_matter(world: World) -> None:
    entry = world.record()
    same(world, build_push(reason=f"  {build_push()['reason']}\n"), entry)


def test_null_is_the_same_as_leaving_it_out(world: World) -> None:
    entry = world.record()
    nothing = {"remark": None, "penalty": None, "licence": None, "department": None}
    same(world, build_push() | nothing | {"conduct_continues": False}, entry)
    body = build_push()
    body["decision"] |= {"penalty_law": None}
    same(world, body, entry)


def test_a_disclosure_of_null_takes_the_list_types_default(world: World) -> None:
    answer = world.api().post("/v1/entries", json=build_push() | {"disclosure": None})
    assert answer.status_code == 201
    same(world, build_push(disclosure=None), answer.json())


def test_an_open_term_is_not_the_same_as_one_left_out(world: World) -> None:
    body = build_push(**build_licence_changes()) | {"effective_until": None}
    assert world.api().post("/v1/entries", json=body).status_code == 201
    require_refused(
        world.api().post("/v1/entries", json=build_push(**build_licence_changes())),
        409,
        "entry_conflict",
    )


def test_equal_amounts_are_the_same(world: World) -> None:
    entry = world.record(**build_penalty_changes(penalty={"fine": "0.20", "confiscated": "2E+3"}))
    assert entry["penalty"] == {"fine": "0.2", "confiscated": "2000"}
    same(
        world,
        build_push(**build_penalty_changes(penalty={"fine": 0.2, "confiscated": 2000})),
        entry,
    )


@pytest.mark.parametrize(
    "other",
    [
        OTHER_FACTS,
        {"subject": build_subject("93370404MA3T000257")},
        {"case_ref": None},
        {"effective_until": "2029-11-19"},
        {"disclosure": None},
        {"replaces": "01928374-0000-7000-8000-000000000000"},
        {"list_type": "wage_arrears.red"},
    ],
    ids=["reason", "subject", "case", "term", "default left out", "replaces", "list type"],
)
def test_other_facts_under_a_known_reference_are_refused(
    world: World, other: dict[str, Any]
) -> None:
    entry = world.record()
    before = count_written_rows(world)
    answer = world.api().post("/v1/entries", json=build_push(**other))
    assert require_refused(answer, 409, "entry_conflict")["entry_id"] == entry["id"]
    assert count_written_rows(world) == before


def test_a_reference_with_one_other_character_is_another_entry(world: World) -> None:
    first = world.record()
    second = world.record(source_ref="HR-2026-000124")
    third = world.record(source_ref="hr-2026-000123")
    assert len({first["id"], second["id"], third["id"]}) == 3


def test_departments_do_not_share_references(world: World) -> None:
    mine = world.record(**build_penalty_changes(source_ref="1"))
    theirs = world.record(
        world.api("department", "tax"),
        **build_penalty_changes(source_ref="1", list_type="tax_fraud.penalty"),
    )
    assert mine["id"] != theirs["id"]


def test_an_operator_repeats_a_departments_push_in_its_name(world: World) -> None:
    entry = world.record()
    answer = world.api("operator").post(
        "/v1/entries", json=build_push(department="human_resources")
    )
    assert (answer.status_code, answer.json()["id"]) == (200, entry["id"])


def test_after_a_correction_both_bodies_are_known(
    world: World,
) -> None:
    entry = world.record()
    changed(world, entry, 1, **OTHER_FACTS)
    for body in (build_push(), build_push(**OTHER_FACTS)):
        same(world, body, entry)
        assert world.api().post("/v1/entries", json=body).json()["version"] == 2
    require_refused(
        world.api().post("/v1/entries", json=build_push(reason="第三种说法")), 409, "entry_conflict"
    )


def test_a_correction_that_takes_a_fact_away_equals_a_push_without_it(world: World) -> None:
    entry = world.record()
    changed(world, entry, 1, case_ref=None)
    same(world, build_push(case_ref=None), entry)
    same(world, build_push() | {"case_ref": None}, entry)


def test_a_corrected_decision_with_nulls_equals_a_push_without_them(world: World) -> None:
    entry = world.record()
    decision = build_push()["decision"] | {"number": "枣人社列〔2026〕13号"}
    changed(world, entry, 1, decision=decision | {"penalty_law": None})
    same(world, build_push(decision=decision), entry)


def test_a_retry_works_after_the_day_or_the_law_changed(world: World, tmp_path: Any) -> None:
    entry = world.record()
    world.clock.set_day(date(2035, 1, 4))
    repealed = tmp_path / "repealed.yaml"
    repealed.write_text(
        """
list_types:
  - code: wage_arrears.black
    domain: wage_arrears
    kind: black
    name: "拖欠农民工工资失信联合惩戒对象名单"
    issuers: [{function: tax, levels: [city]}]
    subject_kinds: [natural_person]
    legal_reference: "已废止"
    in_force: false
""",
        "utf-8",
    )
    load_catalogue_file(world.registry, repealed)
    another = world.api().post("/v1/entries", json=build_push(source_ref="B"))
    require_refused(another, 409, "list_type_not_in_force")
    answer = world.api().post("/v1/entries", json=build_push())
    assert (answer.status_code, answer.json()["id"]) == (200, entry["id"])
    assert answer.json()["status"] == "expired"
    assert answer.json()["on"] == "2035-01-04"
    require_refused(
        world.api().post("/v1/entries", json=build_push(**OTHER_FACTS)), 409, "entry_conflict"
    )


def test_a_retry_after_the_end_shows_the_end(world: World) -> None:
    entry = world.record()
    world.api().post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "移出", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    answer = world.api().post("/v1/entries", json=build_push())
    assert (answer.status_code, answer.json()["status"]) == (200, "removed")
