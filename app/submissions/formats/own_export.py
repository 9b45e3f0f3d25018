"""Our own exports as submissions: an exported entry becomes the push of a department.

Values that the registry derived (ids, version numbers, deadlines, states) are left out. The trailer
of an export proves that it is complete and unchanged.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence

EXPORTED_ENTRY_FIELDS = frozenset(
    {"id", "version", "seq", "list_type", "subject", "decision", "disclosure"}
)
ITEM_PATHS: Mapping[bool, str] = {True: "entries.item", False: "item"}
"""ijson paths of the rows of a JSON document, by whether it is an export or a plain array."""
EXPORT_DOCUMENT_START = re.compile(rb'\{\s*"(?:meta|entries)"\s*:')
TRAILER_MARK = "#trailer"
"""First cell of the last record of a CSV export, which has the count and the digest."""
COPIED_FIELDS = (
    "list_type",
    "source_ref",
    "department",
    "case_ref",
    "decision",
    "reason",
    "legal_basis",
    "severity",
    "conduct_ended_on",
    "conduct_continues",
    "effective_from",
    "effective_until",
    "unintentional",
    "penalty",
    "licence",
    "remark",
)


INCOMPLETE_EXPORT = Fault(
    "",
    ProblemCode.export_not_whole,
    Sentence(
        "The export is not as it was written: its trailer names another count or digest",
        "导出文件不完整或已被改动：行数或摘要与文件末尾的校验信息不符",
    ),
)


class TrailerVerifier:
    """Count and digest of the lines of an export, to compare with its trailer."""

    def __init__(self) -> None:
        self._count = 0
        self._digest = hashlib.sha256()

    def add_line(self, line: bytes) -> None:
        """Add a line, byte for byte as in the file."""
        self._count += 1
        self._digest.update(line + b"\n")

    @staticmethod
    def is_trailer(line: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Return whether a line is a trailer."""
        return isinstance(line, dict) and line.keys() == {"trailer"}

    def require_complete(self, line: Mapping[str, Any]) -> None:
        """Refuse an export that lacks a line or has a changed one.

        Raises:
            InvalidPayload: the count or the digest differs.
        """
        trailer = line["trailer"]
        declared = (
            (trailer.get("count"), trailer.get("sha256")) if isinstance(trailer, dict) else ()
        )
        if declared != (self._count, self._digest.hexdigest()):
            raise InvalidPayload(faults=[INCOMPLETE_EXPORT])


def is_trailer_record(cells: Sequence[object]) -> bool:
    """Return whether a CSV record is the trailer of an export."""
    return bool(cells) and cells[0] == TRAILER_MARK


def require_count(trailer: Sequence[object], rows: int) -> None:
    """Refuse an export that lacks rows; the second cell of its trailer is their number.

    Raises:
        InvalidPayload: the trailer has another number.
    """
    if str(rows) not in {str(cell) for cell in trailer[1:2]}:
        raise InvalidPayload(faults=[INCOMPLETE_EXPORT])


def read_row_count(trailer: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Read the number of rows from the trailer of a JSON export; None if it is no trailer."""
    return trailer.get("count") if isinstance(trailer, dict) else None


def is_export_document(start: bytes) -> bool:
    """Return whether a JSON text begins like an export."""
    return EXPORT_DOCUMENT_START.match(start) is not None


def is_exported_entry(value: Mapping[str, Any]) -> bool:
    """Return whether an object is an exported entry, and not a push."""
    return value.keys() >= EXPORTED_ENTRY_FIELDS


def build_push(entry: Mapping[str, Any]) -> tuple[dict[str, object] | None, list[Fault]]:
    """Build the push of an exported entry, or the faults if there can be none.

    A masked number cannot be sent again: responsible persons keep only their names, and the entry
    of a natural person is refused.
    """
    try:
        faults = _find_faults(entry)
        return (None if faults else _build_body(entry)), faults
    except (AttributeError, KeyError, TypeError):
        return None, [
            Fault(
                "",
                ProblemCode.wrong_type,
                Sentence("This is no entry of an export", "该行不是有效的导出条目"),
            )
        ]


def _find_faults(entry: Mapping[str, Any]) -> list[Fault]:
    if entry.get("removal") is not None or entry.get("status") == "removed" or entry.get("void"):
        return [
            Fault(
                "/status",
                ProblemCode.not_in_force,
                Sentence(
                    "The exported entry was removed; what has ended is not recorded anew",
                    "导出条目已被移出，不能作为新条目报送",
                ),
            )
        ]
    if any("masked" in item for item in entry["subject"]["identifiers"]):
        return [
            Fault(
                "/subject/identifiers",
                ProblemCode.number_masked,
                Sentence(
                    "An export masks the numbers of persons; send the entry with its number",
                    "导出文件中自然人证件号码已脱敏，请填写完整号码后报送",
                ),
            )
        ]
    return []


def _build_body(entry: Mapping[str, Any]) -> dict[str, object]:
    subject, disclosure = entry["subject"], entry["disclosure"]
    body = {name: entry.get(name) for name in COPIED_FIELDS}
    until = body.pop("effective_until")
    given = {name: value for name, value in body.items() if value not in (None, False)}
    exemption = {name: disclosure[name] for name in ("exemption", "basis") if disclosure.get(name)}
    return {
        **given,
        "decision": _drop_nulls(entry["decision"]),
        "effective_until": until,
        "subject": {
            "kind": subject["kind"],
            "name": subject["name"],
            "identifiers": [_drop_nulls(item) for item in subject["identifiers"]],
        },
        "responsible_persons": [
            {"role": person["role"], "name": person["name"]}
            for person in entry.get("responsible_persons") or []
        ],
        "disclosure": {"class": disclosure["class"], **exemption},
    }


def _drop_nulls(values: Mapping[str, Any]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}
