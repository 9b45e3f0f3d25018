"""Detection of resident identity numbers in free text, in any form of writing.

Reasons, case numbers and addresses appear in logs, exports and published pages, so a text with such
a number is refused. Numbers are often written in full width, in groups, next to a word, or with
zero-width blanks from web pages between the digits.
"""

import re
from collections.abc import Iterator
from datetime import date

from app.rules.identifiers import (
    MIN_BIRTH_DATE,
    PROVINCE_CODE,
    has_valid_personal_check_character,
    is_registration_no,
    is_uscc,
    parse_birth_date,
)
from app.rules.text import CHINESE_DIGITS, fold_digit_signs

# Characters that people type as the check character X: the multiplication sign, crosses, and the
# letters of Cyrillic and Greek keyboards (escaped, because they look the same).
CHECK_CHARACTER_X_VARIANTS = "Xx×✕✖\u0425\u0445\u03a7\u03c7"

# Possessive (`+`), so that a long row of digits and blanks is read once, without backtracking.
SEPARATOR_PATTERN = r"[\s._·•‧・⋅∙\-‐-―−]{0,4}+"
MONTH_PATTERN = f"(?:0{SEPARATOR_PATTERN}[1-9]|1{SEPARATOR_PATTERN}[0-2])"
BIRTH_DAY_PATTERN = f"(?:[0-2]{SEPARATOR_PATTERN}[0-9]|3{SEPARATOR_PATTERN}[01])"
# The rest of a number is a look-ahead, so that the search goes on at the next digit.
EIGHTEEN_CHARACTER_NUMBER = re.compile(
    f"[1-9](?=((?:{SEPARATOR_PATTERN}[0-9]){{5}}{SEPARATOR_PATTERN}(?:1{SEPARATOR_PATTERN}[89]|2{SEPARATOR_PATTERN}0)(?:{SEPARATOR_PATTERN}[0-9]){{2}}"
    f"{SEPARATOR_PATTERN}{MONTH_PATTERN}{SEPARATOR_PATTERN}{BIRTH_DAY_PATTERN}(?:{SEPARATOR_PATTERN}[0-9]){{3}}{SEPARATOR_PATTERN}[0-9{CHECK_CHARACTER_X_VARIANTS}]))"
)
FIFTEEN_DIGIT_NUMBER = re.compile(
    "(?<![0-9])[1-8](?=([0-9]{5}"
    f"{SEPARATOR_PATTERN}[0-9]{{2}}{SEPARATOR_PATTERN}(?:0[1-9]|1[0-2]){SEPARATOR_PATTERN}(?:[0-2][0-9]|3[01]){SEPARATOR_PATTERN}[0-9]{{3}})(?![0-9]))"
)
# Digests and UUIDs are so long that fifteen digits can meet in them by chance.
DIGEST_OR_UUID = re.compile(
    "(?<![0-9A-Fa-f])"
    "(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32,})"
    "(?![0-9A-Fa-f])"
)
ASCII_DIGITS = frozenset("0123456789")
DIGIT_SIGNS = "0-9" + "".join(CHINESE_DIGITS)
AT_LEAST_FIFTEEN_DIGITS = re.compile(f"(?:[{DIGIT_SIGNS}][^{DIGIT_SIGNS}]*+){{15}}")
# Characters that may be digits after folding; ASCII, other Chinese characters and their
# punctuation are not (a test checks each).
POSSIBLE_DIGIT_SIGN = re.compile("[^\x00-\x7f\u2010-\u2027\u3000-\u301f\u4e00-\u9fff！-／：-＠·]")
EIGHTEEN_CHARACTER_CODE = re.compile("(?<![0-9A-Za-z])[0-9A-Za-z]{18}(?![0-9A-Za-z])")
REGION_DIGIT_COUNT = 6
FORMATTED_DATE = re.compile(
    "(?<![0-9])(?:19|20)[0-9]{2}[-./](?:0[1-9]|1[0-2])[-./](?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
)
# Kinds of registering bodies, then the province; 10 is the central government (100000).
COMMON_USCC_PREFIX = re.compile(f"(?:1[1-39]|3[1-59]|5[1-39])(?:10|{PROVINCE_CODE.pattern})")
MAX_BIRTH_DATE_IN_LONGER_NUMBER = date(2009, 12, 31)


