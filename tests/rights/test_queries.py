"""Queries about the subject: all of them, except those that an open investigation delays."""

from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from uuid_utils.compat import uuid7

from app.db.tables import Check, SubjectIdentifier
from tests.support.investigations import LAW, load_basis
from tests.support.numbers import build_uscc
from tests.support.own_reports import (
    build_own_report_body,
    build_person_report_body,
    issue_report,
    read_report_page,
)
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    BUILDER_USCC,
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_question,
    build_subject,
)
from tests.support.world import World

PURPOSE = "tender 2026-118 qualification review"
INVESTIGATION = {"basis": "municipal_inquiry", "until": "2026-12-31"}
SHOWN = INVESTIGATION | {"basis": LAW}
"""The own report shows the law behind the code."""


def check_subjects(world: World, *subjects: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = world.api("approver").post("/v1/checks", json=build_check(*subjects, **more))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def look_up_subject(world: World, **changes: Any) -> httpx.Response:
    body = {"scheme": "uscc", "number": BUILDER_USCC, "purpose": "受理前查询", **changes}
    return world.api().post("/v1/subjects/lookup", json=body)


def read_queries(world: World, body: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return list(issue_report(world, body)["queries"])


# --- every question -------------------------------------------------------


def test_a_check_has_caller_time_purpose_and_answer(world: World) -> None:
    world.record()
    check_id = check_subjects(world)["check_id"]
    [query] = read_queries(world)
    assert query.pop("asked_at").startswith("2026-11-22T02:00:00")
    assert query == {
        "id": check_id,
        "kind": "check",
        "role": "approver",
        "department": {"code": "finance_bureau", "name": "市财政局"},
        "matter": {"code": "bidding", "name": "招标投标"},
        "purpose": PURPOSE,
        "case_no": "ZZ-2026-118",
        "standing": "black",
        "outcome": None,
        "withheld": None,
    }


def test_lookups_are_listed_too_oldest_first(world: World) -> None:
    world.record()
    look_up_subject(world)
    check_subjects(world)
    first, second = read_queries(world)
    assert (first["kind"], first["matter"], first["purpose"]) == ("lookup", None, "受理前查询")
    assert first["department"]["code"] == "human_resources"
    assert second["kind"] == "check"


def test_an_outcome_is_shown_at_its_question(world: World) -> None:
    world.record()
    other = build_question(build_uscc(1), "另一公司", ref="a")
    check_id = check_subjects(world, other, build_question(ref="b"))["check_id"]
    outcomes = f"/v1/checks/{check_id}/outcomes"
    for ref, action, measures in (("a", "not_applied", []), ("b", "applied", ["restrict_bidding"])):
        body = {"ref": ref, "action": action, "measures": measures, "remark": f"已办 {ref}"}
        assert world.api("approver").post(outcomes, json=body).status_code == 201
    check_subjects(world)
    first, second = read_queries(world)
    assert first["outcome"].pop("recorded_at")
    assert first["outcome"] == {
        "action": "applied",
        "measures": [{"code": "restrict_bidding", "name": "限制参与招标投标"}],
        "remark": "已办 b",
    }
    assert second["outcome"] is None
    assert (
        read_queries(world, build_own_report_body(number=build_uscc(1), name="另一公司"))[0][
            "outcome"
        ]["remark"]
        == "已办 a"
    )


def test_questions_by_number_count_whatever_came_of_them(world: World) -> None:
    check_subjects(
        world, build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")
    )  # before anything was recorded
    world.record(subject=build_person(), responsible_persons=None)
    check_subjects(
        world, build_question(PERSON_RESIDENT_ID, "李四", scheme="resident_id")
    )  # under another name
    check_subjects(world, build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id"))
    standings = [query["standing"] for query in read_queries(world, build_person_report_body())]
    assert standings == ["none", "unresolved", "black"]


def test_a_query_by_name_is_listed(world: World) -> None:
    world.record()
    check_subjects(world, {"ref": "1", "name": "枣庄某某建筑有限公司"})
    [query] = read_queries(world)
    assert query["standing"] == "black"


def test_a_subject_sees_only_its_own_question_of_a_check(world: World) -> None:
    world.record()
    check_subjects(
        world,
        build_question(build_uscc(1), "甲公司", ref="1"),
        build_question(ref="2"),
        build_question(build_uscc(3), "乙公司", ref="3"),
    )
    report = issue_report(world)
    assert len(report["queries"]) == 1
    assert "甲公司" not in str(report)
    assert (
        issue_report(world, build_own_report_body(number=build_uscc(4), name="丙公司"))["queries"]
        == []
    )


def test_a_query_by_a_wrongly_recorded_number_belongs_to_the_other(
    world: World,
) -> None:
    shared = build_uscc(5)
    both = build_subject(name="甲公司")
    both["identifiers"] = [{"scheme": "uscc", "number": shared}]
    world.record(source_ref="A", case_ref=None, subject=both)
    check_subjects(world, build_question(shared, "乙公司"))
    own = build_uscc(6)
    replace_subject_number(world, shared, own)
    assert read_queries(world, build_own_report_body(number=own, name="甲公司")) == []
    assert len(read_queries(world, build_own_report_body(number=shared, name="乙公司"))) == 1


def replace_subject_number(world: World, wrong: str, right: str) -> None:
    """Give the subject a right number, and leave the wrong one as a revocation leaves it."""
    columns = SubjectIdentifier.__table__.c
    with world.registry.database.writing() as connection:
        for old, new in ((wrong[8:17], right[8:17]), (wrong, right)):
            row = connection.execute(
                SubjectIdentifier.__table__.select().where(columns.lookup_key == old)
            ).one()
            connection.execute(
                update(SubjectIdentifier)
                .where(SubjectIdentifier.lookup_key == old)
                .values(current=False)
            )
            more = row._asdict() | {"id": uuid7(), "lookup_key": new, "shown": new}
            connection.execute(SubjectIdentifier.__table__.insert().values(**more))


def test_re_examinations_and_reports_are_no_questions_about_the_subject(world: World) -> None:
    world.record()
    world.api("auditor").post("/v1/checks", json=build_check(on="2026-11-21"))
    issue_report(world)
    assert read_queries(world) == []


# --- open investigations --------------------------------------------------


def test_a_query_of_an_investigation_is_shown_after_its_last_day(world: World) -> None:
    load_basis(world)
    world.record()
    check_subjects(world, investigation=INVESTIGATION)
    look_up_subject(world, investigation=INVESTIGATION | {"until": "2026-11-23"})
    check_subjects(world)
    assert [query["withheld"] for query in read_queries(world)] == [None]
    world.clock.set_day(date(2026, 11, 23))
    assert len(read_queries(world)) == 1
    world.clock.set_day(date(2026, 11, 24))
    assert [query["kind"] for query in read_queries(world)] == ["lookup", "check"]
    world.clock.set_day(date(2026, 12, 31))
    assert len(read_queries(world)) == 2
    world.clock.set_day(date(2027, 1, 1))
    assert [query["withheld"] for query in read_queries(world)] == [
        SHOWN,
        SHOWN | {"until": "2026-11-23"},
        None,
    ]


def test_the_report_does_not_show_whether_anything_is_withheld(world: World) -> None:
    load_basis(world)
    world.record()
    before = issue_report(world)
    check_id = check_subjects(world, investigation=INVESTIGATION)["check_id"]
    body = {"ref": "1", "action": "applied", "measures": ["restrict_bidding"]}
    world.api("approver").post(f"/v1/checks/{check_id}/outcomes", json=body)
    after = issue_report(world)
    moved = {"report_id", "issued_at", "verification_code", "sha256", "reports"}
    assert {name: before[name] for name in before.keys() - moved} == {
        name: after[name] for name in after.keys() - moved
    }
    assert "延期告知" in after["queries_note"]["zh"]
    assert "whether or not" in after["queries_note"]["en"]
    assert check_id not in read_report_page(world, after)


@pytest.mark.parametrize("until", ["2026-11-21", "2026-11-22", "2027-11-23", "2030-01-01"])
def test_the_delay_ends_after_today_and_within_a_year(world: World, until: str) -> None:
    load_basis(world)
    world.record()
    investigation = INVESTIGATION | {"until": until}
    body = build_check(investigation=investigation)
    pointer = "/investigation/until"
    require_refused(
        world.api("approver").post("/v1/checks", json=body), 422, "dates_out_of_order", pointer
    )
    require_refused(
        look_up_subject(world, investigation=investigation), 422, "dates_out_of_order", pointer
    )
    assert read_queries(world) == []


@pytest.mark.parametrize("until", ["2026-11-23", "2027-11-22"])
def test_the_first_and_the_last_day_of_a_delay_are_taken(world: World, until: str) -> None:
    load_basis(world)
    investigation = INVESTIGATION | {"until": until}
    check_subjects(world, investigation=investigation)
    assert look_up_subject(world, investigation=investigation).status_code == 200


@pytest.mark.parametrize(
    ("investigation", "code", "pointer"),
    [
        ({"until": "2026-12-31"}, "missing", "/investigation/basis"),
        ({"basis": "municipal_inquiry"}, "missing", "/investigation/until"),
        ({"basis": " ", "until": "2026-12-31"}, "blank", "/investigation/basis"),
        (INVESTIGATION | {"case": "1"}, "unknown_field", "/investigation/case"),
        (
            INVESTIGATION | {"basis": PERSON_RESIDENT_ID},
            "personal_number_in_text",
            "/investigation/basis",
        ),
    ],
)
def test_a_delay_needs_its_basis_and_its_last_day(
    world: World, investigation: dict[str, Any], code: str, pointer: str
) -> None:
    answer = world.api("approver").post("/v1/checks", json=build_check(investigation=investigation))
    require_refused(answer, 422, code, pointer)


def test_a_re_examination_is_never_listed(world: World) -> None:
    body = build_check(on="2026-11-21", investigation=INVESTIGATION)
    answer = world.api("auditor").post("/v1/checks", json=body)
    require_refused(answer, 422, "unknown_field", "/investigation")


def test_the_receipt_says_that_the_question_is_withheld(world: World) -> None:
    load_basis(world)
    for investigation in (INVESTIGATION, None):
        more = {} if investigation is None else {"investigation": investigation}
        where = f"/v1/checks/{check_subjects(world, **more)['check_id']}"
        assert world.api("approver").get(where).json()["investigation"] == investigation


# --- bases of investigations ------------------------------------------------


def ask_both(world: World, investigation: dict[str, Any]) -> list[httpx.Response]:
    body = build_check(investigation=investigation)
    return [
        world.api("approver").post("/v1/checks", json=body),
        look_up_subject(world, investigation=investigation),
    ]


@pytest.mark.parametrize("basis", ["监察法第三十九条", "no_such_basis"])
def test_a_free_text_or_an_unknown_code_is_no_basis(world: World, basis: str) -> None:
    for answer in ask_both(world, {"basis": basis, "until": "2026-12-31"}):
        document = require_refused(answer, 422, "unknown_value", "/investigation/basis")
        assert "GET /v1/investigation-bases" in document["errors"][0]["detail"]
    assert read_queries(world) == []


def test_shipped_bases_are_unconfirmed_and_off(world: World) -> None:
    answer = world.api("approver").get("/v1/investigation-bases")
    assert answer.status_code == 200
    bases = answer.json()["investigation_bases"]
    assert bases
    for basis in bases:
        assert basis["legal_reference"]
        assert basis["functions"]
        assert (basis["confirmed"], basis["in_force"]) == (False, False)
        body = {"basis": basis["code"], "until": "2026-12-31"}
        for asked in ask_both(world, body):
            require_refused(asked, 422, "not_in_force", "/investigation/basis")


def test_a_basis_that_has_ended_is_not_in_force(world: World) -> None:
    load_basis(world, valid_until="2026-11-21")
    for answer in ask_both(world, INVESTIGATION):
        require_refused(answer, 422, "not_in_force", "/investigation/basis")


def test_a_basis_is_only_for_departments_with_its_functions(world: World) -> None:
    load_basis(world, functions=("public_security",))
    for answer in ask_both(world, INVESTIGATION):
        require_refused(answer, 422, "basis_not_for_department", "/investigation/basis")
    police = world.api("approver", "public_security")
    answer = police.post("/v1/checks", json=build_check(investigation=INVESTIGATION))
    assert answer.status_code == 200
    # An operator acts for no department.
    body = {"scheme": "uscc", "number": BUILDER_USCC, "purpose": "受理前查询"}
    answer = world.api("operator").post(
        "/v1/subjects/lookup", json=body | {"investigation": INVESTIGATION}
    )
    require_refused(answer, 422, "basis_not_for_department", "/investigation/basis")


def test_auditors_see_a_question_that_is_hidden_from_its_subject(world: World) -> None:
    load_basis(world)
    check_id = check_subjects(world, investigation=INVESTIGATION)["check_id"]
    shown = world.api("auditor").get(f"/v1/checks/{check_id}").json()
    assert shown["investigation"] == INVESTIGATION
    where = "/v1/audit/records?action=check_answered"
    [record] = world.api("auditor").get(where).json()["records"]
    assert record["target"] == check_id
    assert record["detail"]["investigation"] == INVESTIGATION
    check_subjects(world)
    newest = world.api("auditor").get(where).json()["records"][0]
    assert "investigation" not in newest["detail"]


def test_older_checks_show_the_law_that_they_named(world: World) -> None:
    load_basis(world)
    check_subjects(world, investigation=INVESTIGATION)
    with world.registry.database.ledger() as connection:
        connection.execute(update(Check).values(withheld_basis="监察法第三十九条"))
    world.clock.set_day(date(2027, 1, 1))
    [query] = read_queries(world)
    assert query["withheld"] == {"basis": "监察法第三十九条", "until": "2026-12-31"}
