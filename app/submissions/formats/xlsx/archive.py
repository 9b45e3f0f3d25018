"""The package of a workbook: its table of contents, and its parts as XML elements."""

import re
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from xml.parsers import expat

from app.submissions.formats.xlsx.limits import MAX_INDEX_BYTES, WorkbookLimits

OLE_MAGIC, ZIP_MAGIC = b"\xd0\xcf\x11\xe0", b"PK"
MAIN_PART = re.compile(rb"spreadsheetml\.(sheet|template)\.main\+xml")
MACRO_PARTS = re.compile(rb"macroEnabled|vbaProject|macrosheet", re.IGNORECASE)
MACRO_NAMES = re.compile(r"xl/(vbaProject|macrosheets/)", re.IGNORECASE)


class WorkbookRefused(Exception):
    """The workbook is refused, with this problem code."""


def open_archive(file: BytesIO, limits: WorkbookLimits) -> zipfile.ZipFile:
    """Open the package after checking its table of contents against the limits."""
    magic = bytes(file.getbuffer()[:4])
    if magic == OLE_MAGIC:
        raise WorkbookRefused("old_or_encrypted_workbook")
    if not magic.startswith(ZIP_MAGIC):
        raise WorkbookRefused("unreadable_workbook" if not magic.strip(b"\0") else "not_a_workbook")
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise WorkbookRefused("unreadable_workbook") from None
    _require_within_limits(archive.infolist(), limits)
    names = archive.namelist()
    if len(set(names)) < len(names):
        # Of two parts of one name, two readers may take different ones.
        raise WorkbookRefused("unreadable_workbook")
    if "[Content_Types].xml" not in names:
        raise WorkbookRefused("not_a_workbook")
    kinds = _read_index_part(archive, "[Content_Types].xml")
    if any(map(MACRO_NAMES.match, names)) or MACRO_PARTS.search(kinds):
        raise WorkbookRefused("macros")
    if not MAIN_PART.search(kinds) or "xl/workbook.xml" not in names:
        raise WorkbookRefused("not_a_workbook")
    return archive


def _require_within_limits(parts: Sequence[zipfile.ZipInfo], limits: WorkbookLimits) -> None:
    if any(part.flag_bits & 1 for part in parts):
        raise WorkbookRefused("old_or_encrypted_workbook")
    if (
        len(parts) > limits.parts
        or sum(part.file_size for part in parts) > limits.unpacked_bytes
        or any(
            part.file_size > limits.ratio_min_bytes
            and part.file_size > part.compress_size * limits.compression_ratio
            for part in parts
        )
    ):
        raise WorkbookRefused("zip_bomb")


def _read_index_part(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_INDEX_BYTES:
        raise WorkbookRefused("zip_bomb")
    return archive.read(name)


def find_sheet_part(archive: zipfile.ZipFile, index: int) -> str:
    """Find the part with the XML of the sheet at that index of the workbook."""
    targets: dict[str, str] = {}
    relationship_ids: list[str] = []

    def handle_relationship(name: str, attributes: dict[str, str]) -> None:
        if strip_prefix(name) == "Relationship":
            targets[attributes["Id"]] = attributes["Target"]

    def handle_sheet(name: str, attributes: dict[str, str]) -> None:
        if strip_prefix(name) == "sheet":
            relationship_ids.extend(
                value for key, value in attributes.items() if key.endswith(":id")
            )

    for part, element in (
        ("xl/_rels/workbook.xml.rels", handle_relationship),
        ("xl/workbook.xml", handle_sheet),
    ):
        _read_index_part(archive, part)
        walk_elements(archive, part, element)
    target = targets[relationship_ids[index]]
    return target.lstrip("/") if target.startswith(("/", "xl/")) else f"xl/{target}"


def strip_prefix(name: str) -> str:
    """Return an element name without its namespace prefix."""
    return name.rpartition(":")[2]


def walk_elements(
    archive: zipfile.ZipFile, part: str, handle_element: Callable[[str, dict[str, str]], None]
) -> None:
    """Call `handle_element` with the name and the attributes of each element of a part."""
    parser = expat.ParserCreate()

    def refuse_doctype(*_: object) -> None:
        # No spreadsheet program writes a DOCTYPE; its entities can expand a text enormously.
        raise WorkbookRefused("unreadable_workbook")

    parser.StartElementHandler = handle_element
    parser.StartDoctypeDeclHandler = refuse_doctype
    with archive.open(part) as opened:
        parser.ParseFile(opened)
