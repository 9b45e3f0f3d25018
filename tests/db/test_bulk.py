"""Bulk inserts: the same bytes as single pushes, and races are still detected."""

import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.exc import IntegrityError

from app.audit import store as audit_store
from app.crypto import fingerprint
from app.db.statements import insert_many
from app.db.tables import (
    AuditRecord,
    Base,
    Entry,
    EntryPerson,
    EntryVersion,
    Subject,
    SubjectIdentifier,
    SubjectName,
)
from app.entries.recording.batch import RecordingResult, record_entries
from app.entries.schemas import EntryPush
from app.entries.store import writes as entry_writes
from app.rules.permissions import COMMAND_LINE_CALLER
from app.subjects import store as subject_writes
from tests.support.request_bodies import build_organisation, build_push, build_resident_id
from tests.support.world import World

MANY = 40
# In the order in which their references allow the insert.
TABLES = [Subject, SubjectIdentifier, SubjectName, Entry, EntryVersion, EntryPerson, AuditRecord]
Rows = Sequence[Mapping[str, Any]]


def pushes(refs: str = "R", count: int = MANY, **changes: Any) -> list[EntryPush]:
    return [
        EntryPush.model_validate(
            build_push(
                **{
                    "source_ref": f"{refs}-{each}",
                    "department": "human_resources",
                    "subject": build_organisation(each),
                    "responsible_persons": [
                        {
                            "role": "legal_representative",
                            "name": "张\\N某",
                            "identifier": {
                                "scheme": "resident_id",
                                "number": build_resident_id(serial=f"{each:03d}"),
                            },
                        }
                    ],
                    "reason": f'第{each}项：\\ 反斜线\t制表\n换行 "引号" \\. {each}',
                    **changes,
                }
            )
        )
        for each in range(count)
    ]


def record(world: World, pushed: list[EntryPush]) -> list[RecordingResult]:
    outcomes = record_entries(world.registry, COMMAND_LINE_CALLER, pushed)
    assert all(isinstance(outcome, RecordingResult) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, RecordingResult)]


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> dict[type[Base], list[Mapping[str, Any]]]:
    """Collect the rows that stores give to `insert_many`, by table."""
    found: dict[type[Base], list[Mapping[str, Any]]] = {}

    def note(connection: Connection, table: type[Base], rows: Rows) -> None:
        found.setdefault(table, []).extend(rows)
        insert_many(connection, table, rows)

    for store in (entry_writes, subject_writes, audit_store):
        monkeypatch.setattr(store, "insert_many", note)
    return found


def key_of(table: type[Base], row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.__table__.primary_key)


def read_back(connection: Connection, table: type[Base]) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = connection.execute(select(*table.__table__.columns))
    return {key_of(table, row._mapping): dict(row._mapping) for row in rows}


def test_many_rows_are_read_back_as_they_were_handed_over(
    world: World, handed_over: dict[type[Base], list[Mapping[str, Any]]]
) -> None:
    record(world, pushes())
    with world.registry.database.reading() as connection:
        for table in TABLES:
            stored = read_back(connection, table)
            assert len(handed_over[table]) >= MANY
            for row in handed_over[table]:
                assert stored[key_of(table, row)] | row == stored[key_of(table, row)]


def test_bulk_rows_are_byte_for_byte_those_of_an_ordinary_insert(
    world: World, handed_over: dict[type[Base], list[Mapping[str, Any]]]
) -> None:
    record(world, pushes())

    def ordinary(connection: Connection, table: type[Base], rows: Rows) -> None:
        connection.execute(insert(table), rows)

    def stored_raw(add: Callable[[Connection, type[Base], Rows], None]) -> list[list[str]]:
        found = []
        type_of = "typeof" if world.registry.database.embedded else "pg_typeof"
        with world.registry.database.writing() as connection:
            savepoint = connection.begin_nested()
            for table in reversed(TABLES):
                connection.exec_driver_sql(f"DELETE FROM {table.__table__.fullname}")
            for table in TABLES:
                add(connection, table, handed_over[table])
                columns = ", ".join(
                    f"{column.name}, {type_of}({column.name})" for column in table.__table__.columns
                )
                rows = connection.exec_driver_sql(
                    f"SELECT {columns} FROM {table.__table__.fullname}"
                )
                found.append(sorted(map(str, rows)))
            savepoint.rollback()
        return found

    assert stored_raw(insert_many) == stored_raw(ordinary)


