"""Text folding and text guards: the only place that decides which spellings count as the same.

Every function is pure. Folded texts are for comparing and for keys; they are never shown.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

# Uygur, Tibetan and foreign names carry a dot between their parts; keyboards offer many dots.
MIDDLE_DOTS = "·•‧∙⋅・᛫⸱ꞏ"
STANDARD_MIDDLE_DOT = "·"
FULL_STOP_AS_DOT = re.compile(r"(?<=[\u3400-\u9fff])\.(?=[\u3400-\u9fff])")
OPENING_BRACKET_CATEGORY, CLOSING_BRACKET_CATEGORY = "Ps", "Pe"
CATEGORIES_DROPPED_FROM_NAMES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
FORMAT_CATEGORY, DASH_CATEGORY = "Cf", "Pd"

# The form of most names. In these only the brackets and the letter case need folding.
PLAIN_NAME = re.compile("[0-9A-Za-z\u4e00-\u9fa5()（）]*")
BRACKET_TRANSLATION = str.maketrans("（）", "()")

MAX_CACHED_FOLDS = 50_000

ZERO_WIDTH_CHARACTERS = "\u200b\u200c\u200d\u2060\ufeff"
SOFT_HYPHEN = "\u00ad"
# Hangul fillers and the blank Braille pattern look like blanks, though Unicode says otherwise.
BLANK_SIGNS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
MARK_CATEGORY = "M"
# The circle stands for zero in years (二○二六), and 幺 for one in spoken numbers.
CHINESE_DIGITS = {
    sign: str(value)
    for value, signs in enumerate(
        (
            "〇零○",
            "一壹壱弌幺",
            "二贰貳弍弐两兩",
            "三叁叄參参弎",
            "四肆",
            "五伍",
            "六陆陸",
            "七柒",
            "八捌",
            "九玖",
        )
    )
    for sign in signs
}
COMMON_TEXT = re.compile("[ -~\u4e00-\u9fa5、。，：（）〔〕]*")
COMMON_LETTERS = re.compile("[0-9A-Za-z\u4e00-\u9fa5]+")
CHINESE_DIGIT = re.compile(f"[{''.join(CHINESE_DIGITS)}]")
IDEOGRAPH = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Letters of Cyrillic and Greek keyboards that look like a capital of a document number.
LOOK_ALIKES = dict(
    zip(
        "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0405\u0406\u0408"
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
        "ABEKMHOPCTXSIJABEZHIKMNOPTYX",
        strict=True,
    )
)

# A spreadsheet runs a cell with one of these first characters as a formula, full-width ones too.
FORMULA_PREFIXES = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
FORMULA_GUARD = "'"


class _FoldTable(dict[int, str]):
    """A table of `str.translate`; each entry is computed at its first use."""

    def __init__(self, fold_character: Callable[[str], str]) -> None:
        super().__init__()
        self._fold_character = fold_character

    def __missing__(self, code: int) -> str:
        folded = self._fold_character(chr(code))
        if len(self) < MAX_CACHED_FOLDS:
            self[code] = folded
        return folded


# Recording one name calls this several times: to validate it, to find its subject, to store it.
@lru_cache(maxsize=4096)
def fold_name(name: str) -> str:
    """Return the comparison key of a name, so that spellings of one name get one key.

    Folded are full and half width, all forms of brackets, blanks in any place, middle dots and
    letter case.
    """
    if PLAIN_NAME.fullmatch(name):
        return name.translate(BRACKET_TRANSLATION).lower()
    # Decompose first and compose last: dropping a blank may bring parts of a letter together.
    decomposed = unicodedata.normalize("NFKD", name)
    folded = decomposed.translate(_FOLD_TABLE).casefold()
    return FULL_STOP_AS_DOT.sub(STANDARD_MIDDLE_DOT, normalize_width(folded))


def _fold_name_character(character: str) -> str:
    if character in MIDDLE_DOTS:
        return STANDARD_MIDDLE_DOT
    category = unicodedata.category(character)
    if category in CATEGORIES_DROPPED_FROM_NAMES:
        return ""
    if category == OPENING_BRACKET_CATEGORY:
        return "("
    return ")" if category == CLOSING_BRACKET_CATEGORY else character


_FOLD_TABLE = _FoldTable(_fold_name_character)


def fold_digit_signs(text: str) -> str:
    """Return the text with 0 to 9 for every sign of a digit, without invisible signs and marks.

    Signs of a digit are those of any script, in any width, circled or raised, and the Chinese
    numerals in both forms (〇一二, 零壹贰). Separators stay.
    """
    if text.isascii():
        return text
    return text.translate(_DIGIT_TABLE)


def _fold_digit_sign(character: str) -> str:
    parts = []
    for part in unicodedata.normalize("NFKD", character):
        category = unicodedata.category(part)
        if part in BLANK_SIGNS or category == FORMAT_CATEGORY or category[0] == MARK_CATEGORY:
            continue
        parts.append(CHINESE_DIGITS.get(part) or _read_digit(part))
    return "".join(parts)


def _read_digit(character: str) -> str:
    """Return the digit of a sign for one, or the sign; ideographs are in `CHINESE_DIGITS`."""
    value = -1 if IDEOGRAPH.match(character) else unicodedata.numeric(character, -1)
    return str(int(value)) if value in range(10) else character


_DIGIT_TABLE = _FoldTable(_fold_digit_sign)


def fold_number(text: str) -> str:
    """Return the letters and digits of a text, so that spellings of one number look the same.

    Digits are folded as `fold_digit_signs` folds them. Letters are capitals, look-alikes of other
    scripts are Latin, and the letter O is 0. All other signs separate and are dropped.
    """
    # Most texts need no table, which takes twice as long; a test compares both ways.
    if COMMON_TEXT.fullmatch(text) and CHINESE_DIGIT.search(text) is None:
        return "".join(COMMON_LETTERS.findall(text)).upper().replace("O", "0")
    return text.translate(_NUMBER_TABLE)


def _fold_number_character(character: str) -> str:
    letters = (each for each in _fold_digit_sign(character).upper() if each.isalnum())
    latin = "".join(LOOK_ALIKES.get(each, each) for each in letters)
    return latin.replace("O", "0")


_NUMBER_TABLE = _FoldTable(_fold_number_character)


def fold_text(text: str) -> str:
    """Return a cell or a label without differences of width, case, blanks and invisible marks."""
    normalized = normalize_width(text).casefold()
    if normalized.isalnum():  # nothing to remove
        return normalized
    return _remove_blanks(normalized, FORMAT_CATEGORY)


def fold_heading(text: str) -> str:
    """Return the letters and digits of a heading, folded as `fold_text` folds."""
    return "".join(character for character in fold_text(text) if character.isalnum())


def normalize_number(text: str) -> str:
    """Return an identity number in half width and capitals, without blanks and invisible marks."""
    if text.isascii() and text.isalnum():  # the usual form: only the case can differ
        return text.upper()
    return _remove_blanks(normalize_width(text).upper(), FORMAT_CATEGORY)


def normalize_printed_code(text: str) -> str:
    """Return a code copied from paper in half width and capitals, without blanks and dashes."""
    return _remove_blanks(normalize_width(text).upper(), DASH_CATEGORY)


def normalize_width(text: str) -> str:
    """Return the text in Unicode's compatibility form (NFKC): half width, composed characters."""
    return unicodedata.normalize("NFKC", text)


