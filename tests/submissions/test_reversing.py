"""Reversal of a whole submission, unless later changes depend on it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.jobs.worker import run_waiting_jobs
from app.rules.permissions import Role
from app.security.service import create
from app.submissions.processing import queue, reversal
from tests.support.problems import count_written_rows, require_refused
from tests.support.request_bodies import (
    build_organisation,
    build_push,
    build_red_changes,
    build_subject,
)
from tests.support.submission_files import (
    SUBMISSIONS,
    View,
    build_row,
    build_rows,
    change_settings,
    format_ndjson,
    read_entries,
    read_outcomes,
    read_submission,
    record_entry,
    remove_generated_fields,
    reverse_submission,
    submit_file,
)
from tests.support.world import World

WHOLE = {"mode": "replace", "department": "human_resources", "reason": "年度名单全量更新"}


def changed_since(api: httpx.Client, seq: int) -> list[tuple[str, str]]:
    """Read the feed from a number on."""
    page = api.get("/v1/changes", params={"after": seq}).json()
    return [(change["op"], change["entry_id"]) for change in page["changes"]]


def take_back(api: httpx.Client, view: View) -> httpx.Response:
    """Request the reversal."""
    return api.post(f"{SUBMISSIONS}/{view['id']}/reversals", json={"reason": "误传"})


def correct(api: httpx.Client, entry: View) -> None:
    """Correct an entry, so that a later change depends on it."""
    answer = api.post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "笔误", "changes": {"remark": "更正"}},
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text


def test_what_was_recorded_is_void_and_its_references_are_free(world: World) -> None:
    api, feed, auditor = world.api(), world.api("subscriber"), world.api("auditor")
    record_entry(world.api(), build_row(1))
    wrong = submit_file(api, format_ndjson([*build_rows(3), b"{"]))
    seq = count_written_rows(world)[-1]
    made = [each["entry_id"] for each in wrong["results"] if each["outcome"] == "accepted"]
    assert len(made) == 2
    asked = take_back(api, wrong)
    assert asked.status_code == 200, asked.text
    assert asked.json()["state"] == "reversing"
    require_refused(take_back(api, wrong), 409, "submission_state")
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    ended = read_submission(api, wrong)
    assert (ended["state"], ended["problem"]) == ("reversed", None)
    assert ended["progress"]["reversed"] == 2
    assert ended["reversal"] | {"at": ""} == {
        "by": "department human_resources",
        "person": None,
        "at": "",
        "reason": "误传",
    }
    require_refused(take_back(api, wrong), 409, "submission_state")
    # They are invisible for every caller, and removed in the feed.
    assert changed_since(feed, seq) == [("remove", entry_id) for entry_id in made]
    snapshot = auditor.get("/v1/exports/entries").text
    assert all(entry_id not in snapshot for entry_id in made)
    for entry_id in made:
        sealed = api.get(f"/v1/entries/{entry_id}")
        assert sealed.status_code == 404 or sealed.json()["subject"]["identifiers"] == [], (
            sealed.text
        )
        seen = auditor.get(f"/v1/entries/{entry_id}/history").json()
        assert (seen["versions"][-1]["action"], seen["versions"][-1]["reason"]) == (
            "reverse",
            "误传",
        )
    # The right file may use the references; earlier entries have no new version.
    right = submit_file(
        api, format_ndjson([build_row(1), build_row(2, reason="正确事由"), build_row(3)])
    )
    assert read_outcomes(right) == [(1, "replayed"), (2, "accepted"), (3, "accepted")]
    by_reference = read_entries(api, status="active")
    assert by_reference["HR-2"]["reason"] == "正确事由"
    assert by_reference["HR-2"]["id"] not in made


def test_subjects_lose_numbers_that_no_other_decision_gave_them(world: World) -> None:
    api = world.api()
    mistaken = {**build_organisation(1), "kind": "unincorporated_organization"}
    wrong = submit_file(api, format_ndjson([build_row(1, subject=mistaken)]))
    assert (
        submit_file(api, format_ndjson([build_row(1, source_ref="HR-9")]))["progress"]["refused"]
        == 1
    )
    assert reverse_submission(world, api, wrong)["state"] == "reversed"
    right = submit_file(api, format_ndjson([build_row(1)]))
    assert read_outcomes(right) == [(1, "accepted")], right
    was, now = (
        world.api("auditor").get(f"/v1/entries/{each['results'][0]['entry_id']}").json()["subject"]
        for each in (wrong, right)
    )
    assert was["id"] != now["id"]
    assert now["kind"] == "legal_person"


def test_a_red_entry_comes_back_when_the_black_one_is_taken_back(world: World) -> None:
    api = world.api()
    honoured = world.record(**build_red_changes(source_ref="RED-1"))
    wrong = submit_file(api, format_ndjson([build_push(subject=build_subject())]))
    assert read_entries(api)["RED-1"]["status"] == "suspended"
    seq = count_written_rows(world)[-1]
    reverse_submission(world, api, wrong)
    assert read_entries(api)["RED-1"]["status"] == "active"
    assert ("upsert", honoured["id"]) in changed_since(world.api("subscriber"), seq)


@pytest.fixture
def replaced(world: World) -> tuple[httpx.Client, dict[str, View], View]:
    """A list of six, then a full replace that left three, corrected one, removed two, added one."""
    change_settings(world, replace_brake_share=1.0)
    api = world.api()
    submit_file(api, format_ndjson(build_rows(6)))
    before = read_entries(api)
    bodies = [*build_rows(3), build_row(4, reason="另一事由", remark="补充"), build_row(7)]
    view = submit_file(api, format_ndjson(bodies), rows=5, **WHOLE)
    assert view["state"] == "done", view
    return api, before, view


def test_the_reversal_of_a_replacement_restores_the_list(
    world: World, replaced: tuple[httpx.Client, dict[str, View], View]
) -> None:
    api, before, view = replaced
    ended = reverse_submission(world, api, view)
    assert (ended["state"], ended["progress"]["reversed"]) == ("reversed", 4)
    after = read_entries(api, status="active")
    assert after.keys() == before.keys()
    for name, entry in before.items():
        assert remove_generated_fields(after[name]) == remove_generated_fields(entry), name
    touched = {name for name in after if after[name]["version"] > 1}
    assert touched == {"HR-4", "HR-5", "HR-6"}
    # The same list may be sent again, with the same effect.
    again = submit_file(
        api,
        format_ndjson([*build_rows(3), build_row(4, reason="再次更正"), build_row(7)]),
        rows=5,
        **WHOLE,
    )
    assert again["state"] == "done", again
    assert {name: again["changes"][name] for name in ("new", "changed", "missing")} == {
        "new": 1,
        "changed": 1,
        "missing": 2,
    }


@pytest.mark.parametrize("name", ["HR-4", "HR-7"])
def test_an_entry_with_later_changes_is_not_reversed(
    world: World, replaced: tuple[httpx.Client, dict[str, View], View], name: str
) -> None:
    api, _, view = replaced
    correct(api, read_entries(api)[name])
    before = count_written_rows(world)
    document = require_refused(take_back(api, view), 409, "built_upon")
    assert document["entries"] == 1
    assert read_submission(api, view)["state"] == "done"
    assert count_written_rows(world) == before


def test_an_entry_changed_during_the_reversal_is_kept_and_reported(world: World) -> None:
    api = world.api()
    view = submit_file(api, format_ndjson(build_rows(3)))
    assert take_back(api, view).status_code == 200
    correct(api, read_entries(api)["HR-2"])
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    ended = read_submission(api, view)
    assert (ended["state"], ended["problem"]["code"]) == ("reversed", "built_upon")
    assert ended["progress"]["reversed"] == 2
    assert read_entries(api, status="active").keys() == {"HR-2"}


def test_who_may_take_back_and_what(world: World) -> None:
    api = world.api()
    view = submit_file(api, format_ndjson(build_rows(2)))
    for client, status, code in (
        (world.api("department", "civil_affairs"), 404, "submission_not_found"),
        (world.api("auditor"), 403, "forbidden"),
        (world.api("subscriber"), 403, "forbidden"),
    ):
        require_refused(take_back(client, view), status, code)
    rehearsed: list[dict[str, Any]] = [{"dry_run": True}, {"commit": "all_or_nothing"}]
    for query in rehearsed:
        nothing = submit_file(api, format_ndjson([*build_rows(2, 5), b"{"]), **query)
        require_refused(take_back(api, nothing), 409, "submission_state")
    unknown = {"id": "01a205e0-0000-7000-8000-000000000000"}
    require_refused(take_back(api, unknown), 404, "submission_not_found")
    # The credit office may do it for the department; and an interrupted one can be reversed.
    assert take_back(world.api("operator"), view).status_code == 200
    stopped = submit_file(api, format_ndjson([build_row(8), b"{", build_row(9)]), on_error="stop")
    assert reverse_submission(world, api, stopped)["progress"]["reversed"] == 1
    assert read_entries(api, status="active") == {}


def keyed(world: World, person: str | None) -> httpx.Client:
    """Open a client with a key of the department that is bound to a person."""
    key = create(
        world.registry,
        name=f"key of {person}",
        role=Role.department,
        department="human_resources",
        person=person,
    )
    return world.client(key)


def test_a_large_submission_is_taken_back_in_steps_by_a_second_person(world: World) -> None:
    api = world.api()
    sender, other = keyed(world, "李某"), keyed(world, "王某")
    view = submit_file(sender, format_ndjson(build_rows(60)))
    require_refused(take_back(api, view), 403, "person_key_required")
    require_refused(take_back(sender, view), 409, "same_person")
    ended = reverse_submission(world, other, view)
    assert (ended["state"], ended["progress"]["reversed"]) == ("reversed", 60)
    assert read_entries(api, status="active") == {}
    entry = view["results"][0]["entry_id"]
    versions = world.api("auditor").get(f"/v1/entries/{entry}/history").json()["versions"]
    assert [each["actor"] for each in versions] == ["key of 李某", "key of 王某"]
    again = submit_file(api, format_ndjson(build_rows(60)))
    assert again["progress"]["accepted"] == 60


def test_a_reversal_that_broke_off_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = world.api()
    monkeypatch.setattr(reversal, "ENTRIES_PER_STEP", 2)
    view = submit_file(api, format_ndjson(build_rows(5)))
    steps = iter([reversal._reverse_step])

    def failing(*arguments: Any) -> int:
        return next(steps)(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(reversal, "_reverse_step", failing)
        assert reverse_submission(world, api, view)["state"] == "stopped"
    assert len(read_entries(api, status="active")) == 3
    assert reverse_submission(world, api, view)["state"] == "reversed"
    assert read_entries(api, status="active") == {}


def test_what_is_old_is_taken_back_entry_by_entry(world: World) -> None:
    api = world.api()
    view = submit_file(api, format_ndjson(build_rows(2)))
    world.clock.instant += timedelta(days=31)
    require_refused(take_back(api, view), 409, "submission_state")
