"""Corrections, revocations and exits: each is a new version of what the caller has read."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.catalogue.queries import read_current_catalogue
from app.catalogue.sections import build_items_adapter
from app.catalogue.service import load_catalogue_file, put_list_type_in_force
from app.rules.law import Span
from tests.support.problems import count_written_rows, read_server_log, require_refused
from tests.support.request_bodies import (
    BUILDER_USCC,
    OTHER_USCC,
    PERSON_RESIDENT_ID,
    build_licence_changes,
    build_penalty_changes,
    build_person,
    build_push,
    build_resident_id,
)
from tests.support.world import World

EXIT = {"reason": "已足额支付工资,提前移出", "exited_on": "2026-11-22"}
REVOCATION = {"reason": "经复议撤销", "reason_code": "decision_revoked", "revoked_on": "2026-11-22"}
WRONG_SUBJECT = REVOCATION | {"reason": "错列主体", "reason_code": "wrong_subject"}
CORRECTION = {"reason": "文号录入错误", "changes": {"reason": "拖欠农民工工资"}}
ORDERS = {"corrections": CORRECTION, "revocations": REVOCATION, "exits": EXIT}


def order(
    api: httpx.Client, entry: dict[str, Any], name: str, body: Any, tag: str | None = None
) -> httpx.Response:
    """Send an order, by default from the version at hand."""
    match = f'"{entry["version"]}"' if tag is None else tag
    headers = {"If-Match": match} if match else {}
    return api.post(f"/v1/entries/{entry['id']}/{name}", json=body, headers=headers)


def done(
    api: httpx.Client, entry: dict[str, Any], name: str, body: Any, tag: str | None = None
) -> dict[str, Any]:
    answer = order(api, entry, name, body, tag)
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    assert answer.headers["ETag"] == f'"{view["version"]}"'
    assert answer.headers["Cache-Control"] == "no-store"
    return view


def corrected(world: World, entry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return done(world.api(), entry, "corrections", {"reason": "更正", "changes": changes})


def history(world: World, entry: dict[str, Any]) -> list[dict[str, Any]]:
    answer = world.api("auditor").get(f"/v1/entries/{entry['id']}/history")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["versions"])


# --- which version is changed ---------------------------------------------


@pytest.mark.parametrize("name", ORDERS)
def test_a_change_names_its_base_version(world: World, name: str) -> None:
    entry = world.record()
    before = count_written_rows(world)
    for tag in ("1", 'W/"1"', '"one"', "*", '"1", "2"', '""', '"-1"', '"12345678901234567890"'):
        require_refused(order(world.api(), entry, name, ORDERS[name], tag), 400, "bad_version_tag")
    require_refused(order(world.api(), entry, name, ORDERS[name], ""), 428, "version_required")
    stale = require_refused(
        order(world.api(), entry, name, ORDERS[name], '"2"'), 412, "stale_version"
    )
    assert stale["current_version"] == 1
    assert count_written_rows(world) == before
    assert done(world.api(), entry, name, ORDERS[name])["version"] == 2
    other = ORDERS[name] | {"reason": "另一理由"}
    stale = require_refused(order(world.api(), entry, name, other), 412, "stale_version")
    assert stale["current_version"] == 2


@pytest.mark.parametrize("name", ORDERS)
def test_the_same_order_again_makes_no_second_version(world: World, name: str) -> None:
    entry = world.record()
    first = done(world.api(), entry, name, ORDERS[name])
    before = count_written_rows(world)
    again = done(world.api(), entry, name, ORDERS[name])
    from_the_new_one = done(world.api(), first, name, ORDERS[name])
    assert again == from_the_new_one == first
    assert count_written_rows(world) == before


@pytest.mark.parametrize("name", ORDERS)
def test_other_departments_and_roles_cannot_change_an_entry(world: World, name: str) -> None:
    entry = world.record()
    before = count_written_rows(world)
    require_refused(
        order(world.api("department", "tax"), entry, name, ORDERS[name]), 404, "entry_not_found"
    )
    missing = {"id": "01928374-0000-7000-8000-000000000000", "version": 1}
    require_refused(order(world.api(), missing, name, ORDERS[name]), 404, "entry_not_found")
    for role in ("approver", "auditor", "subscriber"):
        require_refused(order(world.api(role), entry, name, ORDERS[name]), 403, "forbidden")
    assert count_written_rows(world) == before
    assert done(world.api("operator"), entry, name, ORDERS[name])["version"] == 2


def test_changing_facts_back_and_forth_makes_new_versions(world: World) -> None:
    first = world.record()
    there = corrected(world, first, reason="B")
    back = corrected(world, there, reason=first["reason"])
    again = corrected(world, back, reason="B")
    assert [entry["version"] for entry in (first, there, back, again)] == [1, 2, 3, 4]
    assert [entry["seq"] for entry in (first, there, back, again)] == [1, 2, 3, 4]
    # A retry of the first correction is recognised.
    late = {"reason": "更正", "changes": {"reason": "B"}}
    assert done(world.api(), first, "corrections", late)["version"] == 4
    assert count_written_rows(world)[-1] == 4


# --- corrections ----------------------------------------------------------


def test_a_correction_changes_what_it_names_and_nothing_else(world: World) -> None:
    entry = world.record()
    changed = corrected(world, entry, reason="拖欠工资", case_ref=None, remark="备注")
    moved = {"version", "seq", "recorded_at", "reason", "case_ref", "remark"}
    assert {name for name in entry if entry[name] != changed[name]} == moved
    assert (changed["case_ref"], changed["remark"]) == (None, "备注")
    assert changed["received_at"] == entry["received_at"]


def test_a_corrected_decision_day_moves_the_deadline(world: World) -> None:
    entry = world.record()
    assert entry["disclosure"]["deadline"] == "2026-12-01"
    decision = build_push()["decision"] | {"decided_on": "2026-11-02"}
    changed = corrected(world, entry, decision=decision)
    assert changed["disclosure"]["deadline"] == "2026-11-11"
    assert changed["disclosure"]["reported"] == "late"
    assert changed["disclosure"]["state"] == "overdue"
    # The push set the term; it does not move with the decision.
    assert changed["effective_from"] == "2026-11-20"


def test_an_open_term_and_a_term_taken_away(world: World) -> None:
    entry = world.record(**build_penalty_changes(effective_until="2027-11-16"))
    opened = corrected(world, entry, effective_until=None)
    assert (opened["effective_until"], opened["version"]) == (None, 2)
    closed = corrected(world, opened, effective_until="2028-01-01")
    assert (closed["effective_until"], closed["version"]) == ("2028-01-01", 3)
    black = world.record()
    answer = order(
        world.api(), black, "corrections", {"reason": "x", "changes": {"effective_until": None}}
    )
    require_refused(answer, 409, "term_not_allowed")


def test_corrected_responsible_persons_are_sealed_like_the_first_ones(world: World) -> None:
    entry = world.record()
    number = build_resident_id("19790301")
    other = {
        "role": "person_in_charge",
        "name": "李某",
        "identifier": {"scheme": "resident_id", "number": number},
    }
    changed = corrected(world, entry, responsible_persons=[other])
    assert changed["responsible_persons"] == [
        other | {"identifier": {"scheme": "resident_id", "masked": "*" * 18}}
    ]
    assert number not in str(history(world, entry))
    same_again = corrected(world, changed, responsible_persons=build_push()["responsible_persons"])
    assert same_again["version"] == 3
    wrong = {"reason": "x", "changes": {"responsible_persons": [other | {"identifier": None}]}}
    wrong["changes"]["responsible_persons"][0]["role"] = "directly_responsible"  # type: ignore[index]
    answer = order(world.api(), same_again, "corrections", wrong)
    require_refused(answer, 422, "responsible_person_missing", "/changes/responsible_persons")


def test_a_corrected_name_makes_the_old_one_a_former_name(world: World) -> None:
    entry = world.record()
    changed = corrected(world, entry, subject={"name": "枣庄新名建筑有限公司"})
    assert changed["subject"]["name"] == "枣庄新名建筑有限公司"
    found = world.api().get(f"/v1/subjects/{entry['subject']['id']}").json()
    text = str(found)
    assert "枣庄新名建筑有限公司" in text
    assert entry["subject"]["name"] in text


@pytest.mark.parametrize(
    "subject",
    [
        {"identifiers": [{"scheme": "uscc", "number": OTHER_USCC}]},
        {"identifiers": [{"scheme": "uscc", "number": BUILDER_USCC}]},
        {"identifiers": None},
        {"kind": "legal_person"},
        {"birth_date": "1985-06-12"},
        {"name": "新名", "identifiers": []},
    ],
)
def test_the_subject_of_an_entry_is_fixed(world: World, subject: dict[str, Any]) -> None:
    entry = world.record()
    before = count_written_rows(world)
    body = {"reason": "x", "changes": {"subject": subject}}
    require_refused(order(world.api(), entry, "corrections", body), 409, "subject_fixed")
    assert count_written_rows(world) == before


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({}, "nothing_to_change", "/changes"),
        ({"subject": {}}, "missing", "/changes"),
        ({"subject": {"name": None}}, "missing", "/changes"),
        ({"subject": None}, "missing", "/changes"),
        ({"decision": None}, "missing", "/changes"),
        ({"reason": None}, "missing", "/changes"),
        ({"legal_basis": None}, "missing", "/changes"),
        ({"decision": {"number": None}}, "not_text", "/changes/decision/number"),
        ({"source_ref": "B"}, "unknown_field", "/changes/source_ref"),
        ({"list_type": "tax_fraud.black"}, "unknown_field", "/changes/list_type"),
        ({"department": "tax"}, "unknown_field", "/changes/department"),
        ({"exited_on": "2026-11-22"}, "unknown_field", "/changes/exited_on"),
        ({"effective_from": 20261120}, "invalid_date", "/changes/effective_from"),
        ({"conduct_ended_on": None}, "conduct_end_missing", "/changes/conduct_ended_on"),
        ({"conduct_ended_on": "2026-11-21"}, "dates_out_of_order", "/changes/conduct_ended_on"),
        ({"effective_until": "2026-11-19"}, "dates_out_of_order", "/changes/effective_until"),
        (
            {"responsible_persons": None},
            "responsible_person_missing",
            "/changes/responsible_persons",
        ),
        (
            {"responsible_persons": [{"role": "x", "name": "y"}]},
            "unknown_value",
            "/changes/responsible_persons/0/role",
        ),
        (
            {"decision": build_push()["decision"] | {"decided_on": "2026-11-23"}},
            "decision_in_future",
            "/changes/decision/decided_on",
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_faulty_correction_changes_nothing(
    world: World, changes: dict[str, Any], code: str, pointer: str
) -> None:
    entry = world.record()
    before = count_written_rows(world)
    body = {"reason": "x", "changes": changes}
    require_refused(order(world.api(), entry, "corrections", body), 422, code, pointer)
    assert count_written_rows(world) == before


def test_the_law_is_applied_to_corrected_facts(world: World) -> None:
    entry = world.record(
        subject=build_person(build_resident_id("20081031")), responsible_persons=None
    )
    earlier = {"reason": "x", "changes": {"conduct_ended_on": "2026-10-30"}}
    require_refused(order(world.api(), entry, "corrections", earlier), 409, "minor_subject")
    decision = build_push()["decision"] | {"penalty_law": "public_security"}
    sealed = {"reason": "x", "changes": {"decision": decision}}
    require_refused(order(world.api(), entry, "corrections", sealed), 409, "sealed_record")
    longer = {"reason": "x", "changes": {"effective_until": "2029-11-21"}}
    require_refused(order(world.api(), entry, "corrections", longer), 409, "term_not_allowed")
    taxed = world.record(
        world.api("department", "tax"),
        list_type="tax_fraud.black",
        subject=build_person(),
        disclosure={"class": "restricted"},
    )
    public = {"reason": "x", "changes": {"disclosure": {"class": "public"}}}
    answer = order(world.api("department", "tax"), taxed, "corrections", public)
    require_refused(answer, 409, "publication_not_allowed")


def test_a_correction_that_changes_nothing_makes_no_version(world: World) -> None:
    entry = world.record()
    before = count_written_rows(world)
    unchanged = corrected(world, entry, reason=entry["reason"], remark=None)
    assert unchanged["version"] == 1
    assert count_written_rows(world) == before


def test_an_ended_entry_is_still_correctable(world: World) -> None:
    entry = world.record()
    over = done(world.api(), entry, "exits", EXIT)
    changed = corrected(world, over, reason="更正后的事由")
    assert (changed["version"], changed["status"]) == (3, "removed")
    assert changed["removal"] == {"by": "exited", "on": "2026-11-22"}


def test_a_decision_is_not_corrected_to_a_day_after_the_end(world: World) -> None:
    over = done(world.api(), world.record(), "exits", EXIT | {"exited_on": "2026-11-20"})
    decision = build_push()["decision"] | {"decided_on": "2026-11-21"}
    changes = {"decision": decision, "effective_from": "2026-11-21"}
    answer = order(world.api(), over, "corrections", {"reason": "x", "changes": changes})
    require_refused(answer, 422, "dates_out_of_order", "/changes/decision/decided_on")


def test_a_decision_is_not_corrected_to_a_day_after_its_publication(world: World) -> None:
    entry = world.record(decision=build_push()["decision"] | {"decided_on": "2026-11-19"})
    world.api().post(
        f"/v1/entries/{entry['id']}/disclosures",
        json={"channel": "department_site", "published_on": "2026-11-19"},
    )
    entry = world.api().get(f"/v1/entries/{entry['id']}").json()
    changes = {"decision": build_push()["decision"]}
    answer = order(world.api(), entry, "corrections", {"reason": "x", "changes": changes})
    require_refused(answer, 422, "dates_out_of_order", "/changes/decision/decided_on")


def test_a_revoked_entry_may_still_prove_to_be_on_the_wrong_subject(
    world: World,
) -> None:
    entry = done(world.api(), world.record(), "revocations", REVOCATION)
    again = order(world.api(), entry, "revocations", REVOCATION | {"revoked_on": "2026-11-21"})
    require_refused(again, 409, "transition_refused")
    wrong = REVOCATION | {"reason_code": "wrong_subject"}
    assert done(world.api(), entry, "revocations", wrong)["version"] == 3


def test_a_police_penalty_names_its_law(world: World) -> None:
    decision = build_penalty_changes()["decision"] | {"penalty_law": None}
    facts = build_penalty_changes(list_type="telecom_fraud.penalty", decision=decision)
    police = world.api(department="public_security")
    answer = police.post("/v1/entries", json=build_push(**facts))
    require_refused(answer, 422, "missing", "/decision/penalty_law")


def test_a_correction_cannot_remove_the_law_of_a_police_penalty(world: World) -> None:
    police = world.api(department="public_security")
    entry = world.record(police, **build_penalty_changes(list_type="telecom_fraud.penalty"))
    body = {"reason": "x", "changes": {"decision": {"penalty_law": None}}}
    answer = order(police, entry, "corrections", body)
    require_refused(answer, 422, "missing", "/changes/decision/penalty_law")


def test_a_part_of_the_decision_is_corrected_and_the_rest_stays(world: World) -> None:
    body = {"reason": "文号录入错误", "changes": {"decision": {"number": "枣人社列〔2026〕99号"}}}
    view = done(world.api(), world.record(), "corrections", body)
    assert view["decision"]["number"] == "枣人社列〔2026〕99号"
    assert view["decision"]["decided_on"] == "2026-11-20"


def test_continuing_conduct_gets_its_end_by_a_correction(world: World) -> None:
    entry = world.record(conduct_ended_on=None, conduct_continues=True)
    changes = {"conduct_ended_on": "2026-11-22", "conduct_continues": False}
    body = {"reason": "行为已终了", "changes": changes}
    assert done(world.api(), entry, "corrections", body)["ends_by_law_on"] == "2031-11-22"


def test_a_correction_is_ruled_by_the_law_of_the_recording(world: World, tmp_path: Path) -> None:
    entry = world.record(effective_until=None)
    shorter = tmp_path / "law.yaml"
    with world.registry.database.reading() as connection:
        wage = read_current_catalogue(world.registry, connection).list_types["wage_arrears.black"]
    one_year = replace(wage, term=Span(years=1), maximum_term=Span(years=1))
    [body] = build_items_adapter("list_types").dump_python((one_year,), mode="json")
    shorter.write_text(yaml.safe_dump({"list_types": [body]}, allow_unicode=True))
    load_catalogue_file(world.registry, shorter)
    view = done(
        world.api(), entry, "corrections", {"reason": "x", "changes": {"remark": "补充说明"}}
    )
    assert view["effective_until"] == entry["effective_until"] == "2029-11-20"


def test_two_changes_of_the_law_at_once_are_both_kept(world: World) -> None:
    with ThreadPoolExecutor() as pool:
        codes = ("finance.black", "charity.black")
        list(
            pool.map(lambda code: put_list_type_in_force(world.registry, code, "某法第一条"), codes)
        )
    with world.registry.database.reading() as connection:
        law = read_current_catalogue(world.registry, connection)
    assert all(law.list_types[code].in_force for code in codes)


def test_a_publication_on_the_wrong_subject_can_be_withdrawn(world: World) -> None:
    entry = world.record()
    path = f"/v1/entries/{entry['id']}"
    published = {"channel": "department_site", "published_on": "2026-11-21"}
    world.api().post(f"{path}/disclosures", json=published)
    entry = world.api().get(path).json()
    done(world.api(), entry, "revocations", REVOCATION | {"reason_code": "wrong_subject"})
    withdrawal = {"channel": "department_site", "withdrawn_on": "2026-11-22"}
    taken_down = world.api().post(f"{path}/withdrawals", json=withdrawal)
    assert taken_down.status_code == 200, taken_down.text
    assert taken_down.json()["disclosure"]["channels"][0]["withdrawn_on"] == "2026-11-22"


def test_a_mistyped_filter_is_refused_not_ignored(world: World) -> None:
    require_refused(world.api().get("/v1/entries?stauts=active"), 422, "unknown_field", "?stauts")


def test_two_moments_of_knowledge_are_refused(world: World) -> None:
    entry = world.record()
    path = f"/v1/entries/{entry['id']}?known_seq=1&known_at=2026-11-22T02:00:00Z"
    require_refused(world.api("auditor").get(path), 422, "two_moments", "?known_seq")


# --- revocations and exits ------------------------------------------------


@pytest.mark.parametrize("code", ["decision_revoked", "other"])
def test_a_revoked_entry_stays_readable_for_its_department(world: World, code: str) -> None:
    entry = world.record()
    revoked = done(world.api(), entry, "revocations", REVOCATION | {"reason_code": code})
    assert revoked["status"] == "removed"
    assert revoked["removal"] == {"by": "revoked", "on": "2026-11-22"}
    for api in (world.api(), world.api("operator"), world.api("auditor")):
        assert api.get(f"/v1/entries/{entry['id']}").json()["status"] == "removed"


def test_an_exited_entry_is_over_from_that_day_on(world: World) -> None:
    entry = world.record()
    over = done(world.api(), entry, "exits", EXIT | {"exited_on": "2026-11-21"})
    assert over["removal"] == {"by": "exited", "on": "2026-11-21"}
    auditor = world.api("auditor")
    path = f"/v1/entries/{entry['id']}"
    assert auditor.get(path, params={"on": "2026-11-20"}).json()["status"] == "active"
    assert auditor.get(path, params={"on": "2026-11-21"}).json()["status"] == "removed"


@pytest.mark.parametrize("name", ["revocations", "exits"])
def test_an_end_lies_between_the_decision_and_today(world: World, name: str) -> None:
    entry = world.record()
    field = {"revocations": "revoked_on", "exits": "exited_on"}[name]
    before = count_written_rows(world)
    for day in ("2026-11-19", "2026-11-23", "2099-01-01"):
        answer = order(world.api(), entry, name, ORDERS[name] | {field: day})
        require_refused(answer, 422, "dates_out_of_order", f"/{field}")
    assert count_written_rows(world) == before
    assert done(world.api(), entry, name, ORDERS[name] | {field: "2026-11-20"})["version"] == 2


def test_an_ended_entry_cannot_exit(world: World) -> None:
    over = done(world.api(), world.record(), "exits", EXIT)
    answer = order(world.api(), over, "exits", EXIT | {"reason": "再次移出"})
    document = require_refused(answer, 409, "transition_refused")
    assert document["entry_status"] == "removed"
    assert document["legal_basis"]
    revoked = done(world.api(), world.record(source_ref="B"), "revocations", REVOCATION)
    require_refused(order(world.api(), revoked, "exits", EXIT), 409, "transition_refused")
    expiring = world.record(source_ref="C", effective_until="2026-12-31")
    world.clock.set_day(date(2027, 1, 1))
    answer = order(world.api(), expiring, "exits", EXIT | {"exited_on": "2027-01-01"})
    assert require_refused(answer, 409, "transition_refused")["entry_status"] == "expired"


def test_a_scheduled_entry_may_exit_before_it_begins(world: World) -> None:
    entry = world.record(effective_from="2027-01-01", effective_until="2028-01-01")
    assert entry["status"] == "scheduled"
    assert done(world.api(), entry, "exits", EXIT)["status"] == "removed"


def test_a_licence_is_changed_like_an_entry(world: World) -> None:
    entry = world.record(**build_licence_changes())
    changed = corrected(world, entry, licence={"category": "特许"})
    assert changed["licence"] == {"category": "特许"}
    assert done(world.api(), changed, "revocations", REVOCATION)["status"] == "removed"


def test_an_entry_on_the_wrong_subject_is_sealed_to_all_but_auditors(world: World) -> None:
    entry = world.record()
    revoked = done(world.api(), entry, "revocations", WRONG_SUBJECT)
    assert revoked["status"] == "removed"
    path = f"/v1/entries/{entry['id']}"
    for api in (world.api(), world.api("operator"), world.api("department", "tax")):
        require_refused(api.get(path), 404, "entry_not_found")
        require_refused(api.get(f"{path}/history"), 404, "entry_not_found")
        assert api.get("/v1/entries").json()["entries"] == []
        for name in ("corrections", "exits"):
            require_refused(order(api, revoked, name, ORDERS[name]), 404, "entry_not_found")
    for query in ({"known_seq": 1}, {"on": "2026-11-20"}):
        require_refused(world.api("operator").get(path, params=query), 404, "entry_not_found")
    auditor = world.api("auditor")
    assert auditor.get(path).json()["status"] == "removed"
    assert auditor.get(path, params={"on": "2026-11-20"}).json()["status"] == "removed"
    assert auditor.get(path, params={"known_seq": 1}).json()["status"] == "active"
    assert [item["version"] for item in history(world, entry)] == [1, 2]
    # The order itself may be sent again.
    assert done(world.api(), entry, "revocations", WRONG_SUBJECT)["version"] == 2


def test_a_wrong_subject_is_replaced_by_a_new_push(world: World) -> None:
    wrong = world.record()
    right = build_push(source_ref="HR-2", replaces=wrong["id"])
    require_refused(
        world.api().post("/v1/entries", json=right), 422, "nothing_to_replace", "/replaces"
    )
    done(world.api(), wrong, "revocations", WRONG_SUBJECT)
    right["subject"] = {
        "kind": "legal_person",
        "name": "正确公司",
        "identifiers": [{"scheme": "uscc", "number": OTHER_USCC}],
    }
    answer = world.api().post("/v1/entries", json=right)
    assert answer.status_code == 201, answer.text
    assert answer.json()["replaces"] == wrong["id"]
    assert answer.json()["subject"]["id"] != wrong["subject"]["id"]
    again = world.api().post("/v1/entries", json=right)
    assert (again.status_code, again.json()["replaces"]) == (200, wrong["id"])
    # The source_ref of the void entry stays taken.
    taken = build_push(reason="另一事由")
    require_refused(world.api().post("/v1/entries", json=taken), 409, "entry_conflict")


def test_another_departments_void_entry_is_not_to_be_replaced(world: World) -> None:
    wrong = world.record()
    done(world.api(), wrong, "revocations", WRONG_SUBJECT)
    body = build_push(**build_penalty_changes(list_type="tax_fraud.penalty", replaces=wrong["id"]))
    answer = world.api("department", "tax").post("/v1/entries", json=body)
    require_refused(answer, 422, "nothing_to_replace", "/replaces")


def test_a_revocation_takes_precedence_over_an_exit(world: World) -> None:
    over = done(world.api(), world.record(), "exits", EXIT)
    revoked = done(world.api(), over, "revocations", REVOCATION)
    assert revoked["removal"]["by"] == "revoked"
    assert revoked["version"] == 3


# --- history --------------------------------------------------------------


def test_the_history_shows_actor_change_time_and_reason(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    entry = world.record(subject=build_person(), responsible_persons=None)
    changed = corrected(world, entry, reason="拖欠工资")
    done(world.api("operator"), changed, "exits", EXIT)
    first, second, third = history(world, entry)
    assert (first["action"], first["changes"], first["reason"]) == ("record", [], None)
    assert second["action"] == "correct"
    assert second["reason"] == "更正"
    assert second["changes"] == [{"field": "reason", "old": entry["reason"], "new": "拖欠工资"}]
    assert third["action"] == "exit"
    assert (second["actor"], third["actor"]) == ("department human_resources", "operator None")
    assert {"field": "status", "old": "active", "new": "removed"} in third["changes"]
    assert [item["seq"] for item in (first, second, third)] == [1, 2, 3]
    assert first["recorded_at"] < second["recorded_at"] < third["recorded_at"]
    assert PERSON_RESIDENT_ID not in str((first, second, third)) + read_server_log(caplog)


def test_the_department_and_oversight_read_the_history(world: World) -> None:
    entry = world.record()
    path = f"/v1/entries/{entry['id']}/history"
    for api in (world.api(), world.api("operator"), world.api("auditor")):
        assert api.get(path).status_code == 200
    require_refused(world.api("department", "tax").get(path), 404, "entry_not_found")
    for role in ("approver", "subscriber"):
        require_refused(world.api(role).get(path), 403, "forbidden")
