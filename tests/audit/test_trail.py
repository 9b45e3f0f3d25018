"""The audit trail: actor, time, target and result of every change, refusal, query and export."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from app.audit.service import add_access, build_record
from app.audit.store import CHECK_ACTIONS
from app.calendar.notices import build_statutory_years
from app.catalogue.service import add_department, put_list_type_in_force
from app.checks.store import index_results
from app.notices.service import load_calendar_notice
from app.rules.calendar import CalendarYear
from app.rules.permissions import Caller, Role
from app.security.queries import list_keys
from app.security.service import create, revoke
from tests.support.numbers import build_uscc
from tests.support.request_bodies import BUILDER_USCC, build_check, build_push, build_question
from tests.support.world import World

ENTRY = "entry"


def trail(world: World, **filters: Any) -> list[dict[str, Any]]:
    """Return all records that an auditor reads, the newest first."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = world.api("auditor").get(
            "/v1/audit/records", params=filters | ({"next": after} if after else {})
        )
        assert page.status_code == 200, page.text
        found += page.json()["records"]
        before, after = after, page.json()["next"]
        if after is None:
            return found
        assert after != before  # otherwise it would not end


def only(world: World, action: str, **filters: Any) -> dict[str, Any]:
    [record] = trail(world, action=action, **filters)
    return record


def change(world: World, entry: dict[str, Any], what: str, body: dict[str, Any]) -> Any:
    return world.api().post(
        f"/v1/entries/{entry['id']}/{what}",
        json=body,
        headers={"If-Match": f'"{entry["version"]}"', "X-Request-ID": f"req-{what}"},
    )


# --- changes -------------------------------------------------------------


def test_a_recorded_entry_leaves_who_when_what_and_at_which_seq(world: World) -> None:
    answer = world.api().post("/v1/entries", json=build_push(), headers={"X-Request-ID": "req-1"})
    record = only(world, "entry_recorded")
    assert record["target"] == answer.json()["id"]
    assert (record["role"], record["department"]) == ("department", "human_resources")
    assert (record["actor_name"], record["outcome"]) == ("department human_resources", "done")
    assert (record["request_id"], record["seq"]) == ("req-1", 1)
    assert UUID(record["actor_id"])
    assert record["recorded_at"].startswith("2026-11-22T02:00:00")
    assert record["detail"]["source_ref"] == "HR-2026-000123"


@pytest.mark.parametrize(
    ("what", "body", "action"),
    [
        ("corrections", {"reason": "笔误", "changes": {"reason": "拖欠工资"}}, "entry_corrected"),
        ("exits", {"reason": "已履行", "exited_on": "2026-11-22"}, "entry_exited"),
        (
            "revocations",
            {"reason": "撤销", "reason_code": "decision_revoked", "revoked_on": "2026-11-22"},
            "entry_revoked",
        ),
        (
            "disclosures",
            {"channel": "department_site", "published_on": "2026-11-22", "url": "https://a.cn/1"},
            "disclosure_recorded",
        ),
    ],
)
def test_every_change_of_an_entry_is_on_the_trail(
    world: World, what: str, body: dict[str, Any], action: str
) -> None:
    entry = world.record()
    assert change(world, entry, what, body).status_code == 200
    record = only(world, action)
    assert (record["target"], record["seq"], record["outcome"]) == (entry["id"], 2, "done")
    assert (record["request_id"], record["detail"]) == (f"req-{what}", {"version": 2})


def test_a_withdrawal_is_on_the_trail(world: World) -> None:
    entry = world.record()
    published = {"channel": "department_site", "published_on": "2026-11-22", "url": "https://a.cn"}
    change(world, entry, "disclosures", published)
    entry["version"] = 2
    withdrawn = {"channel": "department_site", "withdrawn_on": "2026-11-22"}
    assert change(world, entry, "withdrawals", withdrawn).status_code == 200
    assert only(world, "withdrawal_recorded")["seq"] == 3


