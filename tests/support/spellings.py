"""Spellings of a number in a text: separators, invisible signs, other digits, and encodings."""

import base64
from collections.abc import Callable, Mapping

Spell = Callable[[str], str]
TAGS = "\U000e0041\U000e007f"


def _join_groups(separator: str) -> Spell:
    return lambda number: separator.join((number[:3], number[3:6], number[6:]))


def _join_characters(separator: str) -> Spell:
    return separator.join


def _replace_digits(digits: str) -> Spell:
    table = str.maketrans("0123456789", digits)
    return lambda number: number.translate(table)


FOUND_SPELLINGS: Mapping[str, Spell] = {
    "as it is": str,
    "ideographic comma": _join_groups("、"),
    "full-width comma": _join_groups("，"),
    "comma": _join_groups(","),
    "slash": _join_groups("/"),
    "brackets": lambda number: f"({number[:3]})({number[3:6]}){number[6:]}",
    "full-width brackets": lambda number: f"（{number[:3]}）{number[3:]}",
    "colon": _join_groups(":"),
    "full-width colon": _join_groups("："),
    "asterisk": _join_groups("*"),
    "plus": _join_groups("+"),
    "backslash": _join_groups("\\"),
    "bar": _join_groups("|"),
    "quotation mark": _join_groups('"'),
    "tilde": _join_groups("~"),
    "number sign": _join_groups("#"),
    "hyphen": _join_groups("-"),
    "full stop": _join_groups("."),
    "several blanks": _join_groups("       "),
    "line ends and tabs": _join_groups("\n\t\n"),
    "ideographic space": _join_characters("\u3000"),
    "no-break space": _join_characters("\u00a0"),
    "en dash": _join_groups("–"),
    "middle dot": _join_groups("·"),
    "underscore": _join_groups("_"),
    "apostrophe": _join_groups("'"),
    "semicolon": _join_groups(";"),
    "zero-width space": _join_characters("\u200b"),
    "zero-width non-joiner": _join_characters("\u200c"),
    "zero-width joiner": _join_characters("\u200d"),
    "word joiner": _join_characters("\u2060\u2060\u2060\u2060\u2060"),
    "byte order mark": _join_characters("\ufeff"),
    "combining underline": _join_characters("\u0332"),
    "combining keycap": lambda number: "".join(f"{each}\ufe0f\u20e3" for each in number),
    "tag characters": _join_characters(TAGS),
    "Hangul filler": _join_characters("\u3164"),
    "Braille blank": _join_characters("\u2800"),
    "full width": lambda number: "".join(chr(ord(each) + 0xFEE0) for each in number),
    "small letters": str.lower,
    "Arabic-Indic digits": _replace_digits("٠١٢٣٤٥٦٧٨٩"),
    "Persian digits": _replace_digits("۰۱۲۳۴۵۶۷۸۹"),
    "Chinese numerals": _replace_digits("〇一二三四五六七八九"),
    "formal Chinese numerals": _replace_digits("零壹贰叁肆伍陆柒捌玖"),
    "letter O for zero": lambda number: number.replace("0", "O"),
}
PASSED_SPELLINGS: Mapping[str, Spell] = {
    "reversed": lambda number: number[::-1],
    "Base64": lambda number: base64.b64encode(number.encode()).decode(),
    "hexadecimal": lambda number: number.encode().hex(),
    "HTML entities": lambda number: "".join(f"&#x{ord(each):x};" for each in number),
    "percent-encoded": lambda number: "".join(f"%{ord(each):x}" for each in number),
}
"""These need a reader who decodes them; they are not searched for."""
