"""Statements sent directly to the driver: the same rows and errors, and no parameter in them."""

import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from uuid_utils.compat import uuid7

from app.db.counter import read_head
from app.db.engines import is_connection_error
from app.db.statements import PreparedQuery, as_text, in_array, insert_many
from app.db.tables import AccessRecord, Check, Outcome, Subject, UnindexedResult
from app.entries.store import checked_entries
from app.http.problems import convert_database_error
from app.rules.identity import LookupKey
from app.subjects.queries import find_by_keys
from tests.support.check_requests import post_check, read_check_records
from tests.support.numbers import build_org_code, build_uscc
from tests.support.request_bodies import PERSON_RESIDENT_ID, build_question, build_subject
from tests.support.world import World

MANY = 10_000
ODD = [
    "plain",
    "'",
    '"',
    "\\",
    "\\N",
    "NULL",
    "null",
    "{a,b}",
    "[1]",
    "100%",
    "%s",
    "%(names)s",
    ":names",
    "?",
    "a\tb\nc\r\nd",
    "枣庄 𠀀 é ﷺ",
    " blank ",
    "\\.",
    "\\x41",
]

BY_NAME = PreparedQuery(
    select(Subject.name, as_text(Subject.id))
    .where(in_array(Subject.name, "names"))
    .order_by("name")
)
BY_ID = PreparedQuery(
    select(as_text(Subject.id), Subject.name)
    .where(in_array(Subject.id, "ids"))
    .where(Subject.kind == bindparam("kind"))
)


def record(action: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "recorded_at": datetime(2026, 11, 22, 2, 0, tzinfo=UTC),
        "actor_id": uuid4(),
        "actor_name": "an officer",
        "role": "approver",
        "department": "tax",
        "action": action,
        "outcome": "answered",
        "target": None,
        "request_id": "office-1",
        "detail": {},
        **changes,
    }


def listed(world: World, serials: range) -> dict[int, dict[str, Any]]:
    return {
        serial: world.record(
            subject=build_subject(build_uscc(serial), f"公司{serial}"), source_ref=f"HR-{serial}"
        )
        for serial in serials
    }


# --- long lists, and none ------------------------------------------------------


def test_ten_thousand_keys_find_what_is_recorded_under_them_and_nothing_else(world: World) -> None:
    known = listed(world, range(0, 50, 10))
    keys: list[LookupKey] = [("uscc", build_uscc(serial)) for serial in range(MANY)]
    keys += [("org_code", build_org_code(serial)) for serial in range(MANY)]
    with world.registry.database.reading() as connection:
        found = find_by_keys(connection, keys)
        assert find_by_keys(connection, []) == {}
        assert find_by_keys(connection, [("uscc", build_uscc(1)), ("uscc", build_uscc(1))]) == {}
    expected = {("uscc", build_uscc(serial)) for serial in known}
    expected |= {("org_code", build_org_code(serial)) for serial in known}
    assert found.keys() == expected
    for (scheme, _), matched in found.items():
        assert scheme in {"uscc", "org_code"}
        assert matched.name in {f"公司{serial}" for serial in known}


def test_ten_thousand_ids_find_their_entries_and_none_finds_nothing(world: World) -> None:
    known = listed(world, range(3))
    ids = {serial: UUID(view["subject"]["id"]) for serial, view in known.items()}
    strangers = [uuid4() for _ in range(MANY)]
    with world.registry.database.reading() as connection:
        day = date(2026, 11, 22)
        found = checked_entries.read_checked_entries(connection, [*strangers, *ids.values()], day)
        assert checked_entries.read_checked_entries(connection, [], day) == []
        assert checked_entries.read_checked_entries(connection, strangers, day) == []
        assert BY_ID.fetch(connection, ids=[], kind="legal_person") == []
        assert BY_ID.fetch(connection, ids=list(ids.values()), kind="natural_person") == []
        rows = BY_ID.fetch(connection, ids=list(ids.values()), kind="legal_person")
    # Ids come with dashes or without: `UUID` reads both, and an answer has dashes.
    assert {UUID(row.id) for row in found} == {UUID(view["id"]) for view in known.values()}
    assert {(UUID(subject_id), name) for subject_id, name in rows} == {
        (ids[serial], f"公司{serial}") for serial in ids
    }
    [result] = post_check(world.api("approver"), build_question(build_uscc(1), "公司1"))["results"]
    assert result["subject"]["id"] == known[1]["subject"]["id"]
    assert [entry["id"] for entry in result["entries"]] == [known[1]["id"]]


def test_odd_texts_are_compared_as_they_are(world: World) -> None:
    rows = [
        {
            "id": uuid7(),
            "kind": "legal_person",
            "name": name,
            "name_key": name,
            "name_as_of": date(2026, 11, 22),
            "created_at": datetime(2026, 11, 22, tzinfo=UTC),
        }
        for name in ODD
    ]
    with world.registry.database.writing() as connection:
        insert_many(connection, Subject, rows)
    with world.registry.database.reading() as connection:
        found = BY_NAME.fetch(connection, names=[*ODD, "nobody"])
        assert {(name, UUID(id_)) for name, id_ in found} == {
            (row["name"], row["id"]) for row in rows
        }
        for name in ODD:
            assert [one for one, _ in BY_NAME.fetch(connection, names=[name])] == [name]


def test_a_read_sees_one_moment_whatever_is_recorded_meanwhile(world: World) -> None:
    keys: list[LookupKey] = [("uscc", build_uscc(1))]
    with world.registry.database.reading() as connection:
        before = read_head(connection)
        listed(world, range(1, 2))
        assert read_head(connection) == before
        assert find_by_keys(connection, keys) == {}
    with world.registry.database.reading() as connection:
        assert read_head(connection).seq == before.seq + 1
        assert len(find_by_keys(connection, keys)) == 1


