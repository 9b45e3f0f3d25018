"""The open registry, which every room works with: settings, clock, secrets and database.

`Registry.open` never fails because the database is away or encrypted with another key: the registry
is then not ready, reports the reason, and answers nothing ("fail closed").
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self, TypeVar

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.clock import Clock
from app.clock_guard import ClockGuard
from app.crypto import Secrets
from app.db.counter import ConcurrentChange
from app.db.engines import Database
from app.db.tables import SealingKey
from app.errors import ClockUntrusted, NotReady, RegistryError, SecretKeyMismatch, Sentence
from app.rules.calendar import Calendar
from app.rules.law import Catalogue
from app.settings import Settings

log = logging.getLogger("redblack")

Result = TypeVar("Result")

MAX_ATTEMPTS = 5
RECHECK_SECONDS = 1.0
# PostgreSQL: serialization failure, deadlock, and a unique key that another change took first. The
# next attempt finds what the other one wrote, and the rules answer instead of the index.
RETRYABLE_SQLSTATES = {"40001", "40P01", "23505"}


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
        self.day_change = threading.Lock()  # held while a day change is recorded
        self.clock_guard = ClockGuard(
            clock,
            has_server=not settings.embedded,
            max_gap=timedelta(days=settings.clock_gap_days),
        )
        self._trouble: RegistryError | None = NotReady()
        self._checked_at = float("-inf")

    @classmethod
    def open(cls, settings: Settings, clock: Clock | None = None) -> Self:
        """Open the registry that the settings name; `verify` checks that it can answer.

        Raises:
            KeyFileError: the key file is missing or unusable.
        """
        secrets = Secrets.read(settings.key_path)
        return cls(settings, secrets, Database(settings), clock or Clock())

    @property
    def ready(self) -> bool:
        """True after `verify` found it able to answer, while files and clock are right."""
        return (
            self._trouble is None
            and self.clock_guard.is_trusted()
            and self.database.has_files_in_place()
        )

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run one change in one transaction; retry it if law or day changed while it was decided.

        `work` may run several times, so it must have no effect except on its connection.

        Raises:
            ClockUntrusted: the clock cannot be trusted, before the change or at its end.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with self.database.writing() as connection:
                    self.clock_guard.require_trusted(connection)
                    result = work(connection)
                    # Again, because the clock may have been set since: then nothing is committed.
                    self.clock_guard.require_trusted(connection)
                    return result
            except ConcurrentChange:
                if attempt == MAX_ATTEMPTS:
                    raise NotReady(retry_after=1) from None
            except DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None)
                if state not in RETRYABLE_SQLSTATES or attempt == MAX_ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def require_ready(self) -> None:
        """Refuse to answer from a database that is away, old, or encrypted with another key.

        Raises:
            NotReady: the database is away or its schema is not this version's.
            SecretKeyMismatch: the key file belongs to another database.
            ClockUntrusted: the clock of this process cannot be trusted.
        """
        if not self.ready:
            if self._trouble is None or time.monotonic() - self._checked_at > RECHECK_SECONDS:
                self.verify()
            if self._trouble is not None:
                # A new instance each time: an exception keeps the traceback of its last raise.
                trouble = self._trouble
                raise type(trouble)(trouble.detail)

    def verify(self) -> RegistryError | None:
        """Check that the registry can answer, and keep the result; None if it can."""
        self._checked_at = time.monotonic()
        try:
            self._trouble = self._find_trouble()
        except SQLAlchemyError:
            self._trouble = NotReady(Sentence("The database does not answer", "数据库无法访问"))
        return self._trouble

    def find_cause(self) -> RegistryError | None:
        """Return the trouble of the database that explains an unexpected error; None if none does.

        Whole files are read, because malformed content fails anywhere; that is rare.
        """
        if self.database.has_files_in_place():
            self.database.find_damage()
        return self.verify()

    def inspect(self) -> None:
        """Verify, and log a change of the state; each process does so in the background."""
        before = self._trouble
        trouble = self.verify()
        if trouble is not None and (before is None or before.detail != trouble.detail):
            log.error("not ready: %s", trouble.detail.en)
        elif trouble is None and before is not None:
            log.info("ready")

    def _find_trouble(self) -> RegistryError | None:
        # Imported here, because worker processes do not need it and stay smaller.
        from app.db.condition import find_trouble  # noqa: PLC0415

        trouble = find_trouble(self.database, min_free_bytes=self.settings.min_free_bytes)
        if trouble is not None:
            return trouble
        with self.database.inspecting() as connection:
            recorded = dict(
                connection.execute(select(SealingKey.key_id, SealingKey.check_value)).all()
            )
        if not recorded:
            return NotReady(
                Sentence(
                    "The database is empty; run: redblack db upgrade",
                    "数据库尚未初始化，请运行：redblack db upgrade",
                )
            )
        ours = {key.key_id: key.check_value for key in self.secrets.keys}
        if any(ours.get(key_id) != value for key_id, value in recorded.items()):
            return SecretKeyMismatch()
        return self.verify_clock()

    def require_trusted_clock(self) -> None:
        """Refuse to keep a result if the clock was set while it was computed.

        Costs no statement while the clock can be trusted.

        Raises:
            ClockUntrusted: the clock cannot be trusted.
        """
        if not self.clock_guard.is_trusted():
            trouble = self.verify_clock()
            if trouble is not None:
                raise trouble

    def verify_clock(self) -> ClockUntrusted | None:
        """Compare the clock with other clocks; None if it can be trusted."""
        with self.database.inspecting() as connection:
            return self.clock_guard.verify(connection)

    def adopt_keys(self, connection: Connection) -> None:
        """Record which keys encrypt this database: all on the first use, new ones later.

        Raises:
            SecretKeyMismatch: the database was encrypted with a key that the file does not hold.
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