def test_keys_are_made_and_ended_on_the_trail(world: World) -> None:
    create(world.registry, name="某系统", role=Role.approver, department="tax")
    with world.registry.database.reading() as connection:
        [made] = list_keys(connection)
    revoke(world.registry, made.id)
    created = only(world, "key_created", target=str(made.id))
    assert created["detail"] == {"role": "approver", "department": "tax"}
    assert (created["actor_name"], created["actor_id"]) == ("command line", None)
    assert only(world, "key_revoked")["target"] == str(made.id)


def test_a_key_that_cannot_be_ended_leaves_nothing(world: World) -> None:
    revoke(world.registry, uuid4())
    assert trail(world, action="key_revoked") == []


def notice_of_2027() -> CalendarYear:
    """A holiday notice that changes only provisional dates."""
    [year] = build_statutory_years(2027, 2027)
    return replace(year, announced=True, source="国办发明电〔2026〕1号(合成)")


def test_the_law_changes_on_the_trail(world: World) -> None:
    put_list_type_in_force(world.registry, "charity.red", "某某条例第一条")
    add_department(world.registry, "shanting_hr", "山亭区人力资源和社会保障局", "human_resources")
    load_calendar_notice(world.registry, notice_of_2027())
    assert only(world, "list_type_enabled")["target"] == "catalogue/2"
    assert only(world, "department_added")["target"] == "catalogue/3"
    assert only(world, "calendar_loaded")["detail"] == {"recomputed": 0}


def test_a_recomputed_deadline_is_on_the_trail(world: World) -> None:
    world.clock.set_day(date(2026, 12, 29))
    decided = build_push()["decision"] | {"decided_on": "2026-12-28"}
    entry = world.record(decision=decided, effective_from="2026-12-28", effective_until=None)
    load_calendar_notice(world.registry, notice_of_2027())
    record = only(world, "deadline_recomputed")
    assert (record["target"], record["seq"]) == (entry["id"], 2)


# --- refusals ------------------------------------------------------------


def refusals(world: World) -> list[tuple[str, str]]:
    return [(item["action"], item["detail"]["code"]) for item in trail(world, outcome="refused")]


def test_a_failed_change_leaves_its_refusal_and_nothing_else(world: World) -> None:
    world.record()
    before = len(trail(world, action="entry_recorded"))
    answer = world.api().post(
        "/v1/entries", json=build_push(reason="别的"), headers={"X-Request-ID": "req-9"}
    )
    assert answer.status_code == 409
    [record] = trail(world, outcome="refused")
    assert (record["action"], record["detail"]["code"]) == ("POST /v1/entries", "entry_conflict")
    assert (record["actor_name"], record["role"]) == ("department human_resources", "department")
    assert (record["department"], record["request_id"]) == ("human_resources", "req-9")
    assert len(trail(world, action="entry_recorded")) == before


def test_a_refused_payload_says_where_and_not_what(world: World) -> None:
    world.api().post("/v1/entries", json=build_push(reason=f"本人 {'370402198506120013'}"))
    [record] = trail(world, outcome="refused")
    assert record["detail"] == {
        "code": "personal_number_in_text",
        "faults": [{"pointer": "/reason", "code": "personal_number_in_text"}],
    }


def test_lacking_permission_not_found_and_stale_are_refusals(world: World) -> None:
    entry = world.record()
    world.api("approver").post("/v1/entries", json=build_push())
    world.api("department", "tax").get(f"/v1/entries/{entry['id']}")
    world.api("approver").get(f"/v1/subjects/uscc/{build_uscc(9)}")
    exit_ = {"reason": "已履行", "exited_on": "2026-11-22"}
    world.api().post(f"/v1/entries/{entry['id']}/exits", json=exit_)
    world.api().post(f"/v1/entries/{entry['id']}/exits", json=exit_, headers={"If-Match": '"7"'})
    world.api().post(f"/v1/entries/{entry['id']}/exits", json=exit_, headers={"If-Match": "seven"})
    assert refusals(world) == [
        ("POST /v1/entries/{entry_id}/exits", "bad_version_tag"),
        ("POST /v1/entries/{entry_id}/exits", "stale_version"),
        ("POST /v1/entries/{entry_id}/exits", "version_required"),
        ("GET /v1/subjects/uscc/{code}", "subject_not_found"),
        ("GET /v1/entries/{entry_id}", "entry_not_found"),
        ("POST /v1/entries", "forbidden"),
    ]
    assert trail(world, action="entry_exited") == []


