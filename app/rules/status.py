"""Where an entry stands on a day. Nothing is stored as "expired" or "suspended": it is derived.

SQL twin: `app/entries/store.py`, `status_expression`; a test holds the two equal by enumeration.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.rules.law import ListKind
from app.rules.list_effects import LIST_EFFECTS
from app.rules.spans import ONE_DAY


class Status(StrEnum):
    """The five states of an entry on a day; a dispute is a mark beside them."""

    scheduled = "scheduled"
    active = "active"
    suspended = "suspended"
    expired = "expired"
    removed = "removed"


class Removal(StrEnum):
    """What removed an entry before its term ended."""

    revoked = "revoked"
    repaired = "repaired"
    exited = "exited"


# Entries that are over; their dishonesty is no longer shown, used or exported by default.
ENDED_STATUSES = frozenset({Status.expired, Status.removed})


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The dated facts that decide the status.

    Attributes:
        effective_until: the last day in force, which counts; None is an open term.
        cap_ends_on: the last day of the 5 years after the conduct (山东省社会信用条例 Art 38).
        exited_on, revoked_on, repaired_on: the first day on which the entry is no longer in force.
        lapsed_from, lapsed_until: it counted as repaired from the one day to the eve of the other,
            when false materials were found and its term began anew.
        void: revoked because it named the wrong subject, so it never stood at all.
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
        """The last day by term and cap; None where neither ends it."""
        if self.effective_until is None or self.cap_ends_on is None:
            return self.effective_until or self.cap_ends_on
        return min(self.effective_until, self.cap_ends_on)

    @property
    def ends_on(self) -> date | None:
        """The first day on which it is over, by whatever ended it first; None if nothing does."""
        last_day = self.last_day
        after_last_day = None if last_day is None else last_day + ONE_DAY
        ends = (self.exited_on, self.revoked_on, self.repaired_on, after_last_day)
        return min((day for day in ends if day is not None), default=None)

    def find_removal_on(self, day: date) -> Removal | None:
        """What has removed the entry on that day; a revocation outweighs the rest."""
        if self.void or (self.revoked_on is not None and self.revoked_on <= day):
            return Removal.revoked
        if (self.repaired_on is not None and self.repaired_on <= day) or self.is_lapsed_on(day):
            return Removal.repaired
        if self.exited_on is not None and self.exited_on <= day:
            return Removal.exited
        return None

    def is_lapsed_on(self, day: date) -> bool:
        """Tell whether it counted as repaired that day, by a repair that was taken back later."""
        if self.lapsed_from is None or self.lapsed_until is None:
            return False
        return self.lapsed_from <= day < self.lapsed_until

    def overlaps(self, other: "Term") -> bool:
        """Tell whether there is a day that lies within both terms."""
        first = max(self.effective_from, other.effective_from)
        ends = [end for end in (self.ends_on, other.ends_on) if end is not None]
        return first < min(ends) if ends else True


def compute_status(
    term: Term, kind: ListKind, day: date, *, has_active_black_entry: bool
) -> Status:
    """The status on a day.

    `black_active` says whether the subject has a black entry active on that day: a red entry is
    then suspended (发改财金规〔2017〕1798号: who is on a black list is not kept on a red one).
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
