"""Standing and lists as of another day or state; the visible part of a sealed entry."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.request_bodies import (
    BUILDER_USCC,
    build_decision,
    build_penalty_changes,
    build_publication,
    build_red_changes,
    build_subject,
)
from tests.support.world import World

SEAL = {"reason": "x", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}


def changed(world: World, entry: dict[str, Any], what: str, order: dict[str, Any]) -> Any:
    version = world.api("auditor").get(f"/v1/entries/{entry['id']}").headers["ETag"]
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/{what}", json=order, headers={"If-Match": version}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def exited(world: World) -> dict[str, Any]:
    """An entry of the 20th that exited on the 24th, seen from the 26th."""
    entry = world.record()
    world.clock.set_day(date(2026, 11, 24))
    changed(world, entry, "exits", {"reason": "x", "exited_on": "2026-11-24"})
    world.clock.set_day(date(2026, 11, 26))
    return entry


def test_the_standing_of_another_day_and_of_other_knowledge(
    world: World, exited: dict[str, Any]
) -> None:
    then = (world.clock.instant - timedelta(days=3)).isoformat().replace("+00:00", "Z")
    for path in (f"/v1/subjects/uscc/{BUILDER_USCC}", f"/v1/subjects/{exited['subject']['id']}"):
        for role in ("auditor", "operator"):
            api = world.api(role)
            assert api.get(path).json()["standing"] == "none"
            past = api.get(path, params={"on": "2026-11-23"}).json()
            assert (past["on"], past["standing"]) == ("2026-11-23", "black")
            assert api.get(path, params={"known_at": then}).json()["standing"] == "black"
        refused = world.api().get(path, params={"on": "2026-11-23"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        late = world.api("auditor").get(path, params={"on": "2026-11-27"})
        assert late.json()["errors"][0]["pointer"] == "?on"


def test_the_list_of_another_day_and_of_other_knowledge(
    world: World, exited: dict[str, Any]
) -> None:
    then = (world.clock.instant - timedelta(days=3)).isoformat().replace("+00:00", "Z")
    auditor = world.api("auditor")
    for asked, status, version in (
        ({}, "removed", 2),
        ({"on": "2026-11-23"}, "active", 2),
        ({"known_at": then}, "active", 1),
        ({"known_at": then, "on": "2026-11-19"}, "scheduled", 1),
    ):
        [found] = auditor.get("/v1/entries", params=asked).json()["entries"]
        assert (found["id"], found["status"], found["version"]) == (exited["id"], status, version)
    refused = world.api().get("/v1/entries", params={"on": "2026-11-23"})
    assert refused.status_code == 403


def test_a_withdrawal_of_a_sealed_entry_shows_no_content(world: World) -> None:
    entry = world.record(remark="y")
    reported = world.api().post(f"/v1/entries/{entry['id']}/disclosures", json=build_publication())
    assert reported.status_code == 200
    changed(world, entry, "revocations", SEAL)
    order = {"channel": "department_site", "withdrawn_on": "2026-11-22"}
    for role in ("department", "operator"):
        down = world.api(role).post(f"/v1/entries/{entry['id']}/withdrawals", json=order)
        assert down.status_code == 200
        [shown] = [item for item in down.json()["disclosure"]["channels"] if item["withdrawn_on"]]
        assert shown["channel"] == "department_site"
        for secret in (entry["subject"]["name"], BUILDER_USCC, entry["reason"], "HR-C-2026-77"):
            assert secret not in down.text
    whole = world.api("auditor").get(f"/v1/entries/{entry['id']}").json()
    assert whole["subject"] == entry["subject"]


def test_a_penalty_without_an_end_of_conduct_ends_after_five_years(
    world: World,
) -> None:
    fined = build_penalty_changes(conduct_ended_on=None, decision=build_decision("2026-11-16"))
    entry = world.record(**fined)
    assert (entry["effective_until"], entry["ends_by_law_on"]) == (None, "2031-11-16")
    world.clock.set_day(date(2031, 11, 17))
    assert world.api("subscriber").get("/v1/changes/snapshot").text.startswith('{"trailer"')


def test_the_feed_hides_changes_of_non_public_entries(world: World) -> None:
    entry = world.record(**build_red_changes(subject=build_subject()))
    restricted = {"disclosure": {"class": "restricted"}}
    changed(world, entry, "corrections", {"reason": "x", "changes": restricted})
    seen = world.api("subscriber").get("/v1/changes?after=1").json()
    assert [change["op"] for change in seen["changes"]] == ["remove"]
    changed(world, entry, "corrections", {"reason": "x", "changes": {"remark": "z"}})
    after = seen["next_after"]
    silent = world.api("subscriber").get("/v1/changes", params={"after": after}).json()
    assert (silent["changes"], silent["next_after"]) == ([], after + 1)
