"""Issuing of reports: permissions, storage, and reading them again."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, text

from app.db.tables import AccessRecord, IssuedReport
from tests.support.numbers import build_org_code, build_resident_id, build_uscc
from tests.support.own_reports import (
    BUILDER_NAME,
    build_own_report_body,
    build_person_report_body,
    compute_report_digest,
    issue_report,
    open_counter,
)
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    BUILDER_USCC,
    OTHER_USCC,
    PERSON_RESIDENT_ID,
    build_decision,
    build_person,
    build_subject,
)
from tests.support.world import World


def request_report(world: World, api: httpx.Client | None = None, **changes: Any) -> httpx.Response:
    api = api or open_counter(world)
    return api.post("/v1/own-reports", json=build_own_report_body(**changes))


def read_stored_reports(world: World) -> list[Any]:
    with world.registry.database.reading_ledger() as connection:
        return list(connection.execute(IssuedReport.__table__.select().order_by(IssuedReport.id)))


def read_audit_records(world: World, action: str) -> list[Any]:
    with world.registry.database.reading_ledger() as connection:
        return list(
            connection.execute(
                select(*AccessRecord.__table__.columns)
                .where(AccessRecord.action == action)
                .order_by(AccessRecord.id)
            )
        )


# --- issuing --------------------------------------------------------------


def test_a_department_enters_it_for_the_subject_at_its_counter(world: World) -> None:
    world.record()
    answer = request_report(world)
    assert answer.status_code == 201
    report = answer.json()
    assert answer.headers["Location"] == f"/v1/own-reports/{report['report_id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert report["issued_by"] == {
        "role": "department",
        "department": {"code": "human_resources", "name": "市人力资源和社会保障局"},
    }
    assert report["applicant"] == {
        "kind": "delegated",
        "name": "王某",
        "proof_ref": "授权书 2026-17",
        "case_no": "XY-2026-31",
    }
    assert (report["on"], report["epoch"], report["seq"]) == ("2026-11-22", 1, 1)
    assert report["issued_at"].startswith("2026-11-22T02:00:00")


def test_the_credit_office_enters_it_in_no_departments_name(world: World) -> None:
    report = issue_report(world, api=world.api("operator"))
    assert report["issued_by"] == {"role": "operator", "department": None}


@pytest.mark.parametrize("role", ["approver", "auditor", "subscriber"])
def test_others_may_not(world: World, role: str) -> None:
    report = issue_report(world)
    require_refused(request_report(world, world.api(role)), 403, "forbidden")
    for path in ("", "/page"):
        answer = world.api(role).get(f"/v1/own-reports/{report['report_id']}{path}")
        require_refused(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"number": BUILDER_USCC[:-1] + "U"}, "invalid_identifier", "/number"),
        ({"number": PERSON_RESIDENT_ID}, "invalid_identifier", "/number"),
        ({"scheme": "name"}, "unknown_value", "/scheme"),
        ({"name": None}, "missing", "/name"),
        ({"applicant": None}, "missing", "/applicant"),
        (
            {"applicant": {"kind": "anybody", "name": "王某", "proof_ref": "1"}},
            "unknown_value",
            "/applicant/kind",
        ),
        (
            {"applicant": {"kind": "self", "name": "王某", "proof_ref": PERSON_RESIDENT_ID}},
            "personal_number_in_text",
            "/applicant/proof_ref",
        ),
        (
            {"applicant": {"kind": "self", "name": "王某", "proof_ref": " "}},
            "blank",
            "/applicant/proof_ref",
        ),
        (
            {"applicant": {"kind": "self", "name": "王某"}},
            "missing",
            "/applicant/proof_ref",
        ),
        ({"case_no": PERSON_RESIDENT_ID}, "personal_number_in_text", "/case_no"),
        ({"reason": "看看"}, "unknown_field", "/reason"),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(
    world: World, change: dict[str, Any], code: str, pointer: str
) -> None:
    require_refused(request_report(world, **change), 422, code, pointer)
    assert read_stored_reports(world) == []


# --- the name -------------------------------------------------------------


@pytest.mark.parametrize("name", [BUILDER_NAME, "枣庄 某某建筑有限公司", "枣庄旧名建筑有限公司"])
def test_a_former_name_or_another_spelling_is_the_subjects_own(world: World, name: str) -> None:
    world.record(
        source_ref="OLD",
        case_ref=None,
        subject=build_subject(name="枣庄旧名建筑有限公司"),
        decision=build_decision("2026-01-05"),
        effective_from="2026-01-05",
        effective_until=None,
        conduct_ended_on="2025-12-31",
    )
    world.record()
    report = issue_report(world, build_own_report_body(name=name))
    assert report["subject"]["name"] == BUILDER_NAME
    assert report["subject"]["former_names"] == ["枣庄旧名建筑有限公司"]
    assert report["subject"]["recorded"] is True


def test_a_responsible_person_needs_the_recorded_name(world: World) -> None:
    world.record()
    for api in (open_counter(world), world.api("operator")):
        wrong = issue_report(world, build_person_report_body(name="李四"), api)
        assert (wrong["scope"], wrong["held"]) == ("no_record", False)
        report = issue_report(world, build_person_report_body(), api)
        assert report["subject"]["recorded"] is True
        assert report["subject"]["kind"] == "natural_person"


# --- nothing held ---------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (build_own_report_body(number=build_uscc(7), name="枣庄无记录有限公司"), "organization"),
        (
            build_own_report_body(
                scheme="org_code", number=build_org_code(7), name="枣庄无记录有限公司"
            ),
            "organization",
        ),
        (build_person_report_body(build_resident_id(7), "赵六"), "natural_person"),
        (build_person_report_body("E12345678", "John Doe", scheme="passport"), "natural_person"),
    ],
)
def test_a_report_on_an_unknown_number_is_empty(
    world: World, body: dict[str, Any], kind: str
) -> None:
    world.record()
    report = issue_report(world, body)
    assert report["held"] is False
    assert report["subject"]["recorded"] is False
    assert report["subject"]["name"] == body["name"]
    assert report["subject"]["kind"] == kind
    assert [report[part] for part in ("entries", "named_in", "queries")] == [[], [], []]
    assert "不代表信用良好" in report["note"]["zh"]
    assert "no statement of good credit" in report["note"]["en"]
    assert "信用良好" not in report["note"]["zh"].replace("不代表信用良好", "")
    [shown] = report["subject"]["identifiers"]
    assert shown.keys() == {"scheme", "number" if kind == "organization" else "masked"}


def test_of_what_is_held_there_is_no_such_note(world: World) -> None:
    world.record()
    report = issue_report(world)
    assert (report["held"], report["note"]) == (True, None)


# --- kept as issued -------------------------------------------------------


def test_it_is_read_again_to_the_byte_as_it_was_issued(world: World) -> None:
    world.record()
    counter = open_counter(world)
    first = request_report(world, counter)
    world.clock.set_day(world.clock.today().replace(month=12))
    world.record(source_ref="LATER", case_ref=None)
    again = counter.get(first.headers["Location"])
    assert again.status_code == 200
    assert again.content == first.content
    assert again.headers["Cache-Control"] == "no-store"


def test_the_digest_is_over_the_rest_of_the_document(world: World) -> None:
    world.record()
    report = issue_report(world)
    assert report["sha256"] == compute_report_digest(report)
    assert compute_report_digest(report | {"held": False}) != report["sha256"]


def test_it_belongs_to_the_department_that_issued_it_and_to_operators(world: World) -> None:
    world.record()
    office, counter, colleague = (
        world.api("operator"),
        open_counter(world),
        open_counter(world, person="钱某"),
    )
    tax = open_counter(world, "tax")
    for report, readers, others in (
        (issue_report(world, api=counter), [counter, colleague, office], [tax]),
        (issue_report(world, api=office), [office], [counter, tax]),
    ):
        for path in ("", "/page"):
            where = f"/v1/own-reports/{report['report_id']}{path}"
            for reader in readers:
                assert reader.get(where).status_code == 200
            for other in others:
                require_refused(other.get(where), 404, "report_not_found")
    require_refused(counter.get(f"/v1/own-reports/{uuid4()}"), 404, "report_not_found")


def test_one_that_cannot_be_kept_is_not_given(world: World) -> None:
    world.record()
    table = "own_reports" if world.registry.database.embedded else "ledger.own_reports"
    with world.registry.database.ledger() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    answer = request_report(world)
    assert answer.status_code in {500, 503}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "entries" not in answer.text
    assert read_audit_records(world, "own_report_issued") == []


def test_issuing_and_reading_leave_a_trace(world: World) -> None:
    counter = open_counter(world)
    report = issue_report(world, build_person_report_body(), counter)
    counter.get(f"/v1/own-reports/{report['report_id']}")
    world.api("operator").get(f"/v1/own-reports/{report['report_id']}/page")
    [record] = read_audit_records(world, "own_report_issued")
    assert (record.target, record.outcome) == (report["report_id"], "answered")
    assert (record.role, record.department) == ("department", "human_resources")
    assert re.fullmatch(r"[0-9a-f]{64}", record.detail["asked"])
    assert record.detail == {
        "subject_id": None,
        "applicant": "self",
        "proof_ref": "核验登记 2026-9",
        "case_no": "XY-2026-31",
        "sha256": report["sha256"],
        "scope": "no_record",
        "asked": record.detail["asked"],
        "person": "赵某",
    }
    reads = [(one.role, one.detail["form"]) for one in read_audit_records(world, "own_report_read")]
    assert reads == [("department", "json"), ("operator", "page")]
    trail = world.api("auditor").get("/v1/audit/records", params={"action": "own_report_issued"})
    assert trail.status_code == 200
    assert PERSON_RESIDENT_ID not in trail.text


def test_no_personal_number_is_stored_or_sent_in_clear(world: World) -> None:
    world.record(source_ref="P1", case_ref=None, subject=build_person(), responsible_persons=None)
    world.record()
    body = build_person_report_body()
    counter = open_counter(world)
    answer = counter.post("/v1/own-reports", json=body)
    report = answer.json()
    assert report["subject"]["identifiers"] == [{"scheme": "resident_id", "masked": "*" * 18}]
    disclosed = answer.text + counter.get(f"{answer.headers['Location']}/page").text
    disclosed += world.client(None).get(f"/v1/verifications/{report['verification_code']}").text
    rows = str(read_stored_reports(world)) + str(read_audit_records(world, "own_report_issued"))
    for number in (PERSON_RESIDENT_ID, PERSON_RESIDENT_ID[6:], PERSON_RESIDENT_ID[6:14]):
        assert number not in disclosed
        assert number not in rows


def test_earlier_reports_are_listed_in_the_next(world: World) -> None:
    counter, body = open_counter(world), build_own_report_body(number=OTHER_USCC, name="甲商行")
    unheld = issue_report(world, body, counter)
    world.record(source_ref="S1", case_ref=None, subject=build_subject(OTHER_USCC, "甲商行"))
    by_operator = issue_report(world, body)
    issue_report(world, build_own_report_body(number=build_uscc(8), name="乙商行"))
    wrong_name = issue_report(world, body | {"name": "丙商行"}, counter)
    last = issue_report(world, body)
    assert by_operator["reports"] == [
        {
            "report_id": unheld["report_id"],
            "issued_at": unheld["issued_at"],
            "department": {"code": "human_resources", "name": "市人力资源和社会保障局"},
            "applicant": "delegated",
            "scope": "no_record",
        }
    ]
    assert [(one["report_id"], one["scope"]) for one in last["reports"]] == [
        (unheld["report_id"], "no_record"),
        (by_operator["report_id"], "whole"),
        (wrong_name["report_id"], "no_record"),
    ]
    assert last["reports"][1]["department"] is None
    of_department = issue_report(world, body, counter)["reports"]
    assert [each["scope"] for each in of_department] == ["no_record", None, "no_record", None]


def test_every_asking_makes_a_report_of_its_own(world: World) -> None:
    first, second = issue_report(world), issue_report(world)
    assert first["report_id"] != second["report_id"]
    assert first["verification_code"] != second["verification_code"]
    with world.registry.database.reading_ledger() as connection:
        assert connection.scalar(select(func.count()).select_from(IssuedReport)) == 2
