"""Identity numbers: normal form, validation and masks by scheme.

Sources: GB 32100-2015 (unified social credit code), GB 11714-1997 (organisation code),
GB 11643-1999 (resident identity number), ISO 7064. For passports and permits only the pattern is
known. python-stdnum computes one ISO 7064 sum. Its `cn.uscc` is not used, because it refuses the
codes A, N and Y and accepts a wrong inner organisation code; nor its `cn.ric`, because it refuses
people who were born before their county had its name.
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
    """The kinds of number that identify a subject."""

    uscc = "uscc"
    org_code = "org_code"
    registration_no = "registration_no"
    resident_id = "resident_id"
    passport = "passport"
    hk_macao_permit = "hk_macao_permit"
    taiwan_permit = "taiwan_permit"
    foreign_permanent_resident = "foreign_permanent_resident"


class Sex(StrEnum):
    """The sex in a resident identity number."""

    female = "female"
    male = "male"


PERSON_SCHEMES: frozenset[Scheme] = frozenset(Scheme) - {
    Scheme.uscc,
    Scheme.org_code,
    Scheme.registration_no,
}

# GB 32100 leaves out letters that are easily misread. The index of a character is its value.
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
USCC_AUTHORITIES = frozenset("123456789ANY")
USCC_VALUES = {character: value for value, character in enumerate(USCC_ALPHABET)}
USCC_SHAPE = re.compile(f"[1-9ANY][{USCC_ALPHABET}][0-9]{{6}}[{USCC_ALPHABET}]{{10}}")
ORG_CODE_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
ORG_CODE_VALUES = {each: int(each, 36) for each in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

# GB/T 2260, provinces only: counties change, and people keep the code of their birth. 81, 82 and
# 83 are on residence permits of people from Hong Kong, Macao and Taiwan (since 2018).
PROVINCE_CODE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
MIN_BIRTH_DATE = date(1850, 1, 1)
"""Earlier dates are errors; the example of the standard was born in 1880."""

# ISO 7064 MOD 11-2: powers of two, the lowest for the last character.
PERSONAL_WEIGHTS = tuple(pow(2, place, 11) for place in reversed(range(18)))
PERSONAL_VALUES = {character: value for value, character in enumerate("0123456789X")}
FIFTEEN_DIGITS = re.compile("[0-9]{15}")
PERSONAL_SHAPE = re.compile(r"[0-9]{17}[0-9X]")
USUAL_MASK = "*" * 9
MASKS: dict[str, str] = {
    Scheme.resident_id.value: "*" * 18,
    Scheme.foreign_permanent_resident.value: "*" * 18,
}
"""Masks that are not of the usual length."""


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
    """A number in its normal form; `parse_identifier` makes it from input."""

    scheme: Scheme
    number: str

    def __repr__(self) -> str:
        # Logs and tracebacks contain reprs.
        return f"Identifier({self.scheme.value}, {self.display_number})"

    @property
    def is_personal(self) -> bool:
        """True for the number of a natural person, which is sealed and masked."""
        return self.scheme in PERSON_SCHEMES

    @property
    def display_number(self) -> str:
        """The number as responses show it: of a person masked, of an organisation in full."""
        return build_mask(self.scheme) if self.is_personal else self.number

    @property
    def org_code(self) -> str | None:
        """The organisation code (GB 11714) inside a unified social credit code."""
        return self.number[8:17] if self.scheme is Scheme.uscc else None

    @property
    def birth_date(self) -> date | None:
        """The birth date in the number; None for schemes without one."""
        if self.scheme in {Scheme.resident_id, Scheme.foreign_permanent_resident}:
            return parse_birth_date(self.number)
        return None

    @property
    def sex(self) -> Sex | None:
        """The sex in the number; its 17th digit is odd for men (GB 11643)."""
        if self.scheme is not Scheme.resident_id:
            return None
        return Sex.male if int(self.number[16]) % 2 else Sex.female


def parse_identifier(scheme: Scheme, number: str, *, today: date) -> Identifier:
    """Normalize and validate a number.

    Raises:
        InvalidIdentifier: the number is not valid under this scheme.
    """
    normalized = normalize_number(number)
    if scheme is Scheme.org_code:  # printed as D2143569-X, with any kind of dash
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


def build_mask(scheme: str) -> str:
    """Return what responses show instead of a personal number.

    It depends on the scheme alone. Any character of a number, its length too, would help to guess
    the rest: region, birth and sequence have a known form, and the check character excludes ten of
    eleven guesses.
    """
    return MASKS.get(scheme, USUAL_MASK)


def is_uscc(code: str) -> bool:
    """Return True for a valid normal form by GB 32100, both check digits included."""
    try:
        _validate_uscc(code, date.max)
    except InvalidIdentifier:
        return False
    return True


def compute_uscc_check_character(body: str) -> str:
    """Return the check character of a unified social credit code (GB 32100-2015)."""
    values = map(USCC_VALUES.__getitem__, body)
    return USCC_ALPHABET[-sum(map(mul, values, USCC_WEIGHTS)) % 31]


def compute_org_code_check_character(body: str) -> str:
    """Return the check character of an organisation code (GB 11714-1997)."""
    values = map(ORG_CODE_VALUES.__getitem__, body)
    return "0123456789X"[-sum(map(mul, values, ORG_CODE_WEIGHTS)) % 11]


def is_registration_no(number: str) -> bool:
    """Return True for 15 digits with a valid check digit (ISO 7064 MOD 11,10)."""
    return bool(FIFTEEN_DIGITS.fullmatch(number)) and mod_11_10.checksum(number) == 1


def has_valid_personal_check_character(number: str) -> bool:
    """Return True for 17 digits and a valid check character (ISO 7064 MOD 11-2)."""
    # The pattern first: the sum alone would accept an X at any place.
    if not PERSONAL_SHAPE.fullmatch(number):
        return False
    values = map(PERSONAL_VALUES.__getitem__, number)
    total: int = sum(starmap(mul, zip(values, PERSONAL_WEIGHTS, strict=True)))
    return total % 11 == 1


def compute_personal_check_character(body: str) -> str:
    """Return the check character of a personal number for its 17 digits (ISO 7064 MOD 11-2)."""
    values = map(PERSONAL_VALUES.__getitem__, body)
    return "0123456789X"[(1 - sum(map(mul, values, PERSONAL_WEIGHTS))) % 11]


def parse_birth_date(number: str) -> date | None:
    """Return the birth date in an 18-character personal number; None if there is no such day."""
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
    # Nearly all codes are valid; the checks below only find the message for the others.
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
    # The outer sum before the inner one: any typing error breaks it, and its message fits any.
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
    # Each state has its own numbers, so a stricter pattern would refuse real passports.
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
