"""Submissions of a department: a file in, the answer to every row out."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from app.db.engines import Connection
from app.db.tables import Submission, SubmissionBatch, SubmissionPart
from app.errors import Busy
from app.jobs.worker import run_waiting_jobs
from app.registry import Registry
from app.rules.permissions import COMMAND_LINE_CALLER
from app.security.limits import WriteLimiter
from app.submissions import queries, router, service
from app.submissions.processing import queue, row_by_row
from app.submissions.upload.encrypted_file import PART_BYTES
from tests.support.numbers import build_resident_id
from tests.support.problems import count_written_rows, require_refused
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_licence_changes,
    build_penalty_changes,
    build_person,
    build_push,
    build_red_changes,
    build_subject,
)
from tests.support.submission_files import (
    BLACK_LIST_TYPE,
    NDJSON,
    OCTET_STREAM,
    SUBMISSIONS,
    XLSX,
    View,
    build_cells,
    build_form,
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
    submit_in_background,
)
from tests.support.world import World

BODIES = [*build_rows(2), build_row(3, subject=build_person(), responsible_persons=None)]
CSV = "text/csv"


def tables(bodies: list[dict[str, Any]] = BODIES) -> list[dict[str, Any]]:
    """Build the same rows as tables; a person's number has its own column."""
    rows = [build_cells(body) for body in bodies]
    rows[-1] |= {"身份证号": rows[-1].pop("统一社会信用代码")}
    return rows


FORMATS: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "ndjson": (lambda: format_ndjson(BODIES), NDJSON, 1),
    "ndjson with a BOM": (
        lambda: b"\xef\xbb\xbf" + format_ndjson(BODIES).rstrip(),
        OCTET_STREAM,
        1,
    ),
    "array": (lambda: format_json_array(BODIES), "application/json", 1),
    "csv": (lambda: format_csv(tables()), CSV, 2),
    "csv with a BOM": (lambda: format_csv(tables(), encoding="utf-8-sig"), CSV, 2),
    "gb18030": (lambda: format_csv(tables(), encoding="gb18030"), CSV, 2),
    "utf-16": (lambda: format_csv(tables(), encoding="utf-16"), CSV, 2),
    "tabs": (lambda: format_csv(tables(), delimiter="\t"), OCTET_STREAM, 2),
    "semicolons": (lambda: format_csv(tables(), delimiter=";"), OCTET_STREAM, 2),
    "xlsx": (lambda: build_workbook(tables()), XLSX, 2),
    "xlsx unnamed": (lambda: build_workbook(tables()), OCTET_STREAM, 2),
    "form": (lambda: build_form(format_ndjson(BODIES))[0], build_form(b"")[1], 1),
}


@pytest.fixture
def pushed(world: World) -> dict[str, View]:
    """Return the results of single pushes of the same rows, by reference."""
    made = [world.api().post("/v1/entries", json=body).json() for body in BODIES]
    return {entry["source_ref"]: remove_generated_fields(entry) for entry in made}


def test_every_format_says_the_same(world: World, pushed: dict[str, View]) -> None:
    api = world.api()
    for name, (content, kind, first) in FORMATS.items():
        # Facts that were pushed one by one are found again, digit for digit, by each of them.
        view = submit_file(api, content(), kind)
        assert read_outcomes(view) == [(first + at, "replayed") for at in range(3)], name
        assert view["format"] == {"form": "ndjson"}.get(name, _format(name)), name
        assert view["state"] == "done"
    assert {
        name: remove_generated_fields(entry) for name, entry in read_entries(api).items()
    } == pushed


def _format(name: str) -> str:
    kinds = {"ndjson": "ndjson", "array": "json", "xlsx": "xlsx"}
    return kinds.get(name.split(maxsplit=1)[0], "csv")


@pytest.mark.parametrize("name", ["ndjson", "array", "gb18030", "xlsx"])
def test_rows_become_entries_and_are_answered_in_order(world: World, name: str) -> None:
    content, kind, first = FORMATS[name]
    api, content = world.api(), content()
    view = submit_file(api, content, kind)
    entries = read_entries(api)
    assert view["results"] == [
        {
            "row": first + at,
            "source_ref": f"HR-{at + 1}",
            "outcome": "accepted",
            "entry_id": entries[f"HR-{at + 1}"]["id"],
        }
        for at in range(3)
    ]
    assert read_results(api, view) == view["results"]
    assert view["progress"] | {"rows_per_second": None} == {
        "rows_read": 3,
        "accepted": 3,
        "replayed": 0,
        "refused": 0,
        "corrected": 0,
        "exited": 0,
        "reversed": 0,
        "share": 1.0,
        "rows_per_second": None,
        "remaining_seconds": 0.0,
    }
    assert view["bytes"] == len(content)
    assert view["sha256"] == hashlib.sha256(content).hexdigest()
    shown_again = read_submission(api, view)
    assert shown_again.pop("results") is None
    assert shown_again == {name: value for name, value in view.items() if name != "results"}


