"""A submission as it is shown, and the answers for its rows as a stream."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from app.registry import Registry
from app.submissions import store
from app.submissions.schemas import (
    ENDED_STATES,
    ChangesView,
    RowOutcome,
    RowResult,
    State,
    SubmissionStepView,
)
from app.submissions.store import SubmissionRow

CHANGE_FIELDS = tuple(ChangesView.model_fields)
SHOWN_FIELDS = (
    "id",
    "state",
    "format",
    "department",
    "list_type",
    "mode",
    "dry_run",
    "on_error",
    "reason",
    "declared_rows",
    "bytes",
    "sha256",
    "received_at",
    "started_at",
    "finished_at",
    "problem",
    "held_until",
)


def build_submission_view(
    row: SubmissionRow, now: datetime, results: list[RowResult] | None = None
) -> dict[str, Any]:
    """Build the view of a submission (`SubmissionView`)."""
    return {
        **{name: getattr(row, name) for name in SHOWN_FIELDS},
        "commit": row.commit_rule,
        "submitted_by": row.actor_name,
        "progress": _build_progress(row, now),
        "changes": row.changes and {name: row.changes[name] for name in CHANGE_FIELDS},
        "approval": _build_step(row.approval),
        "reversal": _build_step(row.reversal),
        "results": results,
    }


def _build_progress(row: SubmissionRow, now: datetime) -> dict[str, Any]:
    read_share = 1.0 if row.finished_at else row.bytes_read / max(row.bytes, 1)
    measured_until = row.finished_at or now
    seconds = (measured_until - row.started_at).total_seconds() if row.started_at else 0.0
    counts = {name: getattr(row, name) for name in ("rows_read", *store.COUNTER_COLUMNS)}
    has_estimate = seconds > 0 and read_share > 0 and row.state != State.reversing
    return {
        **counts,
        "share": round(read_share, 4),
        "rows_per_second": round(row.rows_read / seconds, 1) if has_estimate else None,
        "remaining_seconds": round(seconds * (1 - read_share) / read_share, 1)
        if has_estimate
        else None,
    }


def _build_step(step: dict[str, Any] | None) -> dict[str, Any] | None:
    return step and {name: step[name] for name in SubmissionStepView.model_fields}


def stream_results(
    registry: Registry, row: SubmissionRow, *, outcome: RowOutcome | None
) -> Iterator[bytes]:
    """The answers, one line a row and a trailer; they are complete once the submission ended."""
    count = 0
    refused_only = outcome is RowOutcome.refused
    for batch in store.read_all_batches(registry, row.id, refused_only=refused_only):
        lines = [
            orjson.dumps(build_row_view(result), option=orjson.OPT_APPEND_NEWLINE)
            for result in batch.results
            if outcome in {None, result["outcome"]}
        ]
        count += len(lines)
        yield b"".join(lines)
    with registry.database.reading() as connection:
        latest = store.get_submission(connection, row.id) or row
    trailer = {
        "rows": count,
        "state": latest.state,
        "complete": State(latest.state) in ENDED_STATES,
    }
    yield orjson.dumps({"trailer": trailer}, option=orjson.OPT_APPEND_NEWLINE)


def build_row_view(result: RowResult) -> RowResult:
    """An answer without what it does not have (`RowView`)."""
    return {name: value for name, value in result.items() if value is not None}
