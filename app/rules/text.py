"""Text folding and text guards: the only place that decides which spellings count as the same.

Every function is pure. Folded texts are for comparing and for keys; they are never shown.
"""

import re
import unicodedata
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
# Characters without a printed sign: soft hyphens, joiners, direction marks, parts of keycap emoji.
INVISIBLE_CHARACTERS = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20e3\ufe00-\ufe0f\ufeff]+"
)

# A spreadsheet runs a cell with one of these first characters as a formula, full-width ones too.
FORMULA_PREFIXES = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
FORMULA_GUARD = "'"


class _FoldTable(dict[int, str]):
    """The table of `str.translate` for names; each entry is computed at its first use."""

    def __missing__(self, code: int) -> str:
        folded = _fold_name_character(chr(code))
        if len(self) < MAX_CACHED_FOLDS:
            self[code] = folded
        return folded


_FOLD_TABLE = _FoldTable()


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


def remove_invisible(text: str) -> str:
    """Return the text without the characters that have no printed sign."""
    return text if text.isascii() else INVISIBLE_CHARACTERS.sub("", text)


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
