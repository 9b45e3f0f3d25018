import json
import random
import string
import sys
import time
import uuid
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from stdnum.iso7064 import mod_11_2, mod_11_10

from app.rules import personal_numbers
from app.rules.identifiers import is_uscc
from app.rules.personal_numbers import contains_personal_number
from app.rules.text import CHINESE_DIGITS, fold_digit_signs
from tests.support.spellings import FOUND_SPELLINGS

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "identifiers.json").read_text(encoding="utf-8")
)
RESIDENT_IDS = [*VECTORS["resident_id"]["valid"], *VECTORS["resident_id"]["minor_on_2026-11-22"]]
NUMBER = "370402198506120013"
CROSSED = "11010519491231002X"
FIRST_GENERATION = "370402850612001"
FULL_WIDTH = str.maketrans("0123456789Xx", "０１２３４５６７８９Ｘｘ")


WORDS = some.text(some.characters(exclude_categories=["N"]))


@some.composite
def resident_ids(draw: some.DrawFn) -> str:
    region = draw(some.sampled_from(["37", "44", "65", "71", "81", "82", "83"]))
    region += draw(some.from_regex("[0-9]{4}", fullmatch=True))
    serial = draw(some.from_regex("[0-9]{3}", fullmatch=True))
    body = f"{region}{draw(some.dates(date(1850, 1, 1), date(2026, 11, 22))):%Y%m%d}{serial}"
    return body + mod_11_2.calc_check_digit(body)


@pytest.mark.parametrize("number", [*RESIDENT_IDS, "911124198103030025", FIRST_GENERATION])
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "当事人张某，身份证号{}，住枣庄市",
        "当事人张某{}住枣庄市",
        "id{}end",
        "A{}B",
        "No.{}.",
        "({})",
        "“{}”；2026-11-22",
        "2026-11-22\n{}\n2026-11-22",
        "13800138000、{}",
        '{{"text":"{}"}}',
    ],
)
def test_a_number_is_found_at_any_place(text: str, number: str) -> None:
    assert contains_personal_number(text.format(number))
    assert contains_personal_number(text.format(number.lower()))
    assert contains_personal_number(text.format(number.translate(FULL_WIDTH)))


@pytest.mark.parametrize(
    "gap",
    [" ", "  ", "\u3000", "\u00a0", "\n", "-", "－", "–", "‑", ".", "·", "．", " - ", "_",
     "\u200b", "\ufeff", "\u00ad", "\u2060\u200d\u200c\u2060\u2060\u2060"],
)  # fmt: skip
@pytest.mark.parametrize("number", [NUMBER, CROSSED, "911124198103030025"])
def test_separators_do_not_hide_a_number(number: str, gap: str) -> None:
    assert contains_personal_number(f"身份证{gap.join(number)}。")
    assert contains_personal_number(gap.join((number[:6], number[6:14], number[14:])))
    assert contains_personal_number(gap.join(number[at : at + 4] for at in range(0, 18, 4)))


@pytest.mark.parametrize("cross", "xXｘＸ×✕хХΧ")
def test_variants_of_the_check_character_x_are_recognized(cross: str) -> None:
    assert contains_personal_number(f"证号11010519491231002{cross}，")


def test_a_formatted_birth_date_does_not_hide_a_number() -> None:
    for born in ("1985-06-12", "1985.06.12", "1985 06 12", "1985-0612"):
        assert contains_personal_number(f"370402-{born}-0013")


@pytest.mark.parametrize(
    "spelling",
    [
        *("full width", "Arabic-Indic digits", "Persian digits", "Chinese numerals"),
        *("formal Chinese numerals", "tag characters", "Hangul filler", "Braille blank"),
        *("combining underline", "combining keycap", "small letters", "several blanks"),
    ],
)
@pytest.mark.parametrize("number", [NUMBER, CROSSED])
def test_a_number_of_anybody_is_found_in_other_digits(number: str, spelling: str) -> None:
    assert contains_personal_number(f"证件{FOUND_SPELLINGS[spelling](number)}，") is (
        spelling != "several blanks"
    )


def test_digits_in_keycaps_and_circles_are_digits() -> None:
    assert contains_personal_number("".join(f"{each}\ufe0f\u20e3" for each in NUMBER))
    assert contains_personal_number("①①" + CROSSED[2:])


@pytest.mark.parametrize(
    "text",
    ["", "370402", "370402198506120014", "370402198513120013", "990402198506120013",
     "37040220230229001X", "3704021985061200", "二〇二六年", "1" * 18, "0" * 18, " " * 100,
     "370402,19850612,0013"],
)  # fmt: skip
def test_other_texts_have_no_number(text: str) -> None:
    assert not contains_personal_number(text)


def test_a_number_next_to_a_telephone_number_is_found() -> None:
    assert contains_personal_number(f"{NUMBER}13800138000")
    assert contains_personal_number(f"13800138000{NUMBER}")
    assert contains_personal_number(f"0{NUMBER}0")


def test_document_numbers_are_no_personal_numbers() -> None:
    # One in eleven would have a valid check digit.
    for serial in range(1_000):
        assert not contains_personal_number(f"3704002026112200{serial:04}")
        assert not contains_personal_number(f"承诺编码3704002026112200{serial:04}")


def test_organisations_have_no_personal_number() -> None:
    for number in VECTORS["uscc"]["valid"]:
        assert not contains_personal_number(f"统一社会信用代码{number}")
        assert not contains_personal_number(number.lower())


def test_a_uscc_like_a_personal_number_is_not_one() -> None:
    for both in ("917465198511141882", "123704195904210665"):
        assert is_uscc(both)
        assert mod_11_2.is_valid(both)
        assert not contains_personal_number(f"统一社会信用代码{both}")


