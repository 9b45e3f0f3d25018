"""The part of the data that a department's report shows, and reports without a record."""

from datetime import date
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from app.db.tables import IssuedReport
from tests.support.numbers import build_resident_id
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
    build_decision,
    build_penalty_changes,
    build_person,
    build_question,
    build_red_changes,
)
from tests.support.world import World

VOLATILE = {"report_id", "issued_at", "seq", "verification_code", "sha256"}
OLD_TERM = {
    "decision": build_decision("2025-03-03"),
    "effective_from": "2025-03-03",
    "effective_until": "2026-03-02",
    "conduct_ended_on": "2025-01-31",
}
"""The term of an entry that ended before today."""


def build_defaulter(**changes: Any) -> dict[str, Any]:
    """Return the changes that make a push of the court about the person."""
    return {
        "list_type": "judgment_defaulting.black",
        "source_ref": "FY-1",
        "case_ref": None,
        "subject": build_person(),
        "responsible_persons": None,
        "decision": build_decision("2026-11-20", kind="court_decision"),
        "effective_until": None,
        **changes,
    }


def record_by_court(world: World, **changes: Any) -> dict[str, Any]:
    return world.record(world.api("department", "court"), **build_defaulter(**changes))


def leave(world: World, entry: dict[str, Any], department: str) -> None:
    """Let an entry end today."""
    answer = world.api("department", department).post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已履行", "exited_on": "2026-11-22"},
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.is_success, answer.text


