"""Look-up of a subject, and reading one by its number or id."""

from typing import Any
from uuid import uuid4

import pytest

from app.catalogue.service import put_list_type_in_force
from tests.support.numbers import build_org_code, build_uscc
from tests.support.request_bodies import (
    BUILDER_USCC,
    PERSON_RESIDENT_ID,
    build_penalty_changes,
    build_person,
    build_red_changes,
    build_subject,
)
from tests.support.world import World

COMPANY = {"scheme": "uscc", "number": BUILDER_USCC, "purpose": "受理前查询"}
ZHANG = {
    "scheme": "resident_id",
    "number": PERSON_RESIDENT_ID,
    "name": "张某",
    "purpose": "受理前查询",
    "case_no": "RS-1",
}


def looked_up(world: World, question: dict[str, Any], role: str = "approver", *where: str) -> Any:
    answer = world.api(role, *where).post("/v1/subjects/lookup", json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(world: World, entry: dict[str, Any]) -> None:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已履行", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200


# --- lookup --------------------------------------------------------------


@pytest.mark.parametrize("role", ["approver", "department", "operator"])
def test_a_lookup_gives_standing_and_entries(world: World, role: str) -> None:
    entry = world.record()
    body = looked_up(world, COMPANY, role)
    assert (body["found"], body["standing"]) == (True, "black")
    assert [item["id"] for item in body["entries"]] == [entry["id"]]
    assert (body["on"], body["seq"], body["epoch"]) == ("2026-11-22", 1, 1)
    assert body["note"] is None


@pytest.mark.parametrize("role", ["auditor", "subscriber"])
def test_other_roles_cannot_look_up(world: World, role: str) -> None:
    answer = world.api(role).post("/v1/subjects/lookup", json=COMPANY)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_nothing_found_is_no_praise(world: World) -> None:
    body = looked_up(world, COMPANY)
    assert (body["found"], body["standing"], body["entries"]) == (False, "none", [])
    assert "says nothing about credit" in body["note"]
    zh = world.api("approver").post(
        "/v1/subjects/lookup", json=COMPANY, headers={"Accept-Language": "zh"}
    )
    assert "不代表信用良好" in zh.json()["note"]


def test_a_person_is_looked_up_for_a_case_only(world: World) -> None:
    question = {name: value for name, value in ZHANG.items() if name != "case_no"}
    answer = world.api().post("/v1/subjects/lookup", json=question)
    assert answer.status_code == 422
    assert [item["code"] for item in answer.json()["errors"]] == ["case_no_missing"]
    assert PERSON_RESIDENT_ID not in answer.text


def test_a_person_is_looked_up_by_number_and_name(world: World) -> None:
    world.record(subject=build_person(), responsible_persons=None)
    assert looked_up(world, ZHANG)["standing"] == "black"
    nameless = {name: value for name, value in ZHANG.items() if name != "name"}
    answer = world.api().post("/v1/subjects/lookup", json=nameless)
    assert [(item["pointer"], item["code"]) for item in answer.json()["errors"]] == [
        ("/name", "name_missing")
    ]
    other = looked_up(world, ZHANG | {"name": "李四"})
    assert (other["standing"], other["entries"], other["subject"]) == ("unresolved", [], None)
    assert [item["code"] for item in other["warnings"]] == ["name_mismatch"]


def test_a_purpose_is_always_needed(world: World) -> None:
    question = {name: value for name, value in COMPANY.items() if name != "purpose"}
    assert world.api().post("/v1/subjects/lookup", json=question).status_code == 422


def test_a_bad_number_is_a_fault(world: World) -> None:
    answer = world.api().post("/v1/subjects/lookup", json=COMPANY | {"number": "9137"})
    assert answer.status_code == 422
    assert [(item["pointer"], item["code"]) for item in answer.json()["errors"]] == [
        ("/number", "invalid_identifier")
    ]


def test_a_name_alone_shows_who_bears_it(world: World) -> None:
    put_list_type_in_force(world.registry, "illegal_social_organizations.black", "某某条例第一条")
    world.record(
        world.api(department="civil_affairs"),
        list_type="illegal_social_organizations.black",
        subject={"kind": "unincorporated_organization", "name": "某某研究会"},
    )
    body = looked_up(world, {"name": "某某研究会", "purpose": "受理前查询"})
    assert body["standing"] == "black"
    assert [item["code"] for item in body["warnings"]] == ["name_only_match"]


def test_several_of_one_name_are_shown_as_candidates(world: World) -> None:
    world.record(subject=build_subject(build_uscc(1), "同名有限公司"))
    world.record(subject=build_subject(build_uscc(2), "同名有限公司"), source_ref="HR-2")
    body = looked_up(world, {"name": "同名有限公司", "purpose": "受理前查询"})
    assert (body["standing"], body["subject"], body["entries"]) == ("unresolved", None, [])
    assert len(body["candidates"]) == 2


def test_what_is_listed_under_its_org_code_is_found_by_its_uscc(world: World) -> None:
    old = {
        "kind": "legal_person",
        "name": "枣庄老牌工程公司",
        "identifiers": [{"scheme": "org_code", "number": build_org_code(1)}],
    }
    entry = world.record(subject=old)
    assert looked_up(world, COMPANY | {"number": build_uscc(1)})["standing"] == "black"
    shown = world.api("approver").get(f"/v1/subjects/uscc/{build_uscc(1)}")
    assert shown.json()["id"] == entry["subject"]["id"]


def test_a_department_sees_others_entries_but_not_their_ended_ones(world: World) -> None:
    standing = world.record(disclosure={"class": "restricted"})
    gone = world.record(source_ref="HR-2")
    ended(world, gone)
    seen = {item["id"] for item in looked_up(world, COMPANY, "department", "tax")["entries"]}
    own = {item["id"] for item in looked_up(world, COMPANY, "department")["entries"]}
    all_ = {item["id"] for item in looked_up(world, COMPANY, "operator")["entries"]}
    assert seen == {standing["id"]}
    assert own == all_ == {standing["id"], gone["id"]}


def test_a_department_sees_anothers_exempt_entry_in_outline(world: World) -> None:
    world.record(disclosure={"class": "exempt", "exemption": "trade_secret", "basis": "商业秘密"})
    [other] = looked_up(world, COMPANY, "department", "tax")["entries"]
    [own] = looked_up(world, COMPANY, "department")["entries"]
    assert (other["reason"], other["department"]) == (None, None)
    assert (own["department"], bool(own["reason"])) == ("human_resources", True)


# --- by number and id ----------------------------------------------------


def test_a_subject_is_shown_by_its_uscc_and_its_id(world: World) -> None:
    world.record(**build_red_changes())
    entry = world.record()
    world.record(**build_penalty_changes())
    by_code = world.api("approver").get(f"/v1/subjects/uscc/{BUILDER_USCC.lower()}")
    by_id = world.api("approver").get(f"/v1/subjects/{entry['subject']['id']}")
    assert by_code.status_code == by_id.status_code == 200
    assert by_code.json() == by_id.json()
    view = by_code.json()
    assert view["identifiers"] == [
        {"scheme": "org_code", "number": BUILDER_USCC[8:17]},
        {"scheme": "uscc", "number": BUILDER_USCC},
    ]
    assert (view["standing"], len(view["entries"])) == ("black", 3)


def test_an_unknown_subject_is_not_found_and_not_praised(world: World) -> None:
    for path in (f"/v1/subjects/uscc/{build_uscc(9)}", f"/v1/subjects/{uuid4()}"):
        answer = world.api("approver").get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "subject_not_found")
        assert "says nothing about credit" in answer.json()["detail"]
        zh = world.api("approver").get(path, headers={"Accept-Language": "zh-CN"})
        assert "不代表信用良好" in zh.json()["detail"]


