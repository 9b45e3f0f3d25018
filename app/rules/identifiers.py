"""Identity numbers: how each scheme is written, checked and shown.

Sources: GB 32100-2015 (unified social credit code), GB 11714-1997 (organisation code),
GB 11643-1999 (resident identity number), ISO 7064. Passports and permits are known by their shape
alone. python-stdnum lends an ISO 7064 sum; its `cn.uscc` refuses the A, N and Y codes and passes
a wrong inner organisation code, its `cn.ric` refuses people born before their county had its name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import starmap
from operator import mul

from stdnum.iso7064 import mod_11_10

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.text import normalize_number, remove_dashes


class Scheme(StrEnum):
    """The kinds of number that a subject may be known by."""

    uscc = "uscc"
    org_code = "org_code"
    registration_no = "registration_no"
    resident_id = "resident_id"
    passport = "passport"
    hk_macao_permit = "hk_macao_permit"
    taiwan_permit = "taiwan_permit"
    foreign_permanent_resident = "foreign_permanent_resident"


PERSON_SCHEMES: frozenset[Scheme] = frozenset(Scheme) - {
    Scheme.uscc,
    Scheme.org_code,
    Scheme.registration_no,
}

# GB 32100 leaves out the letters that are easily misread; a character's place is its value.
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
USCC_AUTHORITIES = frozenset("123456789ANY")
USCC_VALUES = {character: value for value, character in enumerate(USCC_ALPHABET)}
USCC_SHAPE = re.compile(f"[1-9ANY][{USCC_ALPHABET}][0-9]{{6}}[{USCC_ALPHABET}]{{10}}")
ORG_CODE_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
ORG_CODE_VALUES = {each: int(each, 36) for each in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

# GB/T 2260, by province alone: counties come and go, and people keep the code of their birth.
# 81, 82 and 83 stand on residence permits of people from Hong Kong, Macao and Taiwan (since 2018).
PROVINCE_CODE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
MIN_BIRTH_DATE = date(1850, 1, 1)
"""Nobody older is in any file; the standard's own example was born in 1880."""

# ISO 7064 MOD 11-2: the powers of two, the last place's being the first.
PERSONAL_WEIGHTS = tuple(pow(2, place, 11) for place in reversed(range(18)))
PERSONAL_VALUES = {character: value for value, character in enumerate("0123456789X")}
FIFTEEN_DIGITS = re.compile("[0-9]{15}")
PERSONAL_SHAPE = re.compile(r"[0-9]{17}[0-9X]")
VISIBLE_CHARACTERS = 6
MIN_REGIONAL_LENGTH = 15  # shorter numbers hold no region, and six characters are most of them


class InvalidIdentifier(ValueError):
    """A number that is not valid under its scheme.

    Attributes:
        sentence: the error in words; it never repeats the number.
    """

    code = ProblemCode.invalid_identifier

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence.en)
        self.sentence = sentence

    def to_fault(self, pointer: str) -> Fault:
        """Return the fault of the field that holds the number."""
        return Fault(pointer, self.code, self.sentence)


@dataclass(frozen=True, slots=True, repr=False)
class Identifier:
    """A number in its normal form; `parse` makes one from what was sent."""

    scheme: Scheme
    number: str

    def __repr__(self) -> str:
        # Reprs end up in logs and tracebacks.
        return f"Identifier({self.scheme.value}, {self.display_number})"

    @property
    def is_personal(self) -> bool:
        """Whether it names a natural person, and so is sealed and masked."""
        return self.scheme in PERSON_SCHEMES

    @property
    def display_number(self) -> str:
        """What may be displayed: an organisation's number whole, a person's masked."""
        return mask_number(self.number) if self.is_personal else self.number

    @property
    def org_code(self) -> str | None:
        """The organisation code (GB 11714) that a unified social credit code carries inside."""
        return self.number[8:17] if self.scheme is Scheme.uscc else None

    @property
    def birth_date(self) -> date | None:
        """The holder's day of birth, where the number says it."""
        if self.scheme in {Scheme.resident_id, Scheme.foreign_permanent_resident}:
            return parse_birth_date(self.number)
        return None


def parse_identifier(scheme: Scheme, number: str, *, today: date) -> Identifier:
    """Bring a number as people write it into its normal form, and check it.

    Raises:
        InvalidIdentifier: it is no number of this scheme.
    """
    normalized = normalize_number(number)
    if scheme is Scheme.org_code:  # printed as D2143569-X, with whichever dash was at hand
        normalized = remove_dashes(normalized)
    VALIDATORS[scheme](normalized, today)
    return Identifier(scheme, normalized)


