"""Names that clients and auditors rely on: none disappears, none changes its spelling."""

from pathlib import Path

from app.audit.actions import AuditAction

GOLDEN = Path(__file__).parent / "golden"


def _read(name: str) -> list[str]:
    return (GOLDEN / name).read_text("utf-8").split()


def test_audit_actions_are_the_committed_ones() -> None:
    assert sorted(AuditAction) == _read("audit_actions.txt")


def test_an_audit_action_is_written_as_it_is_named() -> None:
    assert all(action.name == action.value for action in AuditAction)
