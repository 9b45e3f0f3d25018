"""The list of due publications: visibility, order and pages."""

from datetime import date
from typing import Any

import httpx
import pytest

from tests.support.request_bodies import (
    build_decision,
    build_organisation,
    build_penalty_changes,
    build_publication,
    build_red_changes,
)
from tests.support.world import World

CHANNELS = ("department_site", "credit_china_zaozhuang", "enterprise_publicity_shandong")
Due = list[dict[str, Any]]


def due(api: httpx.Client, **query: Any) -> Due:
    answer = api.get("/v1/disclosures", params={"limit": 500, **query})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["disclosures"])


def refs(items: Due) -> list[str]:
    return [item["source_ref"] for item in items]


def fined(world: World, ref: str, decided_on: str, by: str = "human_resources") -> dict[str, Any]:
    """A penalty of a department on an enterprise, with two required channels."""
    domain = {"human_resources": "wage_arrears", "tax": "tax_fraud"}[by]
    facts = build_penalty_changes(
        source_ref=ref,
        list_type=f"{domain}.penalty",
        subject=build_organisation(1, "12370400"),
        decision=build_decision(
            decided_on, kind="administrative_penalty", penalty_law="administrative"
        ),
        conduct_ended_on="2026-09-01",
    )
    return world.record(world.api("department", by), **facts)


