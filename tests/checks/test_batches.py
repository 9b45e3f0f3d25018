"""Many subjects in one check: each has its own result, and all are from one snapshot."""

from typing import Any

import pytest

from tests.support.numbers import build_uscc
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_question,
    build_subject,
)
from tests.support.world import World


def faults(answer: Any) -> set[tuple[str, str]]:
    return {(item["pointer"], item["code"]) for item in answer.json()["errors"]}


def test_a_bad_number_is_the_error_of_its_own_result(world: World) -> None:
    world.record()
    answer = world.api("approver").post(
        "/v1/checks",
        json=build_check(
            build_question(ref="good"),
            build_question("91370403MB000CT75X", ref="slip"),
            build_question("370402198506120014", "张某", scheme="resident_id", ref="person"),
            build_question(build_uscc(1), ref="unknown"),
        ),
    )
    assert answer.status_code == 200
    results = {item["ref"]: item for item in answer.json()["results"]}
    assert results["good"]["standing"] == "black"
    assert results["good"]["error"] is None
    assert results["unknown"]["standing"] == "none"
    for ref in ("slip", "person"):
        assert results[ref]["error"]["code"] == "invalid_identifier"
        assert results[ref]["standing"] == "unresolved"
        assert results[ref]["note"] is None
    assert "370402198506120014" not in answer.text


def test_results_keep_the_order_and_position_of_the_questions(
    world: World,
) -> None:
    subjects = [build_question(build_uscc(serial), None) for serial in (5, 3, 4)]
    for item in subjects:
        del item["ref"]
    answer = world.api("approver").post("/v1/checks", json=build_check(*subjects))
    assert [item["ref"] for item in answer.json()["results"]] == ["1", "2", "3"]


def test_a_ref_is_used_once(world: World) -> None:
    answer = world.api("approver").post(
        "/v1/checks", json=build_check(build_question(), build_question())
    )
    assert answer.status_code == 422
    assert {code for _, code in faults(answer)} == {"ref_twice"}


def test_a_given_ref_may_not_be_the_position_of_another(world: World) -> None:
    second = build_question(build_uscc(2))
    del second["ref"]
    answer = world.api("approver").post(
        "/v1/checks", json=build_check(build_question(ref="2"), second)
    )
    assert answer.status_code == 422


def test_a_ref_holds_no_personal_number(world: World) -> None:
    answer = world.api("approver").post(
        "/v1/checks", json=build_check(build_question(ref=PERSON_RESIDENT_ID))
    )
    assert answer.status_code == 422
    assert faults(answer) == {("/subjects/0/ref", "personal_number_in_text")}
    assert PERSON_RESIDENT_ID not in answer.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("purpose", f"核查 {PERSON_RESIDENT_ID}"),
        ("case_no", f"ZZ-{PERSON_RESIDENT_ID}"),
        ("case_no", "ZZ-" + " ".join(PERSON_RESIDENT_ID)),
    ],
)
def test_no_text_holds_a_personal_number(world: World, field: str, value: str) -> None:
    answer = world.api("approver").post("/v1/checks", json=build_check() | {field: value})
    assert answer.status_code == 422
    assert faults(answer) == {(f"/{field}", "personal_number_in_text")}
    assert PERSON_RESIDENT_ID not in answer.text


def test_a_name_holds_no_personal_number(world: World) -> None:
    answer = world.api("approver").post(
        "/v1/checks", json=build_check(build_question(name=f"张某{PERSON_RESIDENT_ID}"))
    )
    assert faults(answer) == {("/subjects/0/name", "personal_number_in_text")}


@pytest.mark.parametrize("field", ["purpose", "case_no", "matter"])
def test_a_check_says_why_and_for_which_case(world: World, field: str) -> None:
    body = build_check()
    del body[field]
    answer = world.api("approver").post("/v1/checks", json=body)
    assert answer.status_code == 422
    assert faults(answer) == {(f"/{field}", "missing")}
    blank = world.api("approver").post("/v1/checks", json=build_check() | {field: " "})
    assert blank.status_code == 422


def test_a_matter_must_be_one_of_the_catalogue(world: World) -> None:
    answer = world.api("approver").post("/v1/checks", json=build_check(matter="gardening"))
    assert answer.status_code == 422
    assert faults(answer) == {("/matter", "unknown_value")}


@pytest.mark.parametrize(
    "whom",
    [
        {},
        {"scheme": "uscc"},
        {"number": "91370403MB000CT75T", "name": "某某公司"},
        {"scheme": "shoe_size", "number": "44", "name": "某某公司"},
        {"name": "某某公司", "surname": "某"},
    ],
)
def test_it_must_be_clear_who_is_meant(world: World, whom: dict[str, Any]) -> None:
    answer = world.api("approver").post("/v1/checks", json=build_check(whom))
    assert answer.status_code == 422


def test_a_check_without_subjects_is_refused(world: World) -> None:
    answer = world.api("approver").post("/v1/checks", json=build_check() | {"subjects": []})
    assert answer.status_code == 422
    assert faults(answer) == {("/subjects", "too_few")}


def test_a_thousand_subjects_are_answered_and_one_more_is_refused(world: World) -> None:
    world.record(subject=build_subject(build_uscc(500)))
    many = [
        {"scheme": "uscc", "number": build_uscc(serial), "name": f"公司{serial}"}
        for serial in range(1, 1001)
    ]
    answer = world.api("approver").post("/v1/checks", json=build_check(*many))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert len(results) == 1000
    assert [item["ref"] for item in results if item["standing"] == "black"] == ["500"]
    one_more = {"scheme": "uscc", "number": build_uscc(1001)}
    refused = world.api("approver").post("/v1/checks", json=build_check(*many, one_more))
    assert refused.status_code == 422
    assert faults(refused) == {("/subjects", "too_many")}


def test_a_repeated_subject_is_answered_twice(world: World) -> None:
    world.record()
    answer = world.api("approver").post(
        "/v1/checks", json=build_check(build_question(ref="a"), build_question(ref="b", name=None))
    )
    one, other = answer.json()["results"]
    assert one["standing"] == other["standing"] == "black"
    assert one["digest"] == other["digest"]
