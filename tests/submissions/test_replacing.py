"""Full replace: listed rows stay, missing ones leave, and large changes need two persons."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.jobs.worker import run_waiting_jobs
from app.rules.permissions import Role
from app.security.service import create
from app.submissions.processing import queue
from tests.support.numbers import build_resident_id
from tests.support.problems import count_written_rows, require_refused
from tests.support.request_bodies import PERSON_RESIDENT_ID, build_publication, build_push
from tests.support.submission_files import (
    BLACK_LIST_TYPE,
    SUBMISSIONS,
    View,
    build_cells,
    build_row,
    build_rows,
    build_workbook,
    change_settings,
    format_csv,
    format_json_array,
    format_ndjson,
    read_entries,
    read_outcomes,
    read_results,
    read_submission,
    record_entry,
    remove_generated_fields,
    require_unreadable,
    send_file,
    submit_file,
)
from tests.support.world import World

REASON = "年度名单全量更新"
WHOLE = {"mode": "replace", "department": "human_resources", "reason": REASON}


def keyed(world: World, person: str | None, department: str = "human_resources") -> httpx.Client:
    """Open a client with a new key."""
    key = create(
        world.registry,
        name=f"{department} {person}",
        role=Role.department,
        department=department,
        person=person,
    )
    return world.client(key)


def replace(api: httpx.Client, bodies: list[dict[str, Any]], **query: Any) -> View:
    """Send a complete list."""
    return submit_file(api, format_ndjson(bodies), **({"rows": len(bodies)} | WHOLE | query))


def changes(view: View) -> tuple[int, ...]:
    """Return the numbers of new, changed, unchanged, missing and active entries."""
    reported = view["changes"]
    return tuple(reported[name] for name in ("new", "changed", "unchanged", "missing", "standing"))


def history(api: httpx.Client, entry: View) -> list[tuple[str, str | None]]:
    """Return the actions on an entry, and their reasons."""
    versions = api.get(f"/v1/entries/{entry['id']}/history").json()["versions"]
    return [(each["action"], each["reason"]) for each in versions]


@pytest.fixture
def api(world: World) -> httpx.Client:
    """A department with twelve entries on its list; no limit prevents a small change."""
    change_settings(world, replace_brake_share=1.0)
    client = world.api()
    assert submit_file(client, format_ndjson(build_rows(12)))["progress"]["accepted"] == 12
    return client


NEXT = [
    *build_rows(9),
    build_row(10, reason="补充查明的欠薪事实", effective_until="2028-11-20"),
    *build_rows(2, 20),
]
"""Nine unchanged, one corrected, two new; the eleventh and twelfth are missing."""


def test_the_difference_is_shown_first_and_then_made(world: World, api: httpx.Client) -> None:
    before, standing = count_written_rows(world), read_entries(api)
    rehearsed = replace(api, NEXT, dry_run=True)
    assert count_written_rows(world) == before
    assert changes(rehearsed) == (2, 1, 9, 2, 12)
    done = replace(api, NEXT)
    assert (done["state"], changes(done)) == ("done", (2, 1, 9, 2, 12))
    wanted = [
        *((line, "replayed") for line in range(1, 10)),
        (10, "corrected"),
        (11, "accepted"),
        (12, "accepted"),
        (None, "exited"),
        (None, "exited"),
    ]
    assert read_outcomes(rehearsed) == read_outcomes(done) == wanted
    assert {each["source_ref"] for each in done["results"][-2:]} == {"HR-11", "HR-12"}
    assert read_results(api, done) == done["results"]
    assert {
        name: done["progress"][name]
        for name in ("rows_read", "accepted", "replayed", "corrected", "exited", "refused")
    } == {
        "rows_read": 12,
        "accepted": 2,
        "replayed": 9,
        "corrected": 1,
        "exited": 2,
        "refused": 0,
    }
    # Unchanged ones have no new version; the others name the actor and the reason.
    now = read_entries(api)
    for serial in range(1, 10):
        assert now[f"HR-{serial}"] == standing[f"HR-{serial}"]
    corrected = now["HR-10"]
    assert (corrected["version"], corrected["effective_until"]) == (2, "2028-11-20")
    assert history(api, corrected)[-1] == ("correct", REASON)
    assert now["HR-11"]["status"] == "removed"
    assert history(api, now["HR-11"])[-1] == ("exit", REASON)
    assert now["HR-20"]["version"] == 1
    # The same list again changes nothing.
    before = count_written_rows(world)
    again = replace(api, NEXT)
    assert changes(again) == (0, 0, 12, 0, 12)
    assert {each["outcome"] for each in again["results"]} == {"replayed"}
    assert count_written_rows(world) == before


def test_only_that_list_of_that_department_is_replaced(world: World, api: httpx.Client) -> None:
    other = world.record(
        **build_push(list_type="wage_arrears.penalty", source_ref="P-1")
        | {
            "decision": {
                "number": "枣人社罚〔2026〕5号",
                "kind": "administrative_penalty",
                "decided_on": "2026-11-16",
                "penalty_law": "administrative",
            },
            "effective_until": None,
            "effective_from": None,
        }
    )
    assert changes(replace(api, build_rows(11))) == (0, 0, 11, 1, 12)
    assert read_entries(api)[other["source_ref"]]["status"] == "active"


@pytest.mark.parametrize(
    "content",
    [
        format_json_array(NEXT),
        format_csv([build_cells(each) for each in NEXT], encoding="gb18030"),
        build_workbook([build_cells(each) for each in NEXT]),
    ],
    ids=["array", "gb18030", "xlsx"],
)  # fmt: skip
def test_a_whole_list_may_come_in_any_format(api: httpx.Client, content: bytes) -> None:
    done = submit_file(api, content, rows=12, **WHOLE)
    assert (done["state"], changes(done)) == ("done", (2, 1, 9, 2, 12))


REFUSED: dict[str, tuple[list[Any], str]] = {
    "a row that cannot be read": ([*build_rows(11), b"{"], "malformed_json"),
    "a row that the law refuses": (
        [*build_rows(11), build_row(12, effective_until="2020-01-01")],
        "dates_out_of_order",
    ),
    "another subject": (
        [*build_rows(11), build_row(12, subject=build_row(13)["subject"])],
        "subject_fixed",
    ),
    "two rows of one entry": (
        [*build_rows(12), build_row(12, reason="另一事由")],
        "entry_conflict",
    ),
    "two new rows of one reference": (
        [*build_rows(12), build_row(13), build_row(13, reason="另一事由")],
        "entry_conflict",
    ),
    "a row of another list": (
        [*build_rows(11), build_row(12, list_type="wage_arrears.red")],
        "list_type_differs",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_done_unless_every_row_is_sound(
    world: World, api: httpx.Client, name: str
) -> None:
    bodies, code = REFUSED[name]
    before = count_written_rows(world)
    for dry_run in (True, False):
        view = replace(api, bodies, dry_run=dry_run)
        assert (view["state"], view["problem"]["code"]) == ("refused", "rows_refused")
        reported = [each for each in view["results"] if each["outcome"] == "refused"]
        assert [each["code"] for each in reported] == [code]
        assert reported[0]["sentence"]
        assert all(each["outcome"] != "exited" for each in view["results"])
    assert count_written_rows(world) == before


def test_the_same_row_twice_is_one_entry(world: World, api: httpx.Client) -> None:
    changed = build_row(1, reason="补充查明的欠薪事实")
    view = replace(api, [changed, changed, *build_rows(11, 2), build_row(13), build_row(13)])
    assert view["state"] == "done", view
    assert changes(view) == (1, 1, 11, 0, 12)
    assert read_entries(api)["HR-1"]["version"] == 2
    assert [each["outcome"] for each in view["results"]][:2] == ["corrected", "replayed"]
    before = count_written_rows(world)
    assert changes(replace(api, [changed, *build_rows(12, 2)])) == (0, 0, 13, 0, 13)
    assert count_written_rows(world) == before


def test_an_ended_entry_does_not_come_back_by_being_named(world: World, api: httpx.Client) -> None:
    replace(api, build_rows(11))
    before = count_written_rows(world)
    view = replace(api, build_rows(12))
    assert (view["state"], view["problem"]["code"]) == ("refused", "rows_refused")
    assert view["results"][-1]["code"] == "entry_ended"
    assert view["results"][-1]["pointer"] == "/source_ref"
    assert count_written_rows(world) == before


def test_a_possibly_truncated_file_removes_no_entry(world: World, api: httpx.Client) -> None:
    before = count_written_rows(world)
    for missing in ("list_type", "department", "reason", "rows"):
        asked = {"rows": 11, **WHOLE, missing: None}
        client = world.api("operator") if missing == "department" else api
        require_refused(
            send_file(client, format_ndjson(build_rows(11)), **asked), 422, "missing", f"?{missing}"
        )
    require_refused(send_file(api, b"", rows=0, **WHOLE), 422, "empty_file", "")
    require_refused(send_file(api, b"[]", rows=0, **WHOLE), 422, "empty_file", "")
    require_unreadable(
        send_file(api, format_json_array(build_rows(11))[:20], rows=11, **WHOLE), "malformed_json"
    )
    for content, code in (
        (format_ndjson(build_rows(11)), "row_count_differs"),
        (format_json_array(build_rows(12))[:-9], "malformed_json"),
        (format_ndjson(build_rows(12))[:-9], "rows_refused"),
        (
            format_csv([build_cells(each) for each in build_rows(12)]).rstrip()[:-6] + b'"public',
            "malformed_csv",
        ),
    ):
        view = submit_file(api, content, rows=12, **WHOLE)
        assert (view["state"], view["problem"]["code"]) == ("refused", code)
    change_settings(world, submission_held_rows=5)
    require_unreadable(
        send_file(api, format_ndjson(build_rows(12)), rows=12, **WHOLE), "too_many_rows"
    )
    assert count_written_rows(world) == before


# --- the removal threshold ------------------------------------------------

BRAKES: list[dict[str, Any]] = [
    {"replace_brake_entries": 2, "replace_brake_share": 1.0},
    {"replace_brake_entries": 20, "replace_brake_share": 0.2},
]


@pytest.mark.parametrize("brake", BRAKES, ids=["entries", "share"])
def test_what_removes_much_waits_for_a_second_person(
    world: World, api: httpx.Client, brake: dict[str, Any]
) -> None:
    change_settings(world, **brake)
    first, second, same, nobody, other = (
        keyed(world, "李某"),
        keyed(world, "王某"),
        keyed(world, " 李某"),
        keyed(world, None),
        keyed(world, "赵某", "civil_affairs"),
    )
    assert replace(first, build_rows(10))["state"] == "done"  # two are removed: as many as allowed
    before = count_written_rows(world)
    held = replace(first, [*build_rows(7), build_row(20)])
    assert held["state"] == "held"
    assert changes(held) == (1, 0, 7, 3, 10)
    assert [each["source_ref"] for each in held["results"] if each["outcome"] == "exited"] == [
        "HR-8",
        "HR-9",
        "HR-10",
    ]
    assert "entry_id" not in held["results"][7]  # the new one is not recorded yet
    until = world.clock.now() + timedelta(hours=world.registry.settings.replace_hold_hours)
    assert held["held_until"][:16] == until.isoformat()[:16]
    assert held["finished_at"] is None
    # Sent again it is the same one; only a second person of the department can approve it.
    assert replace(first, [*build_rows(7), build_row(20)])["id"] == held["id"]
    for client, status, code in (
        (first, 409, "same_person"),
        (same, 409, "same_person"),
        (nobody, 403, "person_key_required"),
        (other, 404, "submission_not_found"),
        (world.api("auditor"), 403, "forbidden"),
    ):
        answer = approve(client, held)
        assert answer.status_code == status, (code, answer.text)
        require_refused(answer, status, code)
    assert run_waiting_jobs(world.registry, [queue.SubmissionQueue()]) == 0
    assert count_written_rows(world) == before
    answer = approve(second, held)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "queued"
    assert answer.json()["approval"] | {"at": ""} == {
        "by": "human_resources 王某",
        "person": "王某",
        "at": "",
        "reason": "已逐条核对",
    }
    assert run_waiting_jobs(world.registry, [queue.SubmissionQueue()]) == 1
    done = read_submission(api, held)
    assert (done["state"], changes(done)) == ("done", (1, 0, 7, 3, 10))
    assert done["progress"]["exited"] == 3
    assert read_entries(api)["HR-8"]["status"] == "removed"
    assert read_results(api, done)[7]["entry_id"] == read_entries(api)["HR-20"]["id"]
    require_refused(approve(second, held), 409, "submission_state")


def approve(client: httpx.Client, held: View, reason: str = "已逐条核对") -> httpx.Response:
    """Approve it."""
    return client.post(f"{SUBMISSIONS}/{held['id']}/approvals", json={"reason": reason})


@pytest.fixture
def held(world: World, api: httpx.Client) -> View:
    """A list that lacks half of the entries, and waits."""
    change_settings(world, replace_brake_entries=2)
    view = replace(keyed(world, "李某"), build_rows(6))
    assert view["state"] == "held"
    return view


def test_an_approval_holds_for_what_was_shown_and_no_more(
    world: World, api: httpx.Client, held: View
) -> None:
    second = keyed(world, "王某")
    record_entry(world.api(), build_row(30))  # one more that the list lacks
    assert approve(second, held).status_code == 200
    before = count_written_rows(world)
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    again = read_submission(api, held)
    assert (again["state"], again["approval"]) == ("held", None)
    assert changes(again) == (0, 0, 6, 7, 13)
    assert count_written_rows(world) == before
    assert approve(second, held).status_code == 200
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    assert read_submission(api, held)["state"] == "done"
    assert {name for name, entry in read_entries(api).items() if entry["status"] == "active"} == {
        f"HR-{serial}" for serial in range(1, 7)
    }


def test_a_pending_approval_expires(world: World, api: httpx.Client, held: View) -> None:
    before = count_written_rows(world)
    world.clock.instant += timedelta(hours=71)
    queue.SubmissionQueue().clean_up(world.registry)
    assert read_submission(api, held)["state"] == "held"
    world.clock.instant += timedelta(hours=2)
    queue.SubmissionQueue().clean_up(world.registry)
    lapsed = read_submission(api, held)
    assert lapsed["state"] == "lapsed"
    assert lapsed["finished_at"] is not None
    require_refused(approve(keyed(world, "王某"), held), 409, "submission_state")
    assert run_waiting_jobs(world.registry, [queue.SubmissionQueue()]) == 0
    assert count_written_rows(world) == before
    again = replace(api, build_rows(6))
    assert again["id"] != held["id"]


def test_a_held_list_is_given_up_by_its_reversal(
    world: World, api: httpx.Client, held: View
) -> None:
    before = count_written_rows(world)
    path = f"{SUBMISSIONS}/{held['id']}/reversals"
    answer = api.post(path, json={"reason": "名单有误"})
    assert answer.status_code == 200, answer.text
    ended = answer.json()
    assert ended["state"] == "lapsed"
    assert ended["finished_at"] is not None
    assert ended["reversal"]["reason"] == "名单有误"
    require_refused(approve(keyed(world, "王某"), held), 409, "submission_state")
    require_refused(api.post(path, json={"reason": "名单有误"}), 409, "submission_state")
    assert count_written_rows(world) == before


def test_an_approval_and_a_reversal_say_why_without_numbers(api: httpx.Client, held: View) -> None:
    for step in ("approvals", "reversals"):
        path = f"{SUBMISSIONS}/{held['id']}/{step}"
        require_refused(
            api.post(path, json={"reason": PERSON_RESIDENT_ID}),
            422,
            "personal_number_in_text",
            "/reason",
        )
        require_refused(api.post(path, json={}), 422, "missing", "/reason")


def test_a_correction_by_a_list_keeps_the_history_of_an_entry(
    world: World, api: httpx.Client
) -> None:
    entry = read_entries(api)["HR-1"]
    reported = api.post(
        f"/v1/entries/{entry['id']}/disclosures",
        json=build_publication(),
        headers={"If-Match": '"1"'},
    )
    assert reported.status_code == 200, reported.text
    persons = build_row(1)["responsible_persons"]
    persons[0]["identifier"]["number"] = build_resident_id(7)
    renamed = build_row(1, responsible_persons=persons)
    renamed["subject"]["name"] = "枣庄更名建筑有限公司"
    view = replace(api, [renamed, *build_rows(11, 2)])
    assert (view["state"], changes(view)) == ("done", (0, 1, 11, 0, 12)), view
    after = read_entries(api)["HR-1"]
    assert after["version"] == 3
    assert after["subject"]["name"] == "枣庄更名建筑有限公司"
    assert after["subject"]["identifiers"] == entry["subject"]["identifiers"]
    assert after["disclosure"]["channels"][0]["published_on"] == "2026-11-21"
    assert remove_generated_fields(after)["decision"] == remove_generated_fields(entry)["decision"]
    assert after["list_type"] == BLACK_LIST_TYPE


# --- no way around the removal threshold --------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"effective_until": "2026-11-21"}, id="its last day is over"),
        pytest.param({"effective_from": "2027-01-01"}, id="it is yet to begin"),
        pytest.param({"disclosure": {"class": "restricted"}}, id="it is public no more"),
    ],
)
def test_a_row_that_ends_its_entry_counts_for_the_brake(
    world: World, api: httpx.Client, change: dict[str, Any]
) -> None:
    change_settings(world, replace_brake_entries=5)
    few = replace(api, [*build_rows(9), *build_rows(3, 10, **change)], dry_run=True)
    assert few["changes"]["ending"] == 3
    held = replace(api, build_rows(12, **change))
    assert (held["state"], held["changes"]["ending"], held["changes"]["missing"]) == ("held", 12, 0)
    assert len(read_entries(api, status="active")) == 12


def test_a_list_that_shrinks_by_slices_is_held_as_well(world: World, api: httpx.Client) -> None:
    change_settings(world, replace_brake_entries=3)
    assert replace(api, build_rows(10))["state"] == "done"
    assert replace(api, build_rows(8))["state"] == "held"
    world.clock.instant += timedelta(hours=73)
    queue.SubmissionQueue().clean_up(world.registry)
    assert replace(api, build_rows(8))["state"] == "done"


def test_a_list_of_a_key_without_a_person_needs_two_persons(
    world: World, api: httpx.Client
) -> None:
    change_settings(world, replace_brake_entries=1)
    held = replace(api, build_rows(9))
    first, second = keyed(world, "王某"), keyed(world, "赵某")
    assert approve(first, held).json()["state"] == "held"
    require_refused(approve(first, held), 409, "same_person")
    require_refused(approve(keyed(world, "王 某"), held), 409, "same_person")
    assert approve(second, held).json()["state"] == "queued"
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    assert len(read_entries(api, status="active")) == 9


def test_an_approval_that_comes_too_late_is_none(world: World, api: httpx.Client) -> None:
    change_settings(world, replace_brake_entries=1)
    held = replace(keyed(world, "李某"), build_rows(9))
    world.clock.instant += timedelta(hours=73)
    require_refused(approve(keyed(world, "王某"), held), 409, "submission_state")
    assert len(read_entries(api, status="active")) == 12
    trail = world.api("auditor").get("/v1/audit/records?action=submission_lapsed").json()
    assert [each["target"] for each in trail["records"]] == [held["id"]]
