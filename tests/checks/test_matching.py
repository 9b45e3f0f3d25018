"""Matching of subjects: numbers of every scheme, names old and new, names alone."""

from typing import Any

import pytest

from app.catalogue.service import put_list_type_in_force
from tests.support.numbers import build_org_code, build_resident_id, build_uscc
from tests.support.request_bodies import (
    BUILDER_USCC,
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_question,
    build_red_changes,
    build_subject,
)
from tests.support.world import World

SOCIETY = "枣庄某某研究会"


def results(world: World, *subjects: dict[str, Any], matter: str = "bidding") -> Any:
    answer = world.api("approver").post("/v1/checks", json=build_check(*subjects, matter=matter))
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def codes(result: dict[str, Any]) -> list[str]:
    return [item["code"] for item in result["warnings"]]


@pytest.fixture
def society(world: World) -> dict[str, Any]:
    """A black entry on a subject that is known by its name alone."""
    put_list_type_in_force(world.registry, "illegal_social_organizations.black", "某某条例第一条")
    return world.record(
        world.api(department="civil_affairs"),
        list_type="illegal_social_organizations.black",
        subject={"kind": "unincorporated_organization", "name": SOCIETY, "identifiers": []},
    )


# --- natural persons -----------------------------------------------------


@pytest.fixture
def listed_person(world: World) -> dict[str, Any]:
    return world.record(subject=build_person(), responsible_persons=None)


def test_a_person_needs_a_name(world: World, listed_person: dict[str, Any]) -> None:
    [result] = results(world, build_question(PERSON_RESIDENT_ID, None, scheme="resident_id"))
    assert result["error"]["code"] == "name_missing"
    assert (result["standing"], result["entries"], result["measures"]) == ("unresolved", [], [])


def test_a_person_with_another_name_is_unresolved_without_details(
    world: World, listed_person: dict[str, Any]
) -> None:
    [result] = results(world, build_question(PERSON_RESIDENT_ID, "李四", scheme="resident_id"))
    assert result["standing"] == "unresolved"
    assert codes(result) == ["name_mismatch"]
    assert (result["found"], result["subject"]) == (False, None)
    assert (result["entries"], result["measures"], result["suppressed"]) == ([], [], [])
    assert result["note"] is None
    assert "张" not in str(result)


def test_blanks_and_width_do_not_make_another_person(
    world: World, listed_person: dict[str, Any]
) -> None:
    number = PERSON_RESIDENT_ID.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    [result] = results(world, build_question(f" {number} ", "张 某", scheme="resident_id"))
    assert (result["standing"], codes(result)) == ("black", [])


def test_a_former_name_of_a_person_is_accepted(world: World, listed_person: dict[str, Any]) -> None:
    corrected = world.api().post(
        f"/v1/entries/{listed_person['id']}/corrections",
        json={"reason": "更名", "changes": {"subject": {"name": "张新"}}},
        headers={"If-Match": '"1"'},
    )
    assert corrected.status_code == 200, corrected.text
    for name in ("张某", "张新"):
        [result] = results(world, build_question(PERSON_RESIDENT_ID, name, scheme="resident_id"))
        assert (result["standing"], codes(result)) == ("black", [])


def test_the_same_number_under_another_scheme_is_another_subject(
    world: World, listed_person: dict[str, Any]
) -> None:
    [result] = results(world, build_question(PERSON_RESIDENT_ID[:17], "张某", scheme="passport"))
    assert (result["found"], result["standing"]) == (False, "none")


def test_a_wrong_name_for_an_unlisted_person_discloses_nothing(world: World) -> None:
    [result] = results(world, build_question(build_resident_id(9), "李四", scheme="resident_id"))
    assert (result["standing"], codes(result)) == ("none", [])


