"""Text folding: equal spellings, stable keys, and one definition of each folding."""

import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given, strategies

from app.rules import text
from app.rules.text import fold_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("枣庄某某（集团）有限公司", "枣庄某某(集团)有限公司"),
        ("枣庄某某〔集团〕有限公司", "枣庄某某【集团】有限公司"),
        ("枣庄某某［集团］有限公司", "枣庄某某﹙集团﹚有限公司"),
        ("枣庄 某某\u3000有限公司\n", "枣庄某某有限公司"),
        ("枣庄某某\u200b有限公司\ufeff", "枣庄某某有限公司"),
        ("ＡＢＣ贸易有限公司", "abc贸易有限公司"),
        ("阿卜杜·热合曼", "阿卜杜•热合曼"),
        ("阿卜杜・热合曼", "阿卜杜‧热合曼"),
        ("阿卜杜.热合曼", "阿卜杜．热合曼"),
        ("阿卜杜.热合曼", "阿卜杜 · 热合曼"),
        ("⼭东某某公司", "山东某某公司"),
        ("José  Núñez", "JOSÉ NÚÑEZ"),
        ("Jose\u0301", "José"),
        ("Straße GmbH", "STRASSE GMBH"),
        ("１２３号店", "123号店"),
    ],
)
def test_spellings_of_one_name_get_one_key(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("张三", "张山"),
        ("枣庄某某（集团）有限公司", "枣庄某某集团有限公司"),
        ("枣庄甲有限公司", "枣庄甲有限责任公司"),
        ("阿卜杜·热合曼", "阿卜杜热合曼"),
        ("1.5店", "15店"),
        ("José", "Jose"),
    ],
)
def test_different_names_get_different_keys(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


@given(strategies.text())
@example("ſ\u0345\u0301")
@example("ΐ ḍ̇")
@example("中\u3000.国")
def test_folding_twice_changes_nothing(name: str) -> None:
    assert fold_name(fold_name(name)) == fold_name(name)


@given(
    strategies.text(),
    strategies.sampled_from([" ", "\u3000", "\t", "\u00a0", "\u200b"]),
    strategies.integers(0),
)
def test_blanks_change_no_key(name: str, blank: str, at: int) -> None:
    at %= len(name) + 1
    assert fold_name(name[:at] + blank + name[at:]) == fold_name(name)


@given(strategies.text())
def test_full_width_and_half_width_have_one_key(name: str) -> None:
    assert fold_name(unicodedata.normalize("NFKC", name)) == fold_name(name)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("枣庄某某（集团）有限公司", "枣庄某某(集团)有限公司"),
        ("阿卜杜•热合曼", "阿卜杜·热合曼"),
        ("ＡＢＣ 贸易\u200b〔山东〕有限公司", "abc贸易(山东)有限公司"),
        ("Straße „GmbH“ ⑳", "strasse(gmbh“20"),
        ("\u2f2d东.某某", "山东·某某"),
        ("\u0390 \u1e0d\u0307 \u017f\u0345\u0301", "\u0390\u1e0d\u0307\u015b\u03b9"),
        ("「名」﹙甲﹚", "(名)(甲)"),
    ],
)
def test_stored_keys_stay_valid(name: str, key: str) -> None:
    # Databases hold these keys: with another key no stored subject is found.
    assert fold_name(name) == key


def test_each_character_folds_by_its_category_and_is_cached() -> None:
    changed = {"Ps": "(", "Pe": ")"} | dict.fromkeys(("Zs", "Zl", "Zp", "Cc", "Cf"), "")
    for character in map(chr, range(sys.maxunicode + 1)):
        dot = "·" if character in "·•‧∙⋅・᛫⸱ꞏ" else None
        folded = dot or changed.get(unicodedata.category(character), character)
        assert character.translate(text._FOLD_TABLE) == folded
        assert character.translate(text._FOLD_TABLE) == folded
    assert len(text._FOLD_TABLE) <= text.MAX_CACHED_FOLDS


CORPUS = [
    *(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000),
    *(f"a{chr(code)}张-9" for code in range(0x3100)),
    "",
    "  \u3000",
    " \ufeff\u3000张 三\u200b\n",
    "\u00ad张三\u00ad",
    "３７０４０３ １９９０-０１\u200b０１－００１ｘ",
    "=1+1",
    "'=1+1",
    "'1",
    "''=",
    "＝1",
    "\t-",
]


def _keep(written: str, *, without_category: str) -> str:
    return "".join(
        character
        for character in written
        if not character.isspace() and unicodedata.category(character) != without_category
    )


@pytest.mark.parametrize(
    ("folding", "definition"),
    [
        (
            text.fold_text,
            lambda written: _keep(
                unicodedata.normalize("NFKC", written).casefold(), without_category="Cf"
            ),
        ),
        (
            text.fold_heading,
            lambda written: "".join(
                filter(str.isalnum, unicodedata.normalize("NFKC", written).casefold())
            ),
        ),
        (
            text.normalize_number,
            lambda written: _keep(
                unicodedata.normalize("NFKC", written).upper(), without_category="Cf"
            ),
        ),
        (
            text.normalize_printed_code,
            lambda written: _keep(
                unicodedata.normalize("NFKC", written).upper(), without_category="Pd"
            ),
        ),
        (text.remove_dashes, lambda written: "".join(c for c in written if not _is(c, "Pd"))),
        (text.is_blank, lambda written: all(_is(c, "C") or _is(c, "Z") for c in written)),
        (
            text.strip_invisible,
            lambda written: written.strip().strip("\u200b\u200c\u200d\u2060\ufeff").strip(),
        ),
    ],
)
def test_each_folding_follows_its_definition(
    folding: Callable[[str], object], definition: Callable[[str], object]
) -> None:
    differing = [written for written in CORPUS if folding(written) != definition(written)]
    assert differing == []


def _is(character: str, category: str) -> bool:
    return unicodedata.category(character).startswith(category)


@pytest.mark.parametrize("first", "=+-@\t\r\n＝＋－＠")
def test_a_formula_is_guarded_and_the_guard_removed(first: str) -> None:
    assert text.add_formula_guard(f"{first}1") == f"'{first}1"
    assert text.remove_formula_guard(f"'{first}1") == f"{first}1"


@pytest.mark.parametrize("plain", ["", "张三", "'", "'1", " =1"])
def test_other_texts_get_no_formula_guard(plain: str) -> None:
    assert text.add_formula_guard(plain) == plain
    assert text.remove_formula_guard(plain) == plain