def test_sending_again_changes_nothing_and_reports_a_changed_row(world: World) -> None:
    api, content = world.api(), format_ndjson(BODIES)
    first = submit_file(api, content)
    before = count_written_rows(world)
    again = submit_file(api, content)
    assert again["id"] != first["id"]
    assert [each["outcome"] for each in again["results"]] == ["replayed"] * 3
    assert [each["entry_id"] for each in again["results"]] == [
        each["entry_id"] for each in first["results"]
    ]
    changed = submit_file(api, format_ndjson([BODIES[0], BODIES[1] | {"reason": "另一事由"}]))
    assert count_written_rows(world) == before
    assert read_outcomes(changed) == [(1, "replayed"), (2, "refused")]
    row = changed["results"][1]
    assert (row["code"], row["pointer"], row["source_ref"]) == ("entry_conflict", "", "HR-2")
    assert row["sentence"]


def test_two_rows_of_one_reference_are_one_entry_or_a_conflict(world: World) -> None:
    sent = [build_row(1), build_row(1), build_row(1, reason="另一事由"), build_row(2)]
    view = submit_file(world.api(), format_ndjson(sent))
    assert read_outcomes(view) == [
        (1, "accepted"),
        (2, "replayed"),
        (3, "refused"),
        (4, "accepted"),
    ]
    assert view["results"][2]["code"] == "entry_conflict"
    assert view["results"][1]["entry_id"] == view["results"][0]["entry_id"]
    assert len(read_entries(world.api())) == 2


def test_rows_are_numbered_as_their_sender_counts(world: World) -> None:
    bad = {"reason": None}
    lines = format_ndjson(
        [b"", json.dumps(build_row(1)).encode(), b"  ", json.dumps(build_row(2) | bad).encode()]
    )
    assert read_outcomes(submit_file(world.api(), lines)) == [(2, "accepted"), (4, "refused")]
    table = [*tables([build_row(3), build_row(4, **bad)])]
    table[-1]["统一社会信用代码"] = table[-1].pop("身份证号")
    text = format_csv(table)
    titled = "二〇二六年第四季度,,,\n\n".encode() + text.replace(b"\r\n", b"\r\n,,,\r\n", 1)
    assert read_outcomes(submit_file(world.api(), titled)) == [(5, "accepted"), (6, "refused")]


# --- options --------------------------------------------------------------


def test_the_results_can_be_filtered_and_end_with_a_trailer(world: World) -> None:
    api = world.api()
    view = submit_file(
        api, format_ndjson([build_row(1), build_row(2, severity="grave"), build_row(3), b"{"])
    )
    assert [each["row"] for each in read_results(api, view, outcome="refused")] == [2, 4]
    assert [each["row"] for each in read_results(api, view, outcome="accepted")] == [1, 3]
    streamed = api.get(f"{SUBMISSIONS}/{view['id']}/results", params={"outcome": "replayed"})
    assert streamed.headers["Content-Type"] == NDJSON
    assert streamed.json() == {"trailer": {"rows": 0, "state": "done", "complete": True}}
    answer = api.get(f"{SUBMISSIONS}/{view['id']}/results", params={"outcome": "lost"})
    require_refused(answer, 422, "unknown_value", "?outcome")


def test_the_list_type_may_stand_in_the_rows_or_in_the_query(world: World) -> None:
    api = world.api()
    without = build_row(1, list_type=None)
    view = submit_file(
        api, format_ndjson([build_row(2), without, build_row(3, list_type="wage_arrears.red")])
    )
    assert read_outcomes(view) == [(1, "accepted"), (2, "accepted"), (3, "refused")]
    assert _refusal(view["results"][2]) == ("list_type_differs", "/list_type", None)
    view = submit_file(
        api, format_ndjson([build_row(2), build_row(4, list_type=None)]), list_type=None
    )
    assert read_outcomes(view) == [(1, "replayed"), (2, "refused")]
    assert _refusal(view["results"][1]) == ("missing", "/list_type", None)
    sheet = format_csv(
        [
            build_cells(build_row(5)) | {"名单类型": BLACK_LIST_TYPE},
            build_cells(build_row(6)) | {"名单类型": "红榜"},
        ]
    )
    view = submit_file(api, sheet, list_type=None)
    assert read_outcomes(view) == [(2, "accepted"), (3, "refused")]
    assert _refusal(view["results"][1]) == ("unknown_list_type", "/list_type", "名单类型")
    before = count_written_rows(world)
    require_refused(
        send_file(api, format_ndjson([build_row(9)]), list_type="no.such"),
        422,
        "unknown_value",
        "?list_type",
    )
    assert count_written_rows(world) == before


def _refusal(result: View) -> tuple[str, str, str | None]:
    assert result["sentence"]
    assert result["sentence"] != result["sentence_en"]
    return result["code"], result["pointer"], result.get("column")


