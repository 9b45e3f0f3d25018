"""Whether free text holds a resident identity number, however it is written.

Reasons, case numbers and addresses travel into logs, exports and published pages, so a text that
holds one is refused. Numbers hide by accident: in full width, in groups, glued to a word, with the
zero-width blanks that web pages put between digits.
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
from app.rules.text import normalize_width, remove_invisible

# What people type for the check character X: the sign of multiplication, crosses, and the letters
# of Cyrillic and Greek keyboards (escaped, since they look the same).
CHECK_CHARACTER_X_VARIANTS = "Xx×✕✖\u0425\u0445\u03a7\u03c7"

# Possessive (`+`), so that a long row of digits and blanks is walked once and not retried.
SEPARATOR_PATTERN = r"[\s._·•‧・⋅∙\-‐-―−]{0,4}+"
MONTH_PATTERN = f"(?:0{SEPARATOR_PATTERN}[1-9]|1{SEPARATOR_PATTERN}[0-2])"
BIRTH_DAY_PATTERN = f"(?:[0-2]{SEPARATOR_PATTERN}[0-9]|3{SEPARATOR_PATTERN}[01])"
# The rest of a number is only looked at, so that the search goes on at the very next digit.
EIGHTEEN_CHARACTER_NUMBER = re.compile(
    f"[1-9](?=((?:{SEPARATOR_PATTERN}[0-9]){{5}}{SEPARATOR_PATTERN}(?:1{SEPARATOR_PATTERN}[89]|2{SEPARATOR_PATTERN}0)(?:{SEPARATOR_PATTERN}[0-9]){{2}}"
    f"{SEPARATOR_PATTERN}{MONTH_PATTERN}{SEPARATOR_PATTERN}{BIRTH_DAY_PATTERN}(?:{SEPARATOR_PATTERN}[0-9]){{3}}{SEPARATOR_PATTERN}[0-9{CHECK_CHARACTER_X_VARIANTS}]))"
)
FIFTEEN_DIGIT_NUMBER = re.compile(
    "(?<![0-9])[1-8](?=([0-9]{5}"
    f"{SEPARATOR_PATTERN}[0-9]{{2}}{SEPARATOR_PATTERN}(?:0[1-9]|1[0-2]){SEPARATOR_PATTERN}(?:[0-2][0-9]|3[01]){SEPARATOR_PATTERN}[0-9]{{3}})(?![0-9]))"
)
# Digests and UUIDs are long enough that fifteen digits come together in them by chance.
DIGEST_OR_UUID = re.compile(
    "(?<![0-9A-Fa-f])"
    "(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32,})"
    "(?![0-9A-Fa-f])"
)
ASCII_DIGITS = frozenset("0123456789")
AT_LEAST_FIFTEEN_DIGITS = re.compile("(?:[0-9][^0-9]*+){15}")
# Signs that may stand for a digit; those of ASCII, Chinese letters and their punctuation are what
# they are (a test asks for each).
POSSIBLE_DIGIT_SIGN = re.compile("[^\x00-\x7f\u2010-\u2027\u3000-\u301f\u4e00-\u9fff！-／：-＠·]")
EIGHTEEN_CHARACTER_CODE = re.compile("(?<![0-9A-Za-z])[0-9A-Za-z]{18}(?![0-9A-Za-z])")
REGION_DIGIT_COUNT = 6
FORMATTED_DATE = re.compile(
    "(?<![0-9])(?:19|20)[0-9]{2}[-./](?:0[1-9]|1[0-2])[-./](?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
)
# Bodies and groups, judicial and civil affairs; 10 is the centre (100000).
COMMON_USCC_PREFIX = re.compile(f"(?:1[1-39]|3[1-59]|5[1-39])(?:10|{PROVINCE_CODE.pattern})")
MAX_BIRTH_DATE_IN_LONGER_NUMBER = date(2009, 12, 31)


def contains_personal_number(text: str) -> bool:
    """Tell whether the text holds a valid resident id, of 18 characters or of the former 15 digits.

    The 18-digit numbers of foreign permanent residents count too. A unified social credit code and
    a business registration number do not, though their digits may look alike.
    """
    if _has_too_few_digits(text):
        return False
    normalized = _normalize_text(text)
    return any(
        _is_personal_number(normalized, found)
        for found in EIGHTEEN_CHARACTER_NUMBER.finditer(normalized)
    ) or any(
        _is_first_generation_number(digits) for digits in _find_fifteen_digit_numbers(normalized)
    )


def _has_too_few_digits(text: str) -> bool:
    """Tell, cheaply and for nearly every text, that there cannot be the digits of a number in it.

    False tells nothing.
    """
    return AT_LEAST_FIFTEEN_DIGITS.search(text) is None and POSSIBLE_DIGIT_SIGN.search(text) is None


def _normalize_text(text: str) -> str:
    return remove_invisible(normalize_width(text))


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
    """Tell whether no further digit touches the number.

    Eighteen digits inside a longer run may be a person's number glued to a telephone number, or
    the middle of a document number. Those are often made of region, day of issue and serial (the
    20 digits of a credit commitment, for one), which is the very pattern of a resident id, and one
    in eleven has a fitting check digit. Systems that number so are younger than 2010, so inside a
    longer run a number counts only where it would be the birth of somebody older.
    """
    before, after = text[match.start() - 1 : match.start()], text[match.end(1) : match.end(1) + 1]
    ends_with_x = text[match.end(1) - 1] in CHECK_CHARACTER_X_VARIANTS
    return not before.isdecimal() and (ends_with_x or not after.isdecimal())


def _is_organisation_code(number: str) -> bool:
    """Tell whether a number that could be a person's is rather an organisation's.

    One resident id in 341 passes both sums of a unified social credit code by chance. So the code
    must also begin like one: a usual kind of body and a province, where a resident id has its
    prefecture. Behind a 9, enterprises outnumber foreign residents so far that the sums suffice.
    """
    return is_uscc(number) and (number[0] == "9" or COMMON_USCC_PREFIX.match(number) is not None)


def _overlaps_formatted_date(text: str) -> bool:
    """Tell whether a written date stands elsewhere than at the day of birth.

    "12-24 2019-01-02 2018-12" is a row of days, though its digits alone would be a number.
    """
    return any(
        sum(each in ASCII_DIGITS for each in text[: day.start()]) != REGION_DIGIT_COUNT
        for day in FORMATTED_DATE.finditer(text)
    )


def _find_fifteen_digit_numbers(text: str) -> Iterator[str]:
    """Find fifteen digits that stand for themselves, in one piece or parted where the fields end.

    They carry no check digit: one in a hundred of any fifteen digits would do. So neither a part of
    a longer run nor a chance row of telephone numbers is taken.
    """
    if FIFTEEN_DIGIT_NUMBER.search(text):
        without_codes = EIGHTEEN_CHARACTER_CODE.sub(_replace_uscc, DIGEST_OR_UUID.sub(" ", text))
        for found in FIFTEEN_DIGIT_NUMBER.finditer(without_codes):
            yield _remove_separators(found[0] + found[1])


def _replace_uscc(match: re.Match[str]) -> str:
    return " " if is_uscc(match[0].upper()) else match[0]


def _is_first_generation_number(digits: str) -> bool:
    """Tell whether province and day of birth (of the 1900s) are such as old cards carried."""
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
