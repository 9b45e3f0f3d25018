"""The change feed: what each caller must do to its copy, and the whole of what the copy must be.

A number of the sequence announces an entry; what is sent is the entry as it is known now, today.
So a consumer that has folded everything up to the head holds what the snapshot shows, whatever
happened between two of its pages. Nothing in an entry's feed form moves with the day but its
status, and every change of that has a number (`app/entries/changes/status_changes.py`).
"""

import hashlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import orjson

from app.db.counter import Head
from app.db.engines import Connection
from app.entries.projections import build_subject_view
from app.entries.queries import (
    EntryRow,
    find_public_change_seqs,
    read_changes_after,
    read_current_entries,
)
from app.exports.snapshot import PAGE_ROWS, Pin, Tally, exported, pages
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.permissions import Caller, Role
from app.rules.visibility import AccessLevel


def read(
    connection: Connection,
    caller: Caller,
    after: int,
    limit: int,
    head: Head,
    today: date,
    calendar: Calendar,
) -> dict[str, Any]:
    """A page of changes (`ChangePage`).

    What the caller never could see is left out; what it could, and cannot any more, is a removal.
    """
    numbered = read_changes_after(connection, after, limit)
    rows = read_current_entries(connection, {change.entry_id for change in numbered}, today)
    shown = {
        entry_id
        for entry_id, row in rows.items()
        if row.determine_access_level(caller, today) is AccessLevel.full
    }
    # A removal is told where the change is of an entry that was public until then, or by it: what
    # is done to an entry while it is not public is nobody's business outside.
    hidden = {change.seq for change in numbered if change.entry_id not in shown}
    removed = find_public_change_seqs(connection, hidden) if hidden else set()
    return {
        "changes": [
            {
                "seq": change.seq,
                "recorded_at": change.recorded_at,
                "op": "upsert" if change.entry_id in shown else "remove",
                "entry_id": change.entry_id,
                "entry": feed_entry(rows[change.entry_id], caller, today, calendar)
                if change.entry_id in shown
                else None,
            }
            for change in numbered
            if change.entry_id in shown or change.seq in removed
        ],
        "next_after": numbered[-1].seq if len(numbered) == limit else head.seq,
        "head_seq": head.seq,
        "epoch": head.epoch,
        "as_of_day": today,
    }


def snapshot(registry: Registry, pin: Pin) -> Iterator[bytes]:
    """What the caller sees of all entries, one a line in the order of their ids, and the proof."""
    digest, tally = hashlib.sha256(), Tally()
    for rows, calendar in pages(registry, pin, PAGE_ROWS, tally):
        chunk = b"".join(
            orjson.dumps(
                feed_entry(row, pin.caller, pin.on, calendar), option=orjson.OPT_APPEND_NEWLINE
            )
            for row in rows
        )
        digest.update(chunk)
        yield chunk
    trailer = {
        "count": tally.count,
        "epoch": pin.epoch,
        "seq": pin.seq,
        "on": pin.on,
        "sha256": digest.hexdigest(),
    }
    yield orjson.dumps({"trailer": trailer}, option=orjson.OPT_APPEND_NEWLINE)


def feed_entry(row: EntryRow, caller: Caller, day: date, calendar: Calendar) -> dict[str, Any]:
    """An entry for a consumer's copy: whole for auditors, else as the public may read it."""
    if caller.role is Role.auditor:
        view = exported(row, day, calendar)
        for name in ("on", "in_force"):
            del view[name]
        del view["disclosure"]["state"], view["disclosure"]["take_down"]
        for channel in view["disclosure"]["channels"]:
            del channel["state"]
        return view
    facts = row.facts
    decision = facts["decision"]
    return {
        "id": row.id,
        "version": row.version,
        "seq": row.seq,
        "list_type": row.list_type,
        "list": row.kind,
        "domain": row.domain,
        "department": row.department,
        "subject": build_subject_view(row),
        "responsible_persons": [
            {"role": person["role"], "name": person["name"]}
            for person in facts.get("responsible_persons") or ()
        ],
        "decision": {
            "number": decision["number"],
            "kind": decision["kind"],
            "decided_on": row.decided_on,
        },
        "reason": facts["reason"],
        "legal_basis": facts["legal_basis"],
        "severity": row.severity,
        "effective_from": row.effective_from,
        "effective_until": row.effective_until,
        "ends_by_law_on": row.cap_ends_on,
        "penalty": facts.get("penalty"),
        "licence": facts.get("licence"),
        "recorded_at": row.recorded_at,
        "status": row.compute_status(day),
        "disputed": row.disputed,
    }