def test_one_by_one_and_all_at_once_an_entry_is_the_same(world: World) -> None:
    one = record(world, pushes("one", 1))[0].entry_id
    [many, *_] = record(world, pushes("many"))
    api = world.api()
    views = [api.get(f"/v1/entries/{entry}").json() for entry in (one, many.entry_id)]
    for view in views:
        assert len(view["responsible_persons"]) == 1
        for name in ("id", "seq", "source_ref", "received_at", "recorded_at"):
            del view[name]
    assert views[0] == views[1]


def test_the_digest_of_an_entry_is_that_of_its_facts(world: World) -> None:
    record(world, pushes())
    with world.registry.database.reading() as connection:
        rows = connection.execute(
            select(EntryVersion.facts, EntryVersion.facts_digest, EntryVersion.action_digest)
        ).all()
    assert len(rows) == MANY
    assert all(row.facts_digest == fingerprint(row.facts) == row.action_digest for row in rows)


def test_the_same_pushes_again_are_replays(world: World) -> None:
    first = record(world, pushes())
    again = record(world, pushes())
    assert [item.entry_id for item in first] == [item.entry_id for item in again]
    assert all(item.replayed for item in again)


def test_a_second_decision_finds_the_subjects_and_adds_names(
    world: World,
) -> None:
    record(world, pushes("first"))
    renamed = [
        item.model_copy(
            update={"subject": item.subject.model_copy(update={"name": f"改名{number}公司"})}
        )
        for number, item in enumerate(pushes("second"))
    ]
    record(world, renamed)
    with world.registry.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(Subject)) == MANY
        assert connection.scalar(select(func.count()).select_from(SubjectName)) == 2 * MANY
        assert connection.scalar(select(func.count()).select_from(SubjectIdentifier)) == 2 * MANY


def test_a_batch_takes_as_many_statements_however_large_it_is(world: World) -> None:
    captured: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        captured.append(statement)

    engine = world.registry.database._writes
    counts = []
    event.listen(engine, "before_cursor_execute", note)
    try:
        for refs, count in (("small", 2), ("large", 3 * MANY)):
            captured.clear()
            record(world, pushes(refs, count))
            counts.append(len(captured))
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert counts[1] <= counts[0] <= 20


def test_a_broken_constraint_is_reported_without_the_row(world: World) -> None:
    recorded = record(world, pushes())
    with world.registry.database.reading() as connection:
        rows = list(read_back(connection, Entry).values())
    with pytest.raises(IntegrityError) as broken, world.registry.database.writing() as connection:
        insert_many(connection, Entry, rows)
    captured = str(broken.value)
    assert "R-1" not in captured
    assert str(recorded[0].entry_id) not in captured
    if not world.registry.database.embedded:
        assert getattr(broken.value.orig, "sqlstate", None) == "23505"


def test_new_subjects_in_two_batches_at_once_are_one_subject_each(world: World) -> None:
    for turn in range(3):
        barrier = Barrier(3)

        def send(who: int, turn: int = turn, barrier: Barrier = barrier) -> list[RecordingResult]:
            batch = pushes(f"{turn}-{who}", responsible_persons=None, severity="general")
            batch = [
                item.model_copy(
                    update={
                        "subject": EntryPush.model_validate(
                            build_push(subject=build_organisation(1000 * turn + number))
                        ).subject
                    }
                )
                for number, item in enumerate(batch)
            ]
            barrier.wait()
            return record(world, batch[:: -1 if who % 2 else 1])

        with ThreadPoolExecutor(3) as pool:
            assert all(len(each) == MANY for each in pool.map(send, range(3)))
        with world.registry.database.reading() as connection:
            assert connection.scalar(select(func.count()).select_from(Subject)) == (
                (turn + 1) * MANY
            )
            seqs = list(connection.scalars(select(EntryVersion.seq).order_by(EntryVersion.seq)))
    assert seqs == list(range(1, 9 * MANY + 1))


def test_the_same_batch_twice_at_once_is_recorded_once(world: World) -> None:
    batch, barrier = pushes(), Barrier(3)

    def send(_who: int) -> list[RecordingResult]:
        barrier.wait()
        return record(world, batch)

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(send, range(3)))
    assert len({tuple(item.entry_id for item in each) for each in outcomes}) == 1
    assert sorted(sum(item.replayed for item in each) for each in outcomes) == [0, MANY, MANY]


def test_no_letter_or_digit_is_a_sign_that_is_not_seen() -> None:
    # Texts that begin with these characters need a full check (`app/http/schemas.py`,
    # `_not_blank`).
    for sign in map(chr, range(sys.maxunicode + 1)):
        assert not (sign.isalnum() and unicodedata.category(sign)[0] in "CZ")
