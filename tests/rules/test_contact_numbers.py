import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.rules.contact_numbers import contains_card_number, contains_mobile_number
from tests.support.numbers import build_uscc

MOBILE = "13800138000"
UNIONPAY = "6222021234567890128"


class TestMobileNumbers:
    @pytest.mark.parametrize(
        "text",
        [
            "{}",
            "联系电话{}，联系人张某",
            "手机：{}",
            "tel{}",
            "+86{}",
            "+86 {}",
            "0086-{}",
            "(+86){}",
            "86{}",
            "0{}",
            "{}/0632-3318888",
            "{} 13900139000",
            "2026-11-22 {}",
        ],
    )
    def test_one_is_found_in_every_form(self, text: str) -> None:
        for number in (MOBILE, "138-0013-8000", "138 0013 8000", "１３８００１３８０００"):
            assert contains_mobile_number(text.format(number)), number
        assert contains_mobile_number(text.format("一三八〇〇一三八〇〇〇"))
        assert contains_mobile_number(text.format("\u200b".join(MOBILE)))

    @pytest.mark.parametrize(
        "text",
        [
            "0632-3318888",
            "（0632）3318888",
            "06323318888",
            "010-88886666-8013",
            "01088886666",
            "400-600-1234",
            "4006001234",
            "8008101234",
            "12345",
            "96391",
            "+86 632 3318888",
        ],
    )
    def test_office_lines_pass(self, text: str) -> None:
        assert not contains_mobile_number(f"投诉电话{text}。")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "HR13800138000",
            "202613800138000123",
            "19980512001",
            "枣人社列〔2026〕12号",
            "91370403MB000CT75T",
            "2026-11-22 13:00:00",
            "138001380001",
            "11800138000",
            "12800138000",
        ],
    )
    def test_other_numbers_pass(self, text: str) -> None:
        assert not contains_mobile_number(text)

    def test_a_number_like_a_day_needs_the_word_for_a_telephone(self) -> None:
        assert contains_mobile_number("手机19980512001")

    @given(some.from_regex("1[3-8][0-9]{9}", fullmatch=True), some.text("，。某号元年", max_size=9))
    def test_every_mobile_number_is_found(self, number: str, words: str) -> None:
        assert contains_mobile_number(f"{words}{number}{words}")


class TestCardNumbers:
    @pytest.mark.parametrize(
        "number",
        [
            UNIONPAY,
            "4111111111111111",
            "5555555555554444",
            "3530111333300000",
            "6222600260001072444",
        ],
    )
    def test_one_with_a_valid_sum_is_found(self, number: str) -> None:
        groups = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
        for text in (number, groups, groups.replace(" ", "-"), " ".join(number)):
            assert contains_card_number(f"开户行枣庄银行，账号{text}。"), text
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        assert not contains_card_number(wrong)

    def test_codes_of_organisations_pass(self) -> None:
        for serial in range(1_000):
            assert not contains_card_number(build_uscc(serial))
            assert not contains_card_number(build_uscc(serial, authority="5"))

    def test_document_numbers_of_region_year_and_serial_pass(self) -> None:
        for serial in range(2_000):
            for region in ("370402", "410105", "510104", "620102"):
                assert not contains_card_number(f"{region}2026{serial:06}")
                assert not contains_card_number(f"{region}20261122{serial:04}")

    def test_registration_numbers_pass(self) -> None:
        chance = random.Random(5)
        for _ in range(2_000):
            assert not contains_card_number(f"3704{chance.randrange(10**11):011}")


@pytest.mark.parametrize("unit", ["1", "1 ", "1-1", "138 ", "6222 ", "("])
def test_the_search_takes_linear_time(unit: str) -> None:
    text = unit * (5_000 // len(unit))
    started = time.process_time()
    contains_mobile_number(text)
    contains_card_number(text)
    assert time.process_time() - started < 2


@given(some.text())
def test_any_text_gets_a_result(text: str) -> None:
    assert contains_mobile_number(text) in {True, False}
    assert contains_card_number(text) in {True, False}
