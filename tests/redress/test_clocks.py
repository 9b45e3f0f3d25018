"""A calendar notice moves the days by which open cases are due."""

from datetime import date
from pathlib import Path

import yaml

from app.calendar.notices import read_calendar_notice
from app.notices.service import load_calendar_notice
from tests.support.redress_cases import build_objection, open_case, require_status, take_case_step
from tests.support.request_bodies import build_organisation
from tests.support.world import World

NOTICE = {
    "year": 2027,
    "off_days": [*(f"2027-01-0{day}" for day in range(1, 6)), "2027-10-01"],
    "working_days": [],
    "source": "a notice for tests",
}


def test_open_cases_are_recomputed_and_closed_ones_are_not(world: World, tmp_path: Path) -> None:
    world.clock.set_day(date(2026, 12, 29))
    entries = [
        world.record(source_ref=f"HR-{number}", subject=build_organisation(number))
        for number in range(3)
    ]
    cases = [open_case(world.api(), entry, "objections", build_objection()) for entry in entries]
    assert {(case["due_on"], case["provisional"]) for case in cases} == {("2027-01-04", True)}
    require_status(
        take_case_step(
            world.api(), cases[1], "assistance", {"unit": "\u5e02\u4f4f\u5efa\u5c40", "reason": "x"}
        )
    )
    rejected = {"outcome": "rejected", "reasons": "\u65e0\u8bef"}
    require_status(take_case_step(world.api(), cases[2], "decision", rejected, 2))
    file = tmp_path / "notice.yaml"
    file.write_text(yaml.safe_dump(NOTICE), encoding="utf-8")
    notice = read_calendar_notice(file)
    assert load_calendar_notice(world.registry, notice).due_days == 2
    assert load_calendar_notice(world.registry, notice).due_days == 0
    listed = require_status(world.api().get("/v1/objections"))["cases"]
    assert [(case["due_on"], case["provisional"]) for case in listed] == [
        ("2027-01-06", False),
        ("2027-01-12", False),
    ]
    trail = require_status(world.api("auditor").get("/v1/audit/records?action=objection_recounted"))
    assert {record["detail"]["due_on"] for record in trail["records"]} == {
        "2027-01-06",
        "2027-01-12",
    }
