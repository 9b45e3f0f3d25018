"""Logging: one line per event on standard error, with personal numbers masked as a last resort."""

import logging
import re

# Seventeen digits and a digit or X, in a message or a traceback.
PERSONAL_NUMBER = re.compile(r"(?<![0-9])([0-9]{6})[0-9]{11}[0-9Xx](?![0-9])")


class RedactingFormatter(logging.Formatter):
    """A formatter that masks everything in the shape of a personal number in the finished line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record and mask the line."""
        return PERSONAL_NUMBER.sub(r"\1************", super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Format the second of a record, once for all lines of the same second."""
        second = int(record.created)
        if second != self._second:
            self._formatted, self._second = super().formatTime(record, datefmt), second
        return self._formatted

    _second = -1
    _formatted = ""


def configure(level: str) -> None:
    """Send all logs through one handler at a level such as `INFO`."""
    # Our lines do not show these, and collecting them costs more than the line (logging HOWTO,
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
