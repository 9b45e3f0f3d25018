"""The status of an entry on a day, derived from its term; no status is stored.

The SQL twin is `build_status_expression` in `app/entries/store/reads.py`; a test compares
the two by enumeration.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.rules.calendar import ONE_DAY
from app.rules.law import ListKind
from app.rules.list_effects import LIST_EFFECTS


class Status(StrEnum):
    """The five statuses of an entry on a day; a dispute is a separate mark."""

    scheduled = "scheduled"
    active = "active"
    suspended = "suspended"
    expired = "expired"
    removed = "removed"


class Removal(StrEnum):
    """The cause of a removal before the end of the term."""

    revoked = "revoked"
    repaired = "repaired"
    exited = "exited"


# Statuses of ended entries, which are not shown, used or exported by default.
ENDED_STATUSES = frozenset({Status.expired, Status.removed})


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The dated facts that decide the status.

    Attributes:
        effective_until: the last day in effect; None for an open term.
        cap_ends_on: the last day of the 5 years after the conduct (山东省社会信用条例 Art 38).
        exited_on, revoked_on, repaired_on: the first day on which the entry is not in effect.
        lapsed_from, lapsed_until: the entry counted as repaired from the first day to the day
            before the second, when a repair by false materials was withdrawn.
        void: the entry was revoked for a wrong subject, so it was never in effect.
    """

    effective_from: date
    effective_until: date | None = None
    cap_ends_on: date | None = None
    exited_on: date | None = None
    revoked_on: date | None = None
    repaired_on: date | None = None
    lapsed_from: date | None = None
    lapsed_until: date | None = None
    void: bool = False

    @property
    def last_day(self) -> date | None:
        """The last day by term and cap; None where both are open."""
        if self.effective_until is None or self.cap_ends_on is None:
            return self.effective_until or self.cap_ends_on
        return min(self.effective_until, self.cap_ends_on)

    @property
    def ends_on(self) -> date | None:
        """The first day after the entry, by its earliest end; None without an end."""
        last_day = self.last_day
        after_last_day = None if last_day is None else last_day + ONE_DAY
        ends = (self.exited_on, self.revoked_on, self.repaired_on, after_last_day)
        return min((day for day in ends if day is not None), default=None)

    def find_removal_on(self, day: date) -> Removal | None:
        """Return the cause of removal on a day; a revocation comes before other causes."""
        if self.void or (self.revoked_on is not None and self.revoked_on <= day):
            return Removal.revoked
        if (self.repaired_on is not None and self.repaired_on <= day) or self.is_lapsed_on(day):
            return Removal.repaired
        if self.exited_on is not None and self.exited_on <= day:
            return Removal.exited
        return None

    def is_lapsed_on(self, day: date) -> bool:
        """Return True where the entry counted as repaired, by a repair that was withdrawn later."""
        if self.lapsed_from is None or self.lapsed_until is None:
            return False
        return self.lapsed_from <= day < self.lapsed_until

    def overlaps(self, other: "Term") -> bool:
        """Return True where the two terms share a day."""
        first = max(self.effective_from, other.effective_from)
        ends = [end for end in (self.ends_on, other.ends_on) if end is not None]
        return first < min(ends) if ends else True


def compute_status(
    term: Term, kind: ListKind, day: date, *, has_active_black_entry: bool
) -> Status:
    """Return the status on a day.

    A red entry is suspended while its subject has an active black entry
    (发改财金规〔2017〕1798号: a subject on a black list does not stay on a red list).
    """
    if term.find_removal_on(day) is not None:
        return Status.removed
    last_day = term.last_day
    if last_day is not None and day > last_day:
        return Status.expired
    if day < term.effective_from:
        return Status.scheduled
    if has_active_black_entry and LIST_EFFECTS[kind].is_suspended_by_black:
        return Status.suspended
    return Status.active
