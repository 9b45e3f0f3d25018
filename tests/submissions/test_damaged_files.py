"""Damaged files: the file or its rows are refused with a reason; no value is guessed.

An unreadable file is never recorded in part, and never causes a server error.
"""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import xlsxwriter

from app.submissions.upload.encrypted_file import PART_BYTES
from tests.conftest import DATABASES
from tests.support.problems import count_written_rows, read_problem, require_refused
from tests.support.request_bodies import PERSON_RESIDENT_ID
from tests.support.submission_files import (
    NDJSON,
    OCTET_STREAM,
    SUBMISSIONS,
    View,
    build_cells,
    build_form,
    build_grid,
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
    require_unreadable,
    send_file,
    submit_file,
    submit_in_background,
)
from tests.support.world import World


@pytest.fixture(params=DATABASES[:1])
def backend(request: pytest.FixtureRequest) -> str:
    """One database: reading a file does not depend on it."""
    return str(request.param)


CSV = "text/csv"
TABLE = [build_cells(each) for each in build_rows(3)]
TEXT = format_csv(TABLE)
BOOK = build_workbook(TABLE)
HEADER = list(TABLE[0])
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def with_headings(*headings: str, instead: str = "") -> bytes:
    """Build the table with further headings, or with one replaced."""
    text = TEXT.decode()
    first, _, rest = text.partition("\r\n")
    if instead:
        return (first.replace(instead, headings[0]) + "\r\n" + rest).encode()
    return (",".join([first, *headings]) + "\r\n" + rest).encode()