def test_a_wrong_name_for_an_ended_entry_discloses_nothing(
    world: World, listed_person: dict[str, Any]
) -> None:
    world.api().post(
        f"/v1/entries/{listed_person['id']}/exits",
        json={"reason": "已履行", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    [wrong] = results(world, build_question(PERSON_RESIDENT_ID, "李四", scheme="resident_id"))
    [right] = results(world, build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id"))
    assert wrong == right
    assert (wrong["standing"], wrong["warnings"]) == ("none", [])


# --- organisations -------------------------------------------------------


def test_an_organisation_of_another_name_is_answered_with_a_warning(world: World) -> None:
    world.record()
    [result] = results(world, build_question(name="滕州另一家公司"))
    assert (result["standing"], codes(result)) == ("black", ["name_mismatch"])
    assert result["measures"]


def test_an_organisation_needs_no_name(world: World) -> None:
    world.record()
    [result] = results(world, build_question(name=None))
    assert (result["standing"], codes(result)) == ("black", [])


def test_brackets_of_either_width_are_the_same_name(world: World) -> None:
    world.record(subject=build_subject(name="枣庄(山亭)建筑有限公司"))
    [result] = results(world, build_question(name="枣庄（山亭）建筑有限公司"))
    assert codes(result) == []


def test_a_former_name_of_an_organisation_is_accepted(world: World) -> None:
    world.record(subject=build_subject(name="旧名有限公司"))
    decided = {
        "number": "枣人社列〔2026〕13号",
        "kind": "list_decision",
        "decided_on": "2026-11-21",
    }
    world.record(subject=build_subject(name="新名有限公司"), source_ref="HR-2", decision=decided)
    for name in ("旧名有限公司", "新名有限公司"):
        [result] = results(world, build_question(name=name))
        assert codes(result) == []
        assert result["subject"]["name"] == "新名有限公司"
    [by_old_name] = results(world, {"name": "旧名有限公司"})
    assert by_old_name["standing"] == "black"


def with_org_code(serial: int = 1) -> dict[str, Any]:
    return {
        "kind": "legal_person",
        "name": "枣庄老牌工程公司",
        "identifiers": [{"scheme": "org_code", "number": build_org_code(serial)}],
    }


def test_what_is_listed_under_its_org_code_is_found_by_its_uscc(world: World) -> None:
    world.record(subject=with_org_code())
    [by_uscc, by_org_code] = results(
        world,
        build_question(build_uscc(1), None),
        build_question(build_org_code(1), None, scheme="org_code", ref="2"),
    )
    assert (by_uscc["found"], by_uscc["standing"]) == (True, "black")
    assert by_uscc["entries"] == by_org_code["entries"]
    assert by_uscc["digest"] == by_org_code["digest"]


def test_the_org_code_finds_an_entry_under_the_uscc(world: World) -> None:
    world.record(subject=build_subject(build_uscc(1)))
    written = f"{build_org_code(1)[:8]}-{build_org_code(1)[8]}"
    [result] = results(world, build_question(written, None, scheme="org_code"))
    assert result["standing"] == "black"


def test_a_push_under_the_uscc_joins_the_subject_of_the_org_code(world: World) -> None:
    first = world.record(subject=with_org_code())
    second = world.record(
        subject=build_subject(build_uscc(1), "枣庄老牌工程公司"), source_ref="HR-2"
    )
    assert first["subject"]["id"] == second["subject"]["id"]
    [result] = results(world, build_question(build_uscc(1), None))
    assert {item["id"] for item in result["entries"]} == {first["id"], second["id"]}


def test_neighbouring_codes_are_not_merged(world: World) -> None:
    world.record(subject=with_org_code(1))
    missed = results(
        world,
        build_question(build_uscc(2), None),
        build_question(build_org_code(2), None, scheme="org_code", ref="2"),
    )
    assert [item["standing"] for item in missed] == ["none", "none"]


def test_the_org_code_warns_of_another_name_as_the_uscc_does(world: World) -> None:
    world.record(subject=with_org_code())
    [result] = results(world, build_question(build_uscc(1), "完全不同的公司"))
    assert (result["standing"], codes(result)) == ("black", ["name_mismatch"])


# --- names alone ---------------------------------------------------------


def test_a_name_alone_finds_an_organisation_and_warns(world: World) -> None:
    world.record()
    [result] = results(world, {"name": "枣庄某某建筑有限公司"})
    assert (result["standing"], codes(result)) == ("black", ["name_only_match"])


def test_a_name_alone_finds_who_is_listed_by_name_alone(
    world: World, society: dict[str, Any]
) -> None:
    [result] = results(world, {"name": SOCIETY})
    assert (result["standing"], codes(result)) == ("black", ["name_only_match"])


def test_a_name_alone_never_finds_a_person(world: World) -> None:
    world.record(subject=build_person(), responsible_persons=None)
    [result] = results(world, {"name": "张某"})
    assert (result["found"], result["standing"]) == (False, "none")


def test_a_number_for_a_subject_listed_by_name_alone_is_unresolved(
    world: World, society: dict[str, Any]
) -> None:
    [result] = results(world, build_question(build_uscc(4), SOCIETY))
    assert (result["standing"], codes(result)) == ("unresolved", ["name_only_match"])
    assert result["measures"] == []
    assert result["note"] is None
    assert result["entries"]


def test_a_red_entry_does_not_outshine_a_black_namesake(
    world: World, society: dict[str, Any]
) -> None:
    world.record(**build_red_changes(subject=build_subject(build_uscc(4), SOCIETY)))
    [result] = results(world, build_question(build_uscc(4), SOCIETY), matter="permit_review")
    assert (result["standing"], result["measures"]) == ("unresolved", [])


def test_a_namesake_does_not_soften_a_black_entry(world: World, society: Any) -> None:
    world.record(subject=build_subject(build_uscc(4), SOCIETY))
    [result] = results(world, build_question(build_uscc(4), SOCIETY))
    assert (result["standing"], codes(result)) == ("black", ["name_only_match"])
    assert "restrict_bidding" in {item["code"] for item in result["measures"]}


def test_a_name_that_two_bear_is_unresolved(world: World) -> None:
    world.record(subject=build_subject(build_uscc(1), "同名有限公司"))
    world.record(subject=build_subject(build_uscc(2), "同名有限公司"), source_ref="HR-2")
    [result] = results(world, {"name": "同名有限公司"})
    assert (result["standing"], codes(result)) == ("unresolved", ["ambiguous_name"])
    assert (result["entries"], result["measures"]) == ([], [])


def test_a_namesake_with_an_ended_entry_is_not_ambiguous(world: World) -> None:
    gone = world.record(subject=build_subject(build_uscc(1), "同名有限公司"))
    world.record(subject=build_subject(build_uscc(2), "同名有限公司"), source_ref="HR-2")
    world.api().post(
        f"/v1/entries/{gone['id']}/exits",
        json={"reason": "已履行", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    [result] = results(world, {"name": "同名有限公司"})
    assert (result["standing"], codes(result)) == ("black", ["name_only_match"])


def test_an_unknown_number_does_not_fall_back_on_the_name(world: World) -> None:
    world.record()
    [result] = results(world, build_question(build_uscc(8), "枣庄某某建筑有限公司"))
    assert (result["standing"], result["entries"]) == ("none", [])
    assert BUILDER_USCC not in str(result)


def test_a_corrected_name_is_found_and_the_wrong_one_no_longer(
    world: World, society: dict[str, Any]
) -> None:
    corrected = world.api(department="civil_affairs").post(
        f"/v1/entries/{society['id']}/corrections",
        json={"reason": "名称录入错误", "changes": {"subject": {"name": "枣庄某某协会"}}},
        headers={"If-Match": '"1"'},
    )
    assert corrected.status_code == 200, corrected.text
    right, wrong = results(
        world,
        build_question(BUILDER_USCC, "枣庄某某协会", ref="1"),
        build_question(BUILDER_USCC, SOCIETY, ref="2"),
    )
    assert (right["standing"], wrong["standing"]) == ("unresolved", "none")


def test_a_number_asked_without_a_name_is_held_against_names_known_alone(
    world: World, society: dict[str, Any]
) -> None:
    world.record(**build_red_changes(subject=build_subject(BUILDER_USCC, SOCIETY)))
    [result] = results(world, build_question(BUILDER_USCC, None))
    assert (result["standing"], codes(result)) == ("unresolved", ["name_only_match"])


def test_a_decision_that_confirms_the_name_outweighs_an_older_one(
    world: World,
) -> None:
    def named(name: str, decided_on: str, reference: str) -> None:
        decision = build_red_changes()["decision"] | {"decided_on": decided_on}
        facts = build_red_changes(
            source_ref=reference,
            subject=build_subject(BUILDER_USCC, name),
            decision=decision,
            effective_from=decided_on,
        )
        world.record(**facts)

    named("老名公司", "2026-01-12", "A")
    named("老名公司", "2026-11-02", "B")
    named("错名公司", "2026-06-15", "C")
    seen = world.api("approver").get(f"/v1/subjects/uscc/{BUILDER_USCC}").json()
    assert (seen["name"], seen["former_names"]) == ("老名公司", ["错名公司"])
