"""The list of issued reports, refused requests, and reports of earlier releases."""

from datetime import date
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
    issue_report,
    open_counter,
    read_report_page,
)
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_person,
)
from tests.support.world import World


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
        verified = world.client(None).get(f"/v1/verifications/{report['verification_code']}")
        assert verified.json()["scope"] == "whole"
