import json
import string
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

import app
from app.rules.contact_numbers import contains_card_number, contains_mobile_number
from app.rules.identifiers import PERSON_SCHEMES, Scheme, has_valid_personal_check_character
from app.rules.numbers_in_hand import NumbersInHand, list_possible_numbers, may_hold_number
from app.rules.personal_numbers import contains_personal_number
from app.rules.text import CHINESE_DIGITS, fold_digit_signs, fold_number
from tests.support.numbers import build_resident_id
from tests.support.spellings import FOUND_SPELLINGS, PASSED_SPELLINGS

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "identifiers.json").read_text(encoding="utf-8")
)
RESIDENT_ID, CROSSED = "370402198506120013", "11010519491231002X"
NUMBERS = {
    "resident_id": RESIDENT_ID,
    "passport": "E10203045",
    "hk_macao_permit": "H1020304501",
    "taiwan_permit": "10203045",
    "foreign_permanent_resident": "USA110181030300",
}


def occurs(text: str, number: str, scheme: str = "passport") -> bool:
    return NumbersInHand.of([(scheme, number)]).occur_in(text)


class TestSpellings:
    def test_there_are_forty_nine(self) -> None:
        assert len(FOUND_SPELLINGS) + len(PASSED_SPELLINGS) == 49

    @pytest.mark.parametrize("spelling", FOUND_SPELLINGS)
    @pytest.mark.parametrize("scheme", NUMBERS)
    def test_a_spelled_number_is_found(self, scheme: str, spelling: str) -> None:
        spelled = FOUND_SPELLINGS[spelling](NUMBERS[scheme])
        assert occurs(f"当事人持证{spelled}，住枣庄市", NUMBERS[scheme], scheme)
        assert occurs(spelled, NUMBERS[scheme], scheme)

    @pytest.mark.parametrize("spelling", PASSED_SPELLINGS)
    @pytest.mark.parametrize("scheme", ["resident_id", "passport"])
    def test_an_encoded_number_passes(self, scheme: str, spelling: str) -> None:
        spelled = PASSED_SPELLINGS[spelling](NUMBERS[scheme])
        assert not occurs(f"当事人持证{spelled}，住枣庄市", NUMBERS[scheme], scheme)

    @pytest.mark.parametrize("cross", "xXｘＸ×✕хХΧ*")
    def test_the_check_character_may_be_any_sign(self, cross: str) -> None:
        assert occurs(f"证{CROSSED[:17]}{cross}。", CROSSED, "resident_id")

    def test_a_number_without_its_check_character_is_the_number(self) -> None:
        assert occurs(RESIDENT_ID[:17], RESIDENT_ID, "resident_id")
        assert not occurs(RESIDENT_ID[:16], RESIDENT_ID, "resident_id")

    def test_the_first_generation_form_of_a_number_is_found(self) -> None:
        assert occurs("旧证 370402，850612，001", RESIDENT_ID, "resident_id")

    def test_a_renewed_permit_has_the_same_holder(self) -> None:
        assert occurs("通行证H10203045 02", NUMBERS["hk_macao_permit"], "hk_macao_permit")
        assert occurs("1234567890", "1234567890B", "taiwan_permit")

    def test_look_alike_letters_are_found(self) -> None:
        assert occurs("\u041510203045", "E10203045")  # Cyrillic
        assert occurs("\u039710203045", "H10203045")  # Greek

    def test_circles_and_two_readings_of_a_numeral_are_found(self) -> None:
        assert occurs("E一○二○三○四五", "E10203045")
        assert occurs("E幺〇两〇叁〇肆伍", "E10203045")
        assert occurs("E①⓪❷⓪③⓪④⑤", "E10203045")

    def test_a_number_in_invisible_tag_characters_is_found(self) -> None:
        hidden = "".join(chr(0xE0000 + ord(each)) for each in "E10203045")
        assert occurs(f"拖欠工资{hidden}。", "E10203045")

    def test_letters_that_stand_before_the_number_do_not_hide_it(self) -> None:
        assert occurs("No.E10203045", "E10203045")
        assert occurs("passportE10203045end", "E10203045")


class TestShortNumbers:
    @pytest.mark.parametrize(
        "text",
        [
            "护照AB123",
            "持有护照，号码是 A-B-1-2-3",
            "证件号：ab１２３",
            "passport number AB123",
            "AB123（护照）",
            "Passport No.: AB123",
            "證件 AB一二三",
        ],
    )
    def test_one_beside_the_word_of_a_document_is_found(self, text: str) -> None:
        assert occurs(text, "AB123")

    @pytest.mark.parametrize(
        "text", ["AB123", "案号AB123", "车间AB123，设备三台", "护照已核验。" + "某" * 30 + "AB123"]
    )
    def test_one_without_such_a_word_passes(self, text: str) -> None:
        assert not occurs(text, "AB123")

    def test_seven_characters_need_no_word(self) -> None:
        assert occurs("案号AB12345", "AB12345")
        assert not occurs("案号AB1234", "AB1234")


