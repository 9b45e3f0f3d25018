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


def configure(level: str) -> None:
    """Send all logs through one handler."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        RedactingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
