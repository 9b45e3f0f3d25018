"""A registry of a million entries in minutes: copies of real ones with numbers of their own.

The registry records a few decisions by its API. The rows that it wrote for each decision, in all
tables, become a pattern: every name, number, reference, id or digest of the decision is replaced by
that of the next decision. Personal numbers are sealed and found by the registry's own functions,
and digests are computed again, so that the result is equal to what the registry itself would have
written. Each pattern is compared with its source rows before anything is copied.

Instants are those of the last recorded decision, because they never decrease with the number of a
change. The tables are written to directly, while the registry is not running.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, Table, Uuid
from uuid_utils.compat import uuid7

from app.crypto import Secrets, canonical
from app.db.tables.base import LEDGER, Base, Instant
from app.rules.identifiers import Scheme
from app.rules.text import fold_name
from bench import rows
from bench.machine import BenchError

PATTERN_COUNT = rows.DECIDED_OVER_DAYS
"""Decisions that are recorded by the API; after them days and trades repeat."""
BATCH_SIZE = 5_000
UNCOPIED_TABLES = frozenset({"registry_state", "api_keys", "sealing_keys"})

Row = tuple[str | bytes | int | None, ...]
DecisionValues = Mapping[str, str]
"""The values that differ between decisions, by name."""


class RegistryStore(Protocol):
    """A database of a registry that is not running, as its driver sees it."""

    def read(self, table: Table) -> list[Row]:
        """Return all rows, with the columns in the table's order."""

    def write(self, table: Table, new_rows: Iterable[Row]) -> None:
        """Add rows."""

    def finish(self, last_seq: int) -> None:
        """Set the newest change number, and leave the database ready to be served."""


def clone_decisions(store: RegistryStore, secrets: Secrets, day: date, size: int) -> None:
    """Copy the rows of the first decisions until there are `size` decisions.

    Raises:
        BenchError: a recorded row cannot be built from the values that differ.
    """
    tables = [table for table in Base.metadata.sorted_tables if table.schema != LEDGER]
    recorded_rows = {
        table: store.read(table) for table in tables if table.name not in UNCOPIED_TABLES
    }
    patterns = [
        _build_pattern(recorded_rows, secrets, day, serial) for serial in range(PATTERN_COUNT)
    ]
    for first in range(PATTERN_COUNT, size, BATCH_SIZE):
        new_rows: dict[Table, list[Row]] = {}
        for serial in range(first, min(first + BATCH_SIZE, size)):
            patterns[serial % PATTERN_COUNT].add_rows(new_rows, secrets, day, serial)
        for table in tables:
            if table in new_rows:
                store.write(table, new_rows[table])
    store.finish(size)


# --- what differs between decisions --------------------------------------


@dataclass(frozen=True, slots=True)
class _ResponsiblePerson:
    """The number of the responsible person of a decision."""

    number: str

    def compute_lookup_key(self, secrets: Secrets) -> str:
        return secrets.blind_index(Scheme.resident_id, self.number)

    def seal_number(self, secrets: Secrets, entry_id: str) -> str:
        bound_to = f"{UUID(entry_id)}:{Scheme.resident_id}"
        return secrets.seal(self.number, bound_to=bound_to).ciphertext.hex()


def _build_decision_values(
    secrets: Secrets, day: date, serial: int
) -> tuple[dict[str, str], _ResponsiblePerson]:
    body = rows.build_row(serial, day)
    [person] = body["responsible_persons"]
    responsible_person, uscc, name = (
        _ResponsiblePerson(person["identifier"]["number"]),
        rows.build_row_uscc(serial),
        rows.build_row_name(serial),
    )
    values = {
        "uscc": uscc,
        "org_code": uscc[8:17],
        "name": name,
        "name_key": fold_name(name),
        "source_ref": body["source_ref"],
        "case_ref": body["case_ref"],
        "decision": body["decision"]["number"],
        "head": person["name"],
        "head_key": responsible_person.compute_lookup_key(secrets),
    }
    return values, responsible_person


def _add_id(values: dict[str, str], name: str, new_id: UUID) -> None:
    """Add both forms of a UUID: databases and columns write it with dashes or without."""
    values[name], values[f"{name}_hex"] = str(new_id), new_id.hex


# --- patterns ------------------------------------------------------------


@dataclass(slots=True)
class _DecisionPattern:
    """The rows of one decision, with placeholders for the values that differ."""

    id_names: list[str]
    entry_id_name: str
    """The name of the entry's id; the number of the person is sealed for this id."""
    facts_template: str
    """The canonical form of the facts, for their digest."""
    row_builders: list[tuple[Table, Callable[[DecisionValues], Row]]] = field(default_factory=list)

    def add_rows(
        self, new_rows: dict[Table, list[Row]], secrets: Secrets, day: date, serial: int
    ) -> None:
        """Add the rows of another decision."""
        values, responsible_person = _build_decision_values(secrets, day, serial)
        for name in self.id_names:
            _add_id(values, name, uuid7())
        values["ciphertext"] = responsible_person.seal_number(secrets, values[self.entry_id_name])
        values["seq"] = str(serial + 1)
        values["digest"] = hashlib.sha256((self.facts_template % values).encode()).hexdigest()
        for table, row in self.row_builders:
            new_rows.setdefault(table, []).append(row(values))


