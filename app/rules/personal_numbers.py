"""Whether free text holds a resident identity number, however it is written.

Reasons, case numbers and addresses travel into logs, exports and published pages, so a text that
holds one is refused. Numbers hide by accident: in full width, in groups, glued to a word, with the
zero-width blanks that web pages put between digits.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date

from app.rules.identifiers import (
    EARLIEST_BIRTH,
    PROVINCE,
    birth_date,
    has_personal_check,
    is_registration_no,
    is_uscc,
)

# No sign on paper: soft hyphens, joiners, direction marks, the parts of keycap emoji.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20e3\ufe00-\ufe0f\ufeff]+"
)
# What people type for the check character X: the sign of multiplication, crosses, and the letters
# of Cyrillic and Greek keyboards (escaped, since they look the same).
CROSSES = "Xx×✕✖\u0425\u0445\u03a7\u03c7"

# Possessive (`+`), so that a long row of digits and blanks is walked once and not retried.
GAP = r"[\s._·•‧・⋅∙\-‐-―−]{0,4}+"
MONTH = f"(?:0{GAP}[1-9]|1{GAP}[0-2])"
DAY = f"(?:[0-2]{GAP}[0-9]|3{GAP}[01])"
# The rest of a number is only looked at, so that the search goes on at the very next digit.
EIGHTEEN = re.compile(
    f"[1-9](?=((?:{GAP}[0-9]){{5}}{GAP}(?:1{GAP}[89]|2{GAP}0)(?:{GAP}[0-9]){{2}}"
    f"{GAP}{MONTH}{GAP}{DAY}(?:{GAP}[0-9]){{3}}{GAP}[0-9{CROSSES}]))"
)
FIFTEEN = re.compile(
    "(?<![0-9])[1-8](?=([0-9]{5}"
    f"{GAP}[0-9]{{2}}{GAP}(?:0[1-9]|1[0-2]){GAP}(?:[0-2][0-9]|3[01]){GAP}[0-9]{{3}})(?![0-9]))"
)
# Digests and UUIDs are long enough that fifteen digits come together in them by chance.
MACHINE_MADE = re.compile(
    "(?<![0-9A-Fa-f])"
    "(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32,})"
    "(?![0-9A-Fa-f])"
)
DIGITS = frozenset("0123456789")
ENOUGH_DIGITS = re.compile("(?:[0-9][^0-9]*+){15}")
# Signs that may stand for a digit; those of ASCII, Chinese letters and their punctuation are what
# they are (a test asks for each).
UNFAMILIAR = re.compile("[^\x00-\x7f\u2010-\u2027\u3000-\u301f\u4e00-\u9fff！-／：-＠·]")
CODE = re.compile("(?<![0-9A-Za-z])[0-9A-Za-z]{18}(?![0-9A-Za-z])")
REGION_DIGITS = 6
WRITTEN_DATE = re.compile(
    "(?<![0-9])(?:19|20)[0-9]{2}[-./](?:0[1-9]|1[0-2])[-./](?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
)
# Bodies and groups, judicial and civil affairs; 10 is the centre (100000).
USUAL_USCC = re.compile(f"(?:1[1-39]|3[1-59]|5[1-39])(?:10|{PROVINCE.pattern})")
LAST_BIRTH_INSIDE = date(2009, 12, 31)


def holds_personal_number(text: str) -> bool:
    """Tell whether the text holds a valid resident id, of 18 characters or of the former 15 digits.

    The 18-digit numbers of foreign permanent residents count too. A unified social credit code and
    a business registration number do not, though their digits may look alike.
    """
    if _has_too_few_digits(text):
        return False
    plain = _plain(text)
    return any(_is_personal(plain, found) for found in EIGHTEEN.finditer(plain)) or any(
        _is_first_generation(digits) for digits in _whole_fifteens(plain)
    )


def _has_too_few_digits(text: str) -> bool:
    """Tell, cheaply and for nearly every text, that there cannot be the digits of a number in it.

    False tells nothing.
    """
    return ENOUGH_DIGITS.search(text) is None and UNFAMILIAR.search(text) is None


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    return folded if folded.isascii() else INVISIBLE.sub("", folded)


def _is_personal(text: str, found: re.Match[str]) -> bool:
    number = _squeezed(found[0] + found[1])
    born = birth_date(number)
    return (
        born is not None
        and born >= EARLIEST_BIRTH
        and (_stands_alone(text, found) or born <= LAST_BIRTH_INSIDE)
        and has_personal_check(number)
        and (number[0] == "9" or PROVINCE.match(number) is not None)
        and not _is_organisation(number)
        and not _runs_into_a_date(found[0] + found[1])
    )


def _stands_alone(text: str, found: re.Match[str]) -> bool:
    """Tell whether no further digit touches the number.

    Eighteen digits inside a longer run may be a person's number glued to a telephone number, or
    the middle of a document number. Those are often made of region, day of issue and serial (the
    20 digits of a credit commitment, for one), which is the very pattern of a resident id, and one
    in eleven has a fitting check digit. Systems that number so are younger than 2010, so inside a
    longer run a number counts only where it would be the birth of somebody older.
    """
    before, after = text[found.start() - 1 : found.start()], text[found.end(1) : found.end(1) + 1]
    crossed = text[found.end(1) - 1] in CROSSES
    return not before.isdecimal() and (crossed or not after.isdecimal())


def _is_organisation(number: str) -> bool:
    """Tell whether a number that could be a person's is rather an organisation's.

    One resident id in 341 passes both sums of a unified social credit code by chance. So the code
    must also begin like one: a usual kind of body and a province, where a resident id has its
    prefecture. Behind a 9, enterprises outnumber foreign residents so far that the sums suffice.
    """
    return is_uscc(number) and (number[0] == "9" or USUAL_USCC.match(number) is not None)


def _runs_into_a_date(written: str) -> bool:
    """Tell whether a written date stands elsewhere than at the day of birth.

    "12-24 2019-01-02 2018-12" is a row of days, though its digits alone would be a number.
    """
    return any(
        sum(each in DIGITS for each in written[: day.start()]) != REGION_DIGITS
        for day in WRITTEN_DATE.finditer(written)
    )


def _whole_fifteens(text: str) -> Iterator[str]:
    """Find fifteen digits that stand for themselves, in one piece or parted where the fields end.

    They carry no check digit: one in a hundred of any fifteen digits would do. So neither a part of
    a longer run nor a chance row of telephone numbers is taken.
    """
    if FIFTEEN.search(text):
        without_codes = CODE.sub(_unless_uscc, MACHINE_MADE.sub(" ", text))
        for found in FIFTEEN.finditer(without_codes):
            yield _squeezed(found[0] + found[1])


def _unless_uscc(found: re.Match[str]) -> str:
    return " " if is_uscc(found[0].upper()) else found[0]


def _is_first_generation(digits: str) -> bool:
    """Tell whether province and day of birth (of the 1900s) are such as old cards carried."""
    try:
        date(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12]))
    except ValueError:
        return False
    return PROVINCE.match(digits) is not None and not is_registration_no(digits)


def _squeezed(number: str) -> str:
    kept = (each for each in number if each in DIGITS or each in CROSSES)
    return "".join(each if each in DIGITS else "X" for each in kept)
