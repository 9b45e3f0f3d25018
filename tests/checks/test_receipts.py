"""The record of a check: its readers, its content, and the outcomes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from app.db.tables import Check, UnindexedResult
from tests.support.numbers import build_uscc
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_question,
    build_red_changes,
)
from tests.support.world import World


def checked(world: World, *subjects: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = world.api("approver").post("/v1/checks", json=build_check(*subjects, **more))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def kept(world: World) -> list[Any]:
    with world.registry.database.reading_ledger() as connection:
        return list(connection.execute(Check.__table__.select().order_by(Check.id)))


# --- reading again -------------------------------------------------------


def test_a_check_is_read_again_as_it_was_answered(world: World) -> None:
    world.record(**build_red_changes())
    world.record()
    answered = checked(
        world,
        build_question(),
        build_question("91", ref="bad"),
        build_question(build_uscc(3), ref="none"),
    )
    again = world.api("approver").get(f"/v1/checks/{answered['check_id']}")
    assert again.status_code == 200
    stored = again.json()
    assert {name: stored[name] for name in answered} == answered
    assert stored["purpose"] == "tender 2026-118 qualification review"
    assert stored["case_no"] == "ZZ-2026-118"
    assert stored["department"] == "finance_bureau"
    assert stored["asked_by"] == "approver finance_bureau"
    assert stored["outcomes"] == []


def test_what_happens_later_does_not_change_what_was_answered(world: World) -> None:
    entry = world.record()
    answered = checked(world)
    world.api().post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已履行", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    stored = world.api("approver").get(f"/v1/checks/{answered['check_id']}").json()
    assert stored["results"] == answered["results"]


def test_auditors_and_the_department_that_asked_read_it_and_others_do_not(world: World) -> None:
    path = f"/v1/checks/{checked(world)['check_id']}"
    assert world.api("auditor").get(path).status_code == 200
    assert world.api("approver").get(path).status_code == 200
    other = world.api("approver", "tax").get(path)
    unknown = world.api("approver").get(f"/v1/checks/{uuid4()}")
    assert (other.status_code, unknown.status_code) == (404, 404)
    assert other.json()["code"] == unknown.json()["code"] == "check_not_found"


def test_a_lookup_is_not_read_as_a_check(world: World) -> None:
    looked_up = world.api("approver").post(
        "/v1/subjects/lookup",
        json={"scheme": "uscc", "number": build_uscc(1), "purpose": "受理前查询"},
    )
    path = f"/v1/checks/{looked_up.json()['lookup_id']}"
    assert world.api("approver").get(path).status_code == 404


# --- the record ----------------------------------------------------------


def test_the_record_has_caller_purpose_case_time_and_seq(world: World) -> None:
    world.record()
    answer = world.api("approver").post(
        "/v1/checks", json=build_check(), headers={"X-Request-ID": "req-77"}
    )
    [row] = kept(world)
    assert str(row.id) == answer.json()["check_id"]
    assert (row.kind, row.role, row.department) == ("check", "approver", "finance_bureau")
    assert (row.actor_name, row.request_id) == ("approver finance_bureau", "req-77")
    assert (row.matter, row.case_no) == ("bidding", "ZZ-2026-118")
    assert row.purpose == "tender 2026-118 qualification review"
    assert (row.epoch, row.seq, row.catalogue_version) == (1, 1, "1")
    assert row.asked_at.isoformat().startswith("2026-11-22T02:00:00")
    assert row.answer == answer.json()


def test_a_lookup_is_recorded_as_well(world: World) -> None:
    answer = world.api().post(
        "/v1/subjects/lookup",
        json={
            "scheme": "resident_id",
            "number": PERSON_RESIDENT_ID,
            "name": "张某",
            "purpose": "受理前查询",
            "case_no": "RS-1",
        },
    )
    [row] = kept(world)
    assert str(row.id) == answer.json()["lookup_id"]
    assert (row.kind, row.department, row.case_no) == ("lookup", "human_resources", "RS-1")
    assert row.answer == answer.json()


def asked_digests(world: World) -> list[str]:
    columns = UnindexedResult.__table__.c
    with world.registry.database.reading_ledger() as connection:
        return list(connection.scalars(select(columns.asked_digest).order_by(columns.position)))


def test_the_requested_subject_is_always_kept_as_a_keyed_digest(world: World) -> None:
    checked(
        world,
        build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id", ref="right"),
        build_question(PERSON_RESIDENT_ID, "李四", scheme="resident_id", ref="other-name"),
        build_question(PERSON_RESIDENT_ID, None, scheme="resident_id", ref="no-name"),
        build_question(build_uscc(1), ref="company"),
        {"name": "某某公司", "ref": "name"},
    )
    right, other_name, no_name, company, name = asked_digests(world)
    assert right == other_name == no_name
    assert len({right, company, name}) == 3


def test_an_answer_that_cannot_be_put_on_record_is_not_given(world: World) -> None:
    world.record()
    table = "checks" if world.registry.database.embedded else "ledger.checks"
    with world.registry.database.ledger() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    for method, path, body in (
        ("POST", "/v1/checks", build_check()),
        (
            "POST",
            "/v1/subjects/lookup",
            {"scheme": "uscc", "number": build_uscc(1), "purpose": "查询"},
        ),
    ):
        answer = world.api("approver").request(method, path, json=body)
        assert answer.status_code in {500, 503}
        assert "standing" not in answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"


# --- outcomes ------------------------------------------------------------

APPLIED = {"ref": "1", "action": "applied", "measures": ["restrict_bidding"], "remark": "取消资格"}


@pytest.fixture
def outcomes(world: World) -> str:
    """The address of the outcomes of a check with one black result."""
    world.record()
    return f"/v1/checks/{checked(world)['check_id']}/outcomes"


def test_an_outcome_closes_the_loop(world: World, outcomes: str) -> None:
    answer = world.api("approver").post(outcomes, json=APPLIED)
    assert answer.status_code == 201
    view = answer.json()
    assert {name: view[name] for name in APPLIED} == APPLIED
    stored = world.api("auditor").get(outcomes.removesuffix("/outcomes")).json()
    [outcome] = stored["outcomes"]
    assert (outcome["id"], outcome["action"]) == (view["id"], "applied")
    assert outcome["actor_name"] == "approver finance_bureau"


def test_the_same_outcome_again_is_the_same_outcome(world: World, outcomes: str) -> None:
    first = world.api("approver").post(outcomes, json=APPLIED)
    again = world.api("approver").post(outcomes, json=APPLIED)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_another_outcome_of_the_same_result_is_a_conflict(world: World, outcomes: str) -> None:
    world.api("approver").post(outcomes, json=APPLIED)
    other = {"ref": "1", "action": "not_applied", "measures": [], "remark": "信用已修复"}
    answer = world.api("approver").post(outcomes, json=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "outcome_conflict")


def test_an_outcome_may_say_that_nothing_was_applied(world: World, outcomes: str) -> None:
    answer = world.api("approver").post(outcomes, json={"ref": "1", "action": "not_applied"})
    assert answer.status_code == 201
    assert answer.json()["measures"] == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"ref": "2"}, "/ref"),
        ({"measures": ["green_channel"]}, "/measures"),
        ({"measures": ["restrict_bidding", "no_such_measure"]}, "/measures"),
        ({"action": "considered"}, "/action"),
        ({"remark": f"本人 {PERSON_RESIDENT_ID}"}, "/remark"),
    ],
)
def test_an_outcome_speaks_of_what_the_check_returned(
    world: World, outcomes: str, change: dict[str, Any], pointer: str
) -> None:
    answer = world.api("approver").post(outcomes, json=APPLIED | change)
    assert answer.status_code == 422
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]


def test_another_department_cannot_report_an_outcome(world: World, outcomes: str) -> None:
    answer = world.api("approver", "tax").post(outcomes, json=APPLIED)
    assert (answer.status_code, answer.json()["code"]) == (404, "check_not_found")


def test_auditors_cannot_report_an_outcome(world: World, outcomes: str) -> None:
    assert world.api("auditor").post(outcomes, json=APPLIED).status_code == 403


def test_the_same_outcome_sent_many_times_at_once_is_recorded_once(
    world: World, outcomes: str
) -> None:
    approver = world.api("approver")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: approver.post(outcomes, json=APPLIED), range(16)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 15 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_person_on_a_list_is_kept_without_the_number(world: World) -> None:
    world.record(subject=build_person(), responsible_persons=None)
    checked(world, build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id"))
    assert PERSON_RESIDENT_ID not in str(kept(world))
