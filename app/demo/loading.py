"""Loading of synthetic data, reported as departments would over 18 months.

All data passes the real rules: decisions through `record_entries`, exits, revocations and
publications through their services. Only the clock is set back, and moves from one working day to
the next up to now.
"""

import gc
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any
from uuid import UUID

from app.calendar.queries import read_current_calendar
from app.catalogue.queries import read_current_catalogue
from app.clock import SHANGHAI, Clock
from app.db.counter import read_head
from app.demo.plan import (
    DAILY_REPORT_DAYS,
    LATE_WORKING_DAYS,
    DecisionPlanner,
    PlannedDecision,
    build_working_days,
    find_report_day,
)
from app.disclosure.schemas import Publication, Withdrawal
from app.disclosure.service import record_publications, record_withdrawal
from app.entries.queries import EntryRow, read_entry
from app.entries.schemas import EntryPush, Exit, Revocation, RevocationCode
from app.entries.service import exit_early, record_entries, revoke_entry
from app.errors import NotRepairable, RegistryError
from app.redress import service as redress
from app.redress.schemas import (
    Acceptance,
    Applicant,
    MeansEvidence,
    Objection,
    Promise,
    RepairApplication,
    RepairDecision,
)
from app.registry import Registry
from app.rules.admission import determine_disclosure_class
from app.rules.calendar import DISCLOSURE_WORKING_DAYS
from app.rules.disclosure import build_channels_for_codes
from app.rules.identifiers import Scheme
from app.rules.law import DisclosureClass, Means
from app.rules.permissions import COMMAND_LINE_CALLER, Caller, Role
from app.rules.status import ENDED_STATUSES

BATCH_SIZE = 500
ENDED_SHARE = 0.03
REPAIRED_SHARE, REPAIRED_OR_EXITED_SHARE = (
    0.4,
    0.65,
)  # of those that end early; the others are revoked
WITHDRAWN_SHARE = 0.85  # of those, on the same day; the others wait for it
DISPUTED_SHARE = 0.02  # of those that were received last
OFFICIAL_NAMES = ("示例经办人甲", "示例经办人乙")
REVOCATION_WEIGHTS = {
    RevocationCode.decision_revoked: 70,
    RevocationCode.wrong_subject: 20,
    RevocationCode.other: 10,
}


class PastClock(Clock):
    """Tells the day that the load has come to; each question takes a second, and now is the end."""

    def __init__(self, real: Clock) -> None:
        self._real = real
        self._instant = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """An instant of that day, and never one that has not come yet."""
        self._instant += timedelta(seconds=1)
        return min(self._instant, self._real.now())

    def set_day(self, day: date) -> None:
        """Nine in the morning of a day, in Shanghai."""
        self._instant = datetime(day.year, day.month, day.day, 9, tzinfo=SHANGHAI).astimezone(UTC)


def load_demo_data(registry: Registry, *, subjects: int, seed: int) -> int:
    """Fill an empty registry; return how many entries were recorded.

    One that has entries is left as it is, so this may be called at every start.
    """
    started = time.monotonic()
    with registry.database.reading() as connection:
        head = read_head(connection)
        catalogue = read_current_catalogue(registry, connection)
        calendar = read_current_calendar(registry, connection)
    if head.seq > 0:
        _print_progress(f"demo: the registry holds data already (seq {head.seq}), nothing loaded\n")
        return 0
    real_clock = registry.clock
    rng, days = Random(seed), build_working_days(calendar, real_clock.today())  # noqa: S311 - no secrets
    clock = registry.clock = PastClock(real_clock)
    loader = _Loader(registry, clock, rng, days)
    planned = DecisionPlanner(rng, days, catalogue).plan_decisions(subjects)
    gc.freeze()  # the plan lives to the end: walking it again and again costs a tenth of the time
    try:
        loader.run(planned)
    finally:
        registry.clock = real_clock
        gc.unfreeze()
    line_start = "\r" if sys.stderr.isatty() else ""
    _print_progress(f"{line_start}{loader.progress_text} in {time.monotonic() - started:.1f} s\n")
    return loader.recorded


