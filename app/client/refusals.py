"""Refused rows of a submission: their results, and the files that keep them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypedDict

import orjson

from app.client.http import ClientError, RetryableError

MAX_SHOWN_REFUSALS = 20
TABLE_SUFFIXES = {".csv", ".xlsx"}


class RowRefusal(TypedDict, total=False):
    """The result of a refused row, as the registry sends it."""

    row: int | None
    code: str | None
    pointer: str | None
    column: str | None
    sentence: str | None
    sentence_en: str | None


def parse_refusals(chunks: Iterator[bytes], draft: BinaryIO | None) -> list[RowRefusal]:
    """Return the first results; with a draft, write all of them to it and require the trailer.

    Raises:
        RetryableError: the answer ended before its trailer.
        ClientError: the answer has other content.
    """
    if draft is not None:
        clear_draft(draft)
    first_lines: list[bytes] = []
    last = rest = b""
    for chunk in chunks:
        if draft is not None:
            draft.write(chunk)
        # Split at this byte alone: a sentence may contain other characters that end a line.
        *lines, rest = (rest + chunk).split(b"\n")
        first_lines += lines[: MAX_SHOWN_REFUSALS - len(first_lines)]
        last = lines[-1] if lines else last
        if draft is None and len(first_lines) == MAX_SHOWN_REFUSALS:
            break
    else:
        if rest or not _is_trailer(last):
            raise RetryableError("the results broke off before their trailer")
    try:
        return [orjson.loads(line) for line in first_lines if not _is_trailer(line)]
    except ValueError as error:
        raise ClientError("what the registry answers are no results / 平台答复有误") from error


def _is_trailer(line: bytes) -> bool:
    try:
        return "trailer" in orjson.loads(line)
    except (TypeError, ValueError):
        return False


def format_refusal(refusal: RowRefusal, language: str) -> str:
    """Return `row 3 · 统一社会信用代码 · sentence (code)`."""
    sentences = (refusal.get("sentence"), refusal.get("sentence_en"))
    first, second = sentences if language == "zh" else reversed(sentences)
    location = refusal.get("column") or refusal.get("pointer")
    parts = [f"row {refusal.get('row')}", *([location] if location else []), first or second or ""]
    return " · ".join(map(str, parts)) + f" ({refusal.get('code')})"


# --- files ------------------------------------------------------------------------


def validate_targets(file: Path, results: Path | None, workbook: Path | None) -> None:
    """Raise `ClientError` unless both files can be made; an existing file is never replaced."""
    for target in (results, workbook):
        if target is not None and target.exists():
            raise ClientError(f"{target} exists; name another file / 文件已存在")
        if target is not None and not target.parent.is_dir():
            raise ClientError(f"{target.parent} is no directory / 目录不存在")
    if results is not None and results == workbook:
        raise ClientError("results and workbook need a file each / 请分别指定文件")
    if workbook is not None and file.suffix.lower() not in TABLE_SUFFIXES:
        raise ClientError("a workbook of refused rows is made for .csv and .xlsx / 仅限表格文件")


@contextmanager
def open_draft(file: Path) -> Iterator[BinaryIO]:
    """Open a file that has a temporary name until it is complete; mode 0600."""
    draft = file.with_name(f"{file.name}.part")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        draft.rename(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def clear_draft(draft: BinaryIO) -> None:
    """Remove the content of an earlier attempt."""
    draft.seek(0)
    draft.truncate()
