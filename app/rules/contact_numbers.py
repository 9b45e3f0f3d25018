"""Detection of mobile telephone numbers and payment card numbers in texts that may become public.

Both lead to a person and are misused for fraud. Office lines (area code 0…, 400 and 800) are
published on purpose and pass.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from app.rules.identifiers import is_uscc
from app.rules.personal_numbers import DIGIT_SIGNS
from app.rules.text import fold_digit_signs

# Groups of digits with at most two signs between them, as one number is written.
DIGIT_GROUPS = re.compile(r"[0-9]++(?:[ \u00a0\u3000.·\-‐-―−)]{1,2}+[0-9]++)*+")
DIGIT_GROUP = re.compile("[0-9]+")
AT_LEAST_ELEVEN_DIGITS = re.compile(f"(?:[{DIGIT_SIGNS}][^{DIGIT_SIGNS}]*+){{11}}")
"""A text of common characters without so many digits holds neither number."""

MOBILE = re.compile("1[3-9][0-9]{9}")
MOBILE_GROUPS = frozenset({(11,), (3, 4, 4), (3, 8), (7, 4), (3, 3, 5), (1,) * 11})
COUNTRY_CODE = re.compile("(?:00)?86(?=1[3-9][0-9]{9}$)|0(?=1[3-9][0-9]{9}$)")
TELEPHONE_WORD = re.compile(
    "手机|手機|电话|電話|联系|聯繫|微信|tel|phone|mobile|call", re.IGNORECASE
)
MAX_SIGNS_TO_WORD = 12
LETTER = re.compile("[A-Za-z]")

# ISO/IEC 7812: UnionPay 62 and 81 and older bank cards of China, Visa 4, Mastercard 51–55 and
# 22–27, JCB 35. American Express is left out: 34 and 37 begin region codes of 15 digits.
CARD = re.compile("(?:62|81|60|9558)[0-9]{14,17}|4[0-9]{15}|(?:5[1-5]|2[2-7]|35)[0-9]{14}")
CARD_GROUP_LENGTH, BANK_NUMBER_LENGTH = 4, 6
DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
YEARS = range(1980, 2040)


class _Candidate(NamedTuple):
    """The digits of some neighbouring groups, with their place in the text."""

    digits: str
    lengths: tuple[int, ...]
    start: int
    end: int


def contains_mobile_number(text: str) -> bool:
    """Return True for a text with a mobile telephone number of mainland China."""
    return any(
        _is_mobile(candidate, folded) for candidate, folded in _find_candidates(text, 11, 15)
    )


def contains_card_number(text: str) -> bool:
    """Return True for a text with a payment card number that has a valid check digit (Luhn)."""
    return any(_is_card(candidate, folded) for candidate, folded in _find_candidates(text, 16, 19))


def _find_candidates(
    text: str, min_length: int, max_length: int
) -> Iterator[tuple[_Candidate, str]]:
    folded = fold_digit_signs(text)
    for run in DIGIT_GROUPS.finditer(folded):
        groups = list(DIGIT_GROUP.finditer(folded, run.start(), run.end()))
        for first in range(len(groups)):
            digits, lengths = "", []
            for group in groups[first : first + max_length]:
                digits += group[0]
                lengths.append(len(group[0]))
                if len(digits) > max_length:
                    break
                if len(digits) >= min_length:
                    place = (groups[first].start(), group.end())
                    yield _Candidate(digits, tuple(lengths), *place), folded


def _touches_letter(text: str, start: int, end: int) -> bool:
    """Return True inside a code such as HR13800138000; a word for a telephone is no part of it."""
    if LETTER.match(text, end):
        return True
    before = text[max(0, start - MAX_SIGNS_TO_WORD) : start]
    return bool(LETTER.match(before[-1:])) and not TELEPHONE_WORD.search(before)


def _is_mobile(candidate: _Candidate, text: str) -> bool:
    digits, lengths = candidate.digits, candidate.lengths
    prefix = COUNTRY_CODE.match(digits)
    if prefix is not None:
        digits = digits[prefix.end() :]
        first = lengths[0] - prefix.end()
        lengths = (first, *lengths[1:]) if first > 0 else lengths[1:]
    if not MOBILE.fullmatch(digits) or lengths not in MOBILE_GROUPS:
        return False
    if _touches_letter(text, candidate.start, candidate.end):
        return False
    before = text[max(0, candidate.start - MAX_SIGNS_TO_WORD) : candidate.start]
    return not _begins_with_day(digits) or TELEPHONE_WORD.search(before) is not None


def _begins_with_day(digits: str) -> bool:
    """Return True for a number such as 19980512001: a day of the last century and a serial."""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).year in YEARS
    except ValueError:
        return False


def _is_card(candidate: _Candidate, text: str) -> bool:
    digits, lengths = candidate.digits, candidate.lengths
    return (
        CARD.fullmatch(digits) is not None
        and _is_card_grouping(lengths)
        # Document numbers often consist of region, year and serial.
        and int(digits[6:10]) not in YEARS
        and _has_valid_luhn_sum(digits)
        and not is_uscc(digits)
        and not _touches_letter(text, candidate.start, candidate.end)
    )


def _is_card_grouping(lengths: tuple[int, ...]) -> bool:
    return (
        len(lengths) == 1
        or set(lengths) == {1}
        or (set(lengths[:-1]) == {CARD_GROUP_LENGTH} and lengths[-1] <= CARD_GROUP_LENGTH)
        or lengths[0] == BANK_NUMBER_LENGTH
    )


def _has_valid_luhn_sum(digits: str) -> bool:
    values = [int(each) for each in reversed(digits)]
    return (sum(values[::2]) + sum(DOUBLED[each] for each in values[1::2])) % 10 == 0
