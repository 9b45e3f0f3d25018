"""Red and black: a black entry blocks new red entries and suspends recorded ones."""

from datetime import date
from typing import Any

import httpx
import pytest

from tests.support.problems import count_written_rows, require_refused
from tests.support.request_bodies import build_push, build_red_changes, build_uscc
from tests.support.world import World

TAX_RED = build_red_changes(
    list_type="tax_fraud.red",
    source_ref="TAX-RED-1",
    decision={"number": "枣税信〔2026〕1号", "kind": "honour", "decided_on": "2026-11-02"},
)
LATER_BLACK = {"effective_from": "2027-03-01", "effective_until": "2029-03-01"}
"""Decided, but not yet in force."""


def shown(api: httpx.Client, entry: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = api.get(f"/v1/entries/{entry['id']}", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def exited(world: World, entry: dict[str, Any], day: str) -> None:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已足额支付,提前移出", "exited_on": day},
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text


def test_a_red_entry_is_refused_while_a_black_one_is_active(world: World) -> None:
    world.record()
    before = count_written_rows(world)
    answer = world.api().post("/v1/entries", json=build_push(**build_red_changes()))
    document = require_refused(answer, 409, "blacklisted_subject")
    assert document["acceptable_from"] == "2029-11-21"
    assert count_written_rows(world) == before


def test_the_refusal_hides_the_department_of_the_black_entry(world: World) -> None:
    entry = world.record()
    answer = world.api("department", "tax").post("/v1/entries", json=build_push(**TAX_RED))
    require_refused(answer, 409, "blacklisted_subject")
    for hidden in (entry["id"], "wage_arrears", "human_resources", entry["decision"]["number"]):
        assert hidden not in answer.text


def test_a_red_entry_is_refused_over_days_of_a_scheduled_black_one(world: World) -> None:
    assert world.record(**LATER_BLACK)["status"] == "scheduled"
    overlapping = build_push(**build_red_changes(effective_until="2027-03-01"))
    require_refused(world.api().post("/v1/entries", json=overlapping), 409, "blacklisted_subject")
    # The last day before it is free, and so are the days after it.
    world.record(**build_red_changes(effective_until="2027-02-28"))
    world.record(
        **build_red_changes(
            source_ref="R2", effective_from="2029-03-02", effective_until="2029-12-31"
        )
    )


def test_a_red_entry_without_a_last_day_has_the_default_term(world: World) -> None:
    world.record(effective_from="2027-11-03", effective_until="2029-03-01")
    assert world.record(**build_red_changes())["effective_until"] == "2027-11-02"


@pytest.mark.parametrize("ended", ["exited", "revoked", "void", "expired"])
def test_an_ended_black_entry_blocks_no_red_entry(world: World, ended: str) -> None:
    if ended == "expired":
        world.record(
            decision={"number": "旧", "kind": "list_decision", "decided_on": "2023-01-10"},
            conduct_ended_on="2022-12-31",
            effective_from="2023-01-10",
            effective_until="2026-01-10",
        )
    else:
        entry = world.record()
        orders: dict[str, tuple[str, dict[str, str]]] = {
            "exited": ("exits", {"reason": "移出", "exited_on": "2026-11-22"}),
            "revoked": (
                "revocations",
                {"reason": "撤销", "reason_code": "other", "revoked_on": "2026-11-22"},
            ),
            "void": (
                "revocations",
                {"reason": "错列", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"},
            ),
        }
        name, order = orders[ended]
        answer = world.api().post(
            f"/v1/entries/{entry['id']}/{name}", json=order, headers={"If-Match": '"1"'}
        )
        assert answer.status_code == 200, answer.text
    today = {"effective_from": "2026-11-22"}
    assert world.record(**build_red_changes(**today))["status"] == "active"


def test_a_black_entry_suspends_red_entries_until_its_exit(
    world: World,
) -> None:
    rewarded = world.record(**build_red_changes())
    assert rewarded["status"] == "active"
    black = world.record()
    assert black["effects"] == [{"effect": "suspends", "entry_id": rewarded["id"]}]
    asleep = shown(world.api(), rewarded)
    assert (asleep["status"], asleep["version"]) == ("suspended", 1)
    listed = world.api().get("/v1/entries", params={"status": "suspended"}).json()["entries"]
    assert [entry["id"] for entry in listed] == [rewarded["id"]]
    exited(world, black, "2026-11-22")
    awake = shown(world.api(), rewarded)
    # Derived: nothing was written about the red entry.
    assert (awake["status"], awake["version"], awake["seq"]) == ("active", 1, rewarded["seq"])
    assert shown(world.api(), black)["effects"] == []


def test_a_red_entry_is_active_again_after_the_black_term(world: World) -> None:
    rewarded = world.record(**build_red_changes())
    world.record(effective_until="2026-12-31")
    assert shown(world.api("auditor"), rewarded, on="2026-11-19")["status"] == "active"
    assert shown(world.api(), rewarded)["status"] == "suspended"
    world.clock.set_day(date(2026, 12, 31))
    assert shown(world.api(), rewarded)["status"] == "suspended"
    world.clock.set_day(date(2027, 1, 1))
    assert shown(world.api(), rewarded)["status"] == "active"


def test_other_departments_red_entries_are_counted_and_not_named(world: World) -> None:
    theirs = world.record(world.api("department", "tax"), **TAX_RED)
    mine = world.record(**build_red_changes())
    black = world.record()
    assert black["effects"] == [
        {"effect": "suspends", "entry_id": mine["id"]},
        {"effect": "suspends", "count": 1},
    ]
    for overseer in ("operator", "auditor"):
        effects = shown(world.api(overseer), black)["effects"]
        assert {item["entry_id"] for item in effects} == {mine["id"], theirs["id"]}


def test_only_the_subjects_own_red_entries_are_suspended(world: World) -> None:
    other = {"kind": "legal_person", "name": "另一公司"}
    number = [{"scheme": "uscc", "number": build_uscc(serial="MA000009")}]
    elsewhere = world.record(**build_red_changes(subject=other | {"identifiers": number}))
    assert world.record()["effects"] == []
    assert shown(world.api(), elsewhere)["status"] == "active"


def test_a_suspended_red_entry_stays_correctable_but_gets_no_longer_term(world: World) -> None:
    rewarded = world.record(**build_red_changes(effective_until="2027-06-30"))
    world.record()
    path, tag = f"/v1/entries/{rewarded['id']}/corrections", {"If-Match": '"1"'}
    longer = {"reason": "延期", "changes": {"effective_until": "2027-07-01"}}
    require_refused(world.api().post(path, json=longer, headers=tag), 409, "blacklisted_subject")
    slip = {"reason": "错字", "changes": {"reason": "劳动保障守法诚信等级评定为 A 级"}}
    corrected = world.api().post(path, json=slip, headers=tag)
    assert corrected.status_code == 200, corrected.text
    assert (corrected.json()["version"], corrected.json()["status"]) == (2, "suspended")


def test_a_correction_cannot_move_a_red_entry_over_a_black_one(world: World) -> None:
    world.record(**LATER_BLACK)
    rewarded = world.record(**build_red_changes(effective_until="2027-02-01"))
    answer = world.api().post(
        f"/v1/entries/{rewarded['id']}/corrections",
        json={"reason": "延期", "changes": {"effective_until": "2027-03-02"}},
        headers={"If-Match": '"1"'},
    )
    require_refused(answer, 409, "blacklisted_subject")


def test_a_past_view_shows_the_suspension_known_then(world: World) -> None:
    rewarded = world.record(**build_red_changes())
    black = world.record()
    seq = black["seq"]
    revoked = world.api().post(
        f"/v1/entries/{rewarded['id']}/revocations",
        json={"reason": "撤销", "reason_code": "other", "revoked_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert revoked.status_code == 200
    auditor = world.api("auditor")
    assert shown(auditor, black)["effects"] == []
    then = shown(auditor, black, known_seq=seq)["effects"]
    assert then == [{"effect": "suspends", "entry_id": rewarded["id"]}]
    assert shown(auditor, rewarded, known_seq=seq)["status"] == "suspended"
    assert shown(auditor, rewarded, known_seq=seq - 1)["status"] == "active"
