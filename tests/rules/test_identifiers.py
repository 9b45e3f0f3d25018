import contextlib
import json
import pickle
import string
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from stdnum.cn import ric
from stdnum.cn import uscc as stdnum_uscc
from stdnum.iso7064 import mod_11_2, mod_11_10

from app.rules.identifiers import (
    PERSON_SCHEMES,
    USCC_ALPHABET,
    Identifier,
    InvalidIdentifier,
    Scheme,
    Sex,
    build_mask,
    compute_org_code_check_character,
    compute_uscc_check_character,
    has_valid_personal_check_character,
    is_uscc,
    normalize_number,
    parse_identifier,
)

TODAY = date(2026, 11, 22)
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "identifiers.json").read_text(encoding="utf-8")
)
VALID = [
    (scheme, number)
    for scheme in Scheme
    for cases in [VECTORS[scheme]]
    for number in [*cases["valid"], *cases.get("minor_on_2026-11-22", [])]
]
INVALID = [
    (scheme, number, why) for scheme in Scheme for number, why in VECTORS[scheme]["invalid"].items()
]
MESSAGES = {
    "check digit": "does not fit the rest",
    "letter I": "never I, O, S, V or Z",
    "alphabet": "only digits and letters",
    "all zeros dummy": "registering authority",
    "authority": "registering authority",
    "region": "region code",
    "inner org code": "no organisation code",
    "no such date": "no such day",
    "future": "in the future",
    "province": "no province",
    "first generation": "First-generation",
    "length": "were sent",
    "shape": "",
}

PROVINCES = ["11", "37", "44", "54", "65", "71", "81", "82", "83"]
DAYS_OF_BIRTH = some.dates(date(1850, 1, 1), TODAY)


def refusal(scheme: Scheme, number: str, today: date = TODAY) -> InvalidIdentifier:
    with pytest.raises(InvalidIdentifier) as caught:
        parse_identifier(scheme, number, today=today)
    return caught.value


@some.composite
def usccs(draw: some.DrawFn) -> str:
    head = draw(some.sampled_from("123456789ANY")) + draw(some.sampled_from("1239"))
    region = draw(some.text("0123456789", min_size=6, max_size=6))
    body = draw(some.text(USCC_ALPHABET, min_size=8, max_size=8))
    code = head + region + body + compute_org_code_check_character(body)
    return code + compute_uscc_check_character(code)


@some.composite
def resident_ids(draw: some.DrawFn) -> str:
    region = draw(some.sampled_from(PROVINCES)) + draw(some.from_regex(r"[0-9]{4}", fullmatch=True))
    serial = draw(some.from_regex(r"[0-9]{3}", fullmatch=True))
    body = f"{region}{draw(DAYS_OF_BIRTH):%Y%m%d}{serial}"
    return body + mod_11_2.calc_check_digit(body)


@pytest.mark.parametrize(("scheme", "number"), VALID)
def test_every_valid_vector_parses(scheme: Scheme, number: str) -> None:
    identifier = parse_identifier(scheme, number, today=TODAY)
    assert identifier.scheme is scheme
    assert parse_identifier(scheme, identifier.number, today=TODAY) == identifier


@pytest.mark.parametrize(("scheme", "number", "why"), INVALID)
def test_every_invalid_vector_is_refused_with_its_reason(
    scheme: Scheme, number: str, why: str
) -> None:
    refused = refusal(scheme, number)
    assert MESSAGES[why] in refused.sentence.en
    assert refused.sentence.zh


@pytest.mark.parametrize(("scheme", "number", "why"), INVALID)
def test_a_refusal_never_repeats_the_number(scheme: Scheme, number: str, why: str) -> None:
    refused = refusal(scheme, number)
    shown = f"{refused} {refused!r} {refused.args} {refused.sentence}"
    assert number not in shown
    assert number[6:14] not in shown or not number[6:14]
    assert refused.__context__ is None


@pytest.mark.parametrize("scheme", list(Scheme))
def test_empty_and_random_texts_are_refused(scheme: Scheme) -> None:
    for number in ("", " ", "不详", "无", "\x00", "١٢٣٤٥٦٧٨٩", "𝟘", "--", "x" * 10_000):
        refusal(scheme, number)


