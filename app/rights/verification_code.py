"""Verification codes of own reports: readable on paper, impossible to guess.

The base 32 of Crockford has no I, L, O or U: a reader who sees one of the first three means 1 or 0.
"""

import secrets

from app.rules.personal_numbers import contains_personal_number
from app.rules.text import normalize_printed_code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP_LENGTH = 4, 5
CODE_LENGTH = GROUPS * GROUP_LENGTH
"""Characters of five bits each: a hundred bits, too many to try."""
AMBIGUOUS_CHARACTERS = str.maketrans("OIL", "011")


def make_code() -> str:
    """Return a new code, in groups as it is printed."""
    while True:
        code = _group_characters("".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)))
        # A code is part of a URL, where anything like a personal number is refused.
        if not contains_personal_number(code):
            return code


def parse_code(text: str) -> str | None:
    """Parse a code as typed from a print into the form of `make_code`; None if it is not a code."""
    plain = normalize_printed_code(text).translate(AMBIGUOUS_CHARACTERS)
    if len(plain) != CODE_LENGTH or not set(plain) <= set(ALPHABET):
        return None
    return _group_characters(plain)


def _group_characters(plain: str) -> str:
    return "-".join(
        plain[start : start + GROUP_LENGTH] for start in range(0, CODE_LENGTH, GROUP_LENGTH)
    )
