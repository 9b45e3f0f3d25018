"""The tables of a stopped registry, written as fast as its database accepts rows."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from sqlalchemy import Table

from bench.cloning import Row

if TYPE_CHECKING:
    from bench.cloning import RegistryStore

CACHE_KIBIBYTES = 1_000_000
NULL = r"\N"


class _SqliteStore:
    """The embedded database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, table: Table) -> list[Row]:
        names = ", ".join(f'"{name}"' for name in table.columns.keys())  # noqa: SIM118
        return list(self._connection.execute(f'SELECT {names} FROM "{table.name}"'))  # noqa: S608

    def write(self, table: Table, new_rows: Iterable[Row]) -> None:
        placeholders = ", ".join("?" * len(table.columns))
        names = ", ".join(f'"{name}"' for name in table.columns.keys())  # noqa: SIM118
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({placeholders})'  # noqa: S608
        with self._connection:
            self._connection.executemany(statement, new_rows)

    def finish(self, last_seq: int) -> None:
        with self._connection:
            self._connection.execute("UPDATE registry_state SET seq = ?", (last_seq,))
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _PostgresqlStore:
    """A database of a PostgreSQL server; values are the texts that COPY writes and reads."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def read(self, table: Table) -> list[Row]:
        with self._connection.cursor() as cursor:
            statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
                *self._build_names(table)
            )
            with cursor.copy(statement) as copy:
                text = b"".join(bytes(part) for part in copy).decode()
        self._connection.commit()
        return [
            tuple(None if value == NULL else value for value in line.split("\t"))
            for line in text.split("\n")[:-1]
        ]

    def write(self, table: Table, new_rows: Iterable[Row]) -> None:
        names, table_name = self._build_names(table)
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(table_name, names)
        lines = (
            "\t".join(NULL if value is None else str(value) for value in row) for row in new_rows
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write("\n".join(lines) + "\n")
        self._connection.commit()

    def finish(self, last_seq: int) -> None:
        self._connection.execute("UPDATE registry_state SET seq = %s", (last_seq,))
        self._connection.commit()
        vacuum(self._connection)

    @staticmethod
    def _build_names(table: Table) -> tuple[sql.Composed, sql.Identifier]:
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
        return columns, sql.Identifier(table.name)


@contextmanager
def open_sqlite_store(file: Path) -> "Iterator[RegistryStore]":
    """Open the tables of an embedded database."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        connection.execute("PRAGMA synchronous = off")
        yield _SqliteStore(connection)


@contextmanager
def open_postgresql_store(address: str) -> "Iterator[RegistryStore]":
    """Open the tables of a registry's database on PostgreSQL."""
    with psycopg.connect(address) as connection:
        # The rows refer to rows that were copied before: the check of references is not needed.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        connection.commit()
        yield _PostgresqlStore(connection)


def vacuum(connection: psycopg.Connection) -> None:
    """Do before the measurement the cleaning that PostgreSQL does by itself sooner or later."""
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE)")
