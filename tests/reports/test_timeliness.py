"""The timeliness report over entries whose figures are all known."""

from datetime import date
from typing import Any

import httpx
import pytest

from tests.support.request_bodies import (
    build_decision,
    build_organisation,
    build_penalty_changes,
    build_publication,
)
from tests.support.world import World

SITE, CITY = "department_site", "credit_china_zaozhuang"
EXEMPT = {"class": "exempt", "exemption": "trade_secret", "basis": "反不正当竞争法第十条"}
COUNTED = (
    "published_on_time",
    "published_late",
    "overdue",
    "pending",
    "exempt",
    "restricted",
    "no_longer_due",
)


def report(api: httpx.Client, **query: str) -> dict[str, Any]:
    answer = api.get("/v1/reports/timeliness", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def rows(api: httpx.Client, **query: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["department"], row["list_type"]): row for row in report(api, **query)["rows"]}


def figures(row: dict[str, Any]) -> dict[str, int]:
    named = ("decided", "reported_on_time", "reported_late", *COUNTED)
    return {name: row[name] for name in named if row[name]}


def fined(world: World, ref: str, decided_on: str, by: str, **more: Any) -> dict[str, Any]:
    domain = {"human_resources": "wage_arrears", "tax": "tax_fraud"}[by]
    facts = build_penalty_changes(
        source_ref=ref,
        list_type=f"{domain}.penalty",
        subject=build_organisation(1, "12370400"),
        decision=build_decision(
            decided_on, kind="administrative_penalty", penalty_law="administrative"
        ),
        conduct_ended_on="2026-07-01",
        **more,
    )
    return world.record(world.api("department", by), **facts)


def publish(world: World, entry: dict[str, Any], on: str, *channels: str) -> None:
    for channel in channels or (SITE, CITY):
        sent = build_publication(on, channel)
        answer = world.api("operator").post(f"/v1/entries/{entry['id']}/disclosures", json=sent)
        assert answer.status_code == 200, answer.text