def test_a_resident_id_with_valid_uscc_check_digits_is_found() -> None:
    by_chance = "650004200001010044"
    assert is_uscc(by_chance)
    assert contains_personal_number(by_chance)


def test_a_registration_number_is_no_first_generation_number() -> None:
    body = FIRST_GENERATION[:14]
    registration_no = body + mod_11_10.calc_check_digit(body)
    assert not contains_personal_number(f"注册号{registration_no}")
    for number in VECTORS["registration_no"]["valid"]:
        assert not contains_personal_number(number)


def test_first_generation_numbers_are_found_also_when_split() -> None:
    assert contains_personal_number("370402 850612 001")
    assert contains_personal_number("370402-85-06-12-001")
    assert contains_personal_number("3704\u200b02850612001")
    assert not contains_personal_number("370402851312001")
    assert not contains_personal_number("3704028506120011")
    assert not contains_personal_number("13512061130 2026")


def test_uuids_and_digests_are_no_numbers() -> None:
    chance = random.Random(20261122)
    for _ in range(10_000):
        made = uuid.UUID(int=chance.getrandbits(128), version=4)
        assert not contains_personal_number(f"/v1/entries/{made}/history")
        assert not contains_personal_number(made.hex)
        assert not contains_personal_number(f"sha256:{chance.getrandbits(256):064x}")


def test_time_ordered_uuids_are_no_numbers() -> None:
    chance = random.Random(7)
    for step in range(10_000):
        bits = (1_795_000_000_000 + step) << 80 | chance.getrandbits(80)
        assert not contains_personal_number(str(uuid.UUID(int=bits, version=4)))


def test_references_of_date_and_serial_are_no_numbers() -> None:
    start = datetime(2015, 1, 1)  # noqa: DTZ001 - only its digits matter
    for step in range(5_000):
        now = start + timedelta(hours=step * 21, seconds=step)
        for text in (
            f"{now:%Y%m%d}-{step:06}",
            f"{now:%Y%m%d%H%M%S}{step:04}",
            f"{now:%Y%m%d%H%M%S}",
            f"HR-{now:%Y}-{step:06}",
            f"枣人社列〔{now:%Y}〕{step}号",
            f"{now:%Y-%m-%d %H:%M:%S}.{step:06} +0800",
            f"{now:%Y-%m-%d} {now + timedelta(days=9):%Y-%m-%d} {now:%Y-%m-%d}",
            f"{now:%m-%d} {now:%Y-%m-%d} {now:%Y.%m.%d}",
            f"{now:%H:%M} {now:%Y-%m-%d} {now:%Y.%m.%d}",
            f"from={now:%Y-%m-%d}&to={now:%Y-%m-%d}",
        ):
            assert not contains_personal_number(text), text


def test_telephone_numbers_and_amounts_are_no_numbers() -> None:
    chance = random.Random(3)
    found = 0
    for _ in range(2_000):
        phones = " ".join(f"1{chance.randrange(30, 100)}{chance.randrange(10**8):08}" for _ in "ab")
        amounts = " ".join(f"{chance.uniform(1, 10**5):.2f}" for _ in range(8))
        found += contains_personal_number(f"电话{phones}，金额{amounts}")
    assert found <= 1


@given(resident_ids(), WORDS, WORDS)
def test_every_valid_resident_id_is_found_among_any_words(
    number: str, before: str, after: str
) -> None:
    assert contains_personal_number(f"{before}：{number}。{after}")


@given(resident_ids(), some.lists(some.sampled_from(["", "", " ", "·", "\u200b"]), min_size=18))
def test_every_valid_resident_id_is_found_with_separators(number: str, gaps: list[str]) -> None:
    assert contains_personal_number("".join(map("".join, zip(number, gaps, strict=False))))


@given(some.text())
def test_any_text_gets_a_result(text: str) -> None:
    assert contains_personal_number(text) in {True, False}


def test_the_search_of_a_long_plain_text_is_linear() -> None:
    sentence = "经查，当事人于2026年11月22日拖欠农民工工资12.5万元，枣人社列〔2026〕12号。"
    page = (sentence * 400)[:10_000]
    # Ten times the text; a hundred times the time would be quadratic.
    assert fastest(page * 10) < 50 * fastest(page)


@pytest.mark.parametrize(
    "unit",
    ["1", "1 ", "1    ", " ", "0", "-", "19", "110101190012", "11010119000101001 ", "\u200b"],
)
def test_a_million_digits_or_blanks_take_seconds_at_most(unit: str) -> None:
    started = time.perf_counter()
    contains_personal_number(unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - started < 10


def test_common_characters_are_not_possible_digits() -> None:
    # The fast check relies on this.
    for sign in map(chr, range(sys.maxunicode + 1)):
        if personal_numbers.POSSIBLE_DIGIT_SIGN.match(sign) is None and sign not in string.digits:
            folded = fold_digit_signs(sign)
            assert sign in CHINESE_DIGITS or not set(folded) & set(string.digits), ascii(sign)


@given(some.text("0123456789０１①⑳ -年月·\u200b张X一〇壹○٣", max_size=40))
@example("1" * 14)
@example("1" * 15)
@example("1年" * 15)
def test_the_fast_check_never_misses_a_number(text: str) -> None:
    folded = fold_digit_signs(text)
    if personal_numbers._has_too_few_digits(text):
        assert sum(map(folded.count, string.digits)) < 15
    elif text.isascii():
        assert sum(map(folded.count, string.digits)) >= 15


def test_few_digits_in_a_long_text_are_fast() -> None:
    assert fastest("1" * 14 + "经" * 10_000) < 0.01
    assert fastest("1" + "1经".join(["经" * 400] * 14)) < 0.01


def fastest(text: str) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        contains_personal_number(text)
        times.append(time.perf_counter() - started)
    return min(times)