def book(fill: Callable[[xlsxwriter.Workbook, Any], object]) -> bytes:
    """Build the table as a workbook, and change it."""
    made = io.BytesIO()
    opened = xlsxwriter.Workbook(made, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    sheet = opened.add_worksheet("数据")
    for number, values in enumerate(build_grid(TABLE)):
        sheet.write_row(number, 0, values)
    fill(opened, sheet)
    opened.close()
    return made.getvalue()


def at(heading: str, line: int = 2) -> tuple[int, int]:
    """Return the cell of a heading in the row of that number."""
    return line - 1, HEADER.index(heading)


def bomb() -> bytes:
    """Build a workbook whose one part is only blanks, a thousand times its size."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(BOOK)) as old, zipfile.ZipFile(made, "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("xl/worksheets/sheet2.xml", b" " * 11 * (1 << 20))
    return made.getvalue()


def with_macros() -> bytes:
    """Build a workbook with a part that contains a program."""
    made = io.BytesIO(BOOK)
    with zipfile.ZipFile(made, "a") as opened:
        opened.writestr("xl/vbaProject.bin", b"Attribute VB_Name")
    return made.getvalue()


def hidden(opened: xlsxwriter.Workbook, _: object) -> None:
    sheet = opened.add_worksheet("旧表")
    for number, values in enumerate(build_grid(TABLE)):
        sheet.write_row(number, 0, values)
    sheet.hide()


def several(opened: xlsxwriter.Workbook, sheet: Any) -> None:
    hidden(opened, sheet)
    opened.worksheets()[-1].hidden = 0


LETTERS = "拖欠".encode()
GBK = format_csv(TABLE, encoding="gb18030")
WHOLE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty_file"),
    "blanks": (b" \r\n\t\n", "empty_file"),
    "a BOM": (b"\xef\xbb\xbf", "empty_file"),
    "an empty array": (b"[]", "empty_file"),
    "only a header": (format_csv([]) + TEXT.partition(b"\r\n")[0], "empty_file"),
    "an array cut at once": (b"[", "malformed_json"),
    "an array cut in its first row": (format_json_array(build_rows(1))[:200], "malformed_json"),
    "no array": (b"[}", "malformed_json"),
    "nothing but depth": (b"[" * 1_000_000, "too_deep"),
    "nothing but halves of letters in depth": (b"[" * 10_000 + b'"\\ud800"', "too_deep"),
    "a number too large for any": (b'[{"source_ref":1e999}]', "malformed_json"),
    "a digit row too long for any": (b'[{"a":' + b"9" * 400 + b"}]", "malformed_json"),
    "a quote left open in the first row": (TEXT.replace(b"HR-1", b'"HR-1', 1), "malformed_csv"),
    "a line of two megabytes": (b'{"reason":"' + b"x" * 2_000_000 + b'"}', "row_too_long"),
    "an item of three megabytes": (
        b'[{"reason":"' + b"x" * 3_000_000 + b'"}]',
        "row_too_long",
    ),
    "an object over many lines": (b'{"list_type":\n"a"}', "malformed_json"),
    "a push written for people": (json.dumps(build_row(1), indent=2).encode(), "malformed_json"),
    "rows in an object": (b'{"rows": [\n{"a":1},\n{"a":2}\n]}', "malformed_json"),
    "a record over many lines": (
        TEXT.partition(b"\r\n")[0] + b"\r\n" + b",".join([b'"' + b"x\n" * 60_000 + b'"'] * 10),
        "row_too_long",
    ),
    "a table of one line": (TEXT.replace(b"\r\n", b"," * 1_100_000, 1), "row_too_long"),
    "no text at all": (bytes(range(128, 256)) * 3, "unknown_encoding"),
    "packed": (b"\x1f\x8b\x08\x00" + bytes(200), "unknown_encoding"),
    "UTF-8 with a byte of Latin": (TEXT + b"\xff\xff", "unknown_encoding"),
    "UTF-8 cut in a letter": (TEXT[: TEXT.rindex(LETTERS) + 4], "unknown_encoding"),
    "UTF-8 cut in its first letter": (TEXT[:1], "unknown_encoding"),
    "UTF-8 that lacks a byte": (TEXT.replace(LETTERS, LETTERS[:-1], 1), "unknown_encoding"),
    "UTF-8 that lacks its first byte": (TEXT[1:], "unknown_encoding"),
    "UTF-8 with a mark that lacks a byte": (
        b"\xef\xbb\xbfa,b\r\n" + LETTERS[:-1],
        "unknown_encoding",
    ),
    "UTF-8 and GBK": (TEXT + GBK.partition(b"\r\n")[2], "unknown_encoding"),
    "GBK and UTF-8": (GBK + TEXT.partition(b"\r\n")[2], "unknown_encoding"),
    "UTF-16 cut in a letter": (TEXT.decode().encode("utf-16")[:-1], "unknown_encoding"),
    "UTF-16 with half a letter": (
        TEXT.decode().encode("utf-16") + b"\x00\xd8\x41\x00",
        "unknown_encoding",
    ),
    "UTF-32": (TEXT.decode().encode("utf-32"), "unknown_encoding"),
    "mojibake": (TEXT.decode().encode("gb18030").decode("latin-1").encode(), "no_header_row"),
    "no header": (TEXT.partition(b"\r\n")[2], "no_header_row"),
    "prose": ("各位领导：\n现将有关情况报告如下。\n".encode(), "no_header_row"),
    "a page above the header": (b"\n".join([b"x"] * 11) + b"\n" + TEXT, "no_header_row"),
    "web page": (b"<!DOCTYPE html><html><body>502</body></html>", "no_header_row"),
    "PDF": (b"%PDF-1.7\n" + bytes(100), "not_a_table"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_a_table"),
    "an unknown heading": (with_headings("处罚觉定日期", instead="决定日期"), "unknown_column"),
    "a heading twice": (with_headings("决定日期"), "column_twice"),
    "a heading in two languages": (with_headings("decided_on"), "column_twice"),
    "a heading with a number": (with_headings(f"某{PERSON_RESIDENT_ID}"), "unknown_column"),
    "a column missing": (with_headings("备注", instead="列入事由"), "column_missing"),
    "columns without end": (with_headings(*map(str, range(600))), "too_many_columns"),
    "the same heading without end": (with_headings(*["决定日期"] * 600), "too_many_columns"),
    "an amount of no unit": (with_headings("罚款金额"), "unknown_unit"),
    "a workbook cut off": (BOOK[: len(BOOK) // 2], "unreadable_workbook"),
    "a workbook of noise": (BOOK[:2000] + bytes(100) + BOOK[2100:], "unreadable_workbook"),
    "a workbook of two letters": (b"PK", "unreadable_workbook"),
    "another package": (b"PK\x05\x06" + bytes(18), "not_a_workbook"),
    "an old workbook": (OLE + bytes(600), "old_or_encrypted_workbook"),
    "macros": (with_macros(), "macros"),
    "a bomb": (bomb(), "zip_bomb"),
    "a hidden sheet": (book(hidden), "hidden_sheet"),
    "two sheets": (book(several), "several_sheets"),
    "a workbook without rows": (build_workbook([dict.fromkeys(HEADER)]), "empty_file"),
    "a workbook without headings": (build_workbook([{"甲": 1}]), "no_header_row"),
}


def test_what_cannot_be_read_is_refused_whole_and_in_words(world: World) -> None:
    api = world.api()
    chinese = {"Accept-Language": "zh"}
    change_settings(world, submission_at_once_bytes=5_000_000)
    before = count_written_rows(world)
    for name, (content, code) in WHOLE.items():
        answer = send_file(api, content)
        document = require_unreadable(answer, code)
        assert PERSON_RESIDENT_ID not in answer.text
        later = api.get(f"{SUBMISSIONS}/{document['submission_id']}", headers=chinese).json()
        assert (later["state"], later["problem"]["code"]) == ("refused", code), name
        assert later["progress"]["rows_read"] == 0
        for sentence in (later["problem"]["detail"], *_sentences(later)):
            assert any("\u4e00" <= each <= "\u9fff" for each in sentence), (name, sentence)
        assert read_results(api, document | {"id": document["submission_id"]}) == []
    assert count_written_rows(world) == before


def _sentences(view: View) -> list[str]:
    return [error["sentence"] for error in view["problem"]["errors"]]


def test_an_unknown_heading_is_named_with_the_nearest_one(world: World) -> None:
    content, _ = WHOLE["an unknown heading"]
    answer = world.api().post(
        SUBMISSIONS,
        content=content,
        params={"list_type": "wage_arrears.black"},
        headers={"Accept-Language": "zh"},
    )
    named = [each["detail"] for each in read_problem(answer)["errors"]]
    assert "未知的列「处罚觉定日期」，是否为「处罚决定日期」？" in named


ROWS: dict[str, tuple[bytes, list[tuple[int, str | None]]]] = {
    "a broken line between good ones": (
        format_ndjson([build_row(1), b'{"source_ref":"HR-2",', build_row(3)]),
        [(1, None), (2, "malformed_json"), (3, None)],
    ),
    "lines that are no objects": (
        format_ndjson([b"{}x", b"[]", b'"a"', b"1", b"null", b"NaN"]),
        [
            (1, "malformed_json"),
            (2, "wrong_type"),
            (3, "wrong_type"),
            (4, "wrong_type"),
            (5, "wrong_type"),
            (6, "malformed_json"),
        ],
    ),
    "a broken first line": (
        format_ndjson([b'{"source_ref":"HR-1",', build_row(2), b'{"source_ref":']),
        [(1, "malformed_json"), (2, None), (3, "malformed_json")],
    ),
    "nothing but a broken line": (b'{"source_ref":"HR-1",', [(1, "malformed_json")]),
    "items that are no objects": (b"[[], 1, null]", [(n, "wrong_type") for n in (1, 2, 3)]),
    "NULs": (
        format_ndjson(
            [build_row(1, reason="拖\0欠"), json.dumps(build_row(2)).encode()[:-1] + b"\0}"]
        ),
        [(1, "control_character"), (2, "malformed_json")],
    ),
    "NULs in a table": (
        TEXT.replace("拖欠".encode(), "拖\0欠".encode(), 1),
        [(2, "control_character"), (3, None), (4, None)],
    ),
    "half a letter in a line": (
        format_ndjson([json.dumps(build_row(1)).replace("HR-1", "\\ud800").encode(), build_row(2)]),
        [(1, "malformed_json"), (2, None)],
    ),
    "a line in GBK": (
        format_ndjson(
            [build_row(1), json.dumps(build_row(2), ensure_ascii=False).encode("gb18030")]
        ),
        [(1, None), (2, "malformed_json")],
    ),
    "depth": (
        format_ndjson(
            [
                b"{" + b'"a":{' * 2000 + b"}" * 2001,
                json.dumps(build_row(1) | {"reason": [[[[]]]]}).encode(),
            ]
        ),
        [(1, "malformed_json"), (2, "not_text")],
    ),
    "giant numbers": (
        format_ndjson(
            [
                build_row(1) | {"conduct_continues": 10**300},
                build_row(2, source_ref=10**400),
                build_row(3) | {"penalty": {"fine": 10**30}},
            ]
        ),
        [(1, "not_true_or_false"), (2, "malformed_json"), (3, "wrong_type")],
    ),
    "half an export": (
        format_ndjson(
            [
                dict.fromkeys(
                    ("id", "version", "seq", "list_type", "subject", "decision", "disclosure"), 1
                )
            ]
        ),
        [(1, "wrong_type")],
    ),
    "one cell too many": (
        TEXT.replace(b"HR-2,", b"HR-2,,", 1),
        [(2, None), (3, "too_many_cells"), (4, None)],
    ),
    "cells that are missing": (
        TEXT.rstrip()
        .rpartition(b",")[0]
        .rpartition(b",")[0]
        .rpartition(b",")[0]
        .rpartition(b",")[0],
        [(2, None), (3, None), (4, "conduct_end_missing")],
    ),
    "a formula, an error, damaged numbers": (
        format_csv(
            [
                TABLE[0] | {"列入事由": "=1+1"},
                TABLE[1] | {"列入事由": "#N/A"},
                TABLE[2] | {"统一社会信用代码": "9.13704E+17"},
            ]
        ),
        [(2, "formula_cell"), (3, "error_cell"), (4, "number_damaged")],
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_damaged_row_is_answered_and_the_others_are_recorded(world: World, name: str) -> None:
    content, wanted = ROWS[name]
    view = submit_file(world.api(), content)
    assert [(each["row"], each.get("code")) for each in view["results"]] == wanted
    for each in view["results"]:
        if each["outcome"] == "refused":
            assert any("\u4e00" <= letter <= "\u9fff" for letter in each["sentence"])
    assert len(read_entries(world.api())) == [code for _, code in wanted].count(None)


def test_faults_without_end_are_counted_and_not_listed(world: World) -> None:
    api = world.api()
    header, _, rest = TEXT.partition(b"\r\n")
    first, _, others = rest.partition(b"\r\n")
    stray = b"\r\n".join([header + b"," * 20_000, first + b",x" * 20_000, others])
    fields = build_row(4) | {f"field_{n}": n for n in range(60)}
    for content, code, left_out in (
        (stray, "cell_without_heading", 2),  # the search stops here
        (format_ndjson([fields, build_row(2), build_row(3)]), "unknown_field", 41),
    ):
        damaged, *good = submit_file(api, content)["results"]
        assert (damaged["code"], len(damaged["errors"])) == (code, 20)
        assert [each["code"] for each in damaged["errors"]] == [code] * 19 + ["more_faults"]
        assert damaged["errors"][-1]["sentence"].startswith(f"另有至少 {left_out} 处")
        assert {each.get("code") for each in good} == {None}


def test_many_unknown_headings_are_counted_and_not_listed(world: World) -> None:
    api = world.api()
    content = with_headings(*(f"某某{n}" for n in range(100)))
    document = read_problem(send_file(api, content))
    view = api.get(f"{SUBMISSIONS}/{document['submission_id']}").json()
    codes = [each["code"] for each in view["problem"]["errors"]]
    assert codes == ["unknown_column"] * 49 + ["more_faults"]
    assert "51" in view["problem"]["errors"][-1]["sentence"]


def damaged_cells(opened: xlsxwriter.Workbook, sheet: Any) -> None:
    """Build one row for each damage that a spreadsheet does to cells, and one good row."""
    sheet.write_formula(*at("列入事由", 2), '="拖欠"&"工资"', None, "拖欠工资")
    sheet.merge_range(*at("决定文号", 3), *at("决定文号", 4), "枣人社列〔2026〕12号")
    for line, heading, value in (
        (5, "统一社会信用代码", 913704030000000000.0),
        (6, "决定日期", 46346),
        (7, "法定代表人证件号码", 3.7040219850612e17),
        (8, "决定文号", date(2026, 11, 20)),
        (9, "列入事由", True),
    ):
        for place, cell in enumerate(build_cells(build_row(line)).values()):
            sheet.write(line - 1, place, cell)
        sheet.write(*at(heading, line), value)
    sheet.write_formula(*at("列入事由", 9), "=1/0", None, "#DIV/0!")
    whole = build_cells(build_row(10)) | {
        "决定日期": date(2026, 11, 20),
        "行为终了日期": date(2026, 10, 31),
    }
    for place, cell in enumerate(whole.values()):
        sheet.write(9, place, f" {cell}\u3000" if isinstance(cell, str) else cell)
    assert opened


def test_what_a_spreadsheet_did_to_a_cell_is_said(world: World) -> None:
    view = submit_file(world.api(), book(damaged_cells))
    assert [(each["row"], each.get("code"), each.get("column")) for each in view["results"]] == [
        (2, "formula_cell", "列入事由"),
        (3, "merged_cell", "决定文号"),
        (4, "merged_cell", "决定文号"),
        (5, "number_damaged", "统一社会信用代码"),
        (6, "date_as_number", "决定日期"),
        (7, "number_damaged", "法定代表人证件号码"),
        (8, "date_not_text", "决定文号"),
        (9, "formula_cell", "列入事由"),
        (10, None, None),
    ]
    assert read_entries(world.api()).keys() == {"HR-10"}


BROKEN: dict[str, tuple[bytes, str]] = {
    "an array cut off": (format_json_array(build_rows(150))[:-300], "malformed_json"),
    "depth": (
        format_json_array(build_rows(150))[:-1] + b',{"a":' + b"[" * 900 + b"]" * 900 + b"}]",
        "too_deep",
    ),
    "a quote left open": (
        format_csv([build_cells(each) for each in build_rows(150)]) + b'HR-x,"',
        "malformed_csv",
    ),
    "a line too long": (format_ndjson(build_rows(150)) + b"x" * 2_000_000, "row_too_long"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_breaks_off_is_answered_up_to_there(world: World, name: str) -> None:
    api, (content, code) = world.api(), BROKEN[name]
    change_settings(world, submission_at_once_bytes=5_000_000)
    view = submit_file(api, content)
    assert (view["state"], view["problem"]["code"]) == ("stopped", code)
    # Every row before the break has its answer, with any size of a step.
    assert {each["outcome"] for each in view["results"]} == {"accepted"}
    assert len(view["results"]) == (149 if code == "malformed_json" else 150)
    before = count_written_rows(world)
    again = submit_file(api, content)
    assert {each["outcome"] for each in again["results"]} == {"replayed"}
    whole = submit_file(api, content, commit="all_or_nothing")
    assert (whole["state"], whole["problem"]["code"]) == ("refused", code)
    assert count_written_rows(world) == before


def test_half_a_letter_in_an_array_is_not_made_up_for(world: World) -> None:
    api, reason = world.api(), "拖欠".encode()
    for half in (b"\\ud800", b"\\udc00", b"\\ud83d\\u0041", b"\\ud83dx"):
        view = submit_file(
            api, format_json_array([build_row(1), build_row(2)]).replace(reason, half, 1)
        )
        assert [(each["row"], each.get("code")) for each in view["results"]] == [
            (1, "control_character"),
            (2, None),
        ]
    for half in (b"\xed\xa0\x80", b"\xff"):
        require_unreadable(
            send_file(api, format_json_array([build_row(3)]).replace(reason, half, 1)),
            "malformed_json",
        )
    text = "𠀀 \\ud800 😀"
    assert read_outcomes(submit_file(api, json.dumps([build_row(4, reason=text)]).encode())) == [
        (1, "accepted")
    ]
    assert {name: entry["reason"] == text for name, entry in read_entries(api).items()} == {
        "HR-2": False,
        "HR-4": True,
    }


# --- forms ----------------------------------------------------------------

LINES = format_ndjson(build_rows(1))
FORMS: dict[str, tuple[tuple[bytes, str], int, str]] = {
    "cut off": (build_form(LINES, is_complete=False), 400, "malformed"),
    "without a boundary": ((build_form(LINES)[0], "multipart/form-data"), 400, "malformed"),
    "with a boundary too long": (
        (b"--", f"multipart/form-data; boundary={'x' * 300}"),
        400,
        "malformed",
    ),
    "with another boundary": (
        (build_form(LINES)[0], "multipart/form-data; boundary=other"),
        400,
        "malformed",
    ),
    "empty": ((b"--edge--\r\n", build_form(b"")[1]), 422, "one_file"),
    "of nothing": ((b"", build_form(b"")[1]), 400, "malformed"),
    "without the file": (build_form(LINES, "attachment"), 422, "one_file"),
    "of two files": (
        (build_form(LINES)[0].replace(b"--edge--\r\n", build_form(LINES)[0]), build_form(b"")[1]),
        422,
        "one_file",
    ),
    "an empty file": (build_form(b""), 422, "empty_file"),
}


def test_a_broken_form_is_refused_and_leaves_nothing(world: World) -> None:
    api, before = world.api(), count_written_rows(world)
    for name, ((content, kind), status, code) in FORMS.items():
        answer = send_file(api, content, kind)
        assert answer.status_code == status, (name, answer.text)
        assert read_problem(answer)["code"] == code, (name, answer.text)
    assert count_written_rows(world) == before
    left = api.get(SUBMISSIONS).json()["submissions"]
    assert [each["problem"]["code"] for each in left] == ["empty_file"]
    beside = build_form(LINES)[0].replace(
        b"--edge\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n--edge\r\n',
        1,
    )
    assert read_outcomes(submit_file(api, beside, build_form(b"")[1])) == [(1, "accepted")]


def test_a_sender_that_goes_away_leaves_nothing(world: World) -> None:
    api, before = world.api(), count_written_rows(world)

    def states() -> list[str]:
        return [
            each["state"] for each in world.api("auditor").get(SUBMISSIONS).json()["submissions"]
        ]

    content = format_ndjson(build_rows(3_000))
    assert len(content) > PART_BYTES

    def breaking_off() -> Iterator[bytes]:
        yield content  # its first part is stored
        assert _eventually(lambda: states() == ["receiving"])
        raise ConnectionError

    with pytest.raises(ConnectionError):
        api.post(SUBMISSIONS, content=breaking_off(), headers={"Content-Type": NDJSON})
    assert _eventually(lambda: states() == [])
    assert count_written_rows(world) == before


def _eventually(is_so: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + 20
    while not is_so() and time.monotonic() < give_up:
        time.sleep(0.01)
    return is_so()


def test_damage_is_reported_in_the_background_too(world: World) -> None:
    api = world.api()
    change_settings(world, submission_at_once_bytes=0)
    before = count_written_rows(world)
    for name in ("a workbook cut off", "UTF-16 cut in a letter", "a hidden sheet"):
        content, code = WHOLE[name]
        view = submit_in_background(world, api, content)
        assert (view["state"], view["problem"]["code"]) == ("refused", code)
    assert count_written_rows(world) == before


def test_a_wrong_media_type_changes_nothing(world: World) -> None:
    api = world.api()
    for kind in (OCTET_STREAM, CSV, "image/png", "", "text/csv; charset=gbk"):
        view = submit_file(api, LINES, kind)
        assert view["format"] == "ndjson"
    require_refused(api.put(SUBMISSIONS, content=LINES), 405, "method_not_allowed")
