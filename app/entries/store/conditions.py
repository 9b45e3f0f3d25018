"""SQL conditions on entries: known at a number, in effect on a day, visible, or filtered."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    and_,
    case,
    exists,
    literal,
    or_,
    true,
)
from sqlalchemy.orm import aliased

from app.db.tables import Entry, EntryVersion
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import Caller, Role
from app.rules.status import Status

BLACK_VERSION = aliased(EntryVersion)  # built once: an alias costs more than the query of an entry
DayOrParameter = date | BindParameter[date]
SeqOrParameter = int | BindParameter[int] | None


def is_version_at(version: Any, seq: SeqOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Match versions that the registry knew at a sequence number; None is now."""
    if seq is None:
        return version.superseded_seq.is_(None)  # type: ignore[no-any-return]
    return and_(
        version.seq <= seq, or_(version.superseded_seq.is_(None), version.superseded_seq > seq)
    )


def is_in_effect_on(version: Any, day: DayOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Match entries that are active or suspended on a day."""
    return and_(is_not_ended_on(version, day), version.effective_from <= day)


def is_not_ended_on(version: Any, day: DayOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Match entries that are scheduled, active or suspended on a day."""
    return and_(
        version.void.is_(False),
        or_(version.revoked_on.is_(None), version.revoked_on > day),
        or_(version.exited_on.is_(None), version.exited_on > day),
        or_(version.repaired_on.is_(None), version.repaired_on > day),
        or_(
            version.lapsed_from.is_(None),
            version.lapsed_from > day,
            version.lapsed_until <= day,
        ),
        or_(version.effective_until.is_(None), version.effective_until >= day),
        or_(version.cap_ends_on.is_(None), version.cap_ends_on >= day),
    )


def has_active_black_entry(day: DayOrParameter, seq: SeqOrParameter) -> ColumnElement[bool]:
    """Match red entries whose subject has an active black entry on a day."""
    return and_(
        EntryVersion.kind == ListKind.red,
        exists().where(
            BLACK_VERSION.subject_id == EntryVersion.subject_id,
            BLACK_VERSION.kind == ListKind.black,
            is_version_at(BLACK_VERSION, seq),
            is_in_effect_on(BLACK_VERSION, day),
        ),
    )


def is_visible_to(caller: Caller, day: date) -> ColumnElement[bool]:
    """Match entries that the caller sees whole: the SQL twin of `determine_access_level`."""
    version = EntryVersion
    if caller.can_read_sealed:
        return true()
    if caller.has_oversight:
        return version.void.is_(False)
    if caller.role is Role.subscriber:
        return and_(
            version.disclosure_class == DisclosureClass.public, is_not_ended_on(version, day)
        )
    return and_(version.void.is_(False), version.department == (caller.department or ""))


def build_status_expression(day: DayOrParameter, seq: SeqOrParameter = None) -> ColumnElement[str]:
    """Compute the status on a day: the SQL twin of `compute_status` (`app/rules/status.py`)."""
    version = EntryVersion
    removed = or_(
        version.void.is_(True),
        version.revoked_on <= day,
        version.exited_on <= day,
        version.repaired_on <= day,
        and_(version.lapsed_from <= day, version.lapsed_until > day),
    )
    expired = or_(version.effective_until < day, version.cap_ends_on < day)
    return case(
        (removed, literal(Status.removed.value)),
        (expired, literal(Status.expired.value)),
        (version.effective_from > day, literal(Status.scheduled.value)),
        (has_active_black_entry(day, seq), literal(Status.suspended.value)),
        else_=literal(Status.active.value),
    )


def build_filter_conditions(filters: Mapping[str, Any]) -> Iterable[ColumnElement[bool]]:
    """Build the conditions of filters by name: field = value."""
    for name, value in filters.items():
        if name == "domain":
            yield EntryVersion.list_type.startswith(f"{value}.", autoescape=True)
        elif name == "list":
            yield EntryVersion.kind == value
        elif name == "within":
            yield EntryVersion.department == value
        elif name == "source_ref":
            yield or_(Entry.source_ref == value, Entry.freed_ref == value)
        else:
            yield getattr(EntryVersion, name) == value