def end(world: World, entry: dict[str, Any], action: str, body: dict[str, str]) -> None:
    answer = world.api("operator").post(
        f"/v1/entries/{entry['id']}/{action}",
        json={"reason": "测试", **body},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text


@pytest.fixture
def city(world: World) -> World:
    """A fortnight of two departments; read on Sunday the 22nd of November."""
    hr, tax = "human_resources", "tax"
    publish(world, fined(world, "on time", "2026-11-16", hr), "2026-11-18")
    publish(world, fined(world, "late", "2026-11-10", hr), "2026-11-20")
    in_part = fined(world, "in part", "2026-11-10", hr)
    publish(world, in_part, "2026-11-18", SITE)
    fined(world, "overdue", "2026-11-10", hr)
    fined(world, "pending", "2026-11-20", hr)
    fined(world, "due soon", "2026-11-13", hr)
    fined(world, "exempt", "2026-11-16", hr, disclosure=EXEMPT)
    fined(world, "restricted", "2026-11-16", hr, disclosure={"class": "restricted"})
    no_longer = fined(world, "no longer due", "2026-11-20", hr)
    end(world, no_longer, "exits", {"exited_on": "2026-11-21"})
    ended_overdue = fined(world, "ended after its deadline", "2026-11-02", hr)
    end(world, ended_overdue, "exits", {"exited_on": "2026-11-21"})
    void = fined(world, "void", "2026-11-16", hr)
    end(
        world,
        void,
        "revocations",
        {"reason_code": "wrong_subject", "revoked_on": "2026-11-21"},
    )
    publish(world, fined(world, "on time", "2026-11-16", tax), "2026-11-18")
    fined(world, "old", "2026-08-03", tax)
    world.record(source_ref="black", subject=build_organisation(2))
    return world


def test_the_figures_add_up(city: World) -> None:
    found = rows(city.api("operator"))
    assert {key: figures(row) for key, row in found.items()} == {
        ("human_resources", "wage_arrears.black"): {
            "decided": 1,
            "reported_on_time": 1,
            "pending": 1,
        },
        ("human_resources", "wage_arrears.penalty"): {
            "decided": 10,
            "reported_on_time": 6,
            "reported_late": 4,
            "published_on_time": 1,
            "published_late": 1,
            "overdue": 3,
            "pending": 2,
            "exempt": 1,
            "restricted": 1,
            "no_longer_due": 1,
        },
        ("tax", "tax_fraud.penalty"): {
            "decided": 1,
            "reported_on_time": 1,
            "published_on_time": 1,
        },
    }
    for row in found.values():
        assert row["reported_on_time"] + row["reported_late"] == row["decided"]
        assert sum(row[name] for name in COUNTED) == row["decided"]
    assert found["human_resources", "wage_arrears.penalty"]["reported_on_time_rate"] == 0.6
    assert found["tax", "tax_fraud.penalty"]["department_name"] == "市税务局"


def test_the_days_asked_for_are_days_of_decision_and_both_count(city: World) -> None:
    api = city.api("auditor")
    key = ("human_resources", "wage_arrears.penalty")
    assert rows(api, **{"from": "2026-11-10", "to": "2026-11-10"})[key]["decided"] == 3
    assert rows(api, **{"from": "2026-11-11", "to": "2026-11-16"})[key]["decided"] == 4
    assert rows(api, to="2026-11-02")[key]["decided"] == 1
    assert rows(api, to="2026-11-01").keys() == {("tax", "tax_fraud.penalty")}
    assert rows(api, **{"from": "2026-11-21"}) == {}
    assert rows(api, **{"from": "2026-01-01"})["tax", "tax_fraud.penalty"]["decided"] == 2


def test_the_answer_says_what_was_asked_and_by_which_calendar(city: World) -> None:
    body = report(city.api("operator"))
    assert {name: body[name] for name in ("from", "to", "on", "calendar_version")} == {
        "from": "2026-08-24",
        "to": "2026-11-22",
        "on": "2026-11-22",
        "calendar_version": "1",
    }


def test_days_the_wrong_way_round_are_refused(world: World) -> None:
    for query in ({"from": "2026-11-22", "to": "2026-11-21"}, {"from": "2026-11-23"}):
        answer = world.api().get("/v1/reports/timeliness", params=query)
        assert answer.status_code == 422
        [fault] = answer.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("?from", "dates_out_of_order")


def test_the_earliest_and_the_latest_day_may_be_asked_for(world: World) -> None:
    api = world.api("operator")
    assert report(api, to="1949-10-01")["from"] == "1949-07-03"
    assert report(api, **{"from": "1949-10-01", "to": "2199-12-31"})["rows"] == []


def test_a_department_sees_its_own_figures_alone(city: World) -> None:
    tax = city.api("department", "tax")
    own = {("tax", "tax_fraud.penalty")}
    assert rows(tax).keys() == rows(tax, department="tax").keys() == own
    assert rows(tax, department="human_resources") == {}
    assert rows(city.api("operator"), department="tax").keys() == own
    assert rows(city.api("operator"), department="nobody") == {}
    for role in ("approver", "subscriber"):
        assert city.api(role).get("/v1/reports/timeliness").status_code == 403


def test_the_figures_move_with_the_day_and_not_with_a_job(city: World) -> None:
    key = ("human_resources", "wage_arrears.penalty")
    city.clock.set_day(date(2026, 12, 2))
    row = rows(city.api("operator"))[key]
    assert figures(row) == {
        "decided": 10,
        "reported_on_time": 6,
        "reported_late": 4,
        "published_on_time": 1,
        "published_late": 1,
        "overdue": 5,
        "exempt": 1,
        "restricted": 1,
        "no_longer_due": 1,
    }


def test_the_report_counts_due_and_ended_entries(city: World) -> None:
    api = city.api("operator")
    listed = api.get("/v1/disclosures", params={"state": "overdue", "limit": 500}).json()
    shown = {item["source_ref"] for item in listed["disclosures"]}
    assert shown == {"in part", "overdue", "old"}
    overdue = sum(row["overdue"] for row in rows(api, **{"from": "2026-01-01"}).values())
    assert overdue == len(shown) + 1  # the one that ended after its deadline