def require_identifier(scheme: Scheme, number: str, *, today: date, pointer: str) -> Identifier:
    """Parse the number of a request field, as `parse_identifier` does.

    Raises:
        InvalidPayload: the number is not valid under the scheme; `pointer` names the field.
    """
    try:
        return parse_identifier(scheme, number, today=today)
    except InvalidIdentifier as error:
        raise InvalidPayload(faults=[error.to_fault(pointer)]) from error


def mask_number(number: str) -> str:
    """Hide all but the first six characters, the region; of a permit or passport all but two."""
    visible_length = VISIBLE_CHARACTERS if len(number) >= MIN_REGIONAL_LENGTH else 2
    return number[:visible_length].ljust(len(number), "*")


def is_uscc(code: str) -> bool:
    """Tell whether the normal form passes all that GB 32100 asks, both check digits included."""
    try:
        _validate_uscc(code, date.max)
    except InvalidIdentifier:
        return False
    return True


def compute_uscc_check_character(body: str) -> str:
    """Compute the check character of a unified social credit code's first 17 (GB 32100-2015)."""
    values = map(USCC_VALUES.__getitem__, body)
    return USCC_ALPHABET[-sum(map(mul, values, USCC_WEIGHTS)) % 31]


def compute_org_code_check_character(body: str) -> str:
    """Compute the check character of an organisation code's first eight (GB 11714-1997)."""
    values = map(ORG_CODE_VALUES.__getitem__, body)
    return "0123456789X"[-sum(map(mul, values, ORG_CODE_WEIGHTS)) % 11]


def is_registration_no(number: str) -> bool:
    """Tell whether 15 digits end with their check digit (ISO 7064 MOD 11,10)."""
    return bool(FIFTEEN_DIGITS.fullmatch(number)) and mod_11_10.checksum(number) == 1


def has_valid_personal_check_character(number: str) -> bool:
    """Tell whether it has 17 digits and their check character (ISO 7064 MOD 11-2)."""
    # The shape first: the sum alone would take an X anywhere.
    if not PERSONAL_SHAPE.fullmatch(number):
        return False
    values = map(PERSONAL_VALUES.__getitem__, number)
    total: int = sum(starmap(mul, zip(values, PERSONAL_WEIGHTS, strict=True)))
    return total % 11 == 1


def parse_birth_date(number: str) -> date | None:
    """Read the day of birth in an 18-character personal number, None where there is no such day."""
    if not PERSONAL_SHAPE.fullmatch(number):
        return None
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def _require_valid(condition: object, en: str, zh: str) -> None:
    if not condition:
        raise InvalidIdentifier(Sentence(en, zh))


def _require_length(number: str, length: int) -> None:
    if len(number) != length:
        raise InvalidIdentifier(
            Sentence(
                f"The number must have {length} characters; {len(number)} were sent",
                f"号码应为 {length} 位，提交的为 {len(number)} 位",
            )
        )


def _require_check_character(condition: object, position: int) -> None:
    if not condition:
        raise InvalidIdentifier(
            Sentence(
                f"The check character (the {position}th) does not fit the rest; look for a typing"
                " slip",
                f"第 {position} 位校验码不符，请核对是否有误录",
            )
        )


def _validate_uscc(code: str, _today: date) -> None:
    # As nearly all come; who sent one of the others is told what is wrong with it.
    if (
        USCC_SHAPE.fullmatch(code)
        and code[17] == compute_uscc_check_character(code[:17])
        and code[16] == compute_org_code_check_character(code[8:16])
    ):
        return
    _require_length(code, 18)
    _require_valid(
        set(code) <= USCC_VALUES.keys(),
        "The code has only digits and letters, and never I, O, S, V or Z; look for 1, 0, 5, U or 2",
        "统一社会信用代码由数字和字母组成，不使用 I、O、S、V、Z，请核对是否为 1、0、5、U、2",
    )
    _require_valid(
        code[0] in USCC_AUTHORITIES,
        "The first character names the registering authority: 1 to 9, A, N or Y",
        "第 1 位应为登记管理部门代码：1 至 9、A、N 或 Y",
    )
    _require_valid(
        code[2:8].isdigit(),
        "Characters 3 to 8 are the region code and must be digits",
        "第 3 至 8 位为行政区划码，应为数字",
    )
    # The outer sum before the inner one: a slip anywhere breaks it, and the sentence fits any slip.
    _require_check_character(code[17] == compute_uscc_check_character(code[:17]), 18)
    _require_valid(
        code[16] == compute_org_code_check_character(code[8:16]),
        "Characters 9 to 17 are no organisation code: its own check digit (the 17th) is wrong",
        "第 9 至 17 位不是有效的组织机构代码（第 17 位校验码不符）",
    )


