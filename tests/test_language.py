"""The language of the code: plain words, and one name for one type (docs/CONTRIBUTING.md)."""

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.language import DOCSTRING_STOP, PUBLIC_NAME_STOP, find_archaic_words

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "bench", "migrations", "tests")

DEFINED_TWICE: frozenset[str] = frozenset()
"""Type names with two definitions in `app/`; the glossary says why."""

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _definitions(path: Path) -> Iterator[Definition]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _public_names(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    yield from (node.name for node in _definitions(path))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _docstrings(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in (tree, *_definitions(path)):
        if text := ast.get_docstring(node):
            yield text


def _comments(path: Path) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_begin_with_a_plain_word(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in _public_names(path)
        if PUBLIC_NAME_STOP.match(name.lower())
    }
    assert not found


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_begin_with_a_verb_or_a_noun(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in (ROOT / package).rglob("*.py")
        for text in _docstrings(path)
        if DOCSTRING_STOP.match(text)
    }
    assert not found


@pytest.mark.parametrize("package", PACKAGES)
def test_prose_of_the_code_has_no_archaic_words(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in (ROOT / package).rglob("*.py")
        for text in (*_docstrings(path), *_comments(path))
        for _, word in find_archaic_words(text)
    }
    assert not found


def test_a_type_has_one_name_and_a_name_one_type() -> None:
    places = defaultdict(set)
    for path in (ROOT / "app").rglob("*.py"):
        for node in _definitions(path):
            if isinstance(node, ast.ClassDef):
                places[node.name].add(str(path.relative_to(ROOT)))
    twice = {name: sorted(where) for name, where in places.items() if len(where) > 1}
    assert twice.keys() == DEFINED_TWICE, twice
