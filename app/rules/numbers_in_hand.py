"""Search of texts for personal numbers that are known: those of the request and of its entry.

`personal_numbers` recognizes the resident ids of anybody by their check character. Passports and
permits have no such character, so a text is searched for the very numbers that the request brings
or the entry holds, in every spelling that `fold_number` folds.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from app.rules.identifiers import (
    PERSON_SCHEMES,
    Scheme,
    compute_personal_check_character,
    parse_identifier,
)
from app.rules.text import fold_number

Number = tuple[str, str]
"""A scheme and a number, as sent or as recorded."""

MIN_SEARCHED_LENGTH = 7
"""Shorter numbers occur by chance in dates and amounts, so they count beside a word only."""
MIN_NUMBER_LENGTH = 5
MAX_PARTS_ONE_BY_ONE = 16
DIGIT = re.compile("[0-9]")
POSSIBLE_NUMBER = re.compile(f"[0-9A-Z]{{{MIN_NUMBER_LENGTH},}}")
RESIDENT_ID_BODY = re.compile("[0-9]{17}")
MAX_PASSPORT_LENGTH = 17
LONG_RUN = re.compile(f"[0-9A-Z]{{{MIN_SEARCHED_LENGTH},}}")
PERMIT_SHAPES = tuple(
    (scheme, re.compile(shape))
    for scheme, shape in (
        (Scheme.hk_macao_permit, "[HM][0-9]{8}"),
        (Scheme.hk_macao_permit, "[HM][0-9]{10}"),
        (Scheme.taiwan_permit, "[0-9]{8}"),
        (Scheme.taiwan_permit, "[0-9]{10}[A-Z]"),
        (Scheme.foreign_permanent_resident, "[A-Z]{3}[0-9]{12}"),
    )
)
HOLDER_LENGTH_OF_HK_MACAO_PERMIT = 9
"""Letter and eight digits; two more count the renewals (Ministry of Public Security, 2010)."""
OLDER_TAIWAN_PERMIT = re.compile("[0-9]{10}[0-9A-Z]")

# The words of a document, as `fold_number` folds them.
DOCUMENT_WORDS = tuple(
    fold_number(word)
    for word in (
        *(
            "护照",
            "護照",
            "证件",
            "證件",
            "证号",
            "證號",
            "身份证",
            "通行证",
            "通行證",
            "居留",
            "回乡证",
        ),
        *("台胞证", "旅行证", "passport", "permit", "document", "identity", "ID card", "ID no"),
    )
)
MAX_SIGNS_BEFORE, MAX_SIGNS_AFTER = 18, 12
"""Letters and digits between which and the number a word is beside it, the word included."""

TAG_CHARACTERS = re.compile("[\U000e0021-\U000e007e]")
TAG_OFFSET = 0xE0000
TEXT_END = "文"
"""A boundary between joined texts: a letter that stays and is in no number."""


@dataclass(slots=True, repr=False)
class NumbersInHand:
    """The parts of known numbers that no text may hold; true if there are any."""

    long_parts: list[str]
    short_parts: list[str]

    @classmethod
    def of(cls, numbers: Iterable[Number]) -> "NumbersInHand":
        """Return the parts to search for; valid numbers of organisations are public and left out.

        A number that its scheme does not allow may be a person's, filled in at the wrong place.
        """
        long_parts, short_parts = [], []
        for scheme, number in numbers:
            if scheme not in PERSON_SCHEMES and _is_valid(scheme, number):
                continue
            for part in _list_parts(scheme, fold_number(number)):
                if len(part) >= MIN_SEARCHED_LENGTH:
                    long_parts.append(part)
                elif len(part) >= MIN_NUMBER_LENGTH:
                    short_parts.append(part)
        return cls(long_parts, short_parts)

    def __bool__(self) -> bool:
        return bool(self.long_parts or self.short_parts)

    def occur_in(self, text: str) -> bool:
        """Return True if the text holds one of the numbers."""
        return any(map(self._occur_in_folded, _fold_readings(text)))

    def occur_in_any(self, texts: Iterable[str]) -> bool:
        """Return True if one of the texts holds one of the numbers."""
        return self.occur_in(TEXT_END.join(texts))

    def find_texts(self, texts: Sequence[str]) -> list[int]:
        """Return the positions of the texts that hold one of the numbers."""
        # Nearly no text does, so all of them are searched at once first.
        if not self or not self.occur_in_any(texts):
            return []
        return [position for position, text in enumerate(texts) if self.occur_in(text)]

    def _occur_in_folded(self, folded: str) -> bool:
        if len(self.long_parts) > MAX_PARTS_ONE_BY_ONE:
            if _has_common_part(folded, self.long_parts):
                return True
        elif any(part in folded for part in self.long_parts):
            return True
        return any(_is_beside_word(folded, part) for part in self.short_parts)


def may_hold_number(texts: Iterable[str]) -> bool:
    """Return False if no text can hold a number, so that nothing has to be read and decrypted."""
    return any(_may_hold_number(folded) for text in texts for folded in _fold_readings(text))


def _may_hold_number(folded: str) -> bool:
    lengths = [len(run) for run in POSSIBLE_NUMBER.findall(folded) if DIGIT.search(run)]
    return max(lengths, default=0) >= MIN_SEARCHED_LENGTH or (
        bool(lengths) and any(word in folded for word in DOCUMENT_WORDS)
    )


def resembles_number(text: str) -> bool:
    """Return True for a text with seven letters and digits together, most of them digits."""
    return any(
        len(DIGIT.findall(run)) >= MIN_NUMBER_LENGTH
        for folded in _fold_readings(text)
        for run in LONG_RUN.findall(folded)
    )


def list_possible_numbers(text: str) -> set[Number]:
    """List the numbers that a text may hold, to compare them with keyed digests.

    At most about twenty for each character of the text. A number with the letter O is not found.
    """
    return {
        number
        for folded in _fold_readings(text)
        for run in LONG_RUN.findall(folded)
        for start in range(len(run))
        for number in _list_numbers_at(run, start)
    }


def _list_numbers_at(run: str, start: int) -> Iterator[Number]:
    for length in range(MIN_SEARCHED_LENGTH, MAX_PASSPORT_LENGTH + 1):
        if start + length <= len(run) and DIGIT.search(run, start, start + length):
            yield Scheme.passport, run[start : start + length]
    for scheme, shape in PERMIT_SHAPES:
        if found := shape.match(run, start):
            yield scheme, found[0]
    for scheme in (Scheme.resident_id, Scheme.foreign_permanent_resident):
        if body := RESIDENT_ID_BODY.match(run, start):
            yield scheme, body[0] + compute_personal_check_character(body[0])


def _is_valid(scheme: str, number: str) -> bool:
    try:
        parse_identifier(Scheme(scheme), number, today=date.max)
    except ValueError:  # an unknown scheme, or InvalidIdentifier
        return False
    return True


def _list_parts(scheme: str, folded: str) -> list[str]:
    """Return the parts of a folded number that identify its holder."""
    if RESIDENT_ID_BODY.match(folded):
        # The check character follows from the rest, so the number is known without it.
        body = folded[:17]
        # The same number on a card of the first generation has no century.
        return [body, body[:6] + body[8:]] if body[6:8] == "19" else [body]
    if scheme == Scheme.hk_macao_permit:
        return [folded[:HOLDER_LENGTH_OF_HK_MACAO_PERMIT]]
    if scheme == Scheme.taiwan_permit and OLDER_TAIWAN_PERMIT.fullmatch(folded):
        return [folded[:10]]
    return [folded]


def _fold_readings(text: str) -> list[str]:
    """Return the folded text, and the invisible text of tag characters if there is one."""
    readings = [fold_number(text)]
    if not text.isascii() and (tags := TAG_CHARACTERS.findall(text)):
        readings.append(fold_number("".join(chr(ord(tag) - TAG_OFFSET) for tag in tags)))
    return readings


def _has_common_part(folded: str, parts: Iterable[str]) -> bool:
    """Return True if the text holds one of many parts, in time for the text and not for each."""
    parts_by_length: dict[int, set[str]] = {}
    for part in parts:
        parts_by_length.setdefault(len(part), set()).add(part)
    return any(
        run[start : start + length] in parts_of_length
        for run in LONG_RUN.findall(folded)
        for length, parts_of_length in parts_by_length.items()
        for start in range(len(run) - length + 1)
    )


def _is_beside_word(folded: str, part: str) -> bool:
    start = folded.find(part)
    while start >= 0:
        end = start + len(part)
        before = folded[max(0, start - MAX_SIGNS_BEFORE) : start]
        nearby = (before, folded[end : end + MAX_SIGNS_AFTER])
        if any(word in side for word in DOCUMENT_WORDS for side in nearby):
            return True
        start = folded.find(part, start + 1)
    return False
