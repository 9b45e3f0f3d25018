"""Every refusal of a push: its status, code and place, that nothing is written, and no echo."""

import logging
from typing import Any

import pytest

from tests.support.facts import (
    BUILDER,
    MINOR,
    OTHER,
    PERSON,
    licence,
    penalty,
    person,
    push,
    red,
    resident_id,
    subject,
    uscc,
)
from tests.support.problems import refused, told, written
from tests.support.world import World

HR, TAX = ("department", "human_resources"), ("department", "tax")
OPERATOR = ("operator", None)
NEXT = {"source_ref": "HR-NEXT"}

PASSPORT = {"scheme": "passport", "number": "E12345678"}
DECIDED = {"number": "枣人社列〔2026〕12号", "kind": "list_decision", "decided_on": "2026-11-20"}
SELF_EMPLOYED = uscc("92370403", "MA000001")
SEALED = penalty()["decision"] | {"penalty_law": "public_security"}


def with_identifiers(*identifiers: dict[str, str], **more: Any) -> dict[str, Any]:
    return subject() | {"identifiers": list(identifiers)} | more


def one_person(role: str, number: str | None = None) -> list[dict[str, Any]]:
    named: dict[str, Any] = {"role": role, "name": "张某"}
    if number is not None:
        named["identifier"] = {"scheme": "resident_id", "number": number}
    return [named]


