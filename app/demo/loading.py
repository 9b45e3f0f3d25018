"""Synthetic data to try things on, told to the registry as departments would over 18 months.

Everything passes the real rules: decisions go through `record_all`, exits and revocations through
their actions, publications through `publish_all`. Only the clock is set back, and goes from one
working day to the next up to now.
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

from app.catalogue.store import read_current_calendar, read_current_catalogue
from app.clock import SHANGHAI, Clock
from app.demo.plan import LATE, LATEST, Plan, Planned, told_on, working_days
from app.disclosure.schemas import Publication, Withdrawal
from app.disclosure.service import publish_all, withdraw
from app.entries import store
from app.entries.changes.amendments import exit_early, revoke
from app.entries.recording.batch import record_all
from app.entries.schemas import EntryPush, Exit, Revocation, RevocationCode
from app.entries.store import EntryRow
from app.errors import NotRepairable, RegistryError
from app.redress import repairs
from app.redress.objections import lodge
from app.redress.schemas import (
    Acceptance,
    Applicant,
    MeansEvidence,
    Objection,
    Promise,
    RepairApplication,
    RepairDecision,
)
from app.registry import Registry, read_head
from app.rules.admission import determine_disclosure_class
from app.rules.calendar import DISCLOSURE_WORKING_DAYS
from app.rules.disclosure import build_channels_for_codes
from app.rules.identifiers import Scheme
from app.rules.law import DisclosureClass, Means
from app.rules.permissions import COMMAND_LINE_CALLER, Caller, Role
from app.rules.status import ENDED_STATUSES

BATCH = 500
SHARE_ENDED = 0.03
SHARE_REPAIRED, SHARE_EXITED = 0.4, 0.65  # of those that end early; the others are revoked
SHARE_TAKEN_DOWN = 0.85  # of those, on the same day; the others wait for it
SHARE_DISPUTED = 0.02  # of those that were received last
PERSONS = ("示例经办人甲", "示例经办人乙")
REVOKED = {
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

    def move_to(self, day: date) -> None:
        """Nine in the morning of a day, in Shanghai."""
        self._instant = datetime(day.year, day.month, day.day, 9, tzinfo=SHANGHAI).astimezone(UTC)


def load(registry: Registry, *, subjects: int, seed: int) -> int:
    """Fill an empty registry; return how many entries were recorded.

    One that has entries is left as it is, so this may be called at every start.
    """
    began = time.monotonic()
    with registry.database.reading() as connection:
        head = read_head(connection)
        catalogue = read_current_catalogue(registry, connection)
        calendar = read_current_calendar(registry, connection)
    if head.seq > 0:
        _say(f"demo: the registry holds data already (seq {head.seq}), nothing loaded\n")
        return 0
    real = registry.clock
    rng, days = Random(seed), working_days(calendar, real.today())  # noqa: S311 - no secrets
    clock = registry.clock = PastClock(real)
    loader = _Loader(registry, clock, rng, days)
    planned = Plan(rng, days, catalogue).decisions(subjects)
    gc.freeze()  # the plan lives to the end: walking it again and again costs a tenth of the time
    try:
        loader.run(planned)
    finally:
        registry.clock = real
        gc.unfreeze()
    over = "\r" if sys.stderr.isatty() else ""
    _say(f"{over}{loader.counts} in {time.monotonic() - began:.1f} s\n")
    return loader.recorded


@dataclass(slots=True)
class _Loader:
    """What is still to be told, by the place of the day on which it will be."""

    registry: Registry
    clock: PastClock
    rng: Random
    days: list[date]
    publications: dict[int, list[tuple[UUID, Publication]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    endings: dict[int, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    disputes: dict[int, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    recorded: int = 0
    published: int = 0
    ended: int = 0

    @property
    def counts(self) -> str:
        """How far it is."""
        return (
            f"demo: {self.recorded} entries, {self.published} publications,"
            f" {self.ended} exits and revocations"
        )

    def run(self, planned: Sequence[Planned]) -> None:
        """Go through the days up to today; every batch is committed for itself."""
        received = {
            day: [*items] for day, items in groupby(planned, key=lambda item: item.received)
        }
        for place, day in enumerate(self.days):
            self.clock.move_to(day)
            for batch in _batches(received.pop(place, [])):
                self._record(batch)
            for orders in _batches(self.publications.pop(place, [])):
                publish_all(self.registry, COMMAND_LINE_CALLER, orders)
                self.published += len(orders)
            for entry_id in self.endings.pop(place, []):
                self._end(entry_id, day)
            for entry_id in self.disputes.pop(place, []):
                lodge(self.registry, COMMAND_LINE_CALLER, entry_id, OBJECTION)
            if sys.stderr.isatty():
                _say(f"\r{self.counts}")

    def _told(self, place: int) -> int:
        return told_on(place, len(self.days) - 1)

    def _record(self, batch: Sequence[Planned]) -> None:
        pushes = [item.push(self.rng, self.days) for item in batch]
        outcomes = record_all(self.registry, COMMAND_LINE_CALLER, pushes)
        for item, push, outcome in zip(batch, pushes, outcomes, strict=True):
            if isinstance(outcome, RegistryError):
                raise outcome
            self.recorded += 1
            settled = self._announce(item, push, outcome.entry_id)
            latest = item.received >= len(self.days) - LATEST
            if latest and self.rng.random() < SHARE_DISPUTED:
                self.disputes[item.received].append(outcome.entry_id)
            if push.effective_until is None and self.rng.random() < SHARE_ENDED:
                self.endings[self._told(settled + self.rng.randint(5, 160))].append(
                    outcome.entry_id
                )

    def _announce(self, item: Planned, push: EntryPush, entry_id: UUID) -> int:
        """Put the publications on the days on which they will be told; give the last of them."""
        settled = item.received
        wanted = push.disclosure.class_ if push.disclosure else None
        given = determine_disclosure_class(push.subject.kind, wanted, item.list_type)
        if given is not DisclosureClass.public:
            return settled
        usccs = [item.number for item in push.subject.identifiers if item.scheme is Scheme.uscc]
        channels = [
            channel for channel, duty in build_channels_for_codes(usccs).items() if duty.required
        ]
        [story] = self.rng.choices(("on_time", "late", "partial", "never"), (80, 9, 6, 5))
        for channel in {"partial": channels[:1], "never": []}.get(story, channels):
            late = story == "late" and channel is channels[0]
            published = item.decided + self.rng.randint(
                *(LATE if late else (1, DISCLOSURE_WORKING_DAYS))
            )
            settled = max(settled, published)
            if published < len(self.days):
                order = Publication(
                    channel=channel,
                    published_on=self.days[published],
                    url=f"https://example.org/{channel}/{item.serial}",
                )
                self.publications[self._told(max(item.received, published))].append(
                    (entry_id, order)
                )
        return settled

    def _end(self, entry_id: UUID, today: date) -> None:
        with self.registry.database.reading() as connection:
            row = store.get(connection, entry_id, today)
        if row is None or row.status(today) in ENDED_STATUSES:
            return
        self.ended += 1
        self._finish(row, today)
        if self.rng.random() < SHARE_TAKEN_DOWN:
            for channel, item in row.publications.items():
                if item.is_currently_published:
                    gone = Withdrawal(channel=channel, withdrawn_on=today)
                    withdraw(self.registry, COMMAND_LINE_CALLER, entry_id, gone, None)

    def _finish(self, row: EntryRow, today: date) -> None:
        lot, entry_id = self.rng.random(), row.id
        if lot < SHARE_REPAIRED and self._repair(row, today):
            return
        if lot < SHARE_EXITED:
            left = Exit(reason="示例:依法提前移出", exited_on=today)
            exit_early(self.registry, COMMAND_LINE_CALLER, entry_id, left, row.version)
        else:
            [code] = self.rng.choices([*REVOKED], [*REVOKED.values()])
            order = Revocation(reason="示例:原决定撤销", reason_code=code, revoked_on=today)
            revoke(self.registry, COMMAND_LINE_CALLER, entry_id, order, row.version)

    def _repair(self, row: EntryRow, today: date) -> bool:
        """Repair it by two persons of its department, where the law allows that already."""
        first, second = (
            Caller(None, name, Role.department, row.department, name) for name in PERSONS
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
            case, _ = repairs.apply(self.registry, first, row.id, application)
        except NotRepairable:
            return False
        accepted = Acceptance(outcome="accepted", reasons="示例:材料齐全")
        repairs.accept(self.registry, first, row.id, case.id, accepted)
        approved = RepairDecision(outcome="approved", reasons="示例:符合修复条件")
        repairs.settle(self.registry, second, row.id, case.id, approved, row.version)
        return True


APPLICANT = Applicant(kind="self", name="示例申请人", proof_ref="SF-1")
OBJECTION = Objection(applicant=APPLICANT, grounds="示例:对认定事实有异议")


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
