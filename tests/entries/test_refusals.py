"""Refusals of a push: status, code and pointer; nothing is written or echoed."""

import logging
from typing import Any

import pytest

from tests.support.problems import count_written_rows, read_server_log, require_refused
from tests.support.request_bodies import (
    BUILDER_USCC,
    MINOR_RESIDENT_ID,
    OTHER_USCC,
    PERSON_RESIDENT_ID,
    build_licence_changes,
    build_penalty_changes,
    build_person,
    build_push,
    build_red_changes,
    build_resident_id,
    build_subject,
    build_uscc,
)
from tests.support.world import World

HR, TAX = ("department", "human_resources"), ("department", "tax")
OPERATOR = ("operator", None)
NEXT = {"source_ref": "HR-NEXT"}

PASSPORT = {"scheme": "passport", "number": "E12345678"}
DECIDED = {"number": "枣人社列〔2026〕12号", "kind": "list_decision", "decided_on": "2026-11-20"}
SELF_EMPLOYED = build_uscc("92370403", "MA000001")
SEALED = build_penalty_changes()["decision"] | {"penalty_law": "public_security"}


def with_identifiers(*identifiers: dict[str, str], **more: Any) -> dict[str, Any]:
    return build_subject() | {"identifiers": list(identifiers)} | more


def one_person(role: str, number: str | None = None) -> list[dict[str, Any]]:
    named: dict[str, Any] = {"role": role, "name": "张某"}
    if number is not None:
        named["identifier"] = {"scheme": "resident_id", "number": number}
    return [named]


