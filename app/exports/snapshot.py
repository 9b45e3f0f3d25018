"""One consistent snapshot as a stream of bytes, with the proof at its end.

The snapshot is pinned by (seq, day, catalogue version) and read in short pages by key. No read
transaction stays open between pages: a long one would hold back the log (SQLite) and the vacuum
(PostgreSQL). Pages agree with each other because versions are never changed after they are written.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any, TypedDict

import orjson

from app.calendar.queries import read_calendar_at
from app.entries.projections import ExportedEntryJson, build_exported_entry
from app.entries.queries import MAX_ID, MIN_ID, EntryRow, build_snapshot_query, read_snapshot_page
from app.exports.schemas import ExportFormat, ExportScope
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.permissions import Caller
from app.rules.status import ENDED_STATUSES, Status
from app.rules.text import add_formula_guard

Page = tuple[Iterator[EntryRow], Calendar]

PAGE_ROWS = 500


class ExportMetaJson(TypedDict):
    """The state and the filters of an export (`ExportMeta`)."""

    epoch: int
    seq: int
    on: str
    catalogue_version: str
    filters: dict[str, str]


class ExportTrailerJson(ExportMetaJson):
    """The proof at the end of an export (`ExportTrailer`)."""

    count: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPin:
    """The pinned state of an export: sequence number, day, law, scope, filters and caller."""

    epoch: int
    seq: int
    on: date
    catalogue_version: str
    calendar_version: int
    scope: ExportScope
    status: Status | None
    filters: Mapping[str, str]
    caller: Caller
    """The caller, who decides which entries and fields are visible."""

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses of the export; empty for all. A status filter outranks the scope."""
        if self.status is not None:
            return (self.status,)
        if self.scope is ExportScope.all:
            return ()
        return tuple(item for item in Status if item not in ENDED_STATUSES)

    def describe(self) -> ExportMetaJson:
        """Return the pin as meta and trailer show it."""
        filters = {"scope": self.scope, **self.filters}
        if self.status is not None:
            filters["status"] = self.status
        return {
            "epoch": self.epoch,
            "seq": self.seq,
            "on": self.on.isoformat(),
            "catalogue_version": self.catalogue_version,
            "filters": filters,
        }


@dataclass(slots=True)
class ExportDigest:
    """Count and hash of the written part; complete when the stream has ended."""

    count: int = 0
    sha256: str = ""


def stream_export(
    registry: Registry, pin: SnapshotPin, export_format: ExportFormat, tally: ExportDigest
) -> Iterator[bytes]:
    """The bytes of an export, a page at a time."""
    match export_format:
        case ExportFormat.ndjson:
            return _stream_ndjson(registry, pin, tally)
        case ExportFormat.json:
            return _stream_json(registry, pin, tally)
        case ExportFormat.csv:
            return _stream_csv(registry, pin, tally)


def _stream_ndjson(registry: Registry, pin: SnapshotPin, tally: ExportDigest) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for rows in _read_export_pages(registry, pin, tally):
        chunk = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        digest.update(chunk)
        yield chunk
    tally.sha256 = digest.hexdigest()
    yield orjson.dumps({"trailer": _build_trailer(pin, tally)}, option=orjson.OPT_APPEND_NEWLINE)


def _stream_json(registry: Registry, pin: SnapshotPin, tally: ExportDigest) -> Iterator[bytes]:
    yield b'{"meta":' + orjson.dumps(pin.describe()) + b',"entries":'
    digest = hashlib.sha256()
    opening = b"["
    for rows in _read_export_pages(registry, pin, tally):
        chunk = opening + b",\n".join(orjson.dumps(row) for row in rows)
        opening = b",\n"
        digest.update(chunk)
        yield chunk
    closing = b"[]" if tally.count == 0 else b"]"
    digest.update(closing)
    tally.sha256 = digest.hexdigest()
    yield closing + b',"trailer":' + orjson.dumps(_build_trailer(pin, tally)) + b"}\n"


def _stream_csv(registry: Registry, pin: SnapshotPin, tally: ExportDigest) -> Iterator[bytes]:
    digest = hashlib.sha256()
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)

    def take_chunk() -> bytes:
        chunk = buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
        digest.update(chunk)
        return chunk

    for rows in _read_export_pages(registry, pin, tally):
        writer.writerows(_build_csv_row(row) for row in rows)
        yield take_chunk()
    yield take_chunk()
    tally.sha256 = digest.hexdigest()
    yield f"#trailer,{tally.count},{pin.seq},{tally.sha256}\n".encode()


