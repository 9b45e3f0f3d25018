"""Workbooks, ordinary and hostile: read by the real child process."""

import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from app.errors import InvalidPayload
from app.submissions.formats.cells import Cell, CellError
from app.submissions.formats.xlsx import reader
from app.submissions.formats.xlsx.limits import DEFAULT_LIMITS, WorkbookLimits
from app.submissions.formats.xlsx.reader import read_workbook
from app.submissions.formats.xlsx.refusals import REFUSALS

HEADER = ["主体名称", "决定日期"]
SHEET = "xl/worksheets/sheet1.xml"
Fill = Callable[[xlsxwriter.Workbook], object]


def is_header(cells: list[Cell]) -> bool:
    return "主体名称" in cells


def workbook(fill: Fill, **options: Any) -> bytes:
    made = BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, **options})
    fill(book)
    book.close()
    return made.getvalue()


def table(*rows: Iterable[Any], header: Iterable[str] = HEADER, name: str = "数据") -> bytes:
    return workbook(lambda book: add(book, name, header, *rows))


def add(book: xlsxwriter.Workbook, name: str, *rows: Iterable[Any]) -> Any:
    sheet = book.add_worksheet(name)
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    return sheet


def pieces(data: bytes, size: int = 1 << 16) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def rows(data: bytes, limits: WorkbookLimits = DEFAULT_LIMITS) -> list[tuple[int, list[Cell]]]:
    return list(read_workbook(pieces(data), is_header=is_header, limits=limits))


def cells(data: bytes) -> list[Cell]:
    """Read the cells of the first row under the header."""
    return rows(data)[1][1]


def refused(data: bytes, limits: WorkbookLimits = DEFAULT_LIMITS) -> str:
    with pytest.raises(InvalidPayload) as caught:
        rows(data, limits)
    (fault,) = caught.value.faults
    assert fault.pointer == ""
    assert fault.sentence == REFUSALS[fault.code]
    return fault.code


