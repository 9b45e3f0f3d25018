"""The history of an entry: changed fields of each version, causes of status changes."""

from collections.abc import Iterable, Mapping
from typing import Literal

from app.entries.projections import EntryJson
from app.entries.schemas import FieldChange
from app.entries.store.rows import StatusChangeRow
from app.rules.status import Status

StatusCause = Literal["day", "black_entry_active", "no_black_entry_active"]

# These fields differ between versions by themselves.
IGNORED_FIELDS = {"version", "seq", "recorded_at", "on", "effects"}


def determine_cause(change: StatusChangeRow) -> StatusCause:
    """Return the cause of a status change, as the history shows it."""
    if change.cause_entry_id is None:
        return "day"
    is_suspension = change.status == Status.suspended
    return "black_entry_active" if is_suspension else "no_black_entry_active"


def find_field_changes(before: EntryJson | None, after: EntryJson) -> list[FieldChange]:
    """Compare the views of two versions, field by field; the first version has no changes."""
    if before is None:
        return []
    old, new = _flatten(before), _flatten(after)
    return [
        FieldChange(field=name, old=old.get(name), new=new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and name.split(".")[0] not in IGNORED_FIELDS
    ]


def _flatten(value: object, prefix: str = "") -> dict[str, object]:
    items: Iterable[tuple[object, object]]
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return {prefix: value}
    flattened: dict[str, object] = {}
    for name, item in items:
        flattened.update(_flatten(item, f"{prefix}.{name}" if prefix else str(name)))
    return flattened
