"""The end of a push: exit codes and messages."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from app.client.http import ClientError
from app.client.push import ApprovalPending, PushOptions, RowsRefused
from app.client.submission import MAX_BYTES_WITHOUT_KEY_CHECK
from app.jobs.worker import run_waiting_jobs
from app.submissions.processing import queue
from tests.support import submission_files
from tests.support.fake_registry import (
    RESULTS,
    SUBMISSION_ID,
    SUBMISSIONS,
    FakeRegistry,
    PushResult,
    PushRunner,
    build_refusal,
    build_view,
    send_body,
    send_problem,
)
from tests.support.world import World


def test_a_wrong_key_ends_it_at_once(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    sent = send(key="rbk_wrong")
    assert (sent.code, sent.pauses) == (1, [])
    assert sent.failed == "the registry says / 平台答复: 401 unauthenticated: 需要有效的接口密钥"
    assert "rbk_wrong" not in sent.failed + sent.err
    registry.requests.clear()
    large = tmp_path / "large.csv"
    large.write_bytes(bytes(MAX_BYTES_WITHOUT_KEY_CHECK + 1))
    assert send(large, key="rbk_wrong").code == 1
    assert registry.requests == [f"GET {SUBMISSIONS}"]  # no part was sent


def test_a_key_without_read_permission_may_send(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(bytes(MAX_BYTES_WITHOUT_KEY_CHECK + 1))
    registry.overrides = [
        send_problem(503, "busy", "x"),
        send_problem(403, "forbidden", "无此权限"),
    ]
    assert send(large).code == 0
    assert len(registry.uploads) == 1


def test_a_refusal_prints_the_sentence_and_the_first_faults(
    registry: FakeRegistry, send: PushRunner
) -> None:
    faults = [
        {"pointer": f"/columns/{n}", "code": "unknown_column", "detail": "没有该列"}
        for n in range(7)
    ]
    registry.overrides = [send_problem(422, "unreadable_file", "文件无法读取", *faults)]
    sent = send()
    assert (sent.code, sent.pauses) == (1, [])
    assert sent.failed.splitlines() == [
        "the registry says / 平台答复: 422 unreadable_file: 文件无法读取",
        *[f"  /columns/{n}: 没有该列 (unknown_column)" for n in range(5)],
        "  … 7",
        f"  submission {SUBMISSION_ID}",
    ]
    for status in (400, 403, 409, 413, 415, 500):
        registry.overrides = [send_problem(status, "so_it_is", "如此")]
        sent = send()
        assert (sent.code, sent.pauses) == (1, [])
        assert f"{status} so_it_is: 如此" in sent.failed


PROBLEM = {
    "code": "unreadable_file",
    "detail": "文件无法读取",
    "detail_en": "It cannot be read",
    "errors": [],
}


def test_a_refusal_in_the_background_is_printed_in_both_languages(
    registry: FakeRegistry, send: PushRunner
) -> None:
    sentences = {"sentence": "没有表头", "sentence_en": "No header"}
    fault = {"pointer": "", "code": "no_header", **sentences}
    registry.first_view = build_view("queued")
    registry.later_views = [build_view("refused", problem=PROBLEM | {"errors": [fault]})]
    sent = send(results=Path("never.ndjson"))
    assert sent.code == 1
    prefix = f"submission {SUBMISSION_ID} was refused as a whole / 整体退回"
    assert sent.failed.splitlines() == [
        f"{prefix}: unreadable_file: It cannot be read / 文件无法读取",
        "  : No header / 没有表头 (no_header)",
    ]
    assert not Path("never.ndjson").exists()


def test_all_or_nothing_prints_the_rows_that_prevented_it(
    registry: FakeRegistry, send: PushRunner
) -> None:
    registry.first_view = build_view("refused", rows_read=10, refused=1, problem=PROBLEM)
    registry.refusals = [build_refusal(4)]
    sent = send(options=PushOptions(commit="all_or_nothing"))
    assert sent.code == 1
    assert "row 4 · 统一社会信用代码" in sent.err


@pytest.mark.parametrize(
    ("last_view", "code", "message"),
    [
        (
            build_view("held", held_until="2026-11-24T02:00:00Z", refused=3),
            4,
            "until 2026-11-24T02:00:",
        ),
        (build_view("held"), 4, "a second person's approval / "),
        (build_view("stopped", rows_read=9, refused=1), 3, "1 of 9 rows"),
        (build_view("stopped"), 1, "is stopped 已中止"),
        (
            build_view("done", problem=PROBLEM),
            1,
            "已完成，但: unreadable_file: It cannot be read / 文件",
        ),
        (build_view("lapsed", refused=1), 1, "is lapsed 逾期未核准"),
        (build_view("reversed"), 1, "is reversed 已整体撤回"),
        (build_view("refused"), 1, "does not say why"),
        (build_view("done", dry_run=True, rows_read=3, refused=1), 3, "1 of 3 rows"),
        (build_view("done", dry_run=True), 0, ""),
        (build_view("frozen"), 1, "newer than this client"),
        (build_view(id="../../keys"), 1, "newer than this client"),
    ],
)
def test_every_final_state_has_its_exit_code(
    registry: FakeRegistry, send: PushRunner, last_view: dict[str, Any], code: int, message: str
) -> None:
    registry.first_view, registry.later_views = (
        build_view("queued"),
        [build_view("reversing"), last_view],
    )
    registry.refusals = [build_refusal(2)]
    sent = send()
    assert sent.code == code
    assert message in sent.failed
    assert (f"GET {RESULTS}" in registry.requests) == (code == 3)


@pytest.mark.parametrize("at_once", [1_000_000, 0], ids=["at once", "in the background"])
def test_a_real_registry_answers_a_push(
    world: World, tmp_path: Path, send: PushRunner, at_once: int
) -> None:
    submission_files.change_settings(
        world, submission_at_once_bytes=at_once, replace_brake_entries=2
    )
    key = world.api().headers["Authorization"].removeprefix("Bearer ")
    path = tmp_path / "sent.csv"

    def push(*bodies: dict[str, Any], **wishes: Any) -> PushResult:
        path.write_bytes(
            submission_files.format_csv([submission_files.build_cells(body) for body in bodies])
        )
        return send(
            path,
            key=key,
            url=world.address,
            during=lambda _: run_waiting_jobs(world.registry, [queue.SubmissionQueue()]),
            options=PushOptions(list_type=submission_files.BLACK_LIST_TYPE, **wishes),
        )

    done = push(*submission_files.build_rows(8))
    assert (done.code, done.failed, done.err) == (0, "", "")
    assert "done 已完成 · rows 行 8 · accepted 接受 8" in done.lines[1]
    some = push(*submission_files.build_rows(1), submission_files.build_row(9, severity="grave"))
    assert (some.code, some.failed) == (3, "1 of 2 rows were refused / 共 2 行，拒绝 1 行")
    assert "row 3 · 失信程度 · " in some.err

    whole = {"mode": "replace", "department": "human_resources", "reason": "年度更新", "rows": 4}
    held = push(*submission_files.build_rows(4), **whole)
    [pending] = world.api().get(SUBMISSIONS, params={"state": "held"}).json()["submissions"]
    assert held.code == 4
    assert f"submission {pending['id']} is held" in held.failed
    assert f" until {pending['held_until']} / 截止 {pending['held_until']}" in held.failed
    assert pending["held_until"].startswith("2026-11-")

    short = push(*submission_files.build_rows(2), rows=3)
    assert (short.code, "已完成，但: row_count_differs: " in short.failed) == (1, True)
    path.write_bytes("甲,乙\n1,2\n".encode())
    refused = send(
        path,
        key=key,
        url=world.address,
        during=lambda _: run_waiting_jobs(world.registry, [queue.SubmissionQueue()]),
    )
    assert (refused.code, len(refused.lines)) == (1, 0 if at_once else 2)
    assert "no_header_row: " in refused.failed
    assert "submission " in refused.failed
    assert "前 10 行中未找到表头" in refused.failed
    # A problem document has one language, a submission both.
    assert ("No row of headings" in refused.failed) == (not at_once)


def test_each_exit_code_has_its_error() -> None:
    assert (ClientError.exit_code, RowsRefused.exit_code, ApprovalPending.exit_code) == (1, 3, 4)


def test_another_server_is_reported_as_no_registry(
    registry: FakeRegistry, send: PushRunner
) -> None:
    for body in (b"<html>", b"[]", b"{}", b'{"id":1,"state":"done","progress":{"refused":"x"}}'):
        registry.overrides = [send_body(body)]
        sent = send()
        assert (sent.code, sent.failed) == (1, "what answers is no registry / 该地址不是名单平台")


def test_other_bytes_than_were_sent_are_noticed(registry: FakeRegistry, send: PushRunner) -> None:
    registry.overrides = [send_body(orjson.dumps(build_view(sha256="00" * 32)))]
    sent = send()
    assert (sent.code, "other bytes arrived" in sent.failed) == (1, True)