def publish(world: World, entry: dict[str, Any], on: str) -> None:
    for channel in CHANNELS[:2]:
        answer = world.api("operator").post(
            f"/v1/entries/{entry['id']}/disclosures", json=build_publication(on, channel)
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture
def office(world: World) -> World:
    """Entries of two departments in every state, on Tuesday the 1st of December."""
    fined(world, "overdue, tax", "2026-11-10", "tax")
    fined(world, "overdue", "2026-11-16")
    publish(world, fined(world, "on time", "2026-11-17"), "2026-11-20")
    fined(world, "due soon", "2026-11-20")
    fined(world, "due soon, tax", "2026-11-20", "tax")
    late = fined(world, "late", "2026-11-11")
    publish(world, late, "2026-11-22")
    world.record(
        **build_red_changes(
            source_ref="restricted",
            subject=build_organisation(2),
            disclosure={"class": "restricted"},
        )
    )
    world.clock.set_day(date(2026, 12, 1))
    fined(world, "pending, tax", "2026-12-01", "tax")
    fined(world, "pending", "2026-11-30")
    world.record(source_ref="black", decision=build_decision("2026-11-23"), effective_from=None)
    return world


def test_due_entries_are_ordered_by_deadline(office: World) -> None:
    items = due(office.api("operator"))
    assert refs(items) == [
        "overdue, tax",
        "overdue",
        "due soon",
        "due soon, tax",
        "black",
        "pending",
        "pending, tax",
    ]
    deadlines = [item["deadline"] for item in items]
    assert deadlines == sorted(deadlines)
    assert {item["state"] for item in items} == {"overdue", "due_soon", "pending"}


def test_each_state_is_a_filter(office: World) -> None:
    api = office.api("auditor")
    found = {
        state: refs(due(api, state=state))
        for state in ("overdue", "due_soon", "pending", "late", "on_time", "not_required")
    }
    assert found == {
        "overdue": ["overdue, tax", "overdue"],
        "due_soon": ["due soon", "due soon, tax", "black"],
        "pending": ["pending", "pending, tax"],
        "late": ["late"],
        "on_time": ["on time"],
        "not_required": ["restricted"],
    }
    everything = [item for state in found for item in due(api, state=state)]
    assert all(item["state"] in found for item in everything)
    answer = api.get("/v1/disclosures", params={"state": "lost"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?state")


def test_the_list_narrows_by_department_list_type_and_domain(office: World) -> None:
    api = office.api("operator")
    assert refs(due(api, department="tax", state="overdue")) == ["overdue, tax"]
    assert refs(due(api, department="tax")) == ["overdue, tax", "due soon, tax", "pending, tax"]
    assert refs(due(api, list_type="wage_arrears.black")) == ["black"]
    assert refs(due(api, domain="tax_fraud")) == refs(due(api, department="tax"))
    assert refs(due(api, domain="wage_arrears", state="overdue")) == ["overdue"]
    assert due(api, department="nobody") == []
    assert due(api, domain="tax_fraud", department="human_resources") == []


def test_a_department_sees_its_own_alone(office: World) -> None:
    tax = office.api("department", "tax")
    own = ["overdue, tax", "due soon, tax", "pending, tax"]
    assert refs(due(tax)) == own
    assert refs(due(tax, department="tax")) == own
    assert due(tax, department="human_resources") == []
    assert refs(due(tax, state="on_time")) == []
    for role in ("approver", "subscriber"):
        assert office.api(role).get("/v1/disclosures").status_code == 403


def test_pages_lose_nothing_and_repeat_nothing(office: World) -> None:
    # Several entries share a deadline, so that pages break between equals.
    for number in range(6):
        fined(office, f"more {number}", "2026-11-20")
    api = office.api("operator")
    whole = due(api)
    for limit in (1, 2, 3, 7):
        paged: Due = []
        cursor: str | None = None
        for _ in range(len(whole) + 2):
            query = {"limit": limit} | ({"next": cursor} if cursor else {})
            page = api.get("/v1/disclosures", params=query).json()
            assert len(page["disclosures"]) <= limit
            paged += page["disclosures"]
            cursor = page["next"]
            if cursor is None:
                break
        assert paged == whole, limit


def test_a_page_that_is_full_to_the_last_row_is_the_last(office: World) -> None:
    api = office.api("operator")
    whole = len(due(api))
    page = api.get("/v1/disclosures", params={"limit": whole}).json()
    assert (len(page["disclosures"]), page["next"]) == (whole, None)


def test_a_publication_between_two_pages_hides_no_other_entry(office: World) -> None:
    api = office.api("operator")
    first = api.get("/v1/disclosures", params={"limit": 2}).json()
    done = first["disclosures"][0]
    publish(office, {"id": done["entry_id"]}, "2026-12-01")
    rest = due(api, next=first["next"])
    assert refs(rest) == ["due soon", "due soon, tax", "black", "pending", "pending, tax"]


def test_a_foreign_cursor_is_refused(world: World) -> None:
    for cursor in ("x", "WyJhIl0=", "WyJhIiwiYiJd", "WyIyMDI2LTEyLTAxIiwiYiJd"):
        answer = world.api().get("/v1/disclosures", params={"next": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


def test_an_item_shows_missing_channels_and_days(office: World) -> None:
    items = {item["source_ref"]: item for item in due(office.api("operator"))}
    overdue, soon, black = items["overdue"], items["due soon"], items["black"]
    assert (
        overdue.items()
        >= {
            "department": "human_resources",
            "list_type": "wage_arrears.penalty",
            "list": "record",
            "decided_on": "2026-11-16",
            "deadline": "2026-11-25",
            "provisional": False,
            "working_days_left": 0,
            "working_days_late": 4,
            "missing": list(CHANNELS[:2]),
            "state": "overdue",
            "reported": "on_time",
        }.items()
    )
    assert (soon["working_days_left"], soon["working_days_late"]) == (0, 0)
    assert black["missing"] == list(CHANNELS)
    assert (black["working_days_left"], black["deadline"]) == (1, "2026-12-02")
    office.api().post(
        f"/v1/entries/{black['entry_id']}/disclosures",
        json=build_publication("2026-11-30", CHANNELS[1]),
    )
    [black] = due(office.api(), list_type="wage_arrears.black")
    assert black["missing"] == [CHANNELS[0], CHANNELS[2]]


def test_an_entry_received_after_its_deadline_is_marked_late(world: World) -> None:
    world.clock.set_day(date(2026, 12, 2))
    fined(world, "reported late", "2026-11-20")
    fined(world, "reported in time", "2026-11-23")
    found = {item["source_ref"]: item["reported"] for item in due(world.api())}
    assert found == {"reported late": "late", "reported in time": "on_time"}


def test_an_ended_entry_is_not_due(world: World) -> None:
    fined(world, "ends later", "2026-11-10")
    entry = fined(world, "ended", "2026-11-10")
    assert len(due(world.api(), state="overdue")) == 2
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已履行完毕", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert answer.json()["disclosure"]["state"] == "overdue"
    assert refs(due(world.api(), state="overdue")) == ["ends later"]
    assert refs(due(world.api())) == ["ends later"]


def test_only_auditors_see_a_void_entry_in_the_list(world: World) -> None:
    entry = fined(world, "wrong subject", "2026-11-10")
    world.api().post(
        f"/v1/entries/{entry['id']}/revocations",
        json={"reason": "主体错误", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    for api in (world.api(), world.api("operator")):
        for state in (None, "overdue", "not_required"):
            assert due(api, **({"state": state} if state else {})) == []
    assert refs(due(world.api("auditor"), state="not_required")) == ["wrong subject"]
    assert due(world.api("auditor")) == []


def test_a_suspended_red_entry_is_still_due(world: World) -> None:
    world.record(**build_red_changes(source_ref="red"))
    world.record(source_ref="black", decision=build_decision("2026-11-20"))
    found = {item["source_ref"]: item["state"] for item in due(world.api())}
    assert found == {"red": "overdue", "black": "pending"}