class TestOtherTexts:
    def test_numbers_of_organisations_are_public(self) -> None:
        numbers = NumbersInHand.of([("uscc", "91370403MB000CT75T"), ("org_code", "60003734-1")])
        assert not numbers
        assert not numbers.occur_in("91370403MB000CT75T")

    def test_a_number_at_the_wrong_place_is_a_number(self) -> None:
        for scheme in ("uscc", "org_code", "registration_no", "身份证", ""):
            assert occurs("见E1020-3045", "E10203045", scheme), scheme

    def test_parts_in_different_texts_do_not_meet(self) -> None:
        numbers = NumbersInHand.of([("passport", "E10203045")])
        assert numbers.find_texts(["E102", "03045"]) == []
        assert numbers.find_texts(["一", "E102-03045", "E1"]) == [1]

    def test_chinese_characters_between_digits_separate_numbers(self) -> None:
        assert not occurs("E102元03045", "E10203045")

    def test_no_usual_text_holds_a_number_of_the_vectors(self) -> None:
        numbers = NumbersInHand.of(
            (scheme, number) for scheme in PERSON_SCHEMES for number in VECTORS[scheme]["valid"]
        )
        for text in (
            "枣人社列〔2026〕12号",
            "HR-2026-000123",
            "拖欠农民工工资,经责令限期支付逾期未支付",
            "tender 2026-118 qualification review",
            "(2026)鲁0402执18号之二",
            "统一社会信用代码91370403MB000CT75T，电话0632-3318888，金额1,234,567.00元",
            "2026-11-22 2026-11-23 2026-12-31",
            *(
                number
                for scheme in ("uscc", "org_code", "registration_no")
                for number in VECTORS[scheme]["valid"]
            ),
        ):
            assert not numbers.occur_in(text), text


class TestPossibleNumbers:
    @pytest.mark.parametrize("text", ["", "拖欠工资", "AB12", "〔2026〕12号", "12元，34元"])
    def test_most_texts_hold_none(self, text: str) -> None:
        assert not may_hold_number([text])

    @given(some.sampled_from([*NUMBERS.items()]), some.sampled_from([*FOUND_SPELLINGS]))
    def test_every_found_spelling_is_a_possible_number(
        self, item: tuple[str, str], spelling: str
    ) -> None:
        scheme, number = item
        text = f"见{FOUND_SPELLINGS[spelling](number)}。"
        assert may_hold_number([text])
        listed = list_possible_numbers(text)
        known = number[:9] if scheme == "hk_macao_permit" else number
        assert (scheme, known) in listed or (scheme, number) in listed

    def test_a_resident_id_is_completed(self) -> None:
        listed = dict.fromkeys(list_possible_numbers(CROSSED[:17]))
        assert (Scheme.resident_id, CROSSED) in listed
        assert all(
            has_valid_personal_check_character(number)
            for scheme, number in listed
            if scheme == Scheme.resident_id
        )


SEPARATORS = some.text(
    some.characters(categories=["Zs", "Po", "Pd", "Ps", "Pe", "Sm", "Sk", "Cf", "Mn"]).filter(
        lambda each: not fold_number(each)
    ),
    max_size=6,
)
DIGIT_SIGNS = {
    digit: [
        sign
        for sign in map(chr, range(0x20000))
        if fold_digit_signs(sign) == digit and unicodedata.category(sign) != "So"
    ]
    for digit in string.digits
}


@some.composite
def spelled_numbers(draw: some.DrawFn) -> tuple[str, str]:
    number = draw(some.from_regex("[EGHM][0-9]{8}|[0-9]{17}X?|[A-Z]{2}[0-9]{7}", fullmatch=True))
    parts = []
    for character in number:
        signs = DIGIT_SIGNS.get(character, [character, character.lower()])
        parts.append(draw(some.sampled_from(signs)) + draw(SEPARATORS))
    return number, "".join(parts)


@given(spelled_numbers(), some.text(), some.text())
def test_any_digits_and_separators_spell_the_number(
    spelled: tuple[str, str], before: str, after: str
) -> None:
    number, text = spelled
    assert occurs(f"{before}文{text}文{after}", number)


@given(some.text(), some.text())
def test_folding_a_text_is_folding_its_parts(before: str, after: str) -> None:
    assert fold_number(before + after) == fold_number(before) + fold_number(after)
    assert fold_digit_signs(before + after) == fold_digit_signs(before) + fold_digit_signs(after)
    folded = fold_number(before)
    assert all(each.isalnum() for each in folded)
    assert "O" not in folded


@given(some.text("0123456789EO一〇０-， x", max_size=60))
def test_a_text_without_the_number_passes(text: str) -> None:
    number = "E98765432"
    expected = number in fold_number(text)
    assert occurs(text, number) == expected


@given(some.text(some.characters(codec="gb2312")))
def test_common_texts_fold_as_by_the_table(text: str) -> None:
    by_table = fold_number(f"{text}\u200b")  # not a common text, with nothing to add
    assert fold_number(text) == by_table


def test_no_shipped_text_holds_a_contact_number_or_resembles_a_resident_id() -> None:
    shipped = Path(app.__file__).parent / "catalogue" / "data"
    texts = [file.read_text(encoding="utf-8") for file in shipped.rglob("*.*")]
    assert len(texts) > 3
    for text in (line for content in texts for line in content.splitlines()):
        assert not contains_personal_number(text), text
        assert not contains_mobile_number(text), text
        assert not contains_card_number(text), text


def test_every_chinese_numeral_has_one_digit() -> None:
    for sign, digit in CHINESE_DIGITS.items():
        assert fold_digit_signs(sign) == digit == fold_number(sign)


@pytest.mark.parametrize(
    "unit", ["1", "E1", "AB12", "1、", "护照AB12", "\u200b", "\U000e0031", "\u0332"]
)
def test_the_search_takes_linear_time(unit: str) -> None:
    numbers = NumbersInHand.of(
        [("passport", "AB123"), ("passport", "1" * 16 + "2"), ("resident_id", build_resident_id(1))]
    )
    short, long = (unit * (size // len(unit)) for size in (20_000, 400_000))
    fold_number(short)  # fill the table
    assert measure(numbers, long) < 60 * measure(numbers, short) + 0.05


def measure(numbers: NumbersInHand, text: str) -> float:
    times = []
    for _ in range(3):
        started = time.process_time()
        numbers.occur_in(text)
        may_hold_number([text])
        times.append(time.process_time() - started)
    return min(times)