def test_the_operator_names_the_department_and_departments_send_for_themselves(
    world: World,
) -> None:
    operator, own, other = (
        world.api("operator"),
        world.api(),
        world.api("department", "civil_affairs"),
    )
    view = submit_file(operator, format_ndjson([build_row(1)]), department="human_resources")
    assert read_outcomes(view) == [(1, "accepted")]
    assert view["department"] == "human_resources"
    named = build_row(2, department="human_resources")
    assert read_outcomes(submit_file(operator, format_ndjson([named, build_row(3)]))) == [
        (1, "accepted"),
        (2, "refused"),
    ]
    own_view = submit_file(own, format_ndjson([named, build_row(4, department="civil_affairs")]))
    assert read_outcomes(own_view) == [(1, "replayed"), (2, "refused")]
    assert own_view["results"][1]["code"] == "department_differs"
    require_refused(send_file(own, b"{}", department="civil_affairs"), 403, "not_your_department")
    require_refused(
        send_file(operator, b"{}", department="nobody"), 422, "unknown_value", "?department"
    )
    # A department sees its own submissions; an auditor sees all.
    assert read_outcomes(submit_file(other, format_ndjson([build_row(5)]))) == [(1, "refused")]
    for path in ("", "/results", "/refused.xlsx"):
        require_refused(other.get(f"{SUBMISSIONS}/{view['id']}{path}"), 404, "submission_not_found")
    listed = {
        api: api.get(SUBMISSIONS).json()["submissions"]
        for api in (operator, own, other, world.api("auditor"))
    }
    assert [len(found) for found in listed.values()] == [4, 2, 1, 4]
    assert own.get(f"{SUBMISSIONS}/{view['id']}").json()["submitted_by"].startswith("operator")


def test_submissions_are_listed_by_page_newest_first(world: World) -> None:
    api = world.api()
    ids = [submit_file(api, format_ndjson([build_row(serial)]))["id"] for serial in range(1, 6)]
    page = api.get(SUBMISSIONS, params={"limit": 3}).json()
    rest = api.get(SUBMISSIONS, params={"limit": 3, "next": page["next"]}).json()
    assert [each["id"] for each in page["submissions"] + rest["submissions"]] == ids[::-1]
    assert rest["next"] is None
    assert api.get(SUBMISSIONS, params={"state": "held"}).json()["submissions"] == []
    require_refused(api.get(SUBMISSIONS, params={"next": "eA=="}), 400, "bad_cursor")


MIXED = [
    build_row(1),
    build_row(2, severity="grave"),
    build_row(3),
    build_row(3),
    build_row(1, reason="另一事由"),
    build_row(4, **build_red_changes()),
    build_row(5),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"on_error": "stop"},
    {"commit": "all_or_nothing"},
    {"commit": "all_or_nothing", "on_error": "stop"},
    {"rows": 6},
    {"rows": 6, "commit": "all_or_nothing"},
]


@pytest.mark.parametrize("query", OPTIONS, ids=lambda query: ",".join(map(str, query.values())))
def test_a_dry_run_answers_as_the_real_run_does_and_records_nothing(
    world: World, query: dict[str, Any]
) -> None:
    api = world.api()
    record_entry(world.api(), build_row(5))  # one is recorded already
    before = count_written_rows(world)
    rehearsed = submit_file(api, format_ndjson(MIXED), dry_run=True, **query)
    assert count_written_rows(world) == before
    real = submit_file(api, format_ndjson(MIXED), **query)

    def comparable(view: View) -> Any:
        answers = [
            each | {"entry_id": None, "outcome": each["outcome"].replace("sound", "accepted")}
            for each in view["results"]
        ]
        return answers, view["state"], view["problem"] and view["problem"]["code"]

    assert comparable(rehearsed) == comparable(real)
    made = {each["entry_id"] for each in real["results"] if each["outcome"] == "accepted"}
    assert made <= {entry["id"] for entry in read_entries(api).values()} | {None}
    named = {each["entry_id"] for each in rehearsed["results"] if "entry_id" in each}
    assert named <= {read_entries(api)["HR-5"]["id"]}  # an unrecorded entry has no id


def test_stopping_at_the_first_refusal_leaves_what_is_before_it(world: World) -> None:
    api = world.api()
    view = submit_file(
        api,
        format_ndjson([build_row(1), build_row(2), build_row(3, reason=None), build_row(4)]),
        on_error="stop",
    )
    assert view["state"] == "stopped"
    assert read_outcomes(view) == [(1, "accepted"), (2, "accepted"), (3, "refused")]
    assert read_entries(api).keys() == {"HR-1", "HR-2"}


def test_all_or_nothing(world: World) -> None:
    api, query = world.api(), {"commit": "all_or_nothing"}
    before = count_written_rows(world)
    view = submit_file(api, format_ndjson([*build_rows(3), build_row(4, reason=None)]), **query)
    assert count_written_rows(world) == before
    assert (view["state"], view["problem"]["code"]) == ("refused", "rows_refused")
    assert read_outcomes(view) == [(1, "sound"), (2, "sound"), (3, "sound"), (4, "refused")]
    assert all("entry_id" not in each for each in view["results"])
    view = submit_file(api, format_ndjson(build_rows(4)), **query)
    assert (view["state"], view["problem"]) == ("done", None)
    assert view["progress"]["accepted"] == 4
    assert read_entries(api).keys() == {f"HR-{serial}" for serial in range(1, 5)}
    change_settings(world, submission_held_rows=4)
    before = count_written_rows(world)
    for more, state in ((query, "refused"), ({"dry_run": True}, "refused")):
        view = read_submission(
            api, submit_or_refused(api, format_ndjson(build_rows(5, 10)), **more)
        )
        assert (view["state"], view["problem"]["code"]) == (state, "too_many_rows")
    assert count_written_rows(world) == before
    assert (
        submit_file(api, format_ndjson(build_rows(5)))["state"] == "done"
    )  # row by row there is no such bound