@given(some.sampled_from(Scheme), some.text())
def test_any_text_is_parsed_or_refused(scheme: Scheme, text: str) -> None:
    with contextlib.suppress(InvalidIdentifier):
        parse_identifier(scheme, text, today=TODAY)


def test_numbers_are_normalized() -> None:
    for written in (
        "９１１１００００６０００３７３４１Ｌ",
        " 91110000 60003734 1l ",
        "91110000\u3000600037341L\u200b",
        "\ufeff91110000\u00a0600037341L\n",
    ):
        assert parse_identifier(Scheme.uscc, written, today=TODAY).number == "91110000600037341L"
    assert parse_identifier(Scheme.resident_id, "11010519491231002ｘ", today=TODAY).number.endswith(
        "X"
    )


def test_only_organisation_codes_may_have_hyphens() -> None:
    for written in ("D2143569-X", "D2143569－X", "D2143569–X", "d2143569 x"):
        assert parse_identifier(Scheme.org_code, written, today=TODAY).number == "D2143569X"
    refusal(Scheme.uscc, "91110000-600037341L")
    refusal(Scheme.resident_id, "370402-19850612-0013")


def test_a_uscc_contains_its_organisation_code() -> None:
    identifier = parse_identifier(Scheme.uscc, "91110000600037341L", today=TODAY)
    assert identifier.org_code == "600037341"
    assert parse_identifier(Scheme.org_code, identifier.org_code, today=TODAY).org_code is None


@given(usccs())
def test_generated_usccs_parse_with_their_organisation_code(code: str) -> None:
    identifier = parse_identifier(Scheme.uscc, code, today=TODAY)
    assert not identifier.is_personal
    assert identifier.display_number == code
    assert identifier.org_code is not None
    assert parse_identifier(Scheme.org_code, identifier.org_code, today=TODAY).number == code[8:17]


@given(usccs(), some.integers(0, 17), some.sampled_from(string.digits + string.ascii_uppercase))
def test_one_wrong_character_in_a_uscc_is_always_refused(code: str, at: int, other: str) -> None:
    # 31 is prime and no weight is a multiple of it, so no substitution collides.
    if other != code[at]:
        refusal(Scheme.uscc, code[:at] + other + code[at + 1 :])


@given(usccs(), some.integers(0, 16))
def test_two_neighbours_swapped_in_a_uscc_are_always_refused(code: str, at: int) -> None:
    if code[at] != code[at + 1]:
        refusal(Scheme.uscc, code[:at] + code[at + 1] + code[at] + code[at + 2 :])


@given(usccs())
def test_stdnum_agrees_on_usccs_with_a_digit_in_front(code: str) -> None:
    # stdnum refuses A, N and Y, and does not validate the inner organisation code.
    assert stdnum_uscc.is_valid(code) is code[0].isdigit()


@given(some.text(USCC_ALPHABET, min_size=18, max_size=18))
def test_what_stdnum_refuses_as_a_uscc_is_refused_here(code: str) -> None:
    if code[0].isdigit() and not stdnum_uscc.is_valid(code):
        assert not is_uscc(code)


@given(resident_ids())
def test_generated_resident_ids_parse_with_their_birth_date(number: str) -> None:
    identifier = parse_identifier(Scheme.resident_id, number, today=TODAY)
    assert identifier.birth_date == ric.get_birth_date(number)
    assert number[-1] == ric.calc_check_digit(number)


@given(resident_ids(), some.integers(0, 17), some.sampled_from("0123456789X"))
def test_one_wrong_character_in_a_resident_id_is_always_refused(
    number: str, at: int, other: str
) -> None:
    if other != number[at]:
        refusal(Scheme.resident_id, number[:at] + other + number[at + 1 :])


@given(resident_ids(), some.integers(0, 16))
def test_two_neighbours_swapped_in_a_resident_id_are_always_refused(number: str, at: int) -> None:
    if number[at] != number[at + 1]:
        swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
        refusal(Scheme.resident_id, swapped)


def test_a_birth_date_in_the_future_is_refused() -> None:
    number = "370406201305050055"
    assert parse_identifier(Scheme.resident_id, number, today=date(2013, 5, 5)).birth_date == date(
        2013, 5, 5
    )
    assert "in the future" in refusal(Scheme.resident_id, number, date(2013, 5, 4)).sentence.en


