"""What every area works with: the settings, the clock, the secrets and the database, opened once.

`Registry.open` never fails because the database is away or sealed with another key: the registry
then is not ready, says why, and answers nothing (design principle "fail closed").
"""

import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from typing import NamedTuple, Self, TypeVar

from sqlalchemy import Connection, case, func, insert, literal, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.clock import Clock
from app.crypto import Secrets
from app.db.engines import Database
from app.db.prepared import Prepared, as_text
from app.db.tables import CalendarVersion, CatalogueVersion, Check, RegistryState, SealingKey
from app.db.tables.base import Instant
from app.errors import NotReady, RegistryError, SecretKeyMismatch, Sentence
from app.rules.calendar import Calendar
from app.rules.law import Catalogue
from app.settings import Settings

Result = TypeVar("Result")

ATTEMPTS = 5
RECHECK_SECONDS = 1.0
# PostgreSQL: serialization failure, deadlock, and a unique key that another change took first. The
# next attempt finds what the other one wrote, and the rules answer instead of the index.
LOST_RACES = {"40001", "40P01", "23505"}


class LawMoved(Exception):
    """The catalogue, the calendar or the day changed while a change was decided: decide again."""


class Registry:
    """One open registry; shared by all requests of a process."""

    def __init__(
        self, settings: Settings, secrets: Secrets, database: Database, clock: Clock
    ) -> None:
        self.settings = settings
        self.secrets = secrets
        self.database = database
        self.clock = clock
        # Versions are immutable, so what was built once stays right.
        self.catalogues: dict[int, Catalogue] = {}
        self.calendars: dict[int, Calendar] = {}
        self.turning = threading.Lock()  # held by who writes down the turn of a day
        self._trouble: RegistryError | None = NotReady()
        self._checked_at = float("-inf")

    @classmethod
    def open(cls, settings: Settings, clock: Clock | None = None) -> Self:
        """Open the registry that the settings name; `verify` tells whether it can answer.

        Raises:
            KeyFileError: there is no usable key file.
        """
        secrets = Secrets.read(settings.key_path)
        return cls(settings, secrets, Database(settings), clock or Clock())

    @property
    def ready(self) -> bool:
        """True once the registry was seen to be able to answer, its files being in place."""
        return self._trouble is None and self.database.in_place()

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run one change in one transaction; again from the start where the law moved meanwhile.

        `work` may run several times, so it must have no effect but on its connection.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.database.writing() as connection:
                    return work(connection)
            except LawMoved:
                if attempt == ATTEMPTS:
                    raise NotReady(retry_after=1) from None
            except DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None)
                if state not in LOST_RACES or attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def require_ready(self) -> None:
        """Let nobody be answered from a database that is away, old, or sealed by another key.

        Raises:
            NotReady: the database is away or its schema is not this version's.
            SecretKeyMismatch: the key file is another one's.
        """
        if not self.ready:
            if self._trouble is None or time.monotonic() - self._checked_at > RECHECK_SECONDS:
                self.verify()
            if self._trouble is not None:
                # A new instance each time: an exception keeps the traceback of where it was raised.
                trouble = self._trouble
                raise type(trouble)(trouble.detail)

    def verify(self) -> RegistryError | None:
        """Look whether the registry can answer, and remember it."""
        self._checked_at = time.monotonic()
        try:
            self._trouble = self._look()
        except SQLAlchemyError:
            self._trouble = NotReady(Sentence("The database does not answer", "数据库无法访问"))
        return self._trouble

    def _look(self) -> RegistryError | None:
        # Here, for a worker that a server starts has no need of them, and less memory for it.
        from alembic.migration import MigrationContext  # noqa: PLC0415

        from app.db.migrations import schema_head  # noqa: PLC0415

        with self.database.reading() as connection:
            if MigrationContext.configure(connection).get_current_revision() != schema_head():
                return NotReady(
                    Sentence(
                        "The schema is not this version's; run: redblack db upgrade",
                        "数据库结构版本不符，请运行：redblack db upgrade",
                    )
                )
            recorded = dict(
                connection.execute(select(SealingKey.key_id, SealingKey.check_value)).all()
            )
            initialised = connection.scalar(select(RegistryState.id)) is not None
        with self.database.reading_ledger() as connection:
            connection.execute(select(Check.id).limit(1))
        if not self.database.in_place():
            return NotReady(
                Sentence(
                    "The database files were moved or replaced; put them back, or restart",
                    "数据库文件已被移动或替换，请恢复原文件或重新启动",
                )
            )
        if not initialised or not recorded:
            return NotReady(
                Sentence(
                    "The database is empty; run: redblack db upgrade",
                    "数据库尚未初始化，请运行：redblack db upgrade",
                )
            )
        ours = {key.key_id: key.check_value for key in self.secrets.keys}
        if any(ours.get(key_id) != value for key_id, value in recorded.items()):
            return SecretKeyMismatch()
        return None

    def adopt_keys(self, connection: Connection) -> None:
        """Write down which keys seal this database: all on the first use, new ones later.

        Raises:
            SecretKeyMismatch: the database was sealed with a key that the file does not hold.
        """
        recorded = dict(connection.execute(select(SealingKey.key_id, SealingKey.check_value)).all())
        ours = {key.key_id: key for key in self.secrets.keys}
        if any(
            key_id not in ours or ours[key_id].check_value != value
            for key_id, value in recorded.items()
        ):
            raise SecretKeyMismatch
        for key_id, key in ours.items():
            if key_id not in recorded:
                connection.execute(
                    insert(SealingKey).values(
                        key_id=key_id, purpose=key.purpose, check_value=key.check_value
                    )
                )