def _build_trailer(pin: SnapshotPin, tally: ExportDigest) -> ExportTrailerJson:
    return {"count": tally.count, **pin.describe(), "sha256": tally.sha256}


def _read_export_pages(
    registry: Registry, pin: SnapshotPin, tally: ExportDigest
) -> Iterator[Iterable[ExportedEntryJson]]:
    for rows, calendar in read_pages(registry, pin, PAGE_ROWS, tally):
        yield (build_exported_entry(row, pin.on, calendar) for row in rows)


def read_pages(
    registry: Registry, pin: SnapshotPin, size: int, tally: ExportDigest
) -> Iterator[Page]:
    """Read the pinned entries in pages of `size`, without empty pages."""
    read = _read_pages(registry, pin, size, tally)
    # PostgreSQL reads the next page while this one is written. SQLite works in this process, where
    # a second thread would only compete with the first.
    return read if registry.database.embedded else _read_ahead(read)


def _read_ahead(pages: Iterator[Page]) -> Iterator[Page]:
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, pages, None)
        while (page := following.result()) is not None:
            following = reader.submit(next, pages, None)
            yield page


def _read_pages(
    registry: Registry, pin: SnapshotPin, size: int, tally: ExportDigest
) -> Iterator[Page]:
    query = build_snapshot_query(
        pin.on,
        filters=pin.filters,
        caller=pin.caller,
        statuses=pin.statuses,
        seq=pin.seq,
    )
    after = MIN_ID
    while after != MAX_ID:
        with registry.database.reading() as connection:
            page = read_snapshot_page(connection, query, after=after, size=size)
            calendar = read_calendar_at(registry, connection, pin.calendar_version)
        if page.row_count:
            tally.count += page.row_count
            yield page.rows, calendar
        after = page.last_id


# Column -> path in an exported entry.
CSV_PATHS: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "version": ("version",),
    "seq": ("seq",),
    "list_type": ("list_type",),
    "list": ("list",),
    "domain": ("domain",),
    "department": ("department",),
    "source_ref": ("source_ref",),
    "case_ref": ("case_ref",),
    "replaces": ("replaces",),
    "subject_id": ("subject", "id"),
    "subject_kind": ("subject", "kind"),
    "subject_name": ("subject", "name"),
    "subject_identifiers": ("subject", "identifiers"),
    "responsible_persons": ("responsible_persons",),
    "decision_number": ("decision", "number"),
    "decision_kind": ("decision", "kind"),
    "decided_on": ("decision", "decided_on"),
    "penalty_law": ("decision", "penalty_law"),
    "reason": ("reason",),
    "legal_basis": ("legal_basis",),
    "severity": ("severity",),
    "conduct_ended_on": ("conduct_ended_on",),
    "conduct_continues": ("conduct_continues",),
    "effective_from": ("effective_from",),
    "effective_until": ("effective_until",),
    "ends_by_law_on": ("ends_by_law_on",),
    "restored_on": ("restored_on",),
    "extension": ("extension",),
    "unintentional": ("unintentional",),
    "penalty": ("penalty",),
    "licence": ("licence",),
    "remark": ("remark",),
    "received_at": ("received_at",),
    "recorded_at": ("recorded_at",),
    "on": ("on",),
    "status": ("status",),
    "in_force": ("in_force",),
    "void": ("void",),
    "removal": ("removal",),
    "disputed": ("disputed",),
    "disclosure_class": ("disclosure", "class"),
    "disclosure_exemption": ("disclosure", "exemption"),
    "disclosure_basis": ("disclosure", "basis"),
    "deadline": ("disclosure", "deadline"),
    "provisional": ("disclosure", "provisional"),
    "calendar_version": ("disclosure", "calendar_version"),
    "reported": ("disclosure", "reported"),
    "disclosure_state": ("disclosure", "state"),
    "take_down": ("disclosure", "take_down"),
    "channels": ("disclosure", "channels"),
    "catalogue_version": ("catalogue_version",),
    "subject_sex": ("subject", "sex"),
    "subject_age": ("subject", "age"),
}
CSV_COLUMNS = tuple(CSV_PATHS)


def _build_csv_row(entry: ExportedEntryJson) -> list[str]:
    # Days, instants and ids in the form that JSON has.
    document = orjson.loads(orjson.dumps(entry))
    cells = []
    for path in CSV_PATHS.values():
        value = document
        for name in path:
            value = value[name]
        cells.append(_format_cell(value))
    return cells


def _format_cell(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    if isinstance(value, str):
        return add_formula_guard(value)
    return orjson.dumps(value).decode()