def look_up(world: World, department: str, **question: Any) -> list[dict[str, Any]]:
    """Return the entries that a department finds by a look-up."""
    body = {"purpose": "受理前查询", "case_no": "ZZ-1", **question}
    answer = world.api("department", department).post("/v1/subjects/lookup", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entries"])


def drop(report: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a report without the fields that differ in every report."""
    return {name: value for name, value in report.items() if name not in VOLATILE | set(names)}


def hide_expired(world: World, reference: str) -> None:
    former = build_person(name="张旧名")
    former["identifiers"].append({"scheme": "passport", "number": "E12345678"})
    record_by_court(world, source_ref=reference, subject=former, **OLD_TERM)


def hide_removed(world: World, reference: str) -> None:
    term = {
        "decision": build_decision("2026-01-05", kind="court_decision"),
        "effective_from": "2026-01-05",
        "conduct_ended_on": "2025-12-31",
    }
    leave(world, record_by_court(world, source_ref=reference, **term), "court")


def hide_void(world: World, reference: str) -> None:
    entry = record_by_court(world, source_ref=reference)
    answer = world.api("department", "court").post(
        f"/v1/entries/{entry['id']}/revocations",
        json={"reason": "错列", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert answer.is_success, answer.text


def hide_naming(world: World, reference: str) -> None:
    person = {
        "role": "legal_representative",
        "name": "张某",
        "identifier": {"scheme": "resident_id", "number": PERSON_RESIDENT_ID},
    }
    entry = build_defaulter(source_ref=reference, responsible_persons=[person])
    del entry["subject"]  # the organisation of `build_push`
    world.record(world.api("department", "court"), **entry)


HIDDEN_ENTRIES = [hide_expired, hide_removed, hide_void, hide_naming]
"""Entries of the court that a check of 张某 does not show."""


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
            assert drop(before, "reports") == drop(after, "reports"), hide
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
        whole = issue_report(world)
        assert (whole["scope"], whole["scope_note"]) == ("whole", None)
        assert own["scope_note"]["zh"] not in read_report_page(world, whole)

    def test_the_page_marks_what_is_shown_as_in_a_check(self, world: World) -> None:
        world.record()
        counter = open_counter(world, "court")
        page = read_report_page(world, issue_report(world, api=counter), counter)
        assert "仅列明信用核查可见的内容" in page
        assert "变更记录" not in page


def prepare_nothing(world: World) -> None:
    """Record nothing."""


def prepare_wrong_name(world: World) -> None:
    record_by_court(world, subject=build_person(name="王五"))
    world.record(
        source_ref="P", case_ref=None, subject=build_person(name="王五"), responsible_persons=None
    )


HISTORIES = [
    prepare_nothing,
    prepare_wrong_name,
    *(partial(hide, reference="FY-1") for hide in HIDDEN_ENTRIES),
]
"""What the registry holds under the number of 张某; a department may learn of none by the name."""


class TestNoRecord:
    @pytest.mark.parametrize("prepare", HISTORIES)
    def test_it_is_the_same_whether_the_number_was_listed_or_not(
        self, world: World, prepare: Any
    ) -> None:
        counter = open_counter(world)
        prepare(world)
        question = build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")
        assert world.api("approver").post("/v1/checks", json=build_check(question)).is_success
        issue_report(world, build_person_report_body())
        answer = counter.post("/v1/own-reports", json=build_person_report_body())
        assert answer.status_code == 201
        report = answer.json()
        never_listed = build_resident_id(77)
        expected = issue_report(world, build_person_report_body(never_listed), counter)
        assert drop(report, "subject") == drop(expected, "subject")
        assert report.keys() == expected.keys()
        assert report["subject"] | {"identifiers": []} == {
            "kind": "natural_person",
            "recorded": False,
            "name": "张某",
            "former_names": [],
            "identifiers": [],
        }
        assert expected["subject"] | {"identifiers": []} == report["subject"] | {"identifiers": []}
        assert [each.keys() for each in report["subject"]["identifiers"]] == [{"scheme", "masked"}]
        for name in ("entries", "named_in", "queries", "reports"):
            assert report[name] == [], name
        assert (report["held"], report["scope"], report["scope_note"]) == (False, "no_record", None)

    def test_an_organisation_gets_it_by_its_number_alone(self, world: World) -> None:
        world.record()
        report = issue_report(world, build_own_report_body(name="另一公司"), open_counter(world))
        assert report["subject"] == {
            "kind": "organization",
            "recorded": False,
            "name": "另一公司",
            "former_names": [],
            "identifiers": [{"scheme": "uscc", "number": build_own_report_body()["number"]}],
        }

    def test_it_gives_the_way_to_the_credit_office(self, world: World) -> None:
        world.record()
        for api in (open_counter(world), world.api("operator")):
            report = issue_report(world, build_own_report_body(name="另一公司"), api)
            assert report["note"]["en"].startswith(
                "There is no record under this number and this name."
            )
            assert report["note"]["zh"].startswith("该号码与该姓名（名称）项下无记录。")
            assert "credit office of the city" in report["note"]["en"]
            assert "市信用办" in report["note"]["zh"]
            assert "no statement of good credit" in report["note"]["en"]
            assert BUILDER_NAME not in str(report)
            page = read_report_page(world, report, api)
            assert report["note"]["zh"] in page
            for heading in ("被查询和使用情况", "此前出具的报告", "名单、行政处罚"):
                assert f"、{heading}" not in page
            assert "权利告知" in page
            verified = world.client(None).get(f"/v1/verifications/{report['verification_code']}")
            assert verified.json()["sha256"] == report["sha256"]

    def test_the_credit_office_sees_who_asked_about_an_unlisted_number(self, world: World) -> None:
        body = build_person_report_body()
        question = build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")
        assert world.api("approver").post("/v1/checks", json=build_check(question)).is_success
        assert issue_report(world, body, open_counter(world))["queries"] == []
        report = issue_report(world, body)
        assert (report["scope"], len(report["queries"])) == ("whole", 1)
        assert [each["scope"] for each in report["reports"]] == ["no_record"]

    def test_the_whole_report_lists_attempts_under_other_names(self, world: World) -> None:
        record_by_court(world)
        attempt = issue_report(world, build_person_report_body(name="李四"), open_counter(world))
        whole = issue_report(world, build_person_report_body())
        assert [(each["report_id"], each["scope"]) for each in whole["reports"]] == [
            (attempt["report_id"], "no_record")
        ]
        assert "李四" not in str(whole)


class TestEarlierReleases:
    def test_a_report_of_an_earlier_release_is_read_as_it_was_issued(self, world: World) -> None:
        world.record()
        report = issue_report(world)
        stored = {name: report[name] for name in report.keys() - {"scope", "scope_note"}}
        for entry in stored["entries"]:
            del entry["partial"]
        with world.registry.database.ledger() as connection:
            connection.execute(update(IssuedReport).values(content=stored, scope=None, person=None))
        answer = world.api("operator").get(f"/v1/own-reports/{report['report_id']}")
        assert answer.json() == stored
        page = read_report_page(world, report)
        assert BUILDER_NAME in page
        assert "变更记录" in page
        assert issue_report(world)["reports"][0]["scope"] == "whole"


def read_refusals(world: World) -> list[dict[str, Any]]:
    """Return the refused requests for reports as an auditor reads them, the oldest first."""
    answer = world.api("auditor").get(
        "/v1/audit/records", params={"action": "POST /v1/own-reports", "outcome": "refused"}
    )
    assert answer.status_code == 200, answer.text
    assert PERSON_RESIDENT_ID not in answer.text
    return list(reversed(answer.json()["records"]))


def send(api: httpx.Client, body: Any) -> httpx.Response:
    return api.post("/v1/own-reports", json=body)


class TestRefused:
    def test_every_refused_attempt_leaves_the_digest_of_its_number(self, world: World) -> None:
        counter = open_counter(world)
        body = build_person_report_body()
        issue_report(world, body, counter)
        [listed] = world.api("operator").get("/v1/own-reports").json()["reports"]
        spelled = " ".join(chr(ord(digit) + 0xFEE0) for digit in PERSON_RESIDENT_ID)
        attempts = [
            (world.api(), body, 403),
            (counter, body | {"name": ""}, 422),
            (counter, {name: value for name, value in body.items() if name != "applicant"}, 422),
            (counter, body | {"case_no": PERSON_RESIDENT_ID}, 422),
            (counter, body | {"more": 1, "number": spelled}, 422),
        ]
        for api, sent, status in attempts:
            assert send(api, sent).status_code == status
        refusals = read_refusals(world)
        assert [each["detail"]["asked"] for each in refusals] == [listed["asked"]] * len(attempts)
        assert [each["detail"]["person"] for each in refusals] == [None, *["赵某"] * 4]
        assert refusals[0]["detail"]["code"] == "person_key_required"

    def test_a_number_with_a_wrong_check_digit_has_a_digest_too(self, world: World) -> None:
        counter = open_counter(world)
        wrong = PERSON_RESIDENT_ID[:-1] + "4"
        for number in (wrong, f" {wrong} ", build_resident_id(9)[:-1] + "!"):
            refused = send(counter, build_person_report_body(number))
            require_refused(refused, 422, "invalid_identifier", "/number")
        first, second, other = (each["detail"]["asked"] for each in read_refusals(world))
        assert first == second != other

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b'"text"',
            b"null",
            b'{"scheme": ["uscc"], "number": "1"}',
            b'{"scheme": {}, "number": "1"}',
            b'{"scheme": "uscc", "number": 1}',
            b'{"scheme": "resident_id", "number": "\\ud800"}',
            b'{"scheme": "passport", "number": "\\udfff' + b"1" * 60_000 + b'"}',
            b"\xff\xfe",
            b"[" * 900 + b"]" * 900,
        ],
    )
    def test_a_body_without_a_number_is_refused_all_the_same(
        self, world: World, content: bytes
    ) -> None:
        for api, status in ((open_counter(world), {400, 422}), (world.api(), {400, 403, 422})):
            answer = api.post(
                "/v1/own-reports", content=content, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code in status, answer.text
            assert answer.headers["Content-Type"] == "application/problem+json"
        assert len(read_refusals(world)) == 2
        with world.registry.database.reading_ledger() as connection:
            assert connection.execute(IssuedReport.__table__.select()).all() == []

    def test_other_media_types_are_refused(self, world: World) -> None:
        answer = open_counter(world).post(
            "/v1/own-reports", content=b"a=1", headers={"Content-Type": "text/plain"}
        )
        assert answer.status_code in {415, 422}


class TestList:
    def test_the_credit_office_sees_who_drew_which_report_on_what_proof(self, world: World) -> None:
        world.record(subject=build_person(), responsible_persons=None)
        counter = open_counter(world)
        first = issue_report(world, build_person_report_body(), counter)
        second = issue_report(world, build_person_report_body(name="李四"), counter)
        third = issue_report(world, build_own_report_body())
        answer = world.api("operator").get("/v1/own-reports")
        assert answer.status_code == 200
        reports = answer.json()["reports"]
        assert [each["report_id"] for each in reports] == [
            each["report_id"] for each in (third, second, first)
        ]
        asked, actor = reports[2]["asked"], reports[2]["actor_id"]
        assert reports[2] == {
            "report_id": first["report_id"],
            "issued_at": first["issued_at"],
            "scope": "partial",
            "department": "human_resources",
            "actor_id": actor,
            "actor_name": "human_resources 赵某",
            "person": "赵某",
            "subject": {"kind": "natural_person", "name": "张*"},
            "asked": asked,
            "applicant": {
                "kind": "self",
                "proof_ref": "核验登记 2026-9",
                "case_no": "XY-2026-31",
            },
            "sha256": first["sha256"],
        }
        assert (reports[1]["scope"], reports[1]["subject"]["name"]) == ("no_record", "李*")
        assert reports[1]["asked"] == asked
        assert (reports[0]["scope"], reports[0]["department"], reports[0]["person"]) == (
            "whole",
            None,
            None,
        )
        assert reports[0]["subject"] == {"kind": "organization", "name": BUILDER_NAME}
        for text in (PERSON_RESIDENT_ID, PERSON_RESIDENT_ID[6:14], "张某"):
            assert text not in answer.text

    def test_pages_and_filters(self, world: World) -> None:
        counter, tax = open_counter(world), open_counter(world, "tax")
        world.record()
        issued = [
            issue_report(world, build_own_report_body(), api)["report_id"]
            for api in (counter, tax, counter, world.api("operator"), tax)
        ]
        office = world.api("auditor")

        def read(**query: Any) -> list[str]:
            answer = office.get("/v1/own-reports", params=query)
            assert answer.status_code == 200, answer.text
            return [each["report_id"] for each in answer.json()["reports"]]

        assert read() == issued[::-1]
        first = office.get("/v1/own-reports", params={"limit": 3}).json()
        rest = office.get("/v1/own-reports", params={"limit": 3, "next": first["next"]}).json()
        assert [each["report_id"] for each in first["reports"] + rest["reports"]] == issued[::-1]
        assert rest["next"] is None
        assert read(department="tax") == [issued[4], issued[1]]
        assert read(scope="whole") == [issued[3]]
        assert read(scope="partial", department="human_resources") == [issued[2], issued[0]]
        assert read(asked=first["reports"][0]["asked"]) == issued[::-1]
        assert read(asked="0" * 64) == []
        with world.registry.database.ledger() as connection:
            connection.execute(update(IssuedReport).values(scope=None, person=None))
        assert read(scope="whole") == issued[::-1]
        require_refused(
            office.get("/v1/own-reports", params={"scope": "all"}), 422, "unknown_value", "?scope"
        )
        require_refused(office.get("/v1/own-reports", params={"next": "x"}), 400, "bad_cursor")
        trail = office.get("/v1/audit/records", params={"action": "own_reports_listed"}).json()
        assert {"filters": ["department", "scope"]} in [each["detail"] for each in trail["records"]]

    @pytest.mark.parametrize("role", ["department", "approver", "subscriber"])
    def test_others_do_not_see_it(self, world: World, role: str) -> None:
        require_refused(world.api(role).get("/v1/own-reports"), 403, "forbidden")

    def test_a_report_without_a_record_stays_in_the_list(self, world: World) -> None:
        report = issue_report(world, build_person_report_body(), open_counter(world))
        world.clock.set_day(date(2027, 11, 22))
        [listed] = world.api("operator").get("/v1/own-reports").json()["reports"]
        assert (listed["report_id"], listed["scope"]) == (report["report_id"], "no_record")