# What is sent as whom, and what must come back: (who, body, status, code, pointer).
CASES: dict[str, tuple[tuple[str, str | None], dict[str, Any], int, str, str | None]] = {
    "a number with a wrong check character": (
        HR,
        push(subject=subject("91370403MB000CT75U")),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a code whose inner organisation code is wrong": (
        HR,
        push(subject=subject("91370403MB000CT80T")),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a code with the letter I": (
        HR,
        push(subject=subject("91440300MA5DC0TE8I")),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a day of birth that does not exist": (
        HR,
        push(subject=person("37040220230229001X"), responsible_persons=None),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a day of birth in the future": (
        HR,
        push(subject=person(resident_id("20990101")), responsible_persons=None),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a responsible person's wrong number": (
        HR,
        push(responsible_persons=one_person("legal_representative", "370402198506120014")),
        422,
        "invalid_identifier",
        "/responsible_persons/0/identifier/number",
    ),
    "a personal number under a scheme of organisations": (
        HR,
        push(subject=with_identifiers({"scheme": "uscc", "number": PERSON})),
        422,
        "invalid_identifier",
        "/subject/identifiers/0/number",
    ),
    "a personal scheme for an organisation": (
        HR,
        push(subject=with_identifiers({"scheme": "resident_id", "number": PERSON})),
        422,
        "scheme_not_for_kind",
        "/subject",
    ),
    "a scheme twice": (
        HR,
        push(
            subject=with_identifiers(
                {"scheme": "uscc", "number": BUILDER}, {"scheme": "uscc", "number": OTHER}
            )
        ),
        422,
        "scheme_twice",
        "/subject",
    ),
    "an organisation code that is not the one inside": (
        HR,
        push(
            subject=with_identifiers(
                {"scheme": "uscc", "number": BUILDER},
                {"scheme": "org_code", "number": "D2143569X"},
            )
        ),
        409,
        "identifier_conflict",
        None,
    ),
    "a minor": (
        HR,
        push(subject=person(MINOR), responsible_persons=None),
        409,
        "minor_subject",
        None,
    ),
    "somebody who was a minor when the conduct ended": (
        HR,
        push(subject=person(resident_id("20081101")), responsible_persons=None),
        409,
        "minor_subject",
        None,
    ),
    "a minor known by a birth date alone": (
        HR,
        push(
            subject=person() | {"identifiers": [PASSPORT], "birth_date": "2010-01-01"},
            responsible_persons=None,
        ),
        409,
        "minor_subject",
        None,
    ),
    "a public-security penalty": (HR, push(**penalty(decision=SEALED)), 409, "sealed_record", None),
    "a list decision under the public-security law": (
        HR,
        push(decision=DECIDED | {"penalty_law": "public_security"}),
        409,
        "sealed_record",
        None,
    ),
    "another department's list": (TAX, push(), 403, "not_your_list", None),
    "in another department's name": (
        HR,
        push(department="tax"),
        403,
        "not_your_department",
        None,
    ),
    "an operator without a department": (OPERATOR, push(), 422, "missing", "/department"),
    "an operator for a department that does not exist": (
        OPERATOR,
        push(department="nobody"),
        403,
        "not_your_list",
        None,
    ),
    "an operator for a department that does not issue it": (
        OPERATOR,
        push(department="tax"),
        403,
        "not_your_list",
        None,
    ),
    "an auditor": (("auditor", None), push(), 403, "forbidden", None),
    "an approver": (("approver", None), push(), 403, "forbidden", None),
    "a subscriber": (("subscriber", None), push(), 403, "forbidden", None),
    "a decision in the future": (
        HR,
        push(decision=DECIDED | {"decided_on": "2026-11-23"}, effective_from="2026-11-23"),
        422,
        "decision_in_future",
        "/decision/decided_on",
    ),
    "a list type without a legal basis": (
        ("department", "development_reform"),
        push(list_type="finance.black"),
        409,
        "list_type_not_in_force",
        None,
    ),
    "an unknown list type": (
        HR,
        push(list_type="wage_arrears.purple"),
        422,
        "unknown_value",
        "/list_type",
    ),
    "a term longer than the list type's": (
        HR,
        push(effective_until="2029-11-21"),
        409,
        "term_not_allowed",
        None,
    ),
    "an open term where none is allowed": (
        HR,
        push() | {"effective_until": None},
        409,
        "term_not_allowed",
        None,
    ),
    "a public entry on a natural person": (
        TAX,
        push(list_type="tax_fraud.black", subject=person(), responsible_persons=None),
        409,
        "publication_not_allowed",
        None,
    ),
    "a kind of subject that the list type does not take": (
        HR,
        push(**red(subject=person())),
        409,
        "subject_kind_not_allowed",
        None,
    ),
    "conduct that ended after the decision": (
        HR,
        push(conduct_ended_on="2026-11-21"),
        422,
        "dates_out_of_order",
        "/conduct_ended_on",
    ),
    "a term that ends before it begins": (
        HR,
        push(effective_until="2026-11-19"),
        422,
        "dates_out_of_order",
        "/effective_until",
    ),
    "no responsible person": (
        HR,
        push(responsible_persons=None),
        422,
        "responsible_person_missing",
        "/responsible_persons",
    ),
    "no head among the responsible persons": (
        HR,
        push(responsible_persons=one_person("directly_responsible", PERSON)),
        422,
        "responsible_person_missing",
        "/responsible_persons",
    ),
    "no end of the conduct": (
        HR,
        push(conduct_ended_on=None),
        422,
        "conduct_end_missing",
        "/conduct_ended_on",
    ),
    "conduct that ended and continues": (
        HR,
        push(conduct_continues=True),
        422,
        "conduct_contradicts",
        "/conduct_continues",
    ),
    "no identifier": (
        HR,
        push(subject={"kind": "legal_person", "name": "枣庄某某建筑有限公司"}),
        422,
        "identifier_missing",
        "/subject/identifiers",
    ),
    "exempt without saying why": (
        HR,
        push(disclosure={"class": "exempt", "basis": "保密法第九条"}),
        422,
        "exemption_incomplete",
        "/disclosure",
    ),
    "exempt without a basis": (
        HR,
        push(disclosure={"class": "exempt", "exemption": "state_secret"}),
        422,
        "exemption_incomplete",
        "/disclosure",
    ),
    "an exemption of what is public": (
        HR,
        push(disclosure={"class": "public", "exemption": "state_secret", "basis": "保密法"}),
        422,
        "exemption_incomplete",
        "/disclosure",
    ),
    "a passport without a birth date": (
        HR,
        push(subject=person() | {"identifiers": [PASSPORT]}, responsible_persons=None),
        422,
        "birth_date_missing",
        "/subject/birth_date",
    ),
    "a birth date that is not the number's": (
        HR,
        push(subject=person() | {"birth_date": "1985-06-13"}, responsible_persons=None),
        422,
        "birth_date_contradicts",
        "/subject/birth_date",
    ),
    "an organisation's birth date": (
        HR,
        push(subject=subject() | {"birth_date": "1985-06-12"}),
        422,
        "birth_date_not_for_kind",
        "/subject",
    ),
    "an individual business's code on a company": (
        HR,
        push(subject=subject(SELF_EMPLOYED)),
        422,
        "kind_not_of_uscc",
        "/subject/kind",
    ),
    "a company's code on an individual business": (
        HR,
        push(subject=subject() | {"kind": "individual_business"}),
        422,
        "kind_not_of_uscc",
        "/subject/kind",
    ),
    "a replacement of what is not there": (
        HR,
        push(replaces="01928374-0000-7000-8000-000000000000"),
        422,
        "nothing_to_replace",
        "/replaces",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_leaves_no_trace_and_the_next_push_gets_the_next_number(
    world: World, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    caplog.set_level(logging.DEBUG)
    (role, department), body, status, code, pointer = CASES[case]
    before = written(world)
    answer = world.api(role, department).post("/v1/entries", json=body)
    refused(answer, status, code, pointer)
    assert written(world) == before
    assert world.record(**NEXT)["seq"] == before[-1] + 1
    for item in [*body["subject"].get("identifiers", []), {"number": PERSON}]:
        assert item["number"] not in answer.text
        assert item["number"] not in told(caplog)


def test_a_term_that_is_too_long_names_the_last_day_that_would_do(world: World) -> None:
    answer = world.api().post("/v1/entries", json=push(effective_until="2030-01-01"))
    assert refused(answer, 409, "term_not_allowed")["latest"] == "2029-11-20"
    world.record(effective_until="2029-11-20")


def test_somebody_who_turned_18_on_the_day_that_the_conduct_ended_is_listed(world: World) -> None:
    adult = person(resident_id("20081031"))
    world.record(subject=adult, responsible_persons=None, conduct_ended_on="2026-10-31")


def test_conduct_that_continues_is_judged_by_the_day_of_the_decision(world: World) -> None:
    continuing = {"conduct_ended_on": None, "conduct_continues": True, "responsible_persons": None}
    minor = person(resident_id("20081121"))
    refused(
        world.api().post("/v1/entries", json=push(subject=minor, **continuing)),
        409,
        "minor_subject",
    )
    world.record(subject=person(resident_id("20081120")), **continuing)


def test_every_fault_of_a_body_is_named_at_once(world: World) -> None:
    answer = world.api().post(
        "/v1/entries",
        json=push(
            conduct_ended_on="2026-11-21",
            effective_until="2026-01-01",
            responsible_persons=None,
            disclosure={"class": "exempt"},
        ),
    )
    document = refused(answer, 422, "dates_out_of_order", "/conduct_ended_on")
    assert {item["code"] for item in document["errors"]} == {
        "dates_out_of_order",
        "responsible_person_missing",
        "exemption_incomplete",
    }


# --- what is on file already stands against it ----------------------------


def test_numbers_of_two_recorded_subjects_conflict(world: World) -> None:
    registered = {"scheme": "registration_no", "number": "440301103097413"}
    world.record()
    world.record(source_ref="B", subject=subject(name="乙公司") | {"identifiers": [registered]})
    both = with_identifiers({"scheme": "uscc", "number": BUILDER}, registered)
    before = written(world)
    answer = world.api().post("/v1/entries", json=push(source_ref="C", subject=both))
    refused(answer, 409, "identifier_conflict")
    assert written(world) == before


def test_numbers_of_two_recorded_persons_conflict(world: World) -> None:
    alone = {"responsible_persons": None}
    passport = person() | {"identifiers": [PASSPORT], "birth_date": "1985-06-12"}
    world.record(subject=person(), **alone)
    world.record(source_ref="B", subject=passport, **alone)
    both = person() | {"identifiers": [*person()["identifiers"], PASSPORT]}
    answer = world.api().post("/v1/entries", json=push(source_ref="C", subject=both, **alone))
    refused(answer, 409, "identifier_conflict")
    assert PASSPORT["number"] not in answer.text


def test_a_subject_never_gets_a_second_number_of_those_that_last_for_life(world: World) -> None:
    registered = {"scheme": "registration_no", "number": "440301103097413"}
    world.record(subject=with_identifiers({"scheme": "uscc", "number": BUILDER}, registered))
    other = with_identifiers({"scheme": "uscc", "number": "51370400MJE100014P"}, registered)
    before = written(world)
    answer = world.api().post("/v1/entries", json=push(source_ref="B", subject=other))
    refused(answer, 409, "identifier_conflict")
    assert written(world) == before
    # Nothing of the other organisation was drawn to the first one.
    theirs = world.record(source_ref="C", subject=subject("51370400MJE100014P", "某协会"))
    mine = world.record(source_ref="D")
    assert theirs["subject"]["id"] != mine["subject"]["id"]


def test_a_person_never_gets_a_second_resident_id(world: World) -> None:
    alone = {"responsible_persons": None}
    first = person() | {"identifiers": [*person()["identifiers"], PASSPORT]}
    world.record(subject=first, **alone)
    second = person(resident_id("19850612", "003"))
    second["identifiers"].append(PASSPORT)
    answer = world.api().post("/v1/entries", json=push(source_ref="B", subject=second, **alone))
    refused(answer, 409, "identifier_conflict")


def test_a_new_passport_of_a_known_person_is_taken(world: World) -> None:
    alone = {"responsible_persons": None}
    first = person() | {"identifiers": [*person()["identifiers"], PASSPORT]}
    renewed = person() | {
        "identifiers": [*person()["identifiers"], {"scheme": "passport", "number": "E99999999"}]
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
    before = written(world)
    body = push(source_ref="B", subject=subject() | {"kind": "unincorporated_organization"})
    answer = world.api().post("/v1/entries", json=body)
    assert refused(answer, 409, "subject_kind_conflict")["recorded_kind"] == "legal_person"
    assert written(world) == before


# --- a personal number in any text ----------------------------------------

FULL = push(
    **penalty(
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
        licence=licence()["licence"]
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
FULL_WIDTH = PERSON.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
WRITTEN_AS = [
    PERSON,
    f"身份证号{PERSON}。",
    f"x{PERSON}y",
    FULL_WIDTH,
    f"{PERSON[:6]} {PERSON[6:14]} {PERSON[14:]}",
    f"{PERSON[:6]}-{PERSON[6:14]}-{PERSON[14:]}",
    "\u200b".join(PERSON),
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
    before = written(world)
    for pointer in TEXTS:
        answer = world.api().post("/v1/entries", json=bent(FULL, pointer, f"号{PERSON}"))
        refused(answer, 422, "personal_number_in_text", pointer)
        assert PERSON not in answer.text
    assert written(world) == before
    assert PERSON not in told(caplog)
    assert world.api().post("/v1/entries", json=FULL).status_code == 201


def test_a_personal_number_is_found_however_it_is_written(world: World) -> None:
    for text in WRITTEN_AS:
        answer = world.api().post("/v1/entries", json=push(reason=text))
        refused(answer, 422, "personal_number_in_text", "/reason")
        assert text not in answer.text


def test_a_code_in_a_text_is_no_personal_number(world: World) -> None:
    world.record(reason=f"与 {BUILDER} 号企业共同拖欠工资", remark="工商注册号 110108000000016")


def test_the_reason_of_a_change_may_not_hold_a_personal_number(world: World) -> None:
    entry = world.record()
    changes = {"reason": "更正事由"}
    orders: dict[str, dict[str, Any]] = {
        "corrections": {"reason": PERSON, "changes": changes},
        "revocations": {"reason": PERSON, "reason_code": "other", "revoked_on": "2026-11-22"},
        "exits": {"reason": PERSON, "exited_on": "2026-11-22"},
    }
    before = written(world)
    for name, order in orders.items():
        answer = world.api().post(
            f"/v1/entries/{entry['id']}/{name}", json=order, headers={"If-Match": '"1"'}
        )
        refused(answer, 422, "personal_number_in_text", "/reason")
        assert PERSON not in answer.text
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "更正", "changes": {"remark": PERSON}},
        headers={"If-Match": '"1"'},
    )
    refused(answer, 422, "personal_number_in_text", "/changes/remark")
    assert written(world) == before