# --- many rows -------------------------------------------------------------------


def read_back(world: World) -> list[dict[str, Any]]:
    with world.registry.database.reading_ledger() as connection:
        rows = connection.execute(select(*AccessRecord.__table__.columns).order_by(AccessRecord.id))
        return [dict(row._mapping) for row in rows]


def stored(world: World) -> list[tuple[Any, ...]]:
    """Return rows as the database stores them, without their ids."""
    table = "access_records" if world.registry.database.embedded else "ledger.access_records"
    columns = [column.name for column in AccessRecord.__table__.columns if column.name != "id"]
    with world.registry.database.reading_ledger() as connection:
        asked_for = ", ".join(f"CAST({name} AS TEXT)" for name in columns)
        return [tuple(row) for row in connection.execute(text(f"SELECT {asked_for} FROM {table}"))]


def test_the_same_rows_come_of_it_as_of_an_insert_by_sqlalchemy(world: World) -> None:
    odd = [
        record(
            f"test {number}",
            target=target,
            request_id=None,
            detail={"text": target, "n": [1, None]},
        )
        for number, target in enumerate(ODD)
    ]
    zones = [
        record("zone", recorded_at=datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=zone))
        for zone in (UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30)))
    ]
    bare = [record("none", actor_id=None, department=None)]
    rows = [*odd, *zones, *bare]
    again = [row | {"id": uuid7()} for row in rows]
    with world.registry.database.ledger() as connection:
        insert_many(connection, AccessRecord, rows)
    written = stored(world)
    read = read_back(world)
    with world.registry.database.ledger() as connection:
        connection.execute(AccessRecord.__table__.delete())
        for row in again:
            connection.execute(insert(AccessRecord).values(**row))
    assert sorted(written, key=str) == sorted(stored(world), key=str)
    assert len(written) == len(rows)
    for row, found in zip(sorted(rows, key=lambda row: row["id"]), read, strict=True):
        assert {name: found[name] for name in row} == row


def test_ten_thousand_rows_are_added_and_none_is_nothing(world: World) -> None:
    check_id = uuid7()
    rows = [
        {
            "check_id": check_id,
            "position": position,
            "asked_digest": f"{position:064d}",
            "subject_id": uuid4() if position % 2 else None,
            "standing": "black" if position % 3 else None,
        }
        for position in range(MANY)
    ]
    with world.registry.database.ledger() as connection:
        insert_many(connection, UnindexedResult, [])
        insert_many(connection, UnindexedResult, rows)
    columns = [UnindexedResult.__table__.columns[name] for name in rows[0]]
    with world.registry.database.reading_ledger() as connection:
        found = connection.execute(select(*columns).order_by(UnindexedResult.position)).all()
    assert [tuple(row) for row in found] == [tuple(row.values()) for row in rows]


# --- errors ------------------------------------------------------------------------


def broken_by(world: World, work: Callable[[Any], object]) -> SQLAlchemyError:
    with (
        pytest.raises(SQLAlchemyError) as raised,
        world.registry.database.ledger() as connection,
    ):
        work(connection)
    return raised.value


def personal(**changes: Any) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "check_id": uuid4(),
        "ref": PERSON_RESIDENT_ID,
        "action": "applied",
        "measures": [PERSON_RESIDENT_ID],
        "remark": PERSON_RESIDENT_ID,
        "digest": "0" * 64,
        "recorded_at": datetime(2026, 11, 22, tzinfo=UTC),
        "actor_id": uuid4(),
        "actor_name": PERSON_RESIDENT_ID,
        **changes,
    }


def test_a_broken_constraint_raises_as_in_sqlalchemy_without_values(world: World) -> None:
    check_id = UUID(post_check(world.api("approver"))["check_id"])
    twice = [personal(check_id=check_id), personal(check_id=check_id)]
    for rows in (
        twice,  # PostgreSQL's detail would quote the key
        [personal(check_id=check_id, actor_name=None)],  # ... or the failing row
        [personal(check_id=uuid4())],  # no such check
    ):
        error = broken_by(
            world, lambda connection, rows=rows: insert_many(connection, Outcome, rows)
        )
        assert isinstance(error, IntegrityError)
        assert not is_connection_error(error)
        whole = "".join(traceback.format_exception(error)) + str(error) + repr(error)
        assert PERSON_RESIDENT_ID not in whole
        assert "0" * 64 not in whole
        assert convert_database_error(error).status == 500
    with world.registry.database.reading_ledger() as connection:
        assert connection.execute(select(Outcome.id)).all() == []


def test_a_driver_error_is_raised_as_in_sqlalchemy(world: World) -> None:
    wrong = PreparedQuery(
        select(text("nothing_of_ours")).select_from(Check).where(Check.purpose == bindparam("x"))
    )
    error = broken_by(world, lambda connection: wrong.fetch(connection, x=PERSON_RESIDENT_ID))
    assert isinstance(error, DBAPIError)
    assert PERSON_RESIDENT_ID not in "".join(traceback.format_exception(error))
    # The connection is usable again, and so are its statements.
    check_id = post_check(world.api("approver"))["check_id"]
    assert read_check_records(world).keys() == {check_id}


def test_a_statement_that_fails_takes_what_was_done_before_it_along(world: World) -> None:
    row = record("once")

    def twice(connection: Any) -> None:
        insert_many(connection, AccessRecord, [row])
        insert_many(connection, AccessRecord, [record("other"), row])

    assert isinstance(broken_by(world, twice), IntegrityError)
    assert read_back(world) == []
