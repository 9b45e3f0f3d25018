"""Codes by which anybody can verify a report: read off paper, never guessed.

Crockford's base 32 has no I, L, O or U: what people read as one of the first three means 1 or 0.
"""

import secrets

from app.rules.personal_numbers import contains_personal_number
from app.rules.text import normalize_printed_code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP_LENGTH = 4, 5
LENGTH = GROUPS * GROUP_LENGTH
"""Of five bits each: a hundred in all, too many to try."""
LOOK_ALIKES = str.maketrans("OIL", "011")


def make_code() -> str:
    """A new code, in groups as it is printed."""
    while True:
        code = _grouped("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))
        # It stands in an address, where what looks like a personal number is refused.
        if not contains_personal_number(code):
            return code


def read_code(text: str) -> str | None:
    """The code that somebody read off a print, as `make_code` wrote it; None where it is none."""
    plain = normalize_printed_code(text).translate(LOOK_ALIKES)
    if len(plain) != LENGTH or not set(plain) <= set(ALPHABET):
        return None
    return _grouped(plain)


def _grouped(plain: str) -> str:
    return "-".join(plain[start : start + GROUP_LENGTH] for start in range(0, LENGTH, GROUP_LENGTH))
