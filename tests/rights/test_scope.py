"""The part of the data that a department's report shows, and the key that it needs."""

from typing import Any

import pytest

from app.db.tables import IssuedReport
from tests.support.hidden_entries import (
    HIDDEN_ENTRIES,
    OLD_TERM,
    hide_expired,
    leave,
    record_by_court,
    remove_volatile_fields,
)
from tests.support.own_reports import (
    BUILDER_NAME,
    build_own_report_body,
    build_person_report_body,
    compute_report_digest,
    issue_report,
    open_counter,
    read_report_page,
)
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    BUILDER_USCC,
    PERSON_RESIDENT_ID,
    build_check,
    build_penalty_changes,
    build_person,
    build_question,
    build_red_changes,
)
from tests.support.world import World


def look_up(world: World, department: str, **question: Any) -> list[dict[str, Any]]:
    """Return the entries that a department finds by a look-up."""
    body = {"purpose": "受理前查询", "case_no": "ZZ-1", **question}
    answer = world.api("department", department).post("/v1/subjects/lookup", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entries"])


def prepare_own_entry(world: World) -> None:
    world.record(subject=build_person(), responsible_persons=None)


def prepare_own_ended_entry(world: World) -> None:
    world.record(subject=build_person(), responsible_persons=None, **OLD_TERM)


def prepare_own_naming(world: World) -> None:
    world.record()


BASES = [prepare_own_entry, prepare_own_ended_entry, prepare_own_naming]


class TestPersonsKey:
    def test_a_key_without_a_person_neither_issues_nor_reads(self, world: World) -> None:
        world.record()
        nobody = world.api()
        refused = nobody.post("/v1/own-reports", json=build_own_report_body())
        document = require_refused(refused, 403, "person_key_required")
        assert "--person" in document["detail"]
        chinese = nobody.post(
            "/v1/own-reports", json=build_own_report_body(), headers={"Accept-Language": "zh"}
        )
        assert "经办人" in chinese.json()["detail"]
        report = issue_report(world, api=open_counter(world))
        for path in ("", "/page"):
            answer = nobody.get(f"/v1/own-reports/{report['report_id']}{path}")
            require_refused(answer, 403, "person_key_required")
        with world.registry.database.reading_ledger() as connection:
            assert len(connection.execute(IssuedReport.__table__.select()).all()) == 1

    def test_the_credit_office_needs_none(self, world: World) -> None:
        world.record()
        assert issue_report(world, api=world.api("operator"))["scope"] == "whole"


class TestPartial:
    def test_an_entry_of_another_department_has_the_fields_of_a_check(self, world: World) -> None:
        recorded = world.record(remark="内部备注")
        [found] = look_up(world, "court", scheme="uscc", number=build_own_report_body()["number"])
        report = issue_report(world, api=open_counter(world, "court"))
        [entry] = report["entries"]
        assert (report["scope"], entry["partial"], entry["outline"]) == ("partial", True, False)
        same = (
            "id",
            "list",
            "list_type",
            "domain",
            "reason",
            "responsible_persons",
            "severity",
            "effective_from",
            "effective_until",
            "status",
            "disputed",
        )
        assert {name: entry[name] for name in same} == {name: found[name] for name in same}
        assert entry["source"] == {
            "department": {"code": found["department"], "name": "市人力资源和社会保障局"},
            "source_ref": None,
            "case_ref": None,
            "decision": {**found["decision"], "penalty_law": None},
            "legal_basis": found["legal_basis"],
            "received_at": None,
            "recorded_at": None,
        }
        assert entry["disclosure"] == {
            "class": found["disclosure_class"],
            "exemption": found["exemption"],
            "basis": None,
            "channels": [],
        }
        assert entry["uses"] == issue_report(world)["entries"][0]["uses"] != []
        shown = {*same, "source", "disclosure", "uses"}
        explained = {"partial", "outline", "in_force", "list_type_name"}
        for name in entry.keys() - shown - explained:
            assert entry[name] in (None, []), name
        assert "内部备注" not in str(report)
        assert recorded["source_ref"] not in str(report)

    def test_what_a_check_leaves_out_of_a_record_is_left_out(self, world: World) -> None:
        world.record(**build_penalty_changes())
        [entry] = issue_report(world, api=open_counter(world, "court"))["entries"]
        assert (entry["penalty"], entry["source"]["decision"]["penalty_law"]) == (None, None)
        [whole] = issue_report(world)["entries"]
        assert whole["penalty"]
        assert whole["source"]["decision"]["penalty_law"] == "administrative"

    def test_ended_entries_of_others_are_absent(self, world: World) -> None:
        leave(world, record_by_court(world), "court")
        active = world.record(subject=build_person(), responsible_persons=None)
        old = world.record(
            source_ref="OLD",
            case_ref=None,
            subject=build_person(),
            responsible_persons=None,
            **OLD_TERM,
        )
        report = issue_report(world, build_person_report_body(), open_counter(world))
        assert {each["id"] for each in report["entries"]} == {active["id"], old["id"]}
        assert [each["partial"] for each in report["entries"]] == [False, False]
        of_court = issue_report(world, build_person_report_body(), open_counter(world, "court"))
        assert [each["in_force"] for each in of_court["entries"]] == [False, True]
        assert [each["partial"] for each in of_court["entries"]] == [False, True]
        assert len(issue_report(world, build_person_report_body())["entries"]) == 3

    @pytest.mark.parametrize("prepare", BASES)
    def test_hidden_entries_change_nothing(self, world: World, prepare: Any) -> None:
        counter, body = open_counter(world), build_person_report_body()
        prepare(world)
        before = issue_report(world, body, counter)
        assert before["scope"] == "partial"
        number_of_names = len(issue_report(world, body)["subject"]["former_names"])
        for serial, hide in enumerate(HIDDEN_ENTRIES):
            hide(world, f"HIDDEN-{serial}")
            after = issue_report(world, body, counter)
            assert remove_volatile_fields(before, "reports") == remove_volatile_fields(
                after, "reports"
            ), hide
            assert all(each.keys() >= {"scope"} for each in after["reports"])
        whole = issue_report(world, body)
        assert len(whole["entries"]) == len(before["entries"]) + 2
        assert len(whole["named_in"]) == len(before["named_in"]) + 1
        assert len(whole["subject"]["former_names"]) > number_of_names
        assert len(whole["subject"]["identifiers"]) == 2

    def test_a_name_of_a_hidden_entry_is_a_wrong_name(self, world: World) -> None:
        counter = open_counter(world)
        prepare_own_entry(world)
        hide_expired(world, "FY-1")
        body = build_person_report_body(name="张旧名")
        assert issue_report(world, body, counter)["scope"] == "no_record"
        assert issue_report(world, body)["scope"] == "whole"
        record_by_court(world, source_ref="FY-2", subject=build_person(name="张旧名"))
        report = issue_report(world, body, counter)
        assert (report["scope"], len(report["entries"])) == ("partial", 2)

    def test_own_names_and_numbers_are_shown(self, world: World) -> None:
        former = build_person(name="张旧名")
        former["identifiers"].append({"scheme": "passport", "number": "E12345678"})
        world.record(subject=former, responsible_persons=None, **OLD_TERM)
        record_by_court(world)
        own = issue_report(world, build_person_report_body(), open_counter(world))["subject"]
        assert (own["name"], own["former_names"]) == ("张某", ["张旧名"])
        assert {each["scheme"] for each in own["identifiers"]} == {"resident_id", "passport"}
        court = open_counter(world, "court")
        foreign = issue_report(world, build_person_report_body(), court)["subject"]
        assert (foreign["name"], foreign["former_names"]) == ("张某", [])
        assert [each["scheme"] for each in foreign["identifiers"]] == ["resident_id"]

    def test_numbers_of_an_organisation_are_those_of_own_entries(self, world: World) -> None:
        world.record()
        own = issue_report(world, api=open_counter(world))["subject"]["identifiers"]
        assert [each["scheme"] for each in own] == ["org_code", "uscc"]
        by_inner = build_own_report_body(scheme="org_code", number=BUILDER_USCC[8:17])
        foreign = issue_report(world, by_inner, open_counter(world, "court"))["subject"]
        assert foreign["identifiers"] == [{"scheme": "org_code", "number": BUILDER_USCC[8:17]}]

    def test_every_status_is_that_of_a_check(self, world: World) -> None:
        world.record(**build_red_changes())
        world.record(effective_from="2026-12-01")
        entry = world.record(source_ref="D", case_ref=None)
        applicant = {"kind": "delegated", "name": "李某", "proof_ref": "SQ-2026-15"}
        objected = world.api().post(
            f"/v1/entries/{entry['id']}/objections",
            json={"applicant": applicant, "grounds": "已结清"},
            headers={"If-Match": '"1"'},
        )
        assert objected.is_success, objected.text
        number = build_own_report_body()["number"]
        found = look_up(world, "court", scheme="uscc", number=number)
        report = issue_report(world, api=open_counter(world, "court"))
        assert {(each["id"], each["status"], each["disputed"]) for each in report["entries"]} == {
            (each["id"], each["status"], each["disputed"]) for each in found
        }
        assert {each["status"] for each in found} == {"active", "scheduled", "suspended"}
        assert all(each["redress"] == each["history"] == [] for each in report["entries"])

    def test_an_exempt_entry_of_another_department_is_an_outline(self, world: World) -> None:
        world.record(
            reason="涉及商业秘密的事实",
            disclosure={"class": "exempt", "exemption": "trade_secret", "basis": "第九条"},
        )
        report = issue_report(world, api=open_counter(world, "court"))
        [entry] = report["entries"]
        assert (entry["outline"], entry["partial"]) == (True, True)
        assert entry["disclosure"] == {
            "class": "exempt",
            "exemption": "trade_secret",
            "basis": None,
            "channels": [],
        }
        for name in ("source", "list_type", "reason", "removal", "ends_by_law_on"):
            assert entry[name] is None, name
        assert entry["uses"] == []

    def test_only_own_entries_that_name_a_person_are_shown(self, world: World) -> None:
        world.record()
        body = build_person_report_body()
        own = issue_report(world, body, open_counter(world))
        assert [each["subject_name"] for each in own["named_in"]] == [BUILDER_NAME]
        foreign = issue_report(world, body, open_counter(world, "court"))
        assert (foreign["scope"], foreign["named_in"]) == ("no_record", [])
        record_by_court(world)
        listed = issue_report(world, body, open_counter(world, "court"))
        assert (listed["scope"], listed["named_in"]) == ("partial", [])

    def test_answers_to_other_departments_are_left_out(self, world: World) -> None:
        leave(world, record_by_court(world), "court")
        entry = world.record(subject=build_person(), responsible_persons=None)
        question = build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")
        approver = world.api("approver")
        asked = approver.post("/v1/checks", json=build_check(question)).json()
        outcome = {"ref": "1", "action": "applied", "measures": ["restrict_bidding"]}
        reported = approver.post(f"/v1/checks/{asked['check_id']}/outcomes", json=outcome)
        assert reported.status_code == 201
        look_up(
            world,
            "human_resources",
            scheme="resident_id",
            number=PERSON_RESIDENT_ID,
            name="张某",
        )
        body = build_person_report_body()
        partial = issue_report(world, body, open_counter(world))
        whole = issue_report(world, body)
        assert [each["standing"] for each in whole["queries"]] == ["black", "black"]
        assert [each["standing"] for each in partial["queries"]] == [None, "black"]
        assert whole["queries"][0]["outcome"]
        assert partial["queries"][0]["outcome"] is None
        for one, other in zip(whole["queries"], partial["queries"], strict=True):
            hidden = {"standing", "outcome"}
            assert {name: one[name] for name in one.keys() - hidden} == {
                name: other[name] for name in other.keys() - hidden
            }
        assert [each["id"] for each in partial["entries"]] == [entry["id"]]

    def test_every_departments_report_says_that_it_is_partial(self, world: World) -> None:
        world.record()
        own = issue_report(world, api=open_counter(world))
        foreign = issue_report(world, api=open_counter(world, "court"))
        assert own["scope_note"] == foreign["scope_note"]
        assert "市信用办" in own["scope_note"]["zh"]
        assert "whole report is issued by the credit office" in own["scope_note"]["en"]
        for report, api in (
            (own, open_counter(world)),
            (foreign, open_counter(world, "court")),
        ):
            page = read_report_page(world, report, api)
            assert own["scope_note"]["zh"] in page
            assert report["sha256"] == compute_report_digest(report)
            assert "未列明本系统登记的全部信息" in report["rights"]["no_statement_of_credit"]["zh"]
        whole = issue_report(world)
        assert (whole["scope"], whole["scope_note"]) == ("whole", None)
        assert "如实列明" in whole["rights"]["no_statement_of_credit"]["zh"]
        assert own["scope_note"]["zh"] not in read_report_page(world, whole)

    def test_the_page_marks_what_is_shown_as_in_a_check(self, world: World) -> None:
        world.record()
        counter = open_counter(world, "court")
        page = read_report_page(world, issue_report(world, api=counter), counter)
        assert "仅列明信用核查可见的内容" in page
        assert "变更记录" not in page