# Request and expected refusal: (role, body, status, code, pointer).
CASES: dict[str, tuple[tuple[str, str | None], dict[str, Any], int, str, str | None]] = {
    "a number with a wrong check character": (
        HR,
        build_push(subject=build_subject("91370403MB000CT75U")),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a code whose inner organisation code is wrong": (
        HR,
        build_push(subject=build_subject("91370403MB000CT80T")),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a code with the letter I": (
        HR,
        build_push(subject=build_subject("91440300MA5DC0TE8I")),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a day of birth that does not exist": (
        HR,
        build_push(subject=build_person("37040220230229001X"), responsible_persons=None),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a day of birth in the future": (
        HR,
        build_push(subject=build_person(build_resident_id("20990101")), responsible_persons=None),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a responsible person's wrong number": (
        HR,
        build_push(responsible_persons=one_person("legal_representative", "370402198506120014")),
        422,
        "invalid_identifier",
        "/responsible_persons/0/identifier/number",
    ),
    "a personal number under a scheme of organisations": (
        HR,
        build_push(subject=with_identifiers({"scheme": "uscc", "number": PERSON_RESIDENT_ID})),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a personal scheme for an organisation": (
        HR,
        build_push(
            subject=with_identifiers({"scheme": "resident_id", "number": PERSON_RESIDENT_ID})
        ),
        422,
        "scheme_not_for_kind",
        "/subject",
    ),
    "a scheme twice": (
        HR,
        build_push(
            subject=with_identifiers(
                {"scheme": "uscc", "number": BUILDER_USCC}, {"scheme": "uscc", "number": OTHER_USCC}
            )
        ),
        422,
        "scheme_twice",
        "/subject",
    ),
    "an organisation code that is not the one inside": (
        HR,
        build_push(
            subject=with_identifiers(
                {"scheme": "uscc", "number": BUILDER_USCC},
                {"scheme": "org_code", "number": "D2143569X"},
            )
        ),
        409,
        "identifier_conflict",
        None,
    ),
    "a minor": (
        HR,
        build_push(subject=build_person(MINOR_RESIDENT_ID), responsible_persons=None),
        409,
        "minor_subject",
        None,
    ),
    "somebody who was a minor when the conduct ended": (
        HR,
        build_push(subject=build_person(build_resident_id("20081101")), responsible_persons=None),
        409,
        "minor_subject",
        None,
    ),
    "a minor known by a birth date alone": (
        HR,
        build_push(
            subject=build_person() | {"identifiers": [PASSPORT], "birth_date": "2010-01-01"},
            responsible_persons=None,
        ),
        409,
        "minor_subject",
        None,
    ),
    "a public-security penalty": (
        HR,
        build_push(**build_penalty_changes(decision=SEALED)),
        409,
        "sealed_record",
        None,
    ),
    "a list decision under the public-security law": (
        HR,
        build_push(decision=DECIDED | {"penalty_law": "public_security"}),
        409,
        "sealed_record",
        None,
    ),
    "another department's list": (TAX, build_push(), 403, "not_your_list", None),
    "in another department's name": (
        HR,
        build_push(department="tax"),
        403,
        "not_your_department",
        None,
    ),
    "an operator without a department": (OPERATOR, build_push(), 422, "missing", "/department"),
    "an operator for a department that does not exist": (
        OPERATOR,
        build_push(department="nobody"),
        403,
        "not_your_list",
        None,
    ),
    "an operator for a department that does not issue it": (
        OPERATOR,
        build_push(department="tax"),
        403,
        "not_your_list",
        None,
    ),
    "an auditor": (("auditor", None), build_push(), 403, "forbidden", None),
    "an approver": (("approver", None), build_push(), 403, "forbidden", None),
    "a subscriber": (("subscriber", None), build_push(), 403, "forbidden", None),
    "a decision in the future": (
        HR,
        build_push(decision=DECIDED | {"decided_on": "2026-11-23"}, effective_from="2026-11-23"),
        422,
        "decision_in_future",
        "/decision/decided_on",
    ),
    "a list type without a legal basis": (
        ("department", "development_reform"),
        build_push(list_type="finance.black"),
        409,
        "list_type_not_in_force",
        None,
    ),
    "an unknown list type": (
        HR,
        build_push(list_type="wage_arrears.purple"),
        422,
        "unknown_value",
        "/list_type",
    ),
    "a term longer than the list type's": (
        HR,
        build_push(effective_until="2029-11-21"),
        409,
        "term_not_allowed",
        None,
    ),
    "an open term where none is allowed": (
        HR,
        build_push() | {"effective_until": None},
        409,
        "term_not_allowed",
        None,
    ),
    "a public entry on a natural person": (
        TAX,
        build_push(list_type="tax_fraud.black", subject=build_person(), responsible_persons=None),
        409,
        "publication_not_allowed",
        None,
    ),
    "a kind of subject that the list type does not take": (
        HR,
        build_push(**build_red_changes(subject=build_person())),
        409,
        "subject_kind_not_allowed",
        None,
    ),
    "conduct that ended after the decision": (
        HR,
        build_push(conduct_ended_on="2026-11-21"),
        422,
        "dates_out_of_order",
        "/conduct_ended_on",
    ),
    "a term that ends before it begins": (
        HR,
        build_push(effective_until="2026-11-19"),
        422,
        "dates_out_of_order",
        "/effective_until",
    ),
    "no responsible person": (
        HR,
        build_push(responsible_persons=None),
        422,
        "responsible_person_missing",
        "/responsible_persons",
    ),
    "no head among the responsible persons": (
        HR,
        build_push(responsible_persons=one_person("directly_responsible", PERSON_RESIDENT_ID)),
        422,
        "responsible_person_missing",
        "/responsible_persons",
    ),
    "no end of the conduct": (
        HR,
        build_push(conduct_ended_on=None),
        422,
        "conduct_end_missing",
        "/conduct_ended_on",
    ),
    "conduct that ended and continues": (
        HR,
        build_push(conduct_continues=True),
        422,
        "conduct_contradicts",
        "/conduct_continues",
    ),
    "no identifier": (
        HR,
        build_push(subject={"kind": "legal_person", "name": "枣庄某某建筑有限公司"}),
        422,
        "identifier_missing",
        "/subject/identifiers",
    ),
    "exempt without saying why": (
        HR,
        build_push(disclosure={"class": "exempt", "basis": "保密法第九条"}),
        422,
        "exemption_incomplete",
        "/disclosure",
    ),
    "exempt without a basis": (
        HR,
        build_push(disclosure={"class": "exempt", "exemption": "state_secret"}),
        422,
        "exemption_incomplete",
        "/disclosure",
    ),
    "an exemption of what is public": (
        HR,
        build_push(disclosure={"class": "public", "exemption": "state_secret", "basis": "保密法"}),
        422,
        "exemption_incomplete",
        "/disclosure",
    ),
    "a passport without a birth date": (
        HR,
        build_push(subject=build_person() | {"identifiers": [PASSPORT]}, responsible_persons=None),
        422,
        "birth_date_missing",
        "/subject/birth_date",
    ),
    "a birth date that is not the number's": (
        HR,
        build_push(subject=build_person() | {"birth_date": "1985-06-13"}, responsible_persons=None),
        422,
        "birth_date_contradicts",
        "/subject/birth_date",
    ),
    "an organisation's birth date": (
        HR,
        build_push(subject=build_subject() | {"birth_date": "1985-06-12"}),
        422,
        "birth_date_not_for_kind",
        "/subject",
    ),
    "an individual business's code on a company": (
        HR,
        build_push(subject=build_subject(SELF_EMPLOYED)),
        422,
        "kind_not_of_uscc",
        "/subject/kind",
    ),
    "a company's code on an individual business": (
        HR,
        build_push(subject=build_subject() | {"kind": "individual_business"}),
        422,
        "kind_not_of_uscc",
        "/subject/kind",
    ),
    "a replacement of what is not there": (
        HR,
        build_push(replaces="01928374-0000-7000-8000-000000000000"),
        422,
        "nothing_to_replace",
        "/replaces",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_refused_push_writes_nothing_and_uses_no_number(
    world: World, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    caplog.set_level(logging.DEBUG)
    (role, department), body, status, code, pointer = CASES[case]
    before = count_written_rows(world)
    answer = world.api(role, department).post("/v1/entries", json=body)
    require_refused(answer, status, code, pointer)
    assert count_written_rows(world) == before
    assert world.record(**NEXT)["seq"] == before[-1] + 1
    for item in [*body["subject"].get("identifiers", []), {"number": PERSON_RESIDENT_ID}]:
        assert item["number"] not in answer.text
        assert item["number"] not in read_server_log(caplog)


def test_a_refused_term_names_the_last_allowed_day(world: World) -> None:
    answer = world.api().post("/v1/entries", json=build_push(effective_until="2030-01-01"))
    assert require_refused(answer, 409, "term_not_allowed")["latest"] == "2029-11-20"
    world.record(effective_until="2029-11-20")


def test_a_person_who_was_18_at_the_end_of_conduct_is_listed(world: World) -> None:
    adult = build_person(build_resident_id("20081031"))
    world.record(subject=adult, responsible_persons=None, conduct_ended_on="2026-10-31")


def test_conduct_that_continues_is_judged_by_the_day_of_the_decision(world: World) -> None:
    continuing = {"conduct_ended_on": None, "conduct_continues": True, "responsible_persons": None}
    minor = build_person(build_resident_id("20081121"))
    require_refused(
        world.api().post("/v1/entries", json=build_push(subject=minor, **continuing)),
        409,
        "minor_subject",
    )
    world.record(subject=build_person(build_resident_id("20081120")), **continuing)


def test_every_fault_of_a_body_is_named_at_once(world: World) -> None:
    answer = world.api().post(
        "/v1/entries",
        json=build_push(
            conduct_ended_on="2026-11-21",
            effective_until="2026-01-01",
            responsible_persons=None,
            disclosure={"class": "exempt"},
        ),
    )
    document = require_refused(answer, 422, "dates_out_of_order", "/conduct_ended_on")
    assert {item["code"] for item in document["errors"]} == {
        "dates_out_of_order",
        "responsible_person_missing",
        "exemption_incomplete",
    }


# --- conflicts with recorded data ----------------------------


def test_numbers_of_two_recorded_subjects_conflict(world: World) -> None:
    registered = {"scheme": "registration_no", "number": "440301103097413"}
    world.record()
    world.record(
        source_ref="B", subject=build_subject(name="乙公司") | {"identifiers": [registered]}
    )
    both = with_identifiers({"scheme": "uscc", "number": BUILDER_USCC}, registered)
    before = count_written_rows(world)
    answer = world.api().post("/v1/entries", json=build_push(source_ref="C", subject=both))
    require_refused(answer, 409, "identifier_conflict")
    assert count_written_rows(world) == before


def test_numbers_of_two_recorded_persons_conflict(world: World) -> None:
    alone = {"responsible_persons": None}
    passport = build_person() | {"identifiers": [PASSPORT], "birth_date": "1985-06-12"}
    world.record(subject=build_person(), **alone)
    world.record(source_ref="B", subject=passport, **alone)
    both = build_person() | {"identifiers": [*build_person()["identifiers"], PASSPORT]}
    answer = world.api().post("/v1/entries", json=build_push(source_ref="C", subject=both, **alone))
    require_refused(answer, 409, "identifier_conflict")
    assert PASSPORT["number"] not in answer.text


def test_a_subject_never_gets_a_second_permanent_number(world: World) -> None:
    registered = {"scheme": "registration_no", "number": "440301103097413"}
    world.record(subject=with_identifiers({"scheme": "uscc", "number": BUILDER_USCC}, registered))
    other = with_identifiers({"scheme": "uscc", "number": "51370400MJE100014P"}, registered)
    before = count_written_rows(world)
    answer = world.api().post("/v1/entries", json=build_push(source_ref="B", subject=other))
    require_refused(answer, 409, "identifier_conflict")
    assert count_written_rows(world) == before
    # No data of the other organisation moved to the first one.
    theirs = world.record(source_ref="C", subject=build_subject("51370400MJE100014P", "某协会"))
    mine = world.record(source_ref="D")
    assert theirs["subject"]["id"] != mine["subject"]["id"]


def test_a_person_never_gets_a_second_resident_id(world: World) -> None:
    alone = {"responsible_persons": None}
    first = build_person() | {"identifiers": [*build_person()["identifiers"], PASSPORT]}
    world.record(subject=first, **alone)
    second = build_person(build_resident_id("19850612", "003"))
    second["identifiers"].append(PASSPORT)
    answer = world.api().post(
        "/v1/entries", json=build_push(source_ref="B", subject=second, **alone)
    )
    require_refused(answer, 409, "identifier_conflict")


def test_a_new_passport_of_a_known_person_is_taken(world: World) -> None:
    alone = {"responsible_persons": None}
    first = build_person() | {"identifiers": [*build_person()["identifiers"], PASSPORT]}
    renewed = build_person() | {
        "identifiers": [
            *build_person()["identifiers"],
            {"scheme": "passport", "number": "E99999999"},
        ]
    }
    one = world.record(subject=first, **alone)
    other = world.record(source_ref="B", subject=renewed, **alone)
    assert one["subject"]["id"] == other["subject"]["id"]


def test_a_code_is_found_by_the_organisation_code_inside_it(world: World) -> None:
    by_code = with_identifiers({"scheme": "org_code", "number": "MB000CT7-5"})
    one = world.record(subject=by_code)
    other = world.record(source_ref="B")
    assert one["subject"]["id"] == other["subject"]["id"]


def test_a_subject_keeps_its_kind(world: World) -> None:
    world.record()
    before = count_written_rows(world)
    body = build_push(
        source_ref="B", subject=build_subject() | {"kind": "unincorporated_organization"}
    )
    answer = world.api().post("/v1/entries", json=body)
    assert require_refused(answer, 409, "subject_kind_conflict")["recorded_kind"] == "legal_person"
    assert count_written_rows(world) == before


# --- a personal number in any text ----------------------------------------

FULL = build_push(
    **build_penalty_changes(
        case_ref="C-1",
        remark="备注",
        responsible_persons=one_person("legal_representative"),
        disclosure={"class": "exempt", "exemption": "trade_secret", "basis": "依据"},
        penalty={
            "conduct": "行为",
            "categories": ["罚款", "警告"],
            "content": "内容",
            "permit": "证照",
        },
        licence=build_licence_changes()["licence"]
        | {"certificate_name": "证书", "certificate_number": "证书编号"},
    )
)
TEXTS = [
    "/source_ref",
    "/case_ref",
    "/reason",
    "/legal_basis",
    "/remark",
    "/subject/name",
    "/decision/number",
    "/responsible_persons/0/name",
    "/disclosure/basis",
    "/penalty/conduct",
    "/penalty/categories/1",
    "/penalty/content",
    "/penalty/permit",
    "/licence/document_name",
    "/licence/category",
    "/licence/certificate_name",
    "/licence/certificate_number",
    "/licence/content",
]
FULL_WIDTH = PERSON_RESIDENT_ID.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
NUMBER_FORMS = [
    PERSON_RESIDENT_ID,
    f"身份证号{PERSON_RESIDENT_ID}。",
    f"x{PERSON_RESIDENT_ID}y",
    FULL_WIDTH,
    f"{PERSON_RESIDENT_ID[:6]} {PERSON_RESIDENT_ID[6:14]} {PERSON_RESIDENT_ID[14:]}",
    f"{PERSON_RESIDENT_ID[:6]}-{PERSON_RESIDENT_ID[6:14]}-{PERSON_RESIDENT_ID[14:]}",
    "\u200b".join(PERSON_RESIDENT_ID),
    "11010519491231002x",
]


def bent(body: Any, pointer: str, value: str) -> Any:
    """A copy of a body with another value at a place."""
    first, _, rest = pointer.removeprefix("/").partition("/")
    if isinstance(body, list):
        copy: Any = list(body)
        copy[int(first)] = bent(body[int(first)], rest, value) if rest else value
        return copy
    return body | {first: bent(body[first], rest, value) if rest else value}


def test_no_text_of_a_push_may_hold_a_personal_number(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = count_written_rows(world)
    for pointer in TEXTS:
        answer = world.api().post(
            "/v1/entries", json=bent(FULL, pointer, f"号{PERSON_RESIDENT_ID}")
        )
        require_refused(answer, 422, "personal_number_in_text", pointer)
        assert PERSON_RESIDENT_ID not in answer.text
    assert count_written_rows(world) == before
    assert PERSON_RESIDENT_ID not in read_server_log(caplog)
    assert world.api().post("/v1/entries", json=FULL).status_code == 201


def test_a_personal_number_is_found_in_every_form(world: World) -> None:
    for text in NUMBER_FORMS:
        answer = world.api().post("/v1/entries", json=build_push(reason=text))
        require_refused(answer, 422, "personal_number_in_text", "/reason")
        assert text not in answer.text


def test_a_code_in_a_text_is_no_personal_number(world: World) -> None:
    world.record(
        reason=f"与 {BUILDER_USCC} 号企业共同拖欠工资", remark="工商注册号 110108000000016"
    )


def test_the_reason_of_a_change_may_not_hold_a_personal_number(world: World) -> None:
    entry = world.record()
    changes = {"reason": "更正事由"}
    orders: dict[str, dict[str, Any]] = {
        "corrections": {"reason": PERSON_RESIDENT_ID, "changes": changes},
        "revocations": {
            "reason": PERSON_RESIDENT_ID,
            "reason_code": "other",
            "revoked_on": "2026-11-22",
        },
        "exits": {"reason": PERSON_RESIDENT_ID, "exited_on": "2026-11-22"},
    }
    before = count_written_rows(world)
    for name, order in orders.items():
        answer = world.api().post(
            f"/v1/entries/{entry['id']}/{name}", json=order, headers={"If-Match": '"1"'}
        )
        require_refused(answer, 422, "personal_number_in_text", "/reason")
        assert PERSON_RESIDENT_ID not in answer.text
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "更正", "changes": {"remark": PERSON_RESIDENT_ID}},
        headers={"If-Match": '"1"'},
    )
    require_refused(answer, 422, "personal_number_in_text", "/changes/remark")
    assert count_written_rows(world) == before
