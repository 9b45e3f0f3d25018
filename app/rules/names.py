"""When two spellings are the same name."""

import re
import unicodedata
from functools import lru_cache

# Names of Uygur, Tibetan and foreign people carry a dot between their parts; keyboards offer many.
MIDDLE_DOTS = "·•‧∙⋅・᛫⸱ꞏ"
DOT = "·"
FULL_STOP_AS_DOT = re.compile(r"(?<=[\u3400-\u9fff])\.(?=[\u3400-\u9fff])")
OPENING, CLOSING = "Ps", "Pe"
DROPPED = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})

# As most names are written: of these nothing is folded but the brackets and the case.
PLAIN = re.compile("[0-9A-Za-z\u4e00-\u9fa5()（）]*")
PLAIN_BRACKETS = str.maketrans("（）", "()")

MOST_FOLDS_KEPT = 50_000


class _Folds(dict[int, str]):
    """What `str.translate` puts for each character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if len(self) < MOST_FOLDS_KEPT:
            self[code] = folded
        return folded


_FOLDS = _Folds()


# Asked several times for each name that is recorded: to check it, to find its subject, to keep it.
@lru_cache(maxsize=4096)
def name_key(name: str) -> str:
    """Fold what people write differently and mean alike, so that equal names get equal keys.

    Full and half width, every form of bracket (an import had to try （） and () both), blanks
    wherever they stand, middle dots, and letter case. The key is for comparing, never for showing.
    """
    if PLAIN.fullmatch(name):
        return name.translate(PLAIN_BRACKETS).lower()
    # Taken apart first, put together last: dropping a blank may bring parts of a letter together.
    spread = unicodedata.normalize("NFKD", name)
    folded = spread.translate(_FOLDS).casefold()
    return FULL_STOP_AS_DOT.sub(DOT, unicodedata.normalize("NFKC", folded))


def _fold(character: str) -> str:
    if character in MIDDLE_DOTS:
        return DOT
    category = unicodedata.category(character)
    if category in DROPPED:
        return ""
    if category == OPENING:
        return "("
    return ")" if category == CLOSING else character
