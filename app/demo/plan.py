"""The plan of the demo data: departments, decisions, subjects, and the days of their report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from random import Random

from app.demo import synthetic
from app.entries.schemas import EntryPush
from app.rules.calendar import DISCLOSURE_WORKING_DAYS, Calendar
from app.rules.law import Catalogue, ListKind, ListType, SubjectKind

HISTORY_SPAN = timedelta(days=548)
LEAD_SPAN = timedelta(days=120)  # the first decisions were taken before the first report
DAILY_REPORT_DAYS = (
    8  # working days with a report of their own, for entries that are still to be published
)
REPORT_INTERVAL_DAYS = 5  # of the days before, every fifth one; large batches are faster
RECENT_SHARE, LATE_REPORT_SHARE, RENAMED_SHARE = 0.06, 0.07, 0.2
LATE_WORKING_DAYS = (DISCLOSURE_WORKING_DAYS + 1, 40)

SUBJECT_KIND_WEIGHTS = {
    SubjectKind.legal_person: 60,
    SubjectKind.individual_business: 18,
    SubjectKind.natural_person: 15,
    SubjectKind.unincorporated_organization: 7,
}
ENTRY_COUNT_WEIGHTS = {1: 78, 2: 15, 3: 5, 5: 2}
CODE_SUFFIX_WEIGHTS = {"penalty": 42, "licence": 35, "black": 15, "red": 8}
FIRST_ENTRY = (1, "wage_arrears.black")  # so that there is a black one however small the load
RED_TO_BLACK_INTERVAL, RED_TO_BLACK_REMAINDER = (
    80,
    2,
)  # every 80th subject is red first and black later


def build_working_days(calendar: Calendar, today: date) -> list[date]:
    """List the working days of the history and of the time before it, then today."""
    span = (HISTORY_SPAN + LEAD_SPAN).days
    earlier_days = (today - timedelta(days=back) for back in range(span, 0, -1))
    return [*filter(calendar.is_working_day, earlier_days), today]


def find_report_day(day_index: int, today_index: int) -> int:
    """Find the next day, from an index in the list of days on, on which anything is reported."""
    return (
        day_index
        if day_index >= today_index - DAILY_REPORT_DAYS
        else min(
            -(-day_index // REPORT_INTERVAL_DAYS) * REPORT_INTERVAL_DAYS,
            today_index - DAILY_REPORT_DAYS,
        )
    )


@dataclass(frozen=True, slots=True)
class PlannedDecision:
    """A decision; its days are places in the row of working days."""

    received_index: int
    decided_index: int
    serial: int
    department: str
    list_type: ListType
    subject: synthetic.SyntheticSubject
    uses_former_name: bool

    def build_push(self, rng: Random, days: Sequence[date]) -> EntryPush:
        """Build the decision as its department sends it."""
        return synthetic.build_push(
            rng,
            self.list_type,
            self.subject,
            self.serial,
            days[self.decided_index],
            self.department,
            use_former_name=self.uses_former_name,
        )


class DecisionPlanner:
    """The plan of the demo data: decisions and the days on which the registry receives them."""

    def __init__(self, rng: Random, days: Sequence[date], catalogue: Catalogue) -> None:
        self._rng = rng
        self._days = days
        self._first_index = next(
            place for place, day in enumerate(days) if day >= days[-1] - HISTORY_SPAN
        )
        self._issuers: dict[str, list[str]] = {}
        self._list_types_by_suffix: dict[str, list[ListType]] = {
            ending: [] for ending in CODE_SUFFIX_WEIGHTS
        }
        # In force, and with an issuer, from the first day to the last.
        boundary_days = (days[0], days[-1])
        for item in catalogue.list_types.values():
            issuers = [
                body.code
                for body in catalogue.departments.values()
                if catalogue.is_issuer(body, item) and all(map(body.is_valid_on, boundary_days))
            ]
            if issuers and all(map(item.is_in_force_on, boundary_days)):
                self._issuers[item.code] = issuers
                self._list_types_by_suffix[item.code.partition(".")[2]].append(item)
        # In turn, so that no domain is left out.
        self._list_type_cycles = {
            ending: cycle(items) for ending, items in self._list_types_by_suffix.items() if items
        }

    def plan_decisions(self, subjects: int) -> list[PlannedDecision]:
        """Every decision, in the order in which the registry hears of it."""
        rng, planned = self._rng, list[PlannedDecision]()
        for serial in range(1, subjects + 1):
            kind, list_types = self._pick_list_types(serial)
            has_identifier = any(item.requires_identifier for item in list_types)
            subject = synthetic.build_subject(serial, kind, has_identifier=has_identifier)
            is_renamed = has_identifier and len(list_types) > 1 and rng.random() < RENAMED_SHARE
            for received_index, list_type in zip(
                self._pick_received_days(list_types), list_types, strict=True
            ):
                is_late = rng.random() < LATE_REPORT_SHARE
                planned.append(
                    PlannedDecision(
                        received_index=received_index,
                        decided_index=received_index
                        - (rng.randint(*LATE_WORKING_DAYS) if is_late else rng.randint(0, 5)),
                        serial=len(planned) + 1,
                        department=rng.choice(self._issuers[list_type.code]),
                        list_type=list_type,
                        subject=subject,
                        uses_former_name=is_renamed and list_type is list_types[0],
                    )
                )
        return sorted(planned, key=lambda item: (item.received_index, item.serial))

    def _pick_list_types(self, serial: int) -> tuple[SubjectKind, list[ListType]]:
        if (
            serial % RED_TO_BLACK_INTERVAL == RED_TO_BLACK_REMAINDER
            and {"red", "black"} <= self._list_type_cycles.keys()
        ):
            picked = [next(self._list_type_cycles["red"]), next(self._list_type_cycles["black"])]
            return SubjectKind.legal_person, picked
        if serial == FIRST_ENTRY[0] and FIRST_ENTRY[1] in self._issuers:
            [first] = [
                item for item in self._list_types_by_suffix["black"] if item.code == FIRST_ENTRY[1]
            ]
            return SubjectKind.legal_person, [first]
        [kind] = self._rng.choices([*SUBJECT_KIND_WEIGHTS], [*SUBJECT_KIND_WEIGHTS.values()])
        [count] = self._rng.choices([*ENTRY_COUNT_WEIGHTS], [*ENTRY_COUNT_WEIGHTS.values()])
        picked = [self._pick_list_type(kind) for _ in range(count)]
        # Whoever is on a black list is not put on a red one any more.
        return kind, sorted(picked, key=lambda item: item.kind is ListKind.black)

    def _pick_list_type(self, kind: SubjectKind) -> ListType:
        while True:
            [code_suffix] = self._rng.choices(
                [*CODE_SUFFIX_WEIGHTS], [*CODE_SUFFIX_WEIGHTS.values()]
            )
            for _ in self._list_types_by_suffix[code_suffix]:
                item = next(self._list_type_cycles[code_suffix])
                if kind in item.subject_kinds:
                    return item

    def _pick_received_days(self, list_types: Sequence[ListType]) -> list[int]:
        today_index = len(self._days) - 1
        rng = self._rng
        if [item.kind for item in list_types] == [ListKind.red, ListKind.black]:
            return [
                find_report_day(today_index - rng.randint(*days_ago), today_index)
                for days_ago in ((100, 180), (10, 60))
            ]
        starts = [
            today_index - DAILY_REPORT_DAYS if rng.random() < RECENT_SHARE else self._first_index
            for _ in list_types
        ]
        return sorted(
            find_report_day(rng.randint(start, today_index), today_index) for start in starts
        )
