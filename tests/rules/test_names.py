import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from app.rules import names
from app.rules.names import fold_name


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
def test_spellings_of_one_name_are_the_same(one: str, other: str) -> None:
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
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


@given(some.text())
@example("ſ\u0345\u0301")
@example("ΐ ḍ̇")
@example("中\u3000.国")
def test_the_key_of_a_key_is_itself(name: str) -> None:
    assert fold_name(fold_name(name)) == fold_name(name)


@given(some.text(), some.sampled_from([" ", "\u3000", "\t", "\u00a0", "\u200b"]), some.integers(0))
def test_blanks_change_no_key(name: str, blank: str, at: int) -> None:
    at %= len(name) + 1
    assert fold_name(name[:at] + blank + name[at:]) == fold_name(name)


@given(some.text())
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
def test_recorded_names_keep_their_keys(name: str, key: str) -> None:
    # As databases hold them: another key would find nobody again.
    assert fold_name(name) == key


def test_every_character_folds_by_its_category_however_often_it_is_asked_for() -> None:
    changed = {"Ps": "(", "Pe": ")"} | dict.fromkeys(("Zs", "Zl", "Zp", "Cc", "Cf"), "")
    for character in map(chr, range(sys.maxunicode + 1)):
        dot = "·" if character in "·•‧∙⋅・᛫⸱ꞏ" else None
        folded = dot or changed.get(unicodedata.category(character), character)
        assert character.translate(names._FOLD_TABLE) == folded
        assert character.translate(names._FOLD_TABLE) == folded
    assert len(names._FOLD_TABLE) <= names.MAX_CACHED_FOLDS
