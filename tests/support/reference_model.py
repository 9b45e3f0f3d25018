"""A small model of the registry to compare with the real one; it shares no code with the app.

An entry is a list of its facts, each with the change number from which they were known. Everything
else (its status on a day, its readers, the answer to an office) is computed from that, for any day
and any number.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

RED, BLACK, RECORD = "red", "black", "record"
SCHEDULED, ACTIVE, SUSPENDED, EXPIRED, REMOVED = (
    "scheduled",
    "active",
    "suspended",
    "expired",
    "removed",
)
IN_FORCE_STATUSES = {SCHEDULED, ACTIVE, SUSPENDED}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of an entry at some time; `until` and `cap` are last days."""

    begins: date
    until: date | None
    cap: date | None
    shown_to: str
    severity: str | None
    exited: date | None = None
    revoked: date | None = None
    repaired: date | None = None
    lapses: tuple[tuple[date, date], ...] = ()
    void: bool = False
    disputed: bool = False

    @property
    def last_day(self) -> date | None:
        """The last day by the term or by the five years."""
        return min((day for day in (self.until, self.cap) if day), default=None)

    @property
    def ended_from(self) -> date | None:
        """The first day on which it has ended for good."""
        days = [day for day in (self.exited, self.revoked, self.repaired) if day]
        if self.last_day:
            days.append(self.last_day + timedelta(1))
        return min(days, default=None)

    def status_on(self, day: date) -> str:
        """Return its status on a day, apart from other entries."""
        if self.void or any(end and end <= day for end in (self.exited, self.revoked)):
            return REMOVED
        if self.repaired and self.repaired <= day:
            return REMOVED
        if any(first <= day < back for first, back in self.lapses):
            return REMOVED
        if self.last_day and self.last_day < day:
            return EXPIRED
        return SCHEDULED if day < self.begins else ACTIVE


@dataclass
class KnownFacts:
    """Facts and their change number (None until the registry assigned it)."""

    seq: int | None
    facts: Facts


@dataclass(repr=False)
class ModelEntry:
    """An entry with all its facts over time; `sent` are its facts as the department sent them."""

    id: str
    kind: str
    list_type: str
    department: str
    subject: int
    decided: date
    sent: dict[str, Any]
    history: list[KnownFacts]

    def __repr__(self) -> str:
        return f"<{self.list_type} {self.sent['source_ref']} of {self.subject}>"

    @property
    def current_facts(self) -> Facts:
        """The newest facts."""
        return self.history[-1].facts

    @property
    def version(self) -> int:
        """The number of versions."""
        return len(self.history)

    def add_knowledge(self, **changes: Any) -> None:
        """Add a version, even if no fact changes."""
        self.history.append(KnownFacts(None, replace(self.current_facts, **changes)))

    def facts_at(self, seq: int | None) -> Facts | None:
        """Return the facts at a change number; None if the entry did not exist."""
        if seq is None:
            return self.current_facts
        facts_until_seq = [
            known.facts for known in self.history if known.seq is not None and known.seq <= seq
        ]
        return facts_until_seq[-1] if facts_until_seq else None

    @property
    def was_ever_public(self) -> bool:
        """True if the entry was of the public class at some time."""
        return any(known.facts.shown_to == "public" for known in self.history)


@dataclass
class ExpectedFinding:
    """The finding that an approval officer must get for a subject."""

    standing: str
    entries: list[tuple[str, str, bool]]
    measures: set[str]
    suppressed: set[str]
    disputed: bool


@dataclass
class Model:
    """All entries, in the order of their recording."""

    entries: dict[str, ModelEntry] = field(default_factory=dict)

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self.entries.values())

    def find_entries(self, subject: int) -> Iterable[ModelEntry]:
        """Find the entries on a subject."""
        return [entry for entry in self if entry.subject == subject]

    def compute_status(self, entry: ModelEntry, day: date, seq: int | None = None) -> str:
        """Compute the status of an entry on a day, by the facts at a number."""
        facts = entry.facts_at(seq)
        assert facts is not None
        own_status = facts.status_on(day)
        black_facts = [
            other.facts_at(seq) for other in self.find_entries(entry.subject) if other.kind == BLACK
        ]
        has_active_black = any(other.status_on(day) == ACTIVE for other in black_facts if other)
        return (
            SUSPENDED
            if own_status == ACTIVE and entry.kind == RED and has_active_black
            else own_status
        )

    def compute_statuses(self, day: date, seq: int | None = None) -> dict[str, str]:
        """Compute the status of every existing entry."""
        return {
            entry.id: self.compute_status(entry, day, seq) for entry in self if entry.facts_at(seq)
        }

    def find_in_force(self, day: date) -> set[str]:
        """Find entries that are in force, or will be."""
        return {
            name
            for name, status in self.compute_statuses(day).items()
            if status in IN_FORCE_STATUSES
        }

    def find_public(self, day: date) -> set[str]:
        """Find the entries that are public, without red ones that hidden entries alone suspend."""
        statuses = self.compute_statuses(day)
        public = {
            name for name in statuses if self.entries[name].current_facts.shown_to == "public"
        }
        causes = {
            self.entries[name].subject
            for name in public
            if self.entries[name].kind == BLACK and statuses[name] == ACTIVE
        }
        return {
            name
            for name in public & self.find_in_force(day)
            if statuses[name] != SUSPENDED or self.entries[name].subject in causes
        }

    def is_barred(self, subject: int, begins: date, ended_from: date | None, today: date) -> bool:
        """Return whether a red entry would overlap a black one that is or will be in force."""
        for other in self.find_entries(subject):
            facts = other.current_facts
            if (
                other.kind != BLACK
                or facts.void
                or (facts.ended_from and facts.ended_from <= today)
            ):
                continue
            first = max(facts.begins, begins)
            if all(end is None or first < end for end in (facts.ended_from, ended_from)):
                return True
        return False

    def build_expected_finding(
        self, subject: int, day: date, seq: int | None = None
    ) -> ExpectedFinding:
        """Build the finding that an officer must get for a subject."""
        visible_entries = [
            (entry, facts, status)
            for entry in self.find_entries(subject)
            if (facts := entry.facts_at(seq)) is not None
            and (status := self.compute_status(entry, day, seq)) in IN_FORCE_STATUSES
        ]
        by_kind = {
            kind: {
                entry.id
                for entry, _, status in visible_entries
                if entry.kind == kind and status == ACTIVE
            }
            for kind in (RED, BLACK)
        }
        suspended_ids = {entry.id for entry, _, status in visible_entries if status == SUSPENDED}
        standing = BLACK if by_kind[BLACK] else RED if by_kind[RED] else "none"
        return ExpectedFinding(
            standing=standing,
            entries=[
                (entry.id, status, facts.disputed) for entry, facts, status in visible_entries
            ],
            measures=by_kind.get(standing, set()),
            suppressed=suspended_ids,
            disputed=any(
                facts.disputed and status != SCHEDULED for _, facts, status in visible_entries
            ),
        )


def add_years(day: date, years: int) -> date:
    """Return the same day of a later year; 28 February if there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
