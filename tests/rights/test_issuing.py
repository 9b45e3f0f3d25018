"""Who is given a report about whom, how it is kept, and who may read it again."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, text

from app.db.tables import AccessRecord, OwnReport
from tests.support.facts import BUILDER, OTHER, PERSON, decision, person, subject
from tests.support.numbers import org_code, resident_id, uscc
from tests.support.problems import refused
from tests.support.reports import NAME, digest_of, issued, of_person, own_report
from tests.support.world import World


def ask(world: World, role: str = "department", **changes: Any) -> httpx.Response:
    return world.api(role).post("/v1/own-reports", json=own_report(**changes))


def kept(world: World) -> list[Any]:
    with world.registry.database.reading_ledger() as connection:
        return list(connection.execute(OwnReport.__table__.select().order_by(OwnReport.id)))


def records(world: World, action: str) -> list[Any]:
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
    answer = ask(world)
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


def test_a_department_that_holds_nothing_itself_gives_all_that_others_do(world: World) -> None:
    entry = world.record()
    report = issued(world, api=world.api("department", "tax"))
    assert [one["id"] for one in report["entries"]] == [entry["id"]]


def test_the_credit_office_enters_it_in_no_departments_name(world: World) -> None:
    report = issued(world, api=world.api("operator"))
    assert report["issued_by"] == {"role": "operator", "department": None}


@pytest.mark.parametrize("role", ["approver", "auditor", "subscriber"])
def test_others_may_not(world: World, role: str) -> None:
    report = issued(world)
    refused(ask(world, role), 403, "forbidden")
    for path in ("", "/page"):
        answer = world.api(role).get(f"/v1/own-reports/{report['report_id']}{path}")
        refused(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"number": BUILDER[:-1] + "U"}, "invalid_identifier", "/number"),
        ({"number": PERSON}, "invalid_identifier", "/number"),
        ({"scheme": "name"}, "unknown_value", "/scheme"),
        ({"name": None}, "missing", "/name"),
        ({"applicant": None}, "missing", "/applicant"),
        (
            {"applicant": {"kind": "anybody", "name": "王某", "proof_ref": "1"}},
            "unknown_value",
            "/applicant/kind",
        ),
        (
            {"applicant": {"kind": "self", "name": "王某", "proof_ref": PERSON}},
            "personal_number_in_text",
            "/applicant/proof_ref",
        ),
        ({"case_no": PERSON}, "personal_number_in_text", "/case_no"),
        ({"reason": "看看"}, "unknown_field", "/reason"),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(
    world: World, change: dict[str, Any], code: str, pointer: str
) -> None:
    refused(ask(world, **change), 422, code, pointer)
    assert kept(world) == []


# --- the name -------------------------------------------------------------


def test_another_name_is_refused_and_nothing_is_told(world: World) -> None:
    world.record()
    answer = ask(world, name="枣庄另一家建筑有限公司")
    document = refused(answer, 409, "name_mismatch")
    assert document.keys() <= {"type", "title", "status", "detail", "code", "request_id"}
    assert NAME not in answer.text
    assert kept(world) == []
    [record] = records(world, "POST /v1/own-reports")
    assert (record.outcome, record.detail["code"]) == ("refused", "name_mismatch")


@pytest.mark.parametrize("name", [NAME, "枣庄 某某建筑有限公司", "枣庄旧名建筑有限公司"])
def test_a_former_name_or_another_spelling_is_the_subjects_own(world: World, name: str) -> None:
    world.record(
        source_ref="OLD",
        case_ref=None,
        subject=subject(name="枣庄旧名建筑有限公司"),
        decision=decision("2026-01-05"),
        effective_from="2026-01-05",
        effective_until=None,
        conduct_ended_on="2025-12-31",
    )
    world.record()
    report = issued(world, own_report(name=name))
    assert report["subject"]["name"] == NAME
    assert report["subject"]["former_names"] == ["枣庄旧名建筑有限公司"]
    assert report["subject"]["recorded"] is True


def test_a_person_who_is_only_named_beside_others_must_bear_that_name(world: World) -> None:
    world.record()
    refused(world.api().post("/v1/own-reports", json=of_person(name="李四")), 409, "name_mismatch")
    report = issued(world, of_person())
    assert report["subject"]["recorded"] is True
    assert report["subject"]["kind"] == "natural_person"


# --- nothing held ---------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (own_report(number=uscc(7), name="枣庄无记录有限公司"), "organization"),
        (
            own_report(scheme="org_code", number=org_code(7), name="枣庄无记录有限公司"),
            "organization",
        ),
        (of_person(resident_id(7), "赵六"), "natural_person"),
        (of_person("E12345678", "John Doe", scheme="passport"), "natural_person"),
    ],
)
def test_of_an_unknown_number_the_report_says_that_nothing_is_held(
    world: World, body: dict[str, Any], kind: str
) -> None:
    world.record()
    report = issued(world, body)
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
    report = issued(world)
    assert (report["held"], report["note"]) == (True, None)


# --- kept as issued -------------------------------------------------------


def test_it_is_read_again_to_the_byte_as_it_was_issued(world: World) -> None:
    world.record()
    first = ask(world)
    world.clock.move_to(world.clock.today().replace(month=12))
    world.record(source_ref="LATER", case_ref=None)
    again = world.api().get(first.headers["Location"])
    assert again.status_code == 200
    assert again.content == first.content
    assert again.headers["Cache-Control"] == "no-store"


def test_the_digest_is_over_the_rest_of_the_document(world: World) -> None:
    world.record()
    report = issued(world)
    assert report["sha256"] == digest_of(report)
    assert digest_of(report | {"held": False}) != report["sha256"]


def test_it_belongs_to_the_department_that_issued_it_and_to_operators(world: World) -> None:
    by_department = issued(world)
    by_operator = issued(world, api=world.api("operator"))
    for report, own, others in (
        (by_department, ("department", "operator"), [("department", "tax")]),
        (by_operator, ("operator",), [("department", None), ("department", "tax")]),
    ):
        for path in ("", "/page"):
            where = f"/v1/own-reports/{report['report_id']}{path}"
            for role in own:
                assert world.api(role).get(where).status_code == 200
            for role, department in others:
                refused(world.api(role, department).get(where), 404, "report_not_found")
    refused(world.api().get(f"/v1/own-reports/{uuid4()}"), 404, "report_not_found")


def test_one_that_cannot_be_kept_is_not_given(world: World) -> None:
    world.record()
    table = "own_reports" if world.registry.database.embedded else "ledger.own_reports"
    with world.registry.database.ledger() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    answer = ask(world)
    assert answer.status_code in {500, 503}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "entries" not in answer.text
    assert records(world, "own_report_issued") == []


def test_issuing_and_reading_leave_a_trace(world: World) -> None:
    report = issued(world, of_person())
    world.api().get(f"/v1/own-reports/{report['report_id']}")
    world.api("operator").get(f"/v1/own-reports/{report['report_id']}/page")
    [record] = records(world, "own_report_issued")
    assert (record.target, record.outcome) == (report["report_id"], "answered")
    assert (record.role, record.department) == ("department", "human_resources")
    assert record.detail == {
        "subject_id": None,
        "applicant": "self",
        "proof_ref": "核验登记 2026-9",
        "case_no": "XY-2026-31",
        "sha256": report["sha256"],
    }
    reads = [(one.role, one.detail["form"]) for one in records(world, "own_report_read")]
    assert reads == [("department", "json"), ("operator", "page")]
    trail = world.api("auditor").get("/v1/audit/records", params={"action": "own_report_issued"})
    assert trail.status_code == 200
    assert PERSON not in trail.text


def test_no_personal_number_is_kept_or_told_in_clear(world: World) -> None:
    world.record(source_ref="P1", case_ref=None, subject=person(), responsible_persons=None)
    world.record()
    body = of_person()
    answer = world.api().post("/v1/own-reports", json=body)
    report = answer.json()
    assert report["subject"]["identifiers"] == [
        {"scheme": "resident_id", "masked": f"{PERSON[:6]}************"}
    ]
    told = answer.text + world.api().get(f"{answer.headers['Location']}/page").text
    told += world.client(None).get(f"/v1/verifications/{report['verification_code']}").text
    rows = str(kept(world)) + str(records(world, "own_report_issued"))
    for number in (PERSON, PERSON[6:], PERSON[6:14]):
        assert number not in told
        assert number not in rows


def test_earlier_reports_are_listed_in_the_next(world: World) -> None:
    unheld = issued(world, own_report(number=OTHER, name="甲商行"))
    world.record(source_ref="S1", case_ref=None, subject=subject(OTHER, "甲商行"))
    by_operator = issued(world, own_report(number=OTHER, name="甲商行"), world.api("operator"))
    issued(world, own_report(number=uscc(8), name="乙商行"))
    last = issued(world, own_report(number=OTHER, name="甲商行"))
    assert by_operator["reports"] == [
        {
            "report_id": unheld["report_id"],
            "issued_at": unheld["issued_at"],
            "department": {"code": "human_resources", "name": "市人力资源和社会保障局"},
            "applicant": "delegated",
        }
    ]
    assert [one["report_id"] for one in last["reports"]] == [
        unheld["report_id"],
        by_operator["report_id"],
    ]
    assert last["reports"][1]["department"] is None


def test_every_asking_makes_a_report_of_its_own(world: World) -> None:
    first, second = issued(world), issued(world)
    assert first["report_id"] != second["report_id"]
    assert first["verification_code"] != second["verification_code"]
    with world.registry.database.reading_ledger() as connection:
        assert connection.scalar(select(func.count()).select_from(OwnReport)) == 2