def repacked(data: bytes, **parts: bytes | None) -> bytes:
    """Build the same package with parts replaced, added or (None) removed."""
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as old, zipfile.ZipFile(made, "w", 8) as new:
        for name in old.namelist():
            content = parts.pop(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in parts.items():
            new.writestr(name, content or b"")
    return made.getvalue()


def part(data: bytes, name: str) -> bytes:
    return zipfile.ZipFile(BytesIO(data)).read(name)


def with_rows(xml: str) -> bytes:
    """Build a workbook whose rows under the header are given as XML."""
    plain = table(["甲"])
    before, _, after = part(plain, SHEET).decode().partition('<row r="2"')
    after = after.partition("</row>")[2]
    return repacked(plain, **{SHEET: (before + xml + after).encode()})


def children() -> set[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(number) for number in listed.split()}


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


# --- cells -----------------------------------------------------------------


def test_rows_carry_the_numbers_that_the_sheet_shows() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = add(book, "数据")
        sheet.write(0, 0, "二〇二六年第四季度报送表")
        sheet.write_row(3, 1, HEADER)
        sheet.write_row(4, 1, ["甲公司", "2026-11-20"])
        sheet.write_row(6, 1, [" \u3000", "\u200b\xa0"])
        sheet.write_row(9, 1, ["乙公司", ""])

    assert rows(workbook(fill)) == [
        (4, [None, *HEADER]),
        (5, [None, "甲公司", "2026-11-20"]),
        (10, [None, "乙公司"]),
    ]


def test_texts_lose_only_their_blank_ends() -> None:
    given = ["\u3000甲 乙\xa0\u200b", "\ufeff0012", "=1+1", "第一行\n第二行", True, "TRUE"]
    assert cells(workbook(lambda book: _strings(book, given))) == [
        "甲 乙",
        "0012",
        "=1+1",
        "第一行\n第二行",
        True,
        "TRUE",
    ]


def _strings(book: xlsxwriter.Workbook, given: list[Any]) -> None:
    sheet = add(book, "数据", HEADER)
    for at, value in enumerate(given):
        (sheet.write_boolean if isinstance(value, bool) else sheet.write_string)(1, at, value)


def test_numbers_are_restored_or_reported_as_damaged() -> None:
    assert cells(table([12, -3.0, 0.25, 1.1, 370402850612001, 999_999_999_999_999])) == [
        12,
        -3,
        0.25,
        1.1,
        370402850612001,
        999_999_999_999_999,
    ]
    assert all(type(cell) is int for cell in cells(table([12, -3.0, 370402850612001])))
    long = [10**15, 370402198506120013, -(10**16), 1e20, 3.7e17]
    assert cells(table(long)) == [CellError.lost_digits] * 5
    by_hand = with_rows('<row r="2"><c r="A2"><v>3.7E+2</v></c><c r="B2"><v>1e999</v></c></row>')
    assert cells(by_hand) == [370, CellError.lost_digits]


def test_a_fraction_keeps_what_computing_left_behind() -> None:
    data = with_rows('<row r="2"><c r="A2"><v>0.30000000000000004</v></c></row>')
    assert cells(data) == [0.30000000000000004]


@pytest.mark.parametrize("since_1904", [False, True])
def test_days_are_days_in_both_calendars(since_1904: bool) -> None:  # noqa: FBT001
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = add(book, "数据", HEADER)
        forms = ["yyyy-mm-dd", 'yyyy"年"m"月"d"日"', 14, 31, 57, "[$-F800]dddd, mmmm dd, yyyy"]
        for at, form in enumerate(forms):
            shown = book.add_format()
            shown.set_num_format(form)
            sheet.write_datetime(1, at, datetime(2026, 11, 20), shown)  # noqa: DTZ001
        minutes = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet.write_datetime(1, 6, datetime(2026, 11, 20, 9, 30), minutes)  # noqa: DTZ001
        clock = book.add_format({"num_format": "hh:mm:ss"})
        sheet.write_datetime(1, 7, datetime(2026, 1, 1, 18, 5).time(), clock)  # noqa: DTZ001
        length = book.add_format({"num_format": "[h]:mm:ss"})
        sheet.write_datetime(1, 8, timedelta(hours=30, seconds=7), length)
        sheet.write_number(1, 9, 46000)

    read_back = cells(workbook(fill, date_1904=since_1904))
    assert read_back[:6] == [date(2026, 11, 20)] * 6
    assert not any(isinstance(cell, datetime) for cell in read_back[:6])
    assert read_back[6:] == [
        datetime(2026, 11, 20, 9, 30),  # noqa: DTZ001
        "18:05:00",
        "30:00:07",
        46000,
    ]


def test_days_that_are_written_as_texts_of_iso_8601_are_days() -> None:
    data = with_rows(
        '<row r="2"><c r="A2" t="d"><v>2026-11-20</v></c>'
        '<c r="B2" t="d"><v>2026-11-20T09:30:00</v></c></row>'
    )
    assert cells(data) == [date(2026, 11, 20), datetime(2026, 11, 20, 9, 30)]  # noqa: DTZ001


def test_formulas_are_reported_with_any_result() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = add(book, "数据", HEADER, ["甲", None, None, None, "末"])
        sheet.write_formula(1, 1, "=1+1", None, 2)
        sheet.write_formula(1, 2, '="乙"', None, "乙")
        sheet.write_formula(1, 3, '=""', None, "")
        sheet.write_formula(2, 0, "=1/0", None, "#DIV/0!")
        sheet.write_formula(3, 0, '=""', None, "")
        sheet.write_array_formula("A5:B6", "{=TODAY()}", None, 46000)

    shown = CellError.formula
    assert rows(workbook(fill))[1:] == [
        (2, ["甲", shown, shown, shown, "末"]),
        (5, [shown, shown]),
        (6, [shown, shown]),
    ]


def test_a_shared_formula_is_one_in_each_of_its_cells() -> None:
    data = with_rows(
        '<row r="2"><c r="A2" t="inlineStr"><is><t>甲</t></is></c>'
        '<c r="B2"><f t="shared" ref="B2:B3" si="0">A2</f><v>1</v></c></row>'
        '<row r="3"><c r="A3" t="inlineStr"><is><t>乙</t></is></c>'
        '<c r="B3"><f t="shared" si="0"/><v>2</v></c></row>'
    )
    assert rows(data)[1:] == [(2, ["甲", CellError.formula]), (3, ["乙", CellError.formula])]


def test_cells_without_a_reference_are_counted() -> None:
    data = with_rows(
        "<row><c><v>1</v></c><c><f>A2</f><v>1</v></c></row>"
        '<row><c r="B3"><v>1</v></c><c t="e"><v>#N/A</v></c></row>'
    )
    assert rows(data)[1:] == [(2, [1, CellError.formula]), (3, [None, 1, CellError.error])]


def test_formulas_are_found_whatever_prefix_the_elements_have() -> None:
    plain = table(["甲"])
    xml = (
        '<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<x:sheetData><x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>主体名称</x:t></x:is></x:c>'
        '</x:row><x:row r="2"><x:c r="A2"><x:f>1</x:f><x:v>1</x:v></x:c></x:row></x:sheetData>'
        "</x:worksheet>"
    )
    assert cells(repacked(plain, **{SHEET: xml.encode()})) == [CellError.formula]


def test_error_values_are_reported() -> None:
    data = with_rows(
        '<row r="2"><c r="A2" t="e"><v>#N/A</v></c><c r="B2"><v>1</v></c></row>'
        '<row r="3"><c r="A3"><v>1</v></c><c r="C3" t="e"><v>#REF!</v></c></row>'
    )
    assert rows(data)[1:] == [(2, [CellError.error, 1]), (3, [1, None, CellError.error])]


def test_each_merged_cell_below_the_header_is_reported() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        header = [*HEADER, "备注"]
        sheet = add(book, "数据", [], header, ["甲", 1], ["乙", 2], ["丙", 3], ["丁", 4])
        sheet.merge_range("A1:B1", "报送表")
        sheet.merge_range("B3:C4", "合并")
        sheet.merge_range("A6:B8", "以上属实")

    shown = CellError.merged
    assert rows(workbook(fill)) == [
        (2, [*HEADER, "备注"]),
        (3, ["甲", shown, shown]),
        (4, ["乙", shown, shown]),
        (5, ["丙", 3]),
        (6, [shown, shown]),
    ]


# --- the sheet ---------------------------------------------------------------


def test_only_a_sheet_with_headings_holds_data() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        add(book, "说明", ["每行一份决定"], ["请勿合并"])
        add(book, "选项", ["选项：主体类别"], ["法人"])
        add(book, " 示例 ", HEADER, ["某某公司", "2026-11-20"])
        add(book, "空表", HEADER)
        book.add_worksheet("白纸")
        chart = book.add_chart({"type": "bar"})
        chart.add_series({"values": "=数据!$A$1:$A$2"})
        book.add_chartsheet("图").set_chart(chart)
        add(book, "数据", HEADER, ["甲", "2026-11-20"])
        add(book, "隐藏的选项", ["法人"], ["自然人"]).hide()
        add(book, "隐藏的空表", HEADER).hide()

    assert rows(workbook(fill)) == [(1, HEADER), (2, ["甲", "2026-11-20"])]


def test_the_shorter_of_two_sheets_can_be_the_one() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        add(book, "数据", HEADER, ["甲"])
        add(book, "底稿", *([n] for n in range(50)))

    assert rows(workbook(fill)) == [(1, HEADER), (2, ["甲"])]


def test_a_table_without_rows_gives_its_header_row() -> None:
    assert rows(table()) == [(1, HEADER)]


@pytest.mark.parametrize("hide", ["hide", "very_hidden"])
def test_hidden_data_is_refused(hide: str) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        add(book, "数据", HEADER, ["甲"])
        getattr(add(book, "旧表", HEADER, ["乙"]), hide)()

    assert refused(workbook(fill)) == "hidden_sheet"


def test_two_sheets_with_data_are_refused() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        add(book, "一月", HEADER, ["甲"])
        add(book, "二月", HEADER, ["乙"])

    assert refused(workbook(fill)) == "several_sheets"


def test_headings_are_looked_for_among_ten_rows() -> None:
    above = [[f"第 {n} 行"] for n in range(9)]
    found = workbook(lambda book: add(book, "数据", *above, HEADER, ["甲"]))
    assert rows(found) == [(10, HEADER), (11, ["甲"])]
    late = workbook(lambda book: add(book, "数据", *above, ["再一行"], HEADER, ["甲"]))
    assert refused(late) == "no_header_row"
    assert refused(workbook(lambda book: add(book, "示例", HEADER, ["甲"]))) == "no_header_row"
    assert refused(workbook(lambda book: book.add_worksheet())) == "no_header_row"


# --- other files ------------------------------------------------------------


def test_a_damaged_file_is_refused() -> None:
    whole = table(*(["甲", n] for n in range(100)))
    assert refused(b"") == "unreadable_workbook"
    assert refused(whole[: len(whole) // 2]) == "unreadable_workbook"
    assert refused(whole[:-30]) == "unreadable_workbook"
    assert refused(repacked(whole, **{SHEET: part(whole, SHEET)[:-300]})) == "unreadable_workbook"
    assert refused(repacked(whole, **{SHEET: None})) == "unreadable_workbook"
    flipped = bytearray(repacked(whole, **{"xl/junk.bin": os.urandom(5000)}))
    at = flipped.find(b"xl/worksheets/sheet1.xml") + 60
    flipped[at : at + 40] = bytes(40)
    assert refused(bytes(flipped)) == "unreadable_workbook"


def test_what_is_no_xlsx_is_refused() -> None:
    assert refused("主体名称,决定日期\n".encode()) == "not_a_workbook"
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("content.xml", "<office:document-content/>")
    assert refused(archive.getvalue()) == "not_a_workbook"
    kinds = part(table(["甲"]), "[Content_Types].xml")
    document = kinds.replace(b"spreadsheetml.sheet.main", b"wordprocessingml.document.main")
    assert refused(repacked(table(["甲"]), **{"[Content_Types].xml": document})) == "not_a_workbook"


def test_an_old_or_encrypted_file_is_refused() -> None:
    ole = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(4000)
    assert refused(ole) == "old_or_encrypted_workbook"
    locked = bytearray(table(["甲"]))
    entry = locked.find(b"PK\x01\x02")
    locked[entry + 8] |= 1
    assert refused(bytes(locked)) == "old_or_encrypted_workbook"


def test_macros_are_refused() -> None:
    plain = table(["甲"])
    assert refused(repacked(plain, **{"xl/vbaProject.bin": b"x"})) == "macros"
    assert refused(repacked(plain, **{"xl/macrosheets/sheet1.xml": b"x"})) == "macros"
    kinds = part(plain, "[Content_Types].xml").replace(
        b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        b"application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    )
    assert refused(repacked(plain, **{"[Content_Types].xml": kinds})) == "macros"


def test_entities_are_refused() -> None:
    sheet = part(table(["甲"]), SHEET).decode()
    head, _, rest = sheet.partition("<worksheet")
    bomb = f'{head}<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet{rest}'
    bomb = bomb.replace("</row>", '<c r="C9"><f>1</f></c></row>', 1)
    assert refused(repacked(table(["甲"]), **{SHEET: bomb.encode()})) == "unreadable_workbook"


def unpacking_to(size: int, name: str = "xl/media/image1.bin", **content: bytes) -> bytes:
    """Build a workbook of which one part unpacks to `size` bytes, mostly one repeated block."""
    packer = zlib.compressobj(9, wbits=-15)
    start = packer.compress(content.get("start", b"")) + packer.flush(zlib.Z_FULL_FLUSH)
    repeated = content.get("repeated", bytes(1 << 20))
    block = packer.compress(repeated) + packer.flush(zlib.Z_FULL_FLUSH)
    times = size // len(repeated)
    made = BytesIO(repacked(table(["甲"]), **{name: b""}))
    with zipfile.ZipFile(made) as old:
        kept = {other: old.read(other) for other in old.namelist() if other != name}
    made = BytesIO()
    with zipfile.ZipFile(made, "w", 8) as new:
        for other, data in kept.items():
            new.writestr(other, data)
        new.writestr(name, start + block * times + packer.flush(), compress_type=0)
    package = bytearray(made.getvalue())
    for method, unpacked in _fields(package, name.encode()):
        package[method : method + 2] = (8).to_bytes(2, "little")
        package[unpacked : unpacked + 4] = (len(repeated) * times).to_bytes(4, "little")
    return bytes(package)


def _fields(package: bytearray, name: bytes) -> list[tuple[int, int]]:
    """Find the method and the unpacked size of a part: before it, and in the directory."""
    local, directory = package.find(name) - 30, package.rfind(name) - 46
    return [(local + 8, local + 22), (directory + 10, directory + 24)]


def test_a_small_file_that_unpacks_to_two_gigabytes_is_refused() -> None:
    packed = unpacking_to(2 << 30)
    assert len(packed) < 3 << 20
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        assert archive.getinfo("xl/media/image1.bin").file_size == 2 << 30
    assert refused(packed) == "zip_bomb"


def test_a_part_of_a_thousand_times_its_size_is_refused_though_small() -> None:
    assert refused(unpacking_to(32 << 20)) == "zip_bomb"


def test_a_package_of_too_many_parts_is_refused() -> None:
    many = {f"xl/media/{n}.bin": b"" for n in range(30)}
    few = replace(DEFAULT_LIMITS, parts=25)
    assert refused(repacked(table(["甲"]), **many), few) == "zip_bomb"


def test_a_part_is_not_unpacked_beyond_the_size_that_it_declares() -> None:
    start = part(table(["甲"]), SHEET).partition(b"<sheetData>")[0] + b"<sheetData>"
    row = b"<row><c><v>1</v></c></row>"
    lying = bytearray(unpacking_to(1 << 30, SHEET, start=start, repeated=row * 40_000))
    for _, unpacked in _fields(lying, SHEET.encode()):
        lying[unpacked : unpacked + 4] = (1000).to_bytes(4, "little")
    assert refused(bytes(lying)) == "unreadable_workbook"


def huge_range() -> bytes:
    """Build a few cells, at the two ends of the sheet."""
    return with_rows(
        '<row r="2"><c r="A2"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    )


def test_a_sheet_that_needs_more_memory_than_there_is_is_refused() -> None:
    assert refused(huge_range()) == "too_large_inside"
    rather = with_rows(
        '<row r="2"><c r="A2"><v>1</v></c></row><row r="300000"><c r="CV300000"><v>1</v></c></row>'
    )
    assert refused(rather, replace(DEFAULT_LIMITS, memory_bytes=256 << 20)) == "too_large_inside"


def test_a_sheet_that_needs_more_time_than_there_is_is_refused() -> None:
    slow = with_rows(
        '<row r="2"><c r="A2"><v>1</v></c></row><row r="999999"><c r="J999999"><v>1</v></c></row>'
    )
    assert refused(slow, replace(DEFAULT_LIMITS, cpu_seconds=1)) == "too_large_inside"
    assert refused(slow, replace(DEFAULT_LIMITS, wait_seconds=0.5)) == "too_large_inside"


def test_a_row_of_more_bytes_than_are_taken_is_refused() -> None:
    wide = table([f"{n}" * 1000 for n in range(300)])
    assert refused(wide, replace(DEFAULT_LIMITS, line_bytes=100_000)) == "too_large_inside"


# --- the process ----------------------------------------------------------------


def many(count: int) -> bytes:
    return table(*([f"企业{n}有限公司", f"{n:018}", "2026-11-20", 0.5] for n in range(count)))


def test_twenty_thousand_rows_pass_through_little_memory() -> None:
    data = many(20_000)
    tracemalloc.start()
    count = 0
    for number, _ in read_workbook(pieces(data), is_header=is_header):
        count += 1
        assert number == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_001
    assert peak < 3 << 20


def test_rows_that_are_left_unread_leave_no_process() -> None:
    before = children()
    stream = read_workbook(pieces(many(20_000)), is_header=is_header)
    assert next(stream)[0] == 1
    assert len(children() - before) == 1
    stream.close()  # type: ignore[attr-defined]
    assert children() <= before


def test_a_file_that_breaks_off_on_its_way_leaves_no_process() -> None:
    def broken() -> Iterator[bytes]:
        yield table(["甲"])[:1000]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(read_workbook(broken(), is_header=is_header))


def test_a_reader_who_fails_leaves_no_process() -> None:
    def fails(_: list[Cell]) -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        list(read_workbook(pieces(table(["甲"])), is_header=fails))


def test_the_child_knows_no_secret_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDBLACK_SECRET_KEY_FILE", "/somewhere")
    monkeypatch.setenv("PGPASSWORD", "secret")
    stream = read_workbook(pieces(many(20_000)), is_header=is_header)
    before = children()
    next(stream)
    (child,) = children() - before
    inherited = Path(f"/proc/{child}/environ").read_bytes()
    stream.close()  # type: ignore[attr-defined]
    assert b"PATH=" in inherited
    assert b"REDBLACK" not in inherited
    assert b"PGPASSWORD" not in inherited


def test_the_child_may_not_write_files_nor_dump_its_memory() -> None:
    stream = read_workbook(pieces(many(20_000)), is_header=is_header)
    before = children()
    next(stream)
    (child,) = children() - before
    limit_lines = Path(f"/proc/{child}/limits").read_text().splitlines()
    stream.close()  # type: ignore[attr-defined]
    limits = {line[:26].strip(): line[26:].split()[0] for line in limit_lines}
    assert limits["Max core file size"] == "0"
    assert limits["Max file size"] == "0"
    assert limits["Max cpu time"] == str(DEFAULT_LIMITS.cpu_seconds)
    assert limits["Max address space"] == str(DEFAULT_LIMITS.memory_bytes)


def test_a_child_that_does_not_start_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError):
        rows(table(["甲"]))


def test_the_child_imports_no_framework() -> None:
    asked = "import sys, app.submissions.formats.xlsx.child; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert loaded.isdisjoint({"sqlalchemy", "fastapi", "pydantic", "httpx", "python_calamine"})


def test_the_child_ends_with_its_parent() -> None:
    asked = [
        sys.executable,
        "-m",
        "app.submissions.formats.xlsx.child",
        json.dumps(asdict(DEFAULT_LIMITS)),
    ]
    ran = subprocess.run(asked, input=b"", capture_output=True, timeout=20, check=False)
    assert ran.stdout.startswith(b'["ready"]\n')
    assert json.loads(ran.stdout.splitlines()[-1]) == ["refused", "unreadable_workbook"]


def test_every_refusal_says_what_to_do_in_both_languages() -> None:
    for sentence in REFUSALS.values():
        assert "请" in sentence.zh
        assert sentence.en.isascii() or "主体名称" in sentence.en
