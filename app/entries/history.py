"""The history of an entry: changed fields of each version, causes of status changes."""

from collections.abc import Mapping
from typing import Any, Literal

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


def find_field_changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Compare the views of two versions, field by field; the first version has no changes."""
    if before is None:
        return []
    old, new = _flatten(before), _flatten(after)
    return [
        {"field": name, "old": old.get(name), "new": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and name.split(".")[0] not in IGNORED_FIELDS
    ]


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = ((str(position), item) for position, item in enumerate(value))  # type: ignore[assignment]
    else:
        return {prefix: value}
    flattened: dict[str, Any] = {}
    for name, item in items:
        flattened.update(_flatten(item, f"{prefix}.{name}" if prefix else str(name)))
    return flattened
