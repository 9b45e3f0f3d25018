"""A registry of a million entries in minutes: real ones, copied with numbers of their own.

The registry records a few decisions by its API. What it wrote for each, in whichever tables, is
taken as a pattern: wherever a name, number, reference, id or digest of the decision stands, that of
the next decision is put. Personal numbers are sealed and found by the registry's own functions, and
digests are worked out anew, so that what comes of it is what the registry itself would have
written; each pattern is held against the rows that it was made from before anything is copied.

Instants are those of the last decision that was recorded, for they never decrease with the number
of a change. The tables are written to directly, with the registry not running.
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
from app.rules.names import fold_name
from bench import rows
from bench.machine import BenchError

PATTERNS = rows.DECIDED_OVER_DAYS
"""Decisions that are recorded by the API. Behind them days and trades begin again."""
BATCH = 5_000
NO_PATTERN = frozenset({"registry_state", "api_keys", "sealing_keys"})

Row = tuple[str | bytes | int | None, ...]
Marks = Mapping[str, str]
"""What is another in every decision, by name."""


class Store(Protocol):
    """A database of a registry that does not run, seen as its driver sees it."""

    def read(self, table: Table) -> list[Row]:
        """All rows, with the columns in the table's order."""

    def write(self, table: Table, made: Iterable[Row]) -> None:
        """Add rows."""

    def finish(self, seq: int) -> None:
        """Set the newest change number, and leave the database as it is to be served."""


def clone(store: Store, secrets: Secrets, on: date, size: int) -> None:
    """Copy what was recorded for the first decisions until there are `size` of them.

    Raises:
        BenchError: what was recorded cannot be made from what differs between decisions.
    """
    tables = [table for table in Base.metadata.sorted_tables if table.schema != LEDGER]
    found = {table: store.read(table) for table in tables if table.name not in NO_PATTERN}
    patterns = [_pattern(found, secrets, on, serial) for serial in range(PATTERNS)]
    for first in range(PATTERNS, size, BATCH):
        made: dict[Table, list[Row]] = {}
        for serial in range(first, min(first + BATCH, size)):
            patterns[serial % PATTERNS].add_to(made, secrets, on, serial)
        for table in tables:
            if table in made:
                store.write(table, made[table])
    store.finish(size)


# --- what differs between decisions --------------------------------------


@dataclass(frozen=True, slots=True)
class _Head:
    """The number of the person who answers for a decision."""

    number: str

    def key(self, secrets: Secrets) -> str:
        return secrets.blind_index(Scheme.resident_id, self.number)

    def sealed(self, secrets: Secrets, entry_id: str) -> str:
        bound_to = f"{UUID(entry_id)}:{Scheme.resident_id}"
        return secrets.seal(self.number, bound_to=bound_to).ciphertext.hex()


def _marks(secrets: Secrets, on: date, serial: int) -> tuple[dict[str, str], _Head]:
    sent = rows.row(serial, on)
    [person] = sent["responsible_persons"]
    head, uscc, name = _Head(person["identifier"]["number"]), rows.number(serial), rows.name(serial)
    marks = {
        "uscc": uscc,
        "org_code": uscc[8:17],
        "name": name,
        "name_key": fold_name(name),
        "source_ref": sent["source_ref"],
        "case_ref": sent["case_ref"],
        "decision": sent["decision"]["number"],
        "head": person["name"],
        "head_key": head.key(secrets),
    }
    return marks, head


def _with_id(marks: dict[str, str], name: str, new: UUID) -> None:
    """A UUID is written with dashes or without, by database and column."""
    marks[name], marks[f"{name}_hex"] = str(new), new.hex


# --- patterns ------------------------------------------------------------


@dataclass(slots=True)
class _Pattern:
    """The rows of one decision, with places for what differs."""

    ids: list[str]
    entry: str
    """Which of the ids is the entry's: its person's number is sealed for that."""
    facts: str
    """The canonical form of what was decided, for its digest."""
    made: list[tuple[Table, Callable[[Marks], Row]]] = field(default_factory=list)

    def add_to(self, made: dict[Table, list[Row]], secrets: Secrets, on: date, serial: int) -> None:
        """The rows of another decision."""
        marks, head = _marks(secrets, on, serial)
        for name in self.ids:
            _with_id(marks, name, uuid7())
        marks["ciphertext"] = head.sealed(secrets, marks[self.entry])
        marks["seq"] = str(serial + 1)
        marks["digest"] = hashlib.sha256((self.facts % marks).encode()).hexdigest()
        for table, row in self.made:
            made.setdefault(table, []).append(row(marks))