def submit_or_refused(api: httpx.Client, content: bytes, **query: Any) -> View:
    """Send a submission; return its view or its refusal."""
    answer = send_file(api, content, **query)
    view = answer.json()
    return {"id": view.get("submission_id") or view["id"]}


def test_a_wrong_declared_number_of_rows_is_reported(world: World) -> None:
    api = world.api()
    view = submit_file(api, format_ndjson(build_rows(2)), rows=3)
    assert (view["state"], view["problem"]["code"]) == ("done", "row_count_differs")
    assert view["problem"]["errors"][0]["pointer"] == "?rows"
    before = count_written_rows(world)
    view = submit_file(api, format_ndjson(build_rows(2, 5)), rows=3, commit="all_or_nothing")
    assert (view["state"], view["problem"]["code"]) == ("refused", "row_count_differs")
    assert count_written_rows(world) == before
    assert submit_file(api, format_ndjson(build_rows(2, 5)), rows=2)["problem"] is None
    most = submit_file(api, format_ndjson(build_rows(2)), rows=2**31 - 1)
    assert (most["declared_rows"], most["state"]) == (2**31 - 1, "done")


def test_what_is_asked_for_is_checked_before_the_file(world: World) -> None:
    api, before = world.api(), count_written_rows(world)
    for query, code, pointer in (
        ({"list": BLACK_LIST_TYPE}, "unknown_field", "?list"),
        ({"dryrun": "true"}, "unknown_field", "?dryrun"),
        ({"on_error": "ignore"}, "unknown_value", "?on_error"),
        ({"commit": "some"}, "unknown_value", "?commit"),
        ({"mode": "delete"}, "unknown_value", "?mode"),
        ({"rows": -1}, "too_small", "?rows"),
        ({"rows": 2**31}, "too_large", "?rows"),
        ({"rows": 99_999_999_999}, "too_large", "?rows"),
        ({"dry_run": "perhaps"}, "wrong_type", "?dry_run"),
    ):
        require_refused(send_file(api, format_ndjson([build_row(1)]), **query), 422, code, pointer)
    require_refused(
        send_file(api, format_ndjson([build_row(1)]), list_type=PERSON_RESIDENT_ID),
        400,
        "personal_number_in_url",
    )
    require_refused(
        send_file(world.client(None), format_ndjson([build_row(1)])), 401, "unauthenticated"
    )
    for role in ("approver", "subscriber", "auditor"):
        require_refused(send_file(world.api(role), format_ndjson([build_row(1)])), 403, "forbidden")
    assert count_written_rows(world) == before
    assert world.api("auditor").get(SUBMISSIONS).json()["submissions"] == []


def test_a_digest_proves_that_the_file_arrived_as_it_was_sent(world: World) -> None:
    api, content = world.api(), format_ndjson([build_row(1)])
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    for wrong in (
        f"sha-256=:{digest[::-1]}:",
        f"sha-256=:{digest[:-1]}:",
        f"sha-256={digest}",
        f'sha-256="{digest}"',
        f"sha-512=:AAAA:, SHA-256=:{digest[::-1]}:",
        f"sha-256=:{digest}:, sha-256=:{digest[::-1]}:",
        "sha-256=",
        "sha-256",
    ):
        require_refused(
            send_file(api, content, digest=wrong), 422, "digest_differs", "header:Content-Digest"
        )
    twice = [("Content-Digest", "sha-512=:AAAA:"), ("Content-Digest", "sha-256=::")]
    answer = api.post(SUBMISSIONS, content=content, headers=twice)
    require_refused(answer, 422, "digest_differs", "header:Content-Digest")
    assert count_written_rows(world)[0] == 0
    assert api.get(SUBMISSIONS).json()["submissions"] == []
    # Other algorithms are ignored (RFC 9530, 2), and so are parameters.
    for right in (
        f"sha-512=:AAAA:, sha-256=:{digest}:",
        f"sha-256=:{digest}:;by=gateway ,unixsum=:AAAA:",
        "sha-512=:AAAA:",
        "sha-2560=:AAAA:",
        "",
    ):
        assert send_file(api, content, digest=right).json()["state"] == "done"


class Turnstile(WriteLimiter):
    """A limiter of one writer at a time and `remaining_writes`; `inside` while one writes."""

    def __init__(self, remaining_writes: int) -> None:
        super().__init__(slots=1, queue=20, wait_seconds=20)
        self.remaining_writes = remaining_writes
        self.inside = False

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        if self.remaining_writes == 0:
            raise Busy(retry_after=1)
        self.remaining_writes -= 1
        async with super().slot():
            self.inside = True
            yield
            self.inside = False