def _validate_org_code(code: str, _today: date) -> None:
    _require_length(code, 9)
    _require_valid(
        re.fullmatch("[0-9A-Z]{8}[0-9X]", code),
        "An organisation code has eight digits or letters and a check digit (or X)",
        "组织机构代码由 8 位数字或大写字母和 1 位校验码（数字或 X）组成",
    )
    _require_check_character(code[8] == compute_org_code_check_character(code[:8]), 9)


def _validate_registration_no(number: str, _today: date) -> None:
    _require_length(number, 15)
    _require_valid(re.fullmatch("[0-9]+", number), "The number has only digits", "号码应全部为数字")
    _require_check_character(is_registration_no(number), 15)


def _validate_resident_id(number: str, today: date) -> None:
    _require_valid(
        not FIFTEEN_DIGITS.fullmatch(number),
        "First-generation numbers of 15 digits are void since 2013; send the 18 of today's card",
        "15 位的第一代身份证号码自 2013 年起已停用，请提交 18 位公民身份号码",
    )
    _validate_personal_number(number, today)
    _require_valid(
        PROVINCE_CODE.match(number),
        "The first two digits are no province (GB/T 2260)",
        "前两位不是有效的省级行政区划代码",
    )


def _validate_foreign_permanent_resident(number: str, today: date) -> None:
    if number.startswith("9"):  # the card of 18 characters, since 2023-12
        _validate_personal_number(number, today)
        return
    _require_valid(
        re.fullmatch("[A-Z]{3}[0-9]{12}", number),
        "The number has 18 characters and begins with 9; on older cards three letters, 12 digits",
        "号码应为以 9 开头的 18 位号码；旧版为 3 位字母加 12 位数字",
    )


def _validate_personal_number(number: str, today: date) -> None:
    _require_length(number, 18)
    _require_valid(
        PERSONAL_SHAPE.fullmatch(number),
        "The number has 17 digits and a check character, a digit or X",
        "号码应为 17 位数字加 1 位校验码（数字或 X）",
    )
    birth_date = parse_birth_date(number)
    _require_valid(
        birth_date and birth_date >= MIN_BIRTH_DATE,
        "Characters 7 to 14 are the day of birth, and there is no such day",
        "第 7 至 14 位为出生日期，该日期无效",
    )
    _require_valid(
        birth_date and birth_date <= today,
        "Characters 7 to 14 are the day of birth, and that day is in the future",
        "第 7 至 14 位为出生日期，该日期尚未到来",
    )
    _require_check_character(has_valid_personal_check_character(number), 18)


def _build_pattern_validator(pattern: str, en: str, zh: str) -> Callable[[str, date], None]:
    shape = re.compile(pattern)
    return lambda number, _today: _require_valid(shape.fullmatch(number), en, zh)


VALIDATORS: Mapping[Scheme, Callable[[str, date], None]] = {
    Scheme.uscc: _validate_uscc,
    Scheme.org_code: _validate_org_code,
    Scheme.registration_no: _validate_registration_no,
    Scheme.resident_id: _validate_resident_id,
    # States number their passports as they like, so more than this would refuse real people.
    Scheme.passport: _build_pattern_validator(
        "(?=.*[0-9])[0-9A-Z]{5,17}",
        "A passport number has 5 to 17 letters and digits, at least one of them a digit",
        "护照号码应为 5 至 17 位字母和数字，且至少含一位数字",
    ),
    Scheme.hk_macao_permit: _build_pattern_validator(
        "[HM][0-9]{8}(?:[0-9]{2})?",
        "A Hong Kong or Macao permit has H or M, then 8 or 10 digits",
        "港澳居民来往内地通行证号码应为 H 或 M 加 8 位或 10 位数字",
    ),
    Scheme.taiwan_permit: _build_pattern_validator(
        "[0-9]{8}|[0-9]{10}[A-Z]",
        "A Taiwan permit has 8 digits, or 10 digits and a letter on the older booklets",
        "台湾居民来往大陆通行证号码应为 8 位数字，旧版为 10 位数字加 1 位字母",
    ),
    Scheme.foreign_permanent_resident: _validate_foreign_permanent_resident,
}
