"""House rules that import contracts cannot express."""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_FILE_LINES = 450
APP = ROOT / "app"

# Modules that the rules may import: arithmetic of check digits and of dates.
RULES_MAY_USE = {"app", "stdnum", "dateutil"}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_rules_use_the_standard_library_and_little_else() -> None:
    files = list((APP / "rules").glob("*.py"))
    assert files
    for path in files:
        roots = {name.split(".")[0] for name in _imports(path)}
        assert roots <= RULES_MAY_USE | set(sys.stdlib_module_names), path.name


def test_only_the_clock_asks_what_time_it_is() -> None:
    asking = re.compile(r"datetime\.now\(|date\.today\(|datetime\.utcnow\(|time\.time\(")
    for path in APP.rglob("*.py"):
        if path.name != "clock.py":
            assert not asking.search(path.read_text("utf-8")), path


def test_only_the_database_module_begins_or_commits() -> None:
    ending = re.compile(r"\.commit\(\)|\.rollback\(\)|\.begin\(\)|\.begin_nested\(\)|create_all\(")
    for path in APP.rglob("*.py"):
        if path.name not in {"engines.py", "migrations.py"}:
            assert not ending.search(path.read_text("utf-8")), path


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    for path in APP.rglob("*.py"):
        assert path.stem not in {"utils", "helpers", "common", "misc"}, path


def test_nothing_committed_names_a_package_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml", "Makefile"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text, name
        assert "index-url" not in text.replace("--no-emit-index-url", ""), name


def test_no_file_of_the_app_is_longer_than_450_lines() -> None:
    long = {
        str(file.relative_to(ROOT)): count
        for file in sorted((ROOT / "app").rglob("*.py"))
        if (count := len(file.read_text("utf-8").splitlines())) > MAX_FILE_LINES
    }
    assert long == {}