def remove_dashes(text: str) -> str:
    """Return the text without any kind of dash."""
    return "".join(
        character for character in text if unicodedata.category(character) != DASH_CATEGORY
    )


def strip_invisible(text: str, invisible: str = ZERO_WIDTH_CHARACTERS) -> str:
    """Return the text without blanks and `invisible` characters at both ends."""
    return text.strip().strip(invisible).strip()


def is_blank(text: str) -> bool:
    """Return True for a text without a visible character (control, format and blank only)."""
    return not text[:1].isalnum() and all(
        unicodedata.category(character)[0] in "CZ" for character in text
    )


def add_formula_guard(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"{FORMULA_GUARD}{text}" if text.startswith(FORMULA_PREFIXES) else text


def remove_formula_guard(text: str) -> str:
    """Remove the apostrophe that `add_formula_guard` puts before a text.

    A text that had an apostrophe and such a character of its own looks the same and loses the
    apostrophe, too; JSON exports keep it.
    """
    is_guarded = text.startswith(FORMULA_GUARD) and text[1:].startswith(FORMULA_PREFIXES)
    return text[1:] if is_guarded else text


def _remove_blanks(text: str, dropped_category: str) -> str:
    return "".join(
        character
        for character in text
        if not character.isspace() and unicodedata.category(character) != dropped_category
    )