def _pattern(
    found: Mapping[Table, Sequence[Row]], secrets: Secrets, on: date, serial: int
) -> _Pattern:
    marks, _ = _marks(secrets, on, serial)
    by_name = {table.name: table for table in found}
    entries, versions, persons = map(
        by_name.__getitem__, ("entries", "entry_versions", "entry_persons")
    )
    [entry] = _holding(found, entries, marks["source_ref"])
    entry_id = _plain(_value(entries, entry, "id"))
    subject_id = _plain(_value(entries, entry, "subject_id"))
    [version] = _holding(found, versions, entry_id)
    [person] = _holding(found, persons, entry_id)
    own_rows = list(_rows_of(found, {entry_id, subject_id}))
    ids: list[str] = []
    for table, row in own_rows:
        if "id" in table.columns and isinstance(table.columns["id"].type, Uuid):
            ids.append(f"id_{len(ids)}")
            _with_id(marks, ids[-1], UUID(str(row[_place(table, "id")])))
    text = canonical(orjson.loads(str(_value(versions, version, "facts")))).decode()
    marks["digest"] = hashlib.sha256(text.encode()).hexdigest()
    if marks["digest"] != _value(versions, version, "facts_digest"):
        raise BenchError("the digest of an entry's facts is not the one of its version")
    marks["ciphertext"] = _hex(_value(persons, person, "ciphertext"))
    marks["seq"] = str(_value(versions, version, "seq"))
    named = next(name for name in ids if marks[f"{name}_hex"] == entry_id)
    pattern = _Pattern(ids, named, _with_places(text, marks))
    for table, row in own_rows:
        maker = _maker(table, _newest(table, row, found[table]), marks)
        if maker(marks) != _newest(table, row, found[table]):
            raise BenchError(f"a row of {table.name} cannot be copied")
        pattern.made.append((table, maker))
    return pattern


def _rows_of(found: Mapping[Table, Sequence[Row]], ids: set[str]) -> Iterator[tuple[Table, Row]]:
    """The rows in which an id of the decision stands, in whichever table."""
    for table, held in found.items():
        for row in held:
            if any(_plain(value) in ids for value in row):
                yield table, row


def _holding(found: Mapping[Table, Sequence[Row]], table: Table, wanted: str) -> list[Row]:
    return [row for row in found[table] if any(_plain(value) == wanted for value in row)]


def _maker(table: Table, row: Row, marks: Marks) -> Callable[[Marks], Row]:
    """What makes the same row for other marks."""
    made: list[Callable[[Marks], str | bytes | int | None] | None] = []
    for column, value in zip(table.columns, row, strict=True):
        numbered = column.name == "seq" and isinstance(column.type, BigInteger)
        made.append(_maker_of(value, marks, numbered=numbered))
    moving = [(place, maker) for place, maker in enumerate(made) if maker is not None]

    def make(others: Marks) -> Row:
        values = list(row)
        for place, maker in moving:
            values[place] = maker(others)
        return tuple(values)

    return make


def _maker_of(
    value: str | bytes | int | None, marks: Marks, *, numbered: bool
) -> Callable[[Marks], str | bytes | int | None] | None:
    if numbered:
        # The number, or the text of it where the driver copies texts.
        return (lambda others: int(others["seq"])) if isinstance(value, int) else _seq_text
    if isinstance(value, bytes):
        return lambda others: bytes.fromhex(others["ciphertext"])
    if not isinstance(value, str):
        return None
    pattern = _with_places(value, marks)
    if pattern == value.replace("%", "%%"):
        return None
    return lambda others: pattern % others


def _seq_text(marks: Marks) -> str:
    return marks["seq"]


def _with_places(text: str, marks: Marks) -> str:
    """Put a place for each mark; the longest first, for a USCC holds an organisation code."""
    named = {value: name for name, value in marks.items() if name != "seq"}
    longest_first = sorted(named, key=len, reverse=True)
    finder = re.compile("|".join(map(re.escape, longest_first)))
    return finder.sub(lambda found: f"%({named[found[0]]})s", text.replace("%", "%%"))


def _newest(table: Table, row: Row, held: Sequence[Row]) -> Row:
    """The row with the newest instants of its table in place of its own."""
    values = list(row)
    for place, column in enumerate(table.columns):
        if isinstance(column.type, Instant) and values[place] is not None:
            values[place] = max(str(one[place]) for one in held)
    return tuple(values)


def _place(table: Table, name: str) -> int:
    return list(table.columns.keys()).index(name)


def _value(table: Table, row: Row, name: str) -> str | bytes | int | None:
    return row[_place(table, name)]


def _plain(value: Any) -> str:  # noqa: ANN401 - any value of a driver
    """A UUID without its dashes; other values as they are."""
    text = str(value)
    return text.replace("-", "") if len(text) == 36 else text  # noqa: PLR2004 - of a UUID


def _hex(value: str | bytes | int | None) -> str:
    """Bytes as digits, whether the driver gives bytes or (COPY) their text."""
    return value.hex() if isinstance(value, bytes) else str(value).rpartition("x")[2]