def begin_counting(connection: Connection) -> bool:
    """Give an empty database its counters; False where it has them."""
    if connection.scalar(select(RegistryState.id)) is not None:
        return False
    connection.execute(
        insert(RegistryState).values(id=1, epoch=1, seq=0, catalogue_version=0, calendar_version=0)
    )
    return True


class Head(NamedTuple):
    """The state of the registry that an answer was made from."""

    epoch: int
    seq: int
    catalogue_version: int
    calendar_version: int
    turned_on: date | None
    """The last day whose turn was written down; None before the first change."""


HEAD = Prepared(
    select(
        RegistryState.epoch,
        RegistryState.seq,
        RegistryState.catalogue_version,
        RegistryState.calendar_version,
        as_text(RegistryState.turned_on),
    )
)


def read_head(connection: Connection) -> Head:
    """The newest state."""
    [(epoch, seq, catalogue_version, calendar_version, turned_on)] = HEAD.rows(connection)
    day = None if turned_on is None else date.fromisoformat(turned_on)
    return Head(epoch, seq, catalogue_version, calendar_version, day)


def claim_day(connection: Connection, since: date | None, today: date) -> bool:
    """Move the last turned day on; False where somebody else did so since it was read."""
    claimed = connection.execute(
        update(RegistryState)
        .where(RegistryState.turned_on.is_not_distinct_from(since))
        .values(turned_on=today)
        .returning(RegistryState.id)
    )
    return claimed.one_or_none() is not None


def law_known_at(connection: Connection, instant: datetime) -> tuple[int, int]:
    """The catalogue and calendar versions in use at an instant; before the first, the first."""
    found = [
        connection.scalar(select(func.max(table.version)).where(table.loaded_at <= instant)) or 1
        for table in (CatalogueVersion, CalendarVersion)
    ]
    return found[0], found[1]


class Numbers(NamedTuple):
    """Change numbers that were taken: the first of a block, and when they are recorded."""

    first: int
    at: datetime


def take_sequence(
    connection: Connection,
    count: int,
    *,
    catalogue_version: int,
    calendar_version: int,
    now: datetime,
    today: date,
) -> Numbers:
    """Take `count` change numbers, last before the inserts.

    The counter row serialises commits from here on, which is what makes the sequence gap-free and
    commit-ordered. The instant is settled here too, never before that of an earlier number, though
    nodes' clocks may differ. And here a change that was decided on an older catalogue or calendar,
    or for a day (`today`) that is over by what others were told, finds out.

    Raises:
        LawMoved: the law or the day changed since the caller read it; `Registry.write` starts over.
    """
    state = connection.execute(
        update(RegistryState)
        .values(
            seq=RegistryState.seq + count,
            recorded_at=case(
                (RegistryState.recorded_at > now, RegistryState.recorded_at),
                else_=literal(now, Instant()),
            ),
            turned_on=func.coalesce(RegistryState.turned_on, today),
        )
        .returning(
            RegistryState.seq,
            RegistryState.recorded_at,
            RegistryState.catalogue_version,
            RegistryState.calendar_version,
            RegistryState.turned_on,
        )
    ).one()
    if state.turned_on > today:
        raise LawMoved
    if (state.catalogue_version, state.calendar_version) != (catalogue_version, calendar_version):
        raise LawMoved
    return Numbers(state.seq - count + 1, state.recorded_at)


def next_epoch(connection: Connection) -> int:
    """Begin a new epoch: after a restore, numbers are given out that were given out before."""
    started = connection.execute(
        update(RegistryState).values(epoch=RegistryState.epoch + 1).returning(RegistryState.epoch)
    )
    return int(started.scalar_one())