def test_who_has_no_key_is_counted_and_not_recorded(world: World) -> None:
    world.client(None).get("/v1/matters")
    assert trail(world, outcome="refused") == []


# --- queries -------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "path", "action"),
    [
        ("department", "/v1/entries/{entry}", "entry_read"),
        ("auditor", "/v1/entries/{entry}?on=2026-11-21", "entry_read"),
        ("department", "/v1/entries", "entries_listed"),
        ("department", "/v1/entries/{entry}/history", "history_read"),
        ("department", "/v1/disclosures", "disclosures_listed"),
        ("operator", "/v1/reports/timeliness", "timeliness_read"),
        ("approver", "/v1/subjects/{subject}", "subject_read"),
        ("approver", f"/v1/subjects/uscc/{BUILDER_USCC}", "subject_read"),
        ("auditor", "/v1/exports/entries", "export_started"),
        ("auditor", "/v1/exports/entries", "export_completed"),
        ("operator", "/v1/audit/records", "audit_read"),
    ],
)
def test_every_query_is_on_the_trail(world: World, role: str, path: str, action: str) -> None:
    entry = world.record()
    answer = world.api(role).get(
        path.format(entry=entry["id"], subject=entry["subject"]["id"]),
        headers={"X-Request-ID": "req-q"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.content
    [record] = [item for item in trail(world, action=action) if item["request_id"] == "req-q"]
    assert (record["role"], record["outcome"]) == (role, "answered")
    assert record["actor_id"]
    assert record["actor_name"].startswith(role)


def test_checks_lookups_and_outcomes_are_on_the_trail(world: World) -> None:
    world.record()
    approver = world.api("approver")
    checked = approver.post(
        "/v1/checks", json=build_check(build_question(), build_question(build_uscc(1), ref="2"))
    ).json()
    looked_up = approver.post(
        "/v1/subjects/lookup",
        json={"scheme": "uscc", "number": BUILDER_USCC, "purpose": "受理前查询"},
    ).json()
    outcome = {"ref": "1", "action": "applied", "measures": ["restrict_bidding"]}
    for _ in range(2):
        approver.post(f"/v1/checks/{checked['check_id']}/outcomes", json=outcome)
    approver.get(f"/v1/checks/{checked['check_id']}")
    answered = only(world, "check_answered")
    assert answered["target"] == checked["check_id"]
    assert answered["department"] == "finance_bureau"
    assert answered["detail"] == {
        "matter": "bidding",
        "purpose": "tender 2026-118 qualification review",
        "case_no": "ZZ-2026-118",
        "subjects": 2,
    }
    assert only(world, "subject_looked_up")["target"] == looked_up["lookup_id"]
    for action in ("outcome_reported", "outcome_replayed", "check_read"):
        assert only(world, action)["target"] == checked["check_id"]


def questions(world: World) -> list[tuple[str, str]]:
    """Post checks and look-ups of two offices; return the action and id of each, oldest first."""
    asked_for = []
    for office in ("finance_bureau", "tax"):
        api = world.api("approver", office)
        checked = api.post(
            "/v1/checks", json=build_check(), headers={"X-Request-ID": f"c-{office}"}
        )
        asked_for.append(("check_answered", checked.json()["check_id"]))
        body = {
            "scheme": "uscc",
            "number": BUILDER_USCC,
            "purpose": "受理前查询",
            "case_no": "RS-1",
        }
        looked_up = api.post("/v1/subjects/lookup", json=body)
        asked_for.append(("subject_looked_up", looked_up.json()["lookup_id"]))
    return asked_for


def found(world: World, **filters: Any) -> list[tuple[str, str]]:
    """Return the questions that a filter finds, oldest first."""
    records = reversed(trail(world, **filters))
    return [
        (item["action"], item["target"])
        for item in records
        if item["action"] in CHECK_ACTIONS.values()
    ]


def test_every_filter_picks_checks_and_look_ups_as_it_picks_other_records(world: World) -> None:
    everything = questions(world)
    checked, looked_up = everything[2:]
    assert found(world) == everything
    assert found(world, action="check_answered") == everything[::2]
    assert found(world, action="subject_looked_up") == everything[1::2]
    assert found(world, action="check_read") == []
    assert found(world, outcome="answered") == everything
    assert found(world, outcome="refused") == found(world, outcome="done") == []
    assert found(world, department="tax") == everything[2:]
    assert found(world, department="human_resources") == []
    assert found(world, target=checked[1]) == [checked]
    assert found(world, target=looked_up[1], action="check_answered") == []
    for no_id in ("catalogue/2", "x", str(uuid4()), "HR-1"):
        assert found(world, target=no_id) == []
    [record] = trail(world, target=looked_up[1], outcome="answered", department="tax")
    assert (record["actor_name"], record["seq"]) == ("approver tax", None)
    detail = {"matter": None, "purpose": "受理前查询", "case_no": "RS-1", "subjects": 1}
    assert record["detail"] == detail
    assert found(world, actor_id=record["actor_id"]) == everything[2:]
    assert found(world, actor_id=str(uuid4())) == []
    assert only(world, "check_answered", department="tax")["request_id"] == "c-tax"
    # Later records of a check have the same target.
    world.api("approver", "tax").get(f"/v1/checks/{checked[1]}")
    beside = trail(world, target=checked[1])
    assert [item["action"] for item in beside] == ["check_read", "check_answered"]


def test_indexing_results_does_not_change_the_record_of_a_check(world: World) -> None:
    subjects = [build_question(build_uscc(serial), None, ref=str(serial)) for serial in range(7)]
    world.api("approver").post("/v1/checks", json=build_check(*subjects))
    questions(world)
    before = [item for item in trail(world) if item["action"] in CHECK_ACTIONS.values()]
    assert [item["detail"]["subjects"] for item in before] == [1, 1, 1, 1, 7]
    with world.registry.database.ledger() as connection:
        index_results(connection, 1_000)
    assert [item for item in trail(world) if item["action"] in CHECK_ACTIONS.values()] == before


def test_a_refused_check_is_no_answered_one(world: World) -> None:
    world.api("approver").post("/v1/checks", json=build_check(matter="nothing"))
    world.api("auditor").post("/v1/checks", json=build_check(on="2026-11-21"))
    assert found(world) == []
    assert refusals(world) == [("POST /v1/checks", "unknown_value")]
    assert only(world, "check_re_examined")["outcome"] == "answered"


def test_checks_of_earlier_releases_are_listed_once(world: World) -> None:
    everything = questions(world)
    officer = Caller(uuid4(), "approver tax", Role.approver, "tax")
    with world.registry.database.ledger() as connection:
        # As an earlier release recorded answers.
        for action, target in everything:
            add_access(
                connection, build_record(officer, world.clock.now(), action, "answered", target)
            )
    assert found(world) == everything
    assert found(world, action="check_answered") == everything[::2]
    assert found(world, target=everything[0][1]) == everything[:1]
    ids = [item["id"] for item in trail(world, limit=2)]
    assert len(ids) == len(set(ids))


def test_what_was_not_answered_is_not_recorded_as_answered(world: World) -> None:
    world.api("approver").get(f"/v1/subjects/uscc/{build_uscc(9)}")
    world.api("approver").get(f"/v1/subjects/{uuid4()}")
    world.api("approver").get(f"/v1/checks/{uuid4()}")
    assert trail(world, action="subject_read") == []
    assert trail(world, action="check_read") == []
    assert len(refusals(world)) == 3


def test_a_replayed_push_is_a_query_and_no_change(world: World) -> None:
    entry = world.record()
    world.api().post("/v1/entries", json=build_push())
    assert len(trail(world, action="entry_recorded")) == 1
    assert only(world, "entry_replayed")["target"] == entry["id"]


# --- reading the trail ---------------------------------------------------


@pytest.mark.parametrize("role", ["department", "approver", "subscriber"])
def test_the_trail_is_for_auditors_and_operators(world: World, role: str) -> None:
    answer = world.api(role).get("/v1/audit/records")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert world.api("operator").get("/v1/audit/records").status_code == 200


def test_the_newest_come_first_and_pages_hold_each_record_once(world: World) -> None:
    for serial in range(5):
        world.record(source_ref=f"HR-{serial}")
        world.api().get("/v1/entries")
    filters = {"department": "human_resources", "limit": 3}
    found = trail(world, **filters)
    ids = [item["id"] for item in found]
    assert len(ids) == len(set(ids)) == 10
    assert ids == sorted(ids, reverse=True)
    instants = [item["recorded_at"] for item in found]
    assert instants == sorted(instants, reverse=True)


def test_pages_over_changes_queries_refusals_and_checks_leave_nothing_out(world: World) -> None:
    for serial in range(2):
        world.record(source_ref=f"HR-{serial}")
        questions(world)
        world.api().get("/v1/entries")
        world.api("approver").post("/v1/checks", json=build_check(matter="nothing"))
    everything = [item["id"] for item in trail(world, limit=500)]
    assert len(everything) >= 2 * 7
    kinds = {item["action"] for item in trail(world)}
    assert kinds >= {*CHECK_ACTIONS.values(), "entry_recorded", "entries_listed", "POST /v1/checks"}
    for limit in (1, 3, len(everything)):
        paged = [item["id"] for item in trail(world, limit=limit)]
        assert paged == sorted(paged, reverse=True)
        # Reading the trail is recorded too: newer records are of these reads.
        assert [one for one in paged if one <= everything[0]] == everything
    for filters in ({"outcome": "answered"}, {"department": "tax"}, {"action": "check_answered"}):
        whole = [item["id"] for item in trail(world, limit=500, **filters)]
        paged = [item["id"] for item in trail(world, limit=2, **filters)]
        assert [one for one in paged if one <= whole[0]] == whole


def test_filters_pick_records(world: World) -> None:
    entry = world.record()
    world.record(source_ref="HR-2")
    world.api().get(f"/v1/entries/{entry['id']}")
    world.api().post("/v1/entries", json=build_push(reason="别的"))
    mine = trail(world, target=entry["id"])
    assert {item["action"] for item in mine} == {"entry_recorded", "entry_read"}
    assert {item["outcome"] for item in trail(world, outcome="refused")} == {"refused"}
    actor = mine[0]["actor_id"]
    assert {item["actor_id"] for item in trail(world, actor_id=actor)} == {actor}
    assert trail(world, target=entry["id"], action="entry_exited") == []
    assert trail(world, department="tax") == []


@pytest.mark.parametrize("cursor", ["nonsense", "WyJ4Il0=", "bnVsbA==", "W10="])
def test_a_cursor_that_is_none_of_ours_is_refused(world: World, cursor: str) -> None:
    answer = world.api("auditor").get(f"/v1/audit/records?next={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


def test_the_api_cannot_change_the_trail(world: World, app: FastAPI) -> None:
    methods = set(app.openapi()["paths"]["/v1/audit/records"])
    assert methods == {"get"}
    assert world.api("auditor").delete("/v1/audit/records").status_code == 405
