"""When two spellings are the same name."""

import re
import unicodedata
from functools import lru_cache

# Names of Uygur, Tibetan and foreign people carry a dot between their parts; keyboards offer many.
MIDDLE_DOTS = "·•‧∙⋅・᛫⸱ꞏ"
STANDARD_MIDDLE_DOT = "·"
FULL_STOP_AS_DOT = re.compile(r"(?<=[\u3400-\u9fff])\.(?=[\u3400-\u9fff])")
OPENING_BRACKET_CATEGORY, CLOSING_BRACKET_CATEGORY = "Ps", "Pe"
DROPPED_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})

# As most names are written: of these nothing is folded but the brackets and the case.
PLAIN_NAME = re.compile("[0-9A-Za-z\u4e00-\u9fa5()（）]*")
BRACKET_TRANSLATION = str.maketrans("（）", "()")

MAX_CACHED_FOLDS = 50_000


class _FoldTable(dict[int, str]):
    """What `str.translate` puts for each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = _fold_character(chr(code))
        if len(self) < MAX_CACHED_FOLDS:
            self[code] = folded
        return folded


_FOLD_TABLE = _FoldTable()


# Asked several times for each name that is recorded: to check it, to find its subject, to keep it.
@lru_cache(maxsize=4096)
def fold_name(name: str) -> str:
    """Fold what people write differently and mean alike, so that equal names get equal keys.

    Full and half width, every form of bracket (an import had to try （） and () both), blanks
    wherever they stand, middle dots, and letter case. The key is for comparing, never for showing.
    """
    if PLAIN_NAME.fullmatch(name):
        return name.translate(BRACKET_TRANSLATION).lower()
    # Taken apart first, put together last: dropping a blank may bring parts of a letter together.
    decomposed = unicodedata.normalize("NFKD", name)
    folded = decomposed.translate(_FOLD_TABLE).casefold()
    return FULL_STOP_AS_DOT.sub(STANDARD_MIDDLE_DOT, unicodedata.normalize("NFKC", folded))


def _fold_character(character: str) -> str:
    if character in MIDDLE_DOTS:
        return STANDARD_MIDDLE_DOT
    category = unicodedata.category(character)
    if category in DROPPED_CATEGORIES:
        return ""
    if category == OPENING_BRACKET_CATEGORY:
        return "("
    return ")" if category == CLOSING_BRACKET_CATEGORY else character
