"""Names that clients and auditors rely on: none disappears or changes its spelling."""

from pathlib import Path

from app.audit.actions import AuditAction
from app.errors import ProblemCode, RegistryError

GOLDEN = Path(__file__).parent / "golden"


def _read(name: str) -> list[str]:
    return (GOLDEN / name).read_text("utf-8").split()


def test_audit_actions_are_the_committed_ones() -> None:
    assert sorted(AuditAction) == _read("audit_actions.txt")


def test_problem_codes_are_the_committed_ones() -> None:
    assert sorted(ProblemCode) == _read("problem_codes.txt")


def test_every_error_class_has_a_code_of_its_own() -> None:
    classes = [RegistryError]
    for each in classes:
        classes += each.__subclasses__()
    assert all(isinstance(each.code, ProblemCode) for each in classes)


def test_an_audit_action_is_written_as_it_is_named() -> None:
    assert all(action.name == action.value for action in (*AuditAction, *ProblemCode))
