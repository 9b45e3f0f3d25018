"""Features of each side in the measured answers, and what it lacks: the ratios depend on them."""

from app.settings import Settings
from bench.sides import ASGI, FASTAPI, POCKETBASE, REGISTRY_NAMES, TUTORIAL

LEDGER_SYNCHRONOUS = Settings.model_fields["ledger_synchronous"].default

REGISTRY_FEATURES = [
    "a key with role and department, looked up and judged for every request",
    "each subject found by number, held against its names, and by name alone where there is none",
    "status on the day, verdict for the matter, measures with their legal basis",
    "every check on file before its answer leaves: who, why, for which case, whom, what was told",
    "a record in the audit trail of every check, every subject shown and every export",
    "an export is one snapshot, proved by count and SHA-256 in its trailer",
]

FEATURES = {
    REGISTRY_NAMES["sqlite"]: [
        *REGISTRY_FEATURES,
        f"SQLite: WAL, synchronous = {LEDGER_SYNCHRONOUS} for checks and audit (as shipped)",
        "`normal` keeps them when the process is killed, `full` through a power cut",
    ],
    REGISTRY_NAMES["postgresql"]: [
        *REGISTRY_FEATURES,
        "PostgreSQL as shipped: fsync on, synchronous_commit on; 400 connections allowed",
    ],
    POCKETBASE: [
        "the record by its USCC: a unique index; the first page of one record, uncounted",
        "open rule: no token is looked at; log of requests off",
        "nothing written: no audit, no record of who asked",
        "no names compared, no status, no verdict, no measures; personal numbers in the clear",
        "SQLite: WAL, synchronous = normal",
    ],
    TUTORIAL: [
        "async SQLAlchemy ORM on asyncpg, a session for each request, an index on the USCC",
        "Pydantic models for what is asked and answered",
        "no login, nothing written, no status, no verdict, no measures",
        "PostgreSQL: the same server as the registry's, a database of its own",
    ],
    FASTAPI: ["an async route that gives the registry's bytes; nothing is read or written"],
    ASGI: ["an application of twenty lines that gives the registry's bytes, without a framework"],
    "sqlite3": [
        "one SELECT makes the lines; compared with the registry's, member by member, beforehand",
        "no login, no audit, no proof at the end",
        "take_down without its last day: no entry of the benchmark is on show",
    ],
    "psql": ["as sqlite3, in one COPY (SELECT …) TO STDOUT"],
}
