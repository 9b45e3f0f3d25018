"""The log: one line an event on standard error, with a last net under personal numbers."""

import logging
import re

# Seventeen digits and a digit or X, however they came into a message or a traceback.
PERSONAL = re.compile(r"(?<![0-9])([0-9]{6})[0-9]{11}[0-9Xx](?![0-9])")


class RedactingFormatter(logging.Formatter):
    """Masks whatever has the shape of an identity number, in the finished line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, masked."""
        return PERSONAL.sub(r"\1************", super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """The second; worked out once for all its lines."""
        second = int(record.created)
        if second != self._second:
            self._written, self._second = super().formatTime(record, datefmt), second
        return self._written

    _second = -1
    _written = ""


def configure(level: str) -> None:
    """Send all logs through one handler."""
    # Nothing that our lines show; each costs a request more than its line does (logging HOWTO,
    # "Optimization").
    logging._srcfile = None  # noqa: SLF001 - named so in the manual
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(
        RedactingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