def _build_pattern(
    recorded_rows: Mapping[Table, Sequence[Row]], secrets: Secrets, day: date, serial: int
) -> _DecisionPattern:
    values, _ = _build_decision_values(secrets, day, serial)
    by_name = {table.name: table for table in recorded_rows}
    entries, versions, persons = map(
        by_name.__getitem__, ("entries", "entry_versions", "entry_persons")
    )
    [entry] = _find_rows_with_value(recorded_rows, entries, values["source_ref"])
    entry_id = _normalize_uuid(_read_value(entries, entry, "id"))
    subject_id = _normalize_uuid(_read_value(entries, entry, "subject_id"))
    [version] = _find_rows_with_value(recorded_rows, versions, entry_id)
    [person] = _find_rows_with_value(recorded_rows, persons, entry_id)
    own_rows = list(_find_rows_with_ids(recorded_rows, {entry_id, subject_id}))
    ids: list[str] = []
    for table, row in own_rows:
        if "id" in table.columns and isinstance(table.columns["id"].type, Uuid):
            ids.append(f"id_{len(ids)}")
            _add_id(values, ids[-1], UUID(str(row[_find_column_index(table, "id")])))
    text = canonical(orjson.loads(str(_read_value(versions, version, "facts")))).decode()
    values["digest"] = hashlib.sha256(text.encode()).hexdigest()
    if values["digest"] != _read_value(versions, version, "facts_digest"):
        raise BenchError("the digest of an entry's facts is not the one of its version")
    values["ciphertext"] = _format_hex(_read_value(persons, person, "ciphertext"))
    values["seq"] = str(_read_value(versions, version, "seq"))
    entry_id_name = next(name for name in ids if values[f"{name}_hex"] == entry_id)
    pattern = _DecisionPattern(ids, entry_id_name, _insert_placeholders(text, values))
    for table, row in own_rows:
        row_builder = _create_row_builder(
            table, _set_newest_instants(table, row, recorded_rows[table]), values
        )
        if row_builder(values) != _set_newest_instants(table, row, recorded_rows[table]):
            raise BenchError(f"a row of {table.name} cannot be copied")
        pattern.row_builders.append((table, row_builder))
    return pattern


def _find_rows_with_ids(
    recorded_rows: Mapping[Table, Sequence[Row]], ids: set[str]
) -> Iterator[tuple[Table, Row]]:
    """Find the rows of all tables that contain an id of the decision."""
    for table, table_rows in recorded_rows.items():
        for row in table_rows:
            if any(_normalize_uuid(value) in ids for value in row):
                yield table, row


def _find_rows_with_value(
    recorded_rows: Mapping[Table, Sequence[Row]], table: Table, wanted: str
) -> list[Row]:
    return [
        row
        for row in recorded_rows[table]
        if any(_normalize_uuid(value) == wanted for value in row)
    ]


def _create_row_builder(
    table: Table, row: Row, recorded_values: DecisionValues
) -> Callable[[DecisionValues], Row]:
    """Create a function that builds the same row from other values."""
    value_builders: list[Callable[[DecisionValues], str | bytes | int | None] | None] = []
    for column, value in zip(table.columns, row, strict=True):
        is_seq = column.name == "seq" and isinstance(column.type, BigInteger)
        value_builders.append(_create_value_builder(value, recorded_values, is_seq=is_seq))
    changing_values = [
        (place, maker) for place, maker in enumerate(value_builders) if maker is not None
    ]

    def build_row(new_values: DecisionValues) -> Row:
        values = list(row)
        for place, maker in changing_values:
            values[place] = maker(new_values)
        return tuple(values)

    return build_row


def _create_value_builder(
    value: str | bytes | int | None, recorded_values: DecisionValues, *, is_seq: bool
) -> Callable[[DecisionValues], str | bytes | int | None] | None:
    if is_seq:
        # The number, or its text if the driver copies texts.
        return (lambda others: int(others["seq"])) if isinstance(value, int) else _read_seq_text
    if isinstance(value, bytes):
        return lambda others: bytes.fromhex(others["ciphertext"])
    if not isinstance(value, str):
        return None
    pattern = _insert_placeholders(value, recorded_values)
    if pattern == value.replace("%", "%%"):
        return None
    return lambda others: pattern % others


def _read_seq_text(values: DecisionValues) -> str:
    return values["seq"]


def _insert_placeholders(text: str, values: DecisionValues) -> str:
    """Replace each value by a placeholder, the longest first: a USCC contains another code."""
    name_by_value = {value: name for name, value in values.items() if name != "seq"}
    longest_first = sorted(name_by_value, key=len, reverse=True)
    finder = re.compile("|".join(map(re.escape, longest_first)))
    return finder.sub(lambda found: f"%({name_by_value[found[0]]})s", text.replace("%", "%%"))


def _set_newest_instants(table: Table, row: Row, table_rows: Sequence[Row]) -> Row:
    """Replace the instants of the row by the newest of its table."""
    values = list(row)
    for place, column in enumerate(table.columns):
        if isinstance(column.type, Instant) and values[place] is not None:
            values[place] = max(str(other_row[place]) for other_row in table_rows)
    return tuple(values)


def _find_column_index(table: Table, name: str) -> int:
    return list(table.columns.keys()).index(name)


def _read_value(table: Table, row: Row, name: str) -> str | bytes | int | None:
    return row[_find_column_index(table, name)]


def _normalize_uuid(value: Any) -> str:  # noqa: ANN401 - any value of a driver
    """Return a UUID without dashes; other values as they are."""
    text = str(value)
    return text.replace("-", "") if len(text) == 36 else text  # noqa: PLR2004 - of a UUID


def _format_hex(value: str | bytes | int | None) -> str:
    """Return bytes as digits; the driver gives bytes or (COPY) their text."""
    return value.hex() if isinstance(value, bytes) else str(value).rpartition("x")[2]
