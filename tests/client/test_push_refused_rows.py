"""Refused rows: their results and their workbook."""

import io
import re
import stat
import zipfile
from pathlib import Path

from tests.support.fake_registry import (
    RESULTS,
    WORKBOOK,
    Action,
    FakeRegistry,
    PushRunner,
    build_refusal,
    build_view,
    send_body,
    send_problem,
)


def test_refused_rows_are_printed_and_their_answers_kept_unchanged(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    registry.first_view = build_view(rows_read=10, accepted=8, refused=2)
    registry.refusals = [
        build_refusal(3),
        build_refusal(
            5, code="missing", column=None, pointer="/decided_on", sentence="缺少\x1b[2J此项"
        ),
    ]
    kept = tmp_path / "refused.ndjson"
    sent = send(results=kept)
    assert (sent.code, registry.requests[1:]) == (3, [f"GET {RESULTS}"])
    assert sent.failed == "2 of 10 rows were refused / 共 10 行，拒绝 2 行"
    assert kept.read_bytes() == registry.results()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sent.err.splitlines() == [
        f"redblack push: {kept}: the answers to refused rows / 被拒绝行的答复",
        "redblack push: row 3 · 统一社会信用代码 · 校验码 不符 (invalid_identifier)",
        "redblack push: row 5 · /decided_on · 缺少 [2J此项 (missing)",
    ]
    sent = send(language="en")
    assert (sent.code, sent.err.count("The check digit does not match")) == (3, 2)


def test_the_first_twenty_are_shown(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    registry.first_view = build_view(rows_read=90, refused=90)
    registry.refusals = [build_refusal(row) for row in range(2, 92)]
    kept = tmp_path / "refused.ndjson"
    for options, where in (
        ({}, "… and 70 more / 另有 70 行; --results FILE keeps them all / 全部答复"),
        ({"results": kept}, f"… and 70 more / 另有 70 行: {kept}"),
    ):
        sent = send(**options)
        assert sent.code == 3
        assert re.findall(r"row (\d+) ", sent.err) == [str(row) for row in range(2, 22)]
        assert where in sent.err
    assert kept.read_bytes() == registry.results()
    registry.first_view = build_view(rows_read=90, refused=20)
    registry.refusals = registry.refusals[:20]
    assert "more" not in send().err


def test_results_without_refused_rows_have_only_the_trailer(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    kept = tmp_path / "refused.ndjson"
    sent = send(results=kept, refused_workbook=tmp_path / "refused.xlsx")
    assert (sent.code, registry.requests[1:]) == (0, [f"GET {RESULTS}"])
    assert kept.read_bytes() == registry.results()
    assert not (tmp_path / "refused.xlsx").exists()


def test_results_without_their_trailer_are_fetched_again(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    registry.first_view = build_view(rows_read=10, refused=3)
    registry.refusals = [build_refusal(row) for row in (2, 3, 4)]
    whole = registry.results()
    lines = whole.splitlines(keepends=True)
    broken: list[Action] = [
        send_body(b"".join(lines[:2])),  # a valid end, but too early
        send_body(whole[:-1]),
        send_body(whole, short=len(lines[-1]) + 9),
        send_body(b""),
        send_problem(503, "busy", "稍后"),
    ]
    for kept in (tmp_path / "refused.ndjson", None):
        registry.overrides = [None, *broken]
        sent = send(results=kept)
        assert (sent.code, sent.pauses) == (3, [1, 2, 4, 8, 16])
        assert re.findall(r"row (\d+) ", sent.err) == ["2", "3", "4"]
        assert sent.err.count("broke off before their trailer") == 3
    assert (tmp_path / "refused.ndjson").read_bytes() == whole


def test_incomplete_results_leave_no_file(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    registry.first_view = build_view(rows_read=10, refused=1)
    registry.overrides = [None] + [send_body(b'{"row":1}\n')] * 20
    kept = tmp_path / "refused.ndjson"
    sent = send(results=kept)
    assert sent.code == 1
    assert sent.failed.endswith("the results broke off before their trailer")
    assert not kept.exists()
    assert "refused 拒绝 1" in sent.lines[-1]  # the recorded rows are still printed


def test_the_refused_rows_come_as_a_workbook(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "0" * 9000)
    registry.workbook = buffer.getvalue()
    registry.first_view = build_view(rows_read=10, refused=1)
    registry.refusals = [build_refusal(3)]
    kept = tmp_path / "退回.xlsx"
    registry.overrides = [
        None,
        None,
        send_body(registry.workbook[:-30]),
        send_body(registry.workbook, short=30),
    ]
    sent = send(refused_workbook=kept)
    assert (sent.code, sent.pauses) == (3, [1, 2])
    assert kept.read_bytes() == registry.workbook
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert registry.requests[1:] == [f"GET {RESULTS}", *[f"GET {WORKBOOK}"] * 3]


def test_target_files_are_validated_before_the_upload(
    registry: FakeRegistry, file: Path, tmp_path: Path, send: PushRunner
) -> None:
    lines = tmp_path / "rows.ndjson"
    lines.write_bytes(b"{}\n")
    new = tmp_path / "new"
    for options, message in (
        ({"results": file}, "exists; name another file"),
        ({"refused_workbook": file}, "exists; name another file"),
        ({"results": tmp_path / "nowhere" / "x"}, "is no directory"),
        ({"results": new, "refused_workbook": new}, "a file each"),
        ({"path": lines, "refused_workbook": new}, "made for .csv and .xlsx"),
    ):
        sent = send(**options)
        assert (sent.code, message in sent.failed) == (1, True), sent.failed
    assert registry.requests == []