def test_a_renamed_county_is_accepted() -> None:
    for number in ("370402195001020013", "440524188001010014", "810000199408230021"):
        assert not ric.is_valid(number)
        assert parse_identifier(Scheme.resident_id, number, today=TODAY).number == number


def test_the_foreign_number_of_18_characters_has_a_birth_date() -> None:
    scheme = Scheme.foreign_permanent_resident
    assert parse_identifier(scheme, "911124198103030025", today=TODAY).birth_date == date(
        1981, 3, 3
    )
    assert parse_identifier(scheme, "USA110181030300", today=TODAY).birth_date is None


def test_other_numbers_have_no_birth_date() -> None:
    assert parse_identifier(Scheme.passport, "E12345678", today=TODAY).birth_date is None
    assert parse_identifier(Scheme.uscc, "91110000600037341L", today=TODAY).birth_date is None


@given(some.text("0123456789", min_size=14, max_size=14))
def test_registration_numbers_have_one_valid_check_digit(
    body: str,
) -> None:
    check = mod_11_10.calc_check_digit(body)
    assert (
        parse_identifier(Scheme.registration_no, body + check, today=TODAY).number == body + check
    )
    for other in set(string.digits) - {check}:
        refusal(Scheme.registration_no, body + other)


@given(some.text(string.digits + string.ascii_uppercase, min_size=8, max_size=8))
def test_every_organisation_code_has_exactly_one_check_character(body: str) -> None:
    fitting = [each for each in "0123456789X" if each == compute_org_code_check_character(body)]
    assert len(fitting) == 1
    for other in set("0123456789X") - set(fitting):
        refusal(Scheme.org_code, body + other)


def test_numbers_of_natural_persons_are_personal() -> None:
    assert {
        "resident_id",
        "passport",
        "hk_macao_permit",
        "taiwan_permit",
        "foreign_permanent_resident",
    } == PERSON_SCHEMES


@pytest.mark.parametrize(
    ("scheme", "number"), [case for case in VALID if case[0] in PERSON_SCHEMES]
)
def test_a_personal_number_is_masked_in_every_output(scheme: Scheme, number: str) -> None:
    identifier = parse_identifier(scheme, number, today=TODAY)
    assert identifier.is_personal
    for printed in (repr(identifier), str(identifier), f"{identifier}", f"{[identifier]}"):
        assert identifier.number not in printed
        assert identifier.number[2:] not in printed


@pytest.mark.parametrize(("scheme", "number"), VALID)
def test_a_mask_shows_no_character_of_a_personal_number(scheme: Scheme, number: str) -> None:
    identifier = parse_identifier(scheme, number, today=TODAY)
    if not identifier.is_personal:
        assert identifier.display_number == identifier.number
        return
    assert set(identifier.display_number) == {"*"}
    assert repr(identifier) == f"Identifier({scheme.value}, {identifier.display_number})"
    # Not even the length differs between numbers of one scheme.
    assert identifier.display_number == build_mask(scheme.value)


def test_the_sex_is_in_the_17th_digit_of_a_resident_id() -> None:
    for number, sex in (("370402198506120013", Sex.male), ("37040219850612002X", Sex.female)):
        assert Identifier(Scheme.resident_id, number).sex is sex
    assert Identifier(Scheme.passport, "E12345678").sex is None


def test_identifiers_are_values() -> None:
    one = parse_identifier(Scheme.uscc, "91110000600037341l", today=TODAY)
    assert one == Identifier(Scheme.uscc, "91110000600037341L")
    assert len({one, Identifier(Scheme.uscc, "91110000600037341L")}) == 1
    assert pickle.loads(pickle.dumps(one)) == one


@given(some.text("0123456789X", min_size=17, max_size=19))
@example("11010519491231002X")
@example("370402198506120013")
def test_the_personal_check_is_iso_7064_mod_11_2(number: str) -> None:
    shaped = len(number) == 18 and number[:17].isdigit()
    assert has_valid_personal_check_character(number) == (shaped and mod_11_2.checksum(number) == 1)


@given(some.text(string.ascii_letters + string.digits, max_size=20))
def test_full_width_has_the_same_normal_form(number: str) -> None:
    wide = number.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    assert normalize_number(number) == normalize_number(wide) == number.upper()
