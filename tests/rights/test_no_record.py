"""Reports without a record: a wrong name, or nothing that the report may show."""

from functools import partial
from typing import Any

import pytest

from tests.support.hidden_entries import (
    HIDDEN_ENTRIES,
    record_by_court,
    remove_volatile_fields,
)
from tests.support.numbers import build_resident_id
from tests.support.own_reports import (
    BUILDER_NAME,
    build_own_report_body,
    build_person_report_body,
    issue_report,
    open_counter,
    read_report_page,
)
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_question,
)
from tests.support.world import World


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
        assert remove_volatile_fields(report, "subject") == remove_volatile_fields(
            expected, "subject"
        )
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
            assert "本系统未登记" not in page
            assert "如实列明" not in page
            verified = world.client(None).get(f"/v1/verifications/{report['verification_code']}")
            assert verified.json()["sha256"] == report["sha256"]
            assert verified.json()["scope"] == "no_record"

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
