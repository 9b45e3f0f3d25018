"""The documentation agrees with the code: every path, name, term and command in it exists."""

import ast
import json
import re
import tomllib
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer.main

from app.cli.main import app as command_line
from app.db.tables import Base
from tests.support.language import find_archaic_words

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ADR = DOCS / "adr"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "README.zh.md"])
GENERATED = DOCS / "columns.md"
CHANGELOG = ROOT / "CHANGELOG.md"
ARCHITECTURE = DOCS / "ARCHITECTURE.md"
GLOSSARY = DOCS / "GLOSSARY.md"

PATH = re.compile(
    r"(?<![\w/.:$-])((?:app|bench|docs|migrations|openapi|tests)/[\w./-]*\w)(?![\w/]*[{…])"
)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
MODULE = re.compile(r"`(app(?:\.\w+)+)`")
MAKE = re.compile(r"`?\bmake ([a-z]+)\b(?=[`\s])")
COMMAND = re.compile(r"\bredblack ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
OPERATION = re.compile(r"\b(GET|POST) (/v1/[\w/{}.-]*[\w}])")
PARAMETER = re.compile(r"\{\w+\}")
EXAMPLE = "YYYYMMDD"
TABLE_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _rows(text: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in row.split(" | ")] for row in TABLE_ROW.findall(text)]
    return [row for row in rows if set(row[0]) != {"-", "|"}]


def _rooms() -> list[Path]:
    app = ROOT / "app"
    packages = [path.parent for path in app.glob("*/__init__.py")]
    return [*packages, *(path for path in app.glob("*.py") if path.name != "__init__.py")]


@cache
def _definitions(path: Path) -> frozenset[str]:
    """Return the names that a module defines, methods as `Class.method` and as `method`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    names.add(f"{node.name}.{inner.name}")
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return frozenset(names)


@pytest.mark.parametrize("page", PAGES, ids=_name)
class TestNames:
    def test_every_path_exists(self, page: Path) -> None:
        paths = {path for path in PATH.findall(page.read_text("utf-8")) if EXAMPLE not in path}
        assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []

    def test_every_link_leads_to_a_file(self, page: Path) -> None:
        links = {link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link}
        assert [link for link in sorted(links) if not (page.parent / link).exists()] == []

    def test_every_module_exists(self, page: Path) -> None:
        modules = set(MODULE.findall(page.read_text("utf-8")))
        assert [module for module in sorted(modules) if find_spec(module) is None] == []

    def test_every_make_target_exists(self, page: Path) -> None:
        targets = set(
            re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        )
        code = re.findall(r"`[^`\n]+`|```\n.*?```", page.read_text("utf-8"), re.DOTALL)
        named = {target for part in code for target in MAKE.findall(part)}
        assert named <= targets

    def test_every_command_exists(self, page: Path) -> None:
        commands = typer.main.get_command(command_line).commands  # type: ignore[attr-defined]
        code = re.findall(r"`[^`\n]+`|```\n.*?```", page.read_text("utf-8"), re.DOTALL)
        for part in code:
            for name, inner in COMMAND.findall(part):
                assert name in commands, part
                nested = getattr(commands[name], "commands", None)
                assert nested is None or inner in nested, part

    def test_every_operation_exists(self, page: Path) -> None:
        document = json.loads((ROOT / "openapi" / "registry.v1.json").read_text("utf-8"))
        known = {
            (method.upper(), PARAMETER.sub("{}", path))
            for path, operations in document["paths"].items()
            for method in operations
        }
        named = {
            (method, PARAMETER.sub("{}", path))
            for method, path in OPERATION.findall(page.read_text("utf-8"))
        }
        assert sorted(named - known) == []


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=_name)
def test_words_are_plain(page: Path) -> None:
    if page == GENERATED:
        pytest.skip("its text is written in tests/submissions/test_documented.py")
    assert list(find_archaic_words(page.read_text("utf-8"))) == []


class TestArchitecture:
    def test_every_room_is_listed(self) -> None:
        rooms = {f"app/{path.name}" for path in _rooms()}
        section = ARCHITECTURE.read_text("utf-8").split("## Rooms")[1].split("Inside a room")[0]
        listed = [row[0].strip("`") for row in _rows(section)[1:]]
        assert sorted(listed) == sorted(rooms)

    def test_every_room_is_drawn(self) -> None:
        diagram = re.findall(r"```mermaid\n(.*?)```", ARCHITECTURE.read_text("utf-8"), re.DOTALL)[0]
        rooms = {path.stem for path in _rooms()}
        assert rooms <= set(re.findall(r"\w+", diagram))

    def test_every_function_of_a_flow_exists(self) -> None:
        section = ARCHITECTURE.read_text("utf-8").split("## The three flows")[1]
        steps = [row for row in _rows(section.split("## Invariants")[0]) if row[1].startswith("`")]
        assert steps
        for row in steps:
            path, names = row[1].strip("`"), re.findall(r"`([\w.]+)`", row[2])
            assert names, row
            assert set(names) <= _definitions(ROOT / path), path


class TestGlossary:
    @staticmethod
    def rows() -> list[list[str]]:
        text = GLOSSARY.read_text("utf-8").split("## Other words")[0]
        return [row for row in _rows(text) if row[0] != "term"]

    def test_terms_are_unique(self) -> None:
        terms = [term for row in self.rows() for term in row[0].lower().split(", ")]
        chinese = [row[1] for row in self.rows()]
        assert [term for term, count in Counter(terms + chinese).items() if count > 1] == []

    def test_every_row_is_complete(self) -> None:
        for row in self.rows():
            assert re.search(r"[\u4e00-\u9fff]", row[1]), row
            assert row[2], row

    def test_every_class_and_table_exists(self) -> None:
        known = {table.name for table in Base.metadata.tables.values()}
        for path in (ROOT / "app").rglob("*.py"):
            known |= _definitions(path)
        named = {name for row in self.rows() for name in re.findall(r"`(\w+)`", row[3])}
        assert sorted(named - known) == []


def test_every_decision_is_in_the_index() -> None:
    index = (ADR / "README.md").read_text("utf-8")
    files = sorted(path.name for path in ADR.glob("0*.md"))
    assert re.findall(r"\]\((0\d+-[\w-]+\.md)\)", index) == files


def test_decisions_have_the_same_headings() -> None:
    for path in ADR.glob("0*.md"):
        headings = re.findall(r"^## (\w+)", path.read_text("utf-8"), re.MULTILINE)
        assert headings[:3] == ["Context", "Decision", "Consequences"], path.name


def test_the_changelog_has_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    dated = re.findall(
        r"^## (\d+\.\d+\.\d+) — \d{4}-\d\d-\d\d$", CHANGELOG.read_text("utf-8"), re.MULTILINE
    )
    assert dated[0] == project["version"]
    assert dated == sorted(dated, key=lambda text: [*map(int, text.split("."))], reverse=True)
