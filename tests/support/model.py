"""A registry in a few ifs, to hold the real one against: it shares no code with the app.

An entry is a list of what was known of it, from which change number on. Everything else (its status
on a day, who sees it, what an office is told) is worked out from that, for any day and any number.
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
STANDING = {SCHEDULED, ACTIVE, SUSPENDED}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of an entry at some time; `until` and `cap` are last days."""

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
    def last(self) -> date | None:
        """The last day by term or by the five years."""
        return min((day for day in (self.until, self.cap) if day), default=None)

    @property
    def over(self) -> date | None:
        """The first day on which it is over for good."""
        days = [day for day in (self.exited, self.revoked, self.repaired) if day]
        if self.last:
            days.append(self.last + timedelta(1))
        return min(days, default=None)

    def on(self, day: date) -> str:
        """Where it stands on a day, for itself."""
        if self.void or any(end and end <= day for end in (self.exited, self.revoked)):
            return REMOVED
        if self.repaired and self.repaired <= day:
            return REMOVED
        if any(first <= day < back for first, back in self.lapses):
            return REMOVED
        if self.last and self.last < day:
            return EXPIRED
        return SCHEDULED if day < self.begins else ACTIVE


@dataclass
class Known:
    """What became known with a change number (None until the registry told which)."""

    seq: int | None
    facts: Facts


@dataclass(repr=False)
class Entry:
    """An entry with all that was ever known of it; `sent` are its facts as the department said."""

    id: str
    kind: str
    list_type: str
    department: str
    subject: int
    decided: date
    sent: dict[str, Any]
    known: list[Known]

    def __repr__(self) -> str:
        return f"<{self.list_type} {self.sent['source_ref']} of {self.subject}>"

    @property
    def now(self) -> Facts:
        """What is known now."""
        return self.known[-1].facts

    @property
    def version(self) -> int:
        """How often something was learnt."""
        return len(self.known)

    def becomes(self, **changes: Any) -> None:
        """Learn something; that nothing but the version changes is something, too."""
        self.known.append(Known(None, replace(self.now, **changes)))

    def at(self, seq: int | None) -> Facts | None:
        """What was known at a change number; None where the entry was not."""
        if seq is None:
            return self.now
        told = [known.facts for known in self.known if known.seq is not None and known.seq <= seq]
        return told[-1] if told else None

    @property
    def once_public(self) -> bool:
        """It was of the public class at some time."""
        return any(known.facts.shown_to == "public" for known in self.known)


@dataclass
class Told:
    """What an approval officer must be told of a subject."""

    standing: str
    entries: list[tuple[str, str, bool]]
    measures: set[str]
    suppressed: set[str]
    disputed: bool


@dataclass
class Model:
    """All entries, in the order of their recording."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def of(self, subject: int) -> Iterable[Entry]:
        """The entries on a subject."""
        return [entry for entry in self if entry.subject == subject]

    def status(self, entry: Entry, day: date, seq: int | None = None) -> str:
        """Where an entry stands on a day, by what was known at a number."""
        facts = entry.at(seq)
        assert facts is not None
        own = facts.on(day)
        beside = [other.at(seq) for other in self.of(entry.subject) if other.kind == BLACK]
        black = any(other.on(day) == ACTIVE for other in beside if other)
        return SUSPENDED if own == ACTIVE and entry.kind == RED and black else own

    def statuses(self, day: date, seq: int | None = None) -> dict[str, str]:
        """Where every entry stands that was known."""
        return {entry.id: self.status(entry, day, seq) for entry in self if entry.at(seq)}

    def in_force(self, day: date) -> set[str]:
        """Entries that stand, or will."""
        return {name for name, status in self.statuses(day).items() if status in STANDING}

    def public(self, day: date) -> set[str]:
        """What anybody may read."""
        return {name for name in self.in_force(day) if self.entries[name].now.shown_to == "public"}

    def barred(self, subject: int, begins: date, over: date | None, today: date) -> bool:
        """Whether a red entry over those days would meet a black one that stands or will."""
        for other in self.of(subject):
            facts = other.now
            if other.kind != BLACK or facts.void or (facts.over and facts.over <= today):
                continue
            first = max(facts.begins, begins)
            if all(end is None or first < end for end in (facts.over, over)):
                return True
        return False

    def told(self, subject: int, day: date, seq: int | None = None) -> Told:
        """What an officer is told about a subject."""
        seen = [
            (entry, facts, status)
            for entry in self.of(subject)
            if (facts := entry.at(seq)) is not None
            and (status := self.status(entry, day, seq)) in STANDING
        ]
        by_kind = {
            kind: {entry.id for entry, _, status in seen if entry.kind == kind and status == ACTIVE}
            for kind in (RED, BLACK)
        }
        asleep = {entry.id for entry, _, status in seen if status == SUSPENDED}
        standing = BLACK if by_kind[BLACK] else RED if by_kind[RED] else "none"
        return Told(
            standing=standing,
            entries=[(entry.id, status, facts.disputed) for entry, facts, status in seen],
            measures=by_kind.get(standing, set()),
            suppressed=asleep,
            disputed=any(facts.disputed and status != SCHEDULED for _, facts, status in seen),
        )


def years_later(day: date, years: int) -> date:
    """The same day of a later year; 28 February where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