def test_who_was_listed_once_is_not_found_any_more(world: World) -> None:
    entry = world.record()
    ended(world, entry)
    unknown = world.api("approver").get(f"/v1/subjects/uscc/{build_uscc(9)}").json()
    for path in (f"/v1/subjects/uscc/{BUILDER_USCC}", f"/v1/subjects/{entry['subject']['id']}"):
        gone = world.api("approver").get(path)
        assert gone.status_code == 404
        assert gone.json() | {"request_id": None} == unknown | {"request_id": None}
        assert world.api("operator").get(path).json()["standing"] == "none"


def test_a_person_is_shown_by_id_to_operators_and_auditors_alone(world: World) -> None:
    entry = world.record(subject=build_person(), responsible_persons=None)
    path = f"/v1/subjects/{entry['subject']['id']}"
    for role in ("operator", "auditor"):
        view = world.api(role).get(path).json()
        assert view["name"] == "张某"
        assert view["identifiers"] == [{"scheme": "resident_id", "masked": "*" * 18}]
    for role in ("approver", "department"):
        assert world.api(role).get(path).status_code == 404


def test_a_code_that_is_none_is_a_fault(world: World) -> None:
    answer = world.api("approver").get("/v1/subjects/uscc/91370403MB000CT75X")
    assert answer.status_code == 422
    assert [item["code"] for item in answer.json()["errors"]] == ["invalid_identifier"]


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/subjects/uscc/{PERSON_RESIDENT_ID}",
        f"/v1/subjects/{PERSON_RESIDENT_ID}",
        f"/v1/entries?source_ref={PERSON_RESIDENT_ID}",
        f"/v1/entries?source_ref={'%20'.join(PERSON_RESIDENT_ID)}",
        "/v1/entries?source_ref=" + "".join(f"%25{ord(each):02X}" for each in PERSON_RESIDENT_ID),
        "/v1/entries?source_ref=" + "".join(f"%EF%BC%9{each}" for each in PERSON_RESIDENT_ID),
        f"/v1/entries?{PERSON_RESIDENT_ID}=1",
        f"/anywhere/{PERSON_RESIDENT_ID}",
    ],
)
def test_no_address_holds_a_personal_number(world: World, path: str) -> None:
    answer = world.api("operator").get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "personal_number_in_url")
    assert PERSON_RESIDENT_ID not in answer.text


def test_nothing_is_cached_by_the_way(world: World) -> None:
    world.record()
    answer = world.api("approver").get(f"/v1/subjects/uscc/{BUILDER_USCC}")
    assert answer.headers["Cache-Control"] == "no-store"