def test_an_upload_holds_a_write_slot_only_while_it_writes(
    world: World, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, other, content = world.api(), world.api("operator"), format_ndjson(build_rows(2_000))
    turnstile = app.state.write_limiter = Turnstile(remaining_writes=20)
    inside: list[bool] = []
    write = type(world.registry).write

    def watched(registry: Registry, work: Callable[[Connection], Any]) -> Any:
        inside.append(turnstile.inside)
        return write(registry, work)

    monkeypatch.setattr(type(world.registry), "write", watched)

    def slowly() -> Iterator[bytes]:
        yield content[: PART_BYTES + 1]
        # It continues only after another write: a held slot would block both.
        assert other.post("/v1/entries", json=build_push(department="human_resources")).is_success
        yield content[PART_BYTES + 1 :]

    change_settings(world, submission_at_once_bytes=0)
    answer = api.post(SUBMISSIONS, content=slowly(), params={"list_type": BLACK_LIST_TYPE})
    assert answer.status_code == 202, answer.text
    assert all(inside)
    assert turnstile.remaining_writes == 17  # the first part, the entry of the other client, end


def test_a_request_without_a_write_slot_is_refused_without_trace(
    world: World, app: FastAPI
) -> None:
    api, content = world.api(), format_ndjson([build_row(1)])
    app.state.write_limiter = Turnstile(remaining_writes=0)
    answer = send_file(api, content)
    require_refused(answer, 503, "busy")
    assert answer.headers["Retry-After"] == "1"
    with world.registry.database.reading() as connection:
        for table in (Submission, SubmissionPart):
            assert connection.execute(select(table)).all() == []
    app.state.write_limiter = Turnstile(remaining_writes=1)  # one for a small file
    submit_file(api, content)
    app.state.write_limiter = Turnstile(remaining_writes=0)
    answer = send_file(api, format_ndjson([build_row(2)]), digest="sha-256=::")
    require_refused(answer, 422, "digest_differs", "header:Content-Digest")
    assert len(api.get(SUBMISSIONS).json()["submissions"]) == 1


def test_too_large_a_file_is_refused_and_let_go(world: World) -> None:
    change_settings(world, submission_limit_bytes=3_000)
    api, content = world.api(), format_ndjson(build_rows(20))
    require_refused(send_file(api, content), 413, "body_too_large")
    require_refused(send_file(api, *build_form(content)), 413, "body_too_large")
    with world.registry.database.reading() as connection:
        for table in (Submission, SubmissionPart):
            assert connection.execute(select(table)).all() == []


def test_a_large_file_is_worked_off_behind_its_answer(world: World) -> None:
    api, content = world.api(), format_ndjson(build_rows(30))
    change_settings(world, submission_at_once_bytes=len(content) - 1)
    answer = send_file(api, content)
    assert answer.status_code == 202
    view = answer.json()
    assert answer.headers["Location"] == f"{SUBMISSIONS}/{view['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert (view["state"], view["results"], view["progress"]["share"]) == ("queued", None, 0.0)
    # A client without an answer sends again and gets the same one; other options make a new one.
    assert send_file(api, content).json()["id"] == view["id"]
    assert send_file(world.api("operator"), content).json()["id"] != view["id"]
    other = send_file(api, content, dry_run=True).json()
    assert other["id"] != view["id"]
    waiting = api.get(f"{SUBMISSIONS}/{view['id']}/results").text.splitlines()
    assert json.loads(waiting[-1])["trailer"] == {"rows": 0, "state": "queued", "complete": False}
    require_refused(api.get(f"{SUBMISSIONS}/{view['id']}/refused.xlsx"), 409, "submission_state")
    assert run_waiting_jobs(world.registry, [queue.SubmissionQueue()]) == 3
    view = read_submission(api, view)
    assert (view["state"], view["progress"]["accepted"]) == ("done", 30)
    assert len(read_results(api, view)) == 30
    assert run_waiting_jobs(world.registry, [queue.SubmissionQueue()]) == 0
    # An ended one is not reused: sent again, every row is found again.
    again = submit_in_background(world, api, content)
    assert again["id"] != view["id"]
    assert again["progress"]["replayed"] == 30


def test_the_state_of_an_unreadable_large_file_has_the_reason(world: World) -> None:
    change_settings(world, submission_at_once_bytes=0)
    view = submit_in_background(world, world.api(), format_csv([{"甲": 1, "乙": 2}]))
    assert view["state"] == "refused"
    assert view["problem"]["code"] == "no_header_row"
    assert view["problem"]["detail"].startswith("前 10 行")
    assert view["problem"]["detail_en"]


# --- refusals -------------------------------------------------------------

HEAD = {"role": "legal_representative", "name": "张某"}
BAD_CELLS: list[tuple[dict[str, Any], str, str, str | None]] = [
    ({"统一社会信用代码": "91370403MB000CT75X"}, "invalid_identifier",
     "/subject/identifiers/0/number", "统一社会信用代码"),
    ({"统一社会信用代码": "9.1E+17"}, "number_damaged",
     "/subject/identifiers/0/number", "统一社会信用代码"),
    ({"法定代表人证件号码": PERSON_RESIDENT_ID[:-1] + "4"}, "invalid_identifier",
     "/responsible_persons/0/identifier/number", "法定代表人证件号码"),
    ({"主体类别": "公司"}, "unknown_value", "/subject/kind", "主体类别"),
    ({"主体类别": "个体工商户"}, "kind_not_of_uscc", "/subject/kind", "主体类别"),
    ({"主体名称": None}, "missing", "/subject/name", "主体名称"),
    ({"决定日期": "2026年13月1日"}, "invalid_date", "/decision/decided_on", "决定日期"),
    ({"决定日期": "46346"}, "date_as_number", "/decision/decided_on", "决定日期"),
    ({"决定日期": "2027-01-05"}, "decision_in_future", "/decision/decided_on", "决定日期"),
    ({"决定类型": "口头"}, "unknown_value", "/decision/kind", "决定类型"),
    ({"有效期止": "2026-01-01"}, "dates_out_of_order", "/effective_until", "有效期止"),
    ({"行为终了日期": None}, "conduct_end_missing", "/conduct_ended_on", "行为终了日期"),
    ({"列入事由": "=A1&B1"}, "formula_cell", "/reason", "列入事由"),
    ({"列入事由": f"本人 {PERSON_RESIDENT_ID}"}, "personal_number_in_text", "/reason", "列入事由"),
    ({"列入事由": "#REF!"}, "error_cell", "/reason", "列入事由"),
    ({"来源编号": PERSON_RESIDENT_ID}, "personal_number_in_text", "/source_ref", "来源编号"),
    ({"来源编号": "号" * 81}, "too_long", "/source_ref", "来源编号"),
    ({"公开类型": "不予公开"}, "exemption_incomplete", "/disclosure", "公开类型"),
]  # fmt: skip


def test_every_refusal_names_its_column_and_what_to_do(world: World) -> None:
    api = world.api()
    table = [
        build_cells(build_row(at)) | changes for at, (changes, *_) in enumerate(BAD_CELLS, start=1)
    ]
    before = count_written_rows(world)
    view = submit_file(api, format_csv(table))
    assert count_written_rows(world) == before
    refusals = []
    for result in view["results"]:
        assert result["outcome"] == "refused"
        for error in result["errors"]:
            assert any("\u4e00" <= each <= "\u9fff" for each in error["sentence"]), error
            assert error["sentence_en"].isascii() or "“" in error["sentence_en"], error
        refusals.append(
            [(each["code"], each["pointer"], each.get("column")) for each in result["errors"]]
        )
        assert result["pointer"] == result["errors"][0]["pointer"]
    for (changes, *wanted), found in zip(BAD_CELLS, refusals, strict=True):
        assert tuple(wanted) in found, (changes, found)
    assert all(
        number not in json.dumps(view) for number in (PERSON_RESIDENT_ID, PERSON_RESIDENT_ID[:-1])
    )


NUMBERS = [PERSON_RESIDENT_ID, build_resident_id(31), build_resident_id(32)]


def test_a_personal_number_is_nowhere_but_sealed(world: World) -> None:
    api = world.api()
    sent = [
        build_row(1, subject=build_person(NUMBERS[0]), responsible_persons=None),
        build_row(2, source_ref=NUMBERS[1]),
        build_row(3, reason=f"本人 {NUMBERS[1]}", case_ref=NUMBERS[1]),
        build_row(4) | {NUMBERS[2]: NUMBERS[2]},
        build_row(5, subject=build_person(NUMBERS[2][:-1] + "Y"), responsible_persons=None),
        {"source_ref": f"{NUMBERS[1]} 号"},
        NUMBERS[1],
        b'"' + NUMBERS[1].encode(),
    ]
    sheet = [build_cells(each) for each in sent[:3]]
    headed = format_csv([*sheet, {f"说明{NUMBERS[1]}": "甲"}])
    texts = ""
    for content in (
        format_ndjson(sent),
        format_json_array(sent[:-1]),
        format_csv(sheet),
        headed,
        build_workbook(sheet),
    ):
        answer = send_file(api, content)
        texts += answer.text
        name = answer.json().get("submission_id") or answer.json()["id"]
        for path in ("", "/results"):
            texts += api.get(f"{SUBMISSIONS}/{name}{path}").text
    texts += api.get(SUBMISSIONS).text
    with world.registry.database.reading() as connection:
        for table in (Submission, SubmissionBatch):
            texts += str(connection.execute(select(table.__table__)).all())
        parts = connection.execute(select(SubmissionPart.content)).scalars().all()
    assert len(parts) == 5
    for number in NUMBERS:
        assert number not in texts
        assert all(number.encode() not in part for part in parts)
    assert read_outcomes(submit_file(api, format_ndjson(sent)))[:3] == [
        (1, "replayed"),
        (2, "refused"),
        (3, "refused"),
    ]


def test_refused_rows_come_back_marked_and_are_taken_once_mended(world: World) -> None:
    api = world.api()
    table = [build_cells(each) for each in build_rows(4)]
    table[1]["决定日期"] = "去年"
    table[3]["统一社会信用代码"] = "91370403MB000CT75X"
    for content in (build_workbook(table), format_csv(table, encoding="gb18030")):
        view = submit_file(api, content)
        assert view["progress"]["refused"] == 2
        answer = api.get(f"{SUBMISSIONS}/{view['id']}/refused.xlsx")
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == XLSX
        assert f"refused-{view['id']}" in answer.headers["Content-Disposition"]
        header, *back = (
            CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
            .get_sheet_by_index(0)
            .to_python()
        )
        mended = [dict(zip(header, values, strict=True)) for values in back]
        assert [each["来源编号"] for each in mended] == ["HR-2", "HR-4"]
        assert [each["原文件行号"] for each in mended] == ["3", "5"]
        assert "决定日期" in mended[0]["退回原因"]
        comments = zipfile.ZipFile(io.BytesIO(answer.content)).read("xl/comments1.xml").decode()
        assert mended[0]["退回原因"].partition("：")[2] in comments
    # Unchanged it is refused for the same reasons; corrected, with its added columns, it is
    # accepted.
    again = submit_file(api, answer.content)
    assert read_outcomes(again) == [(2, "refused"), (3, "refused")]
    mended[0]["决定日期"] = "2026-11-20"
    mended[1]["统一社会信用代码"] = build_row(4)["subject"]["identifiers"][0]["number"]
    assert read_outcomes(submit_file(api, build_workbook(mended))) == [
        (2, "accepted"),
        (3, "accepted"),
    ]
    assert [each[1] for each in read_outcomes(submit_file(api, format_ndjson(build_rows(4))))] == [
        "replayed"
    ] * 4


def test_only_tables_have_a_workbook_to_mend(world: World) -> None:
    api = world.api()
    view = submit_file(api, format_ndjson([build_row(1, reason=None)]))
    require_refused(api.get(f"{SUBMISSIONS}/{view['id']}/refused.xlsx"), 409, "submission_state")
    view = submit_file(
        api, format_csv([build_cells(build_row(1))])
    )  # no refused rows: only headings
    back = api.get(f"{SUBMISSIONS}/{view['id']}/refused.xlsx")
    assert back.status_code == 200
    require_refused(world.api("auditor").get(back.request.url.path), 403, "forbidden")


def test_files_are_let_go_after_a_while_and_their_answers_stay(world: World) -> None:
    api = world.api()
    view = submit_file(
        api, format_csv([build_cells(build_row(1)), build_cells(build_row(2, reason=None))])
    )
    world.clock.instant = world.clock.instant.replace(year=2027)
    queue.SubmissionQueue().clean_up(world.registry)
    with world.registry.database.reading() as connection:
        assert connection.execute(select(SubmissionPart.number)).all() == []
    assert read_outcomes({"results": read_results(api, view)}) == [(2, "accepted"), (3, "refused")]
    require_refused(api.get(f"{SUBMISSIONS}/{view['id']}/refused.xlsx"), 409, "submission_state")


# --- the template ---------------------------------------------------------


def test_the_template_is_filled_in_and_taken(world: World) -> None:
    for role in ("department", "operator", "auditor"):
        answer = world.api(role).get(f"{SUBMISSIONS}/template.xlsx")
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == XLSX
    for role in ("approver", "subscriber"):
        require_refused(world.api(role).get(f"{SUBMISSIONS}/template.xlsx"), 403, "forbidden")
    api = world.api()
    asked = {"list_type": BLACK_LIST_TYPE}
    template = api.get(f"{SUBMISSIONS}/template.xlsx", params=asked).content
    # Unchanged it contains no row: its examples do not count.
    require_unreadable(send_file(api, template), "empty_file")
    book = CalamineWorkbook.from_filelike(io.BytesIO(template))
    header = book.get_sheet_by_name("数据").to_python()[0]
    examples = [
        dict(zip(header, values, strict=False))
        for values in book.get_sheet_by_name("示例").to_python()[1:3]
    ]
    options = {value for line in book.get_sheet_by_name("选项").to_python() for value in line}
    assert "拖欠农民工工资失信联合惩戒对象名单" in options
    assert "企业劳动保障守法诚信A级名单" not in options
    filled = build_workbook([dict.fromkeys(header) | example for example in examples])
    assert read_outcomes(submit_file(api, filled, list_type=None)) == [
        (2, "accepted"),
        (3, "accepted"),
    ]
    for unknown in ("no.such", "illegal_social_organizations.black"):  # of another department
        answer = api.get(f"{SUBMISSIONS}/template.xlsx", params={"list_type": unknown})
        require_refused(answer, 422, "unknown_value", "?list_type")


# --- the exchange of penalties and licences -------------------------------

PENALTY = {
    "CF_XDR_MC": "枣庄某某建筑有限公司", "CF_XDR_SHXYM": "91370403MB000CT75T",
    "CF_WSH": "枣人社罚〔2026〕5号", "CF_SY": "未按规定支付工资",
    "CF_YJ": "劳动保障监察条例第三十条", "CF_JDRQ": "2026/11/16",
}  # fmt: skip
NEW = {
    "CF_XDR_LB": "法人及非法人组织", "CF_FRDB": "张某", "CF_CFLB": "罚款；没收违法所得",
    "CF_NR": "罚款两千元", "CF_NR_FK": "0.2", "CF_YXQ": "2099/12/31", "CF_CFJG": "市人社局",
    "SJC": "2026/11/20",
}  # fmt: skip
OLD = {
    "CF_CFMC": "欠薪案", "CF_CFLB1": "警告", "CF_CFLB2": "", "CF_JG": "警告", "CF_ZT": "0",
    "CF_FR": "李某", "CF_JZQ": "2027.11.16",
}  # fmt: skip
LICENCE = {
    "XK_XDR_MC": "枣庄某某建筑有限公司", "XK_XDR_SHXYM": "91370403MB000CT75T",
    "XK_WSH": "枣人社许〔2026〕8号", "XK_XKWS": "准予行政许可决定书", "XK_XKLB": "普通",
    "XK_NR": "劳务派遣", "XK_JDRQ": "2026-11-16", "XK_YXQZ": "2026-11-16", "XK_YXQZI": "2029-11-15",
    "XK_ZT": "1",
}  # fmt: skip


def test_tables_of_the_exchange_become_records(world: World) -> None:
    api = world.api()
    second = PENALTY | OLD | {"CF_WSH": "枣人社罚〔2026〕6号"}
    content = format_csv([PENALTY | NEW, second], encoding="gb18030")
    view = submit_file(api, content, list_type="wage_arrears.penalty")
    assert read_outcomes(view) == [(2, "accepted"), (3, "accepted")], view
    assert [
        each[1]
        for each in read_outcomes(submit_file(api, content, list_type="wage_arrears.penalty"))
    ] == [
        "replayed",
        "replayed",
    ]
    new, old = sorted(read_entries(api).values(), key=lambda entry: entry["decision"]["number"])
    assert new["source_ref"].startswith("枣人社罚〔2026〕5号-")
    assert new["list"] == old["list"] == "record"
    assert new["penalty"] == {
        "categories": ["罚款", "没收违法所得"],
        "content": "罚款两千元",
        "fine": "0.2",
    }
    assert (new["effective_until"], old["effective_until"]) == (None, "2027-11-16")
    assert old["penalty"] == {"categories": ["警告"], "content": "警告"}
    assert "处罚名称：欠薪案" in old["remark"]
    assert [person["name"] for person in old["responsible_persons"]] == ["李某"]
    view = submit_file(api, build_workbook([LICENCE]), list_type="wage_arrears.licence")
    assert read_outcomes(view) == [(2, "accepted")], view
    (granted,) = read_entries(api, list_type="wage_arrears.licence").values()
    assert granted["licence"]["content"] == "劳务派遣"
    assert granted["decision"]["kind"] == "administrative_licence"
    for content, other in (
        (format_csv([PENALTY | NEW]), BLACK_LIST_TYPE),
        (format_csv([PENALTY | NEW]), "wage_arrears.licence"),
        (format_csv([LICENCE]), "wage_arrears.penalty"),
        (format_csv([LICENCE | PENALTY]), "wage_arrears.penalty"),
    ):
        code = (
            "mixed_tables" if b"CF_WSH" in content and b"XK_WSH" in content else "record_types_only"
        )
        require_unreadable(send_file(api, content, list_type=other), code)
    require_unreadable(send_file(api, format_csv([LICENCE]), list_type=None), "list_type_missing")


def test_records_and_lists_may_stand_in_one_file(world: World) -> None:
    sent = [
        build_push(),
        build_push(**build_penalty_changes()),
        build_push(**build_licence_changes()),
        build_push(**build_red_changes(subject=build_subject(name="某"))),
    ]
    view = submit_file(world.api(), format_ndjson(sent), list_type=None)
    assert [each[1] for each in read_outcomes(view)] == ["accepted"] * 3 + ["refused"]
    assert view["results"][3]["code"] == "blacklisted_subject"


def test_reads_of_submissions_need_no_request(world: World) -> None:
    view = submit_file(world.api(), format_ndjson(build_rows(2)))
    submission_id, caller = UUID(view["id"]), COMMAND_LINE_CALLER
    read = queries.read_submission_view(world.registry, caller, submission_id)
    assert read.model_dump(mode="json") == view | {"results": None}
    page = queries.read_submission_page(
        world.registry, caller, department=None, state=None, cursor=None, limit=1
    )
    assert page.submissions == [read]
    lines = b"".join(queries.read_results(world.registry, caller, submission_id, None))
    assert len(lines.splitlines()) == 3  # two rows and the trailer
    template = queries.build_template_workbook(world.registry, caller, BLACK_LIST_TYPE)
    assert CalamineWorkbook.from_filelike(io.BytesIO(template)).sheet_names


def test_a_small_file_of_many_rows_is_handed_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "MAX_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(row_by_row, "FIRST_STEP_ROWS", 2)
    monkeypatch.setattr(row_by_row, "STEP_SECONDS", 60)
    api = world.api()
    answer = api.post(SUBMISSIONS, content=format_ndjson(build_rows(5)))
    assert (answer.status_code, answer.json()["progress"]["accepted"]) == (202, 2)
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    assert read_submission(api, answer.json())["progress"]["accepted"] == 5
    assert len(read_results(api, answer.json())) == 5


def test_answers_beyond_many_are_streamed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "MAX_INLINE_ROWS", 2)
    view = submit_file(world.api(), format_ndjson(build_rows(3)))
    assert (view["state"], view["results"]) == ("done", None)
    assert len(read_results(world.api(), view)) == 3


def test_a_file_that_is_all_wrong_is_not_read_to_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_by_row, "MAX_REFUSED_ROWS", 150)
    view = submit_file(world.api(), b"{}\n" * 1_000)
    assert (view["state"], view["problem"]["code"]) == ("stopped", "too_many_refused")
    assert view["progress"]["refused"] < 1_000


def test_one_department_has_so_many_files_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_settings(world, submission_at_once_bytes=0)
    monkeypatch.setattr(service, "MAX_UNFINISHED", 1)
    api = world.api()
    assert api.post(SUBMISSIONS, content=format_ndjson(build_rows(1))).status_code == 202
    require_refused(api.post(SUBMISSIONS, content=format_ndjson(build_rows(2))), 503, "busy")
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    assert api.post(SUBMISSIONS, content=format_ndjson(build_rows(2))).status_code == 202