@dataclass(slots=True)
class _Loader:
    """Work that is still to be reported, by the index of its day."""

    registry: Registry
    clock: PastClock
    rng: Random
    days: list[date]
    publications: dict[int, list[tuple[UUID, Publication]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    ending_entries: dict[int, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    disputed_entries: dict[int, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    recorded: int = 0
    published: int = 0
    ended: int = 0

    @property
    def progress_text(self) -> str:
        """Return counts of the progress."""
        return (
            f"demo: {self.recorded} entries, {self.published} publications,"
            f" {self.ended} exits and revocations"
        )

    def run(self, planned: Sequence[PlannedDecision]) -> None:
        """Go through the days up to today; every batch is committed for itself."""
        received = {
            day: [*items] for day, items in groupby(planned, key=lambda item: item.received_index)
        }
        for day_index, day in enumerate(self.days):
            self.clock.set_day(day)
            for batch in _split_batches(received.pop(day_index, [])):
                self._record_batch(batch)
            for orders in _split_batches(self.publications.pop(day_index, [])):
                record_publications(self.registry, COMMAND_LINE_CALLER, orders)
                self.published += len(orders)
            for entry_id in self.ending_entries.pop(day_index, []):
                self._end_entry(entry_id, day)
            for entry_id in self.disputed_entries.pop(day_index, []):
                if self._find_running_entry(entry_id, day) is not None:
                    redress.open_objection(self.registry, COMMAND_LINE_CALLER, entry_id, OBJECTION)
            if sys.stderr.isatty():
                _print_progress(f"\r{self.progress_text}")

    def _find_report_day(self, day_index: int) -> int:
        return find_report_day(day_index, len(self.days) - 1)

    def _record_batch(self, batch: Sequence[PlannedDecision]) -> None:
        pushes = [item.build_push(self.rng, self.days) for item in batch]
        outcomes = record_entries(self.registry, COMMAND_LINE_CALLER, pushes)
        for item, push, outcome in zip(batch, pushes, outcomes, strict=True):
            if isinstance(outcome, RegistryError):
                raise outcome
            self.recorded += 1
            last_day_index = self._schedule_publications(item, push, outcome.entry_id)
            is_recent = item.received_index >= len(self.days) - DAILY_REPORT_DAYS
            if is_recent and self.rng.random() < DISPUTED_SHARE:
                self.disputed_entries[item.received_index].append(outcome.entry_id)
            if push.effective_until is None and self.rng.random() < ENDED_SHARE:
                self.ending_entries[
                    self._find_report_day(last_day_index + self.rng.randint(5, 160))
                ].append(outcome.entry_id)

    def _schedule_publications(self, item: PlannedDecision, push: EntryPush, entry_id: UUID) -> int:
        """Put publications on the days of their report; return the index of the last of them."""
        last_day_index = item.received_index
        requested_class = push.disclosure.class_ if push.disclosure else None
        effective_class = determine_disclosure_class(
            push.subject.kind, requested_class, item.list_type
        )
        if effective_class is not DisclosureClass.public:
            return last_day_index
        usccs = [item.number for item in push.subject.identifiers if item.scheme is Scheme.uscc]
        channels = [
            channel for channel, duty in build_channels_for_codes(usccs).items() if duty.required
        ]
        [scenario] = self.rng.choices(("on_time", "late", "partial", "never"), (80, 9, 6, 5))
        for channel in {"partial": channels[:1], "never": []}.get(scenario, channels):
            is_late = scenario == "late" and channel is channels[0]
            published_index = item.decided_index + self.rng.randint(
                *(LATE_WORKING_DAYS if is_late else (1, DISCLOSURE_WORKING_DAYS))
            )
            last_day_index = max(last_day_index, published_index)
            if published_index < len(self.days):
                order = Publication(
                    channel=channel,
                    published_on=self.days[published_index],
                    url=f"https://example.org/{channel}/{item.serial}",
                )
                self.publications[
                    self._find_report_day(max(item.received_index, published_index))
                ].append((entry_id, order))
        return last_day_index

    def _find_running_entry(self, entry_id: UUID, today: date) -> EntryRow | None:
        """Return the entry; None if its term, an exit or a revocation has ended it."""
        with self.registry.database.reading() as connection:
            row = read_entry(connection, entry_id, today)
        return None if row is None or row.compute_status(today) in ENDED_STATUSES else row

    def _end_entry(self, entry_id: UUID, today: date) -> None:
        row = self._find_running_entry(entry_id, today)
        if row is None:
            return
        self.ended += 1
        self._apply_ending(row, today)
        if self.rng.random() < WITHDRAWN_SHARE:
            for channel, item in row.publications.items():
                if item.is_currently_published:
                    withdrawal = Withdrawal(channel=channel, withdrawn_on=today)
                    record_withdrawal(
                        self.registry, COMMAND_LINE_CALLER, entry_id, withdrawal, None
                    )

    def _apply_ending(self, row: EntryRow, today: date) -> None:
        roll, entry_id = self.rng.random(), row.id
        if roll < REPAIRED_SHARE and self._repair_entry(row, today):
            return
        if roll < REPAIRED_OR_EXITED_SHARE:
            exit_order = Exit(reason="示例:依法提前移出", exited_on=today)
            exit_early(self.registry, COMMAND_LINE_CALLER, entry_id, exit_order, row.version)
        else:
            [code] = self.rng.choices([*REVOCATION_WEIGHTS], [*REVOCATION_WEIGHTS.values()])
            order = Revocation(reason="示例:原决定撤销", reason_code=code, revoked_on=today)
            revoke_entry(self.registry, COMMAND_LINE_CALLER, entry_id, order, row.version)

    def _repair_entry(self, row: EntryRow, today: date) -> bool:
        """Repair it by two persons of its department, where the law allows that already."""
        applicant_caller, approver_caller = (
            Caller(None, name, Role.department, row.department, name) for name in OFFICIAL_NAMES
        )
        application = RepairApplication(
            applicant=APPLICANT,
            evidence=[
                MeansEvidence(
                    means=means,
                    description="示例:证明材料",
                    reference=f"ZM-{means}",
                    completed_on=row.decided_on,
                )
                for means in (Means.correction, Means.training)
            ],
            promise=Promise(reference="CN-1", signed_on=today),
        )
        try:
            case, _ = redress.open_repair(self.registry, applicant_caller, row.id, application)
        except NotRepairable:
            return False
        accepted = Acceptance(outcome="accepted", reasons="示例:材料齐全")
        redress.decide_acceptance(self.registry, applicant_caller, row.id, case.id, accepted)
        approved = RepairDecision(outcome="approved", reasons="示例:符合修复条件")
        redress.decide_repair(
            self.registry, approver_caller, row.id, case.id, approved, row.version
        )
        return True


APPLICANT = Applicant(kind="self", name="示例申请人", proof_ref="SF-1")
OBJECTION = Objection(applicant=APPLICANT, grounds="示例:对认定事实有异议")


def _split_batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH_SIZE):
        yield items[start : start + BATCH_SIZE]


def _print_progress(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
