"""Who decides what about whom in the demo data, and on which day the registry hears of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from random import Random

from app.demo import synthetic
from app.entries.schemas import EntryPush
from app.rules.calendar import DISCLOSURE_WORKING_DAYS, Calendar
from app.rules.law import Catalogue, ListKind, ListType, SubjectKind

HISTORY = timedelta(days=548)
BEFORE = timedelta(days=120)  # the first decisions were taken before the first report
LATEST = 8  # working days that are told about day by day, for what is still to be published
EVERY = 5  # of the days before, every fifth one; large batches are faster
SHARE_LATEST, SHARE_REPORTED_LATE, SHARE_RENAMED = 0.06, 0.07, 0.2
LATE = (DISCLOSURE_WORKING_DAYS + 1, 40)

KINDS = {
    SubjectKind.legal_person: 60,
    SubjectKind.individual_business: 18,
    SubjectKind.natural_person: 15,
    SubjectKind.unincorporated_organization: 7,
}
ENTRIES = {1: 78, 2: 15, 3: 5, 5: 2}
ENDINGS = {"penalty": 42, "licence": 35, "black": 15, "red": 8}
FIRST = (1, "wage_arrears.black")  # so that there is a black one however small the load
FALLEN_EVERY, FALLEN = 80, 2  # every 80th subject is red first and black later


def working_days(calendar: Calendar, today: date) -> list[date]:
    """The working days of the history and of the time before it, then today, whatever it is."""
    span = (HISTORY + BEFORE).days
    past = (today - timedelta(days=back) for back in range(span, 0, -1))
    return [*filter(calendar.is_working_day, past), today]


def told_on(place: int, today: int) -> int:
    """The next day, from a place in the row of days on, on which the registry is told anything."""
    return place if place >= today - LATEST else min(-(-place // EVERY) * EVERY, today - LATEST)


@dataclass(frozen=True, slots=True)
class Planned:
    """A decision; its days are places in the row of working days."""

    received: int
    decided: int
    serial: int
    department: str
    list_type: ListType
    subject: synthetic.Party
    formerly: bool

    def push(self, rng: Random, days: Sequence[date]) -> EntryPush:
        """As its department sends it."""
        body = synthetic.decision(
            rng, self.list_type, self.subject, self.serial, days[self.decided]
        )
        body["subject"] = self.subject.facts(formerly=self.formerly)
        return EntryPush.model_validate({**body, "department": self.department})


class Plan:
    """Who decides what about whom, and when the registry hears of it."""

    def __init__(self, rng: Random, days: Sequence[date], catalogue: Catalogue) -> None:
        self._rng = rng
        self._days = days
        self._first = next(place for place, day in enumerate(days) if day >= days[-1] - HISTORY)
        self._issuers: dict[str, list[str]] = {}
        self._by_ending: dict[str, list[ListType]] = {ending: [] for ending in ENDINGS}
        # In force, and with an issuer, from the first day to the last.
        ends = (days[0], days[-1])
        for item in catalogue.list_types.values():
            issuers = [
                body.code
                for body in catalogue.departments.values()
                if catalogue.is_issuer(body, item) and all(map(body.is_valid_on, ends))
            ]
            if issuers and all(map(item.is_in_force_on, ends)):
                self._issuers[item.code] = issuers
                self._by_ending[item.code.partition(".")[2]].append(item)
        # In turn, so that no domain is left out.
        self._turns = {ending: cycle(items) for ending, items in self._by_ending.items() if items}

    def decisions(self, subjects: int) -> list[Planned]:
        """Every decision, in the order in which the registry hears of it."""
        rng, planned = self._rng, list[Planned]()
        for serial in range(1, subjects + 1):
            kind, list_types = self._list_types(serial)
            numbered = any(item.requires_identifier for item in list_types)
            subject = synthetic.party(serial, kind, numbered=numbered)
            renamed = numbered and len(list_types) > 1 and rng.random() < SHARE_RENAMED
            for day, list_type in zip(self._received(list_types), list_types, strict=True):
                late = rng.random() < SHARE_REPORTED_LATE
                planned.append(
                    Planned(
                        received=day,
                        decided=day - (rng.randint(*LATE) if late else rng.randint(0, 5)),
                        serial=len(planned) + 1,
                        department=rng.choice(self._issuers[list_type.code]),
                        list_type=list_type,
                        subject=subject,
                        formerly=renamed and list_type is list_types[0],
                    )
                )
        return sorted(planned, key=lambda item: (item.received, item.serial))

    def _list_types(self, serial: int) -> tuple[SubjectKind, list[ListType]]:
        if serial % FALLEN_EVERY == FALLEN and {"red", "black"} <= self._turns.keys():
            picked = [next(self._turns["red"]), next(self._turns["black"])]
            return SubjectKind.legal_person, picked
        if serial == FIRST[0] and FIRST[1] in self._issuers:
            [first] = [item for item in self._by_ending["black"] if item.code == FIRST[1]]
            return SubjectKind.legal_person, [first]
        [kind] = self._rng.choices([*KINDS], [*KINDS.values()])
        [count] = self._rng.choices([*ENTRIES], [*ENTRIES.values()])
        picked = [self._pick(kind) for _ in range(count)]
        # Whoever is on a black list is not put on a red one any more.
        return kind, sorted(picked, key=lambda item: item.kind is ListKind.black)

    def _pick(self, kind: SubjectKind) -> ListType:
        while True:
            [ending] = self._rng.choices([*ENDINGS], [*ENDINGS.values()])
            for _ in self._by_ending[ending]:
                item = next(self._turns[ending])
                if kind in item.subject_kinds:
                    return item

    def _received(self, list_types: Sequence[ListType]) -> list[int]:
        today = len(self._days) - 1
        rng = self._rng
        if [item.kind for item in list_types] == [ListKind.red, ListKind.black]:
            return [told_on(today - rng.randint(*ago), today) for ago in ((100, 180), (10, 60))]
        starts = [
            today - LATEST if rng.random() < SHARE_LATEST else self._first for _ in list_types
        ]
        return sorted(told_on(rng.randint(start, today), today) for start in starts)