def contains_personal_number(text: str) -> bool:
    """Return True for a text with a valid resident id, of 18 characters or of the former 15 digits.

    The 18-digit numbers of foreign permanent residents count too. A unified social credit code and
    a business registration number do not, though their digits may look alike.
    """
    if _has_too_few_digits(text):
        return False
    normalized = fold_digit_signs(text)
    return any(
        _is_personal_number(normalized, found)
        for found in EIGHTEEN_CHARACTER_NUMBER.finditer(normalized)
    ) or any(
        _is_first_generation_number(digits) for digits in _find_fifteen_digit_numbers(normalized)
    )


def _has_too_few_digits(text: str) -> bool:
    """Return True for a text that cannot have the digits of a number; a fast check.

    False means that the full check has to decide.
    """
    return AT_LEAST_FIFTEEN_DIGITS.search(text) is None and POSSIBLE_DIGIT_SIGN.search(text) is None


def _is_personal_number(text: str, match: re.Match[str]) -> bool:
    number = _remove_separators(match[0] + match[1])
    birth_date = parse_birth_date(number)
    return (
        birth_date is not None
        and birth_date >= MIN_BIRTH_DATE
        and (_is_separate_number(text, match) or birth_date <= MAX_BIRTH_DATE_IN_LONGER_NUMBER)
        and has_valid_personal_check_character(number)
        and (number[0] == "9" or PROVINCE_CODE.match(number) is not None)
        and not _is_organisation_code(number)
        and not _overlaps_formatted_date(match[0] + match[1])
    )


def _is_separate_number(text: str, match: re.Match[str]) -> bool:
    """Return True where no further digit is next to the number.

    Eighteen digits inside a longer run may be a person's number next to a telephone number, or
    the middle of a document number. Document numbers often consist of region, day of issue and
    serial (for example the 20 digits of a credit commitment). This is the pattern of a resident id,
    and one in eleven has a valid check digit. Systems with such numbers started after 2010, so
    inside a longer run only earlier birth dates count.
    """
    before, after = text[match.start() - 1 : match.start()], text[match.end(1) : match.end(1) + 1]
    ends_with_x = text[match.end(1) - 1] in CHECK_CHARACTER_X_VARIANTS
    return not before.isdecimal() and (ends_with_x or not after.isdecimal())


def _is_organisation_code(number: str) -> bool:
    """Return True where a possible personal number is more likely an organisation's code.

    One resident id in 341 passes both sums of a unified social credit code by chance. So the code
    must also begin with a common kind of body and a province, at the place of the prefecture in a
    resident id. With a leading 9 the sums are enough: there are far more enterprises than foreign
    residents.
    """
    return is_uscc(number) and (number[0] == "9" or COMMON_USCC_PREFIX.match(number) is not None)


def _overlaps_formatted_date(text: str) -> bool:
    """Return True for a formatted date at another place than the birth date.

    "12-24 2019-01-02 2018-12" is a row of dates, though its digits alone could be a number.
    """
    return any(
        sum(each in ASCII_DIGITS for each in text[: day.start()]) != REGION_DIGIT_COUNT
        for day in FORMATTED_DATE.finditer(text)
    )


def _find_fifteen_digit_numbers(text: str) -> Iterator[str]:
    """Yield separate groups of fifteen digits, in one piece or split at the field boundaries.

    They have no check digit, and one in a hundred of random fifteen digits would be valid. So parts
    of a longer run and rows of telephone numbers do not count.
    """
    if FIFTEEN_DIGIT_NUMBER.search(text):
        without_codes = EIGHTEEN_CHARACTER_CODE.sub(_replace_uscc, DIGEST_OR_UUID.sub(" ", text))
        for found in FIFTEEN_DIGIT_NUMBER.finditer(without_codes):
            yield _remove_separators(found[0] + found[1])


def _replace_uscc(match: re.Match[str]) -> str:
    return " " if is_uscc(match[0].upper()) else match[0]


def _is_first_generation_number(digits: str) -> bool:
    """Return True for a valid province and birth date (1900s) of a first-generation card."""
    try:
        date(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12]))
    except ValueError:
        return False
    return PROVINCE_CODE.match(digits) is not None and not is_registration_no(digits)


def _remove_separators(number: str) -> str:
    characters = (
        each for each in number if each in ASCII_DIGITS or each in CHECK_CHARACTER_X_VARIANTS
    )
    return "".join(each if each in ASCII_DIGITS else "X" for each in characters)
