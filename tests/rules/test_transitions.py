"""The table of transitions: complete, enforced and documented."""

import re
from pathlib import Path

import pytest

from app.errors import EntryNotFound, TransitionRefused
from app.rules.permissions import COMMAND_LINE_CALLER, Caller, Role
from app.rules.status import ENDED_STATUSES, Status
from app.rules.transitions import (
    AUTOMATIC_TRANSITIONS,
    NOT_ENDED_STATUSES,
    TRANSITIONS,
    Action,
    build_state_diagram,
    require_transition_allowed,
)

LIFECYCLE = Path(__file__).parents[2] / "docs" / "lifecycle.md"
ISSUER = Caller(None, "hr", Role.department, "human_resources")


def test_every_action_has_a_transition_with_its_basis() -> None:
    assert set(TRANSITIONS) == set(Action)
    assert all(move.legal_basis.strip() for move in TRANSITIONS.values())


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.record])
@pytest.mark.parametrize("status", Status)
def test_an_action_is_allowed_only_in_its_statuses(action: Action, status: Status) -> None:
    if status in TRANSITIONS[action].allowed_statuses:
        require_transition_allowed(action, status, ISSUER, "human_resources")
        return
    with pytest.raises(TransitionRefused) as refused:
        require_transition_allowed(action, status, ISSUER, "human_resources")
    assert refused.value.members["entry_status"] == status
    assert refused.value.members["legal_basis"] == TRANSITIONS[action].legal_basis


@pytest.mark.parametrize(
    "caller",
    [
        Caller(None, "tax", Role.department, "tax_bureau"),
        Caller(None, "auditor", Role.auditor),
        Caller(None, "approver", Role.approver, "human_resources"),
        Caller(None, "subscriber", Role.subscriber),
    ],
)
def test_other_callers_change_no_entry(caller: Caller) -> None:
    for action, move in TRANSITIONS.items():
        for status in move.allowed_statuses:
            with pytest.raises(EntryNotFound):
                require_transition_allowed(action, status, caller, "human_resources")


def test_the_credit_office_acts_for_a_department() -> None:
    require_transition_allowed(
        Action.correct, Status.active, COMMAND_LINE_CALLER, "human_resources"
    )


def test_an_ended_entry_allows_no_further_end() -> None:
    for action in (Action.exit, Action.repair, Action.extend, Action.publish):
        assert TRANSITIONS[action].allowed_statuses <= NOT_ENDED_STATUSES
    assert TRANSITIONS[Action.restore].allowed_statuses == {Status.removed}
    assert not NOT_ENDED_STATUSES & ENDED_STATUSES


def test_no_date_restores_an_ended_entry() -> None:
    assert all(move.before not in ENDED_STATUSES for move in AUTOMATIC_TRANSITIONS)


def test_the_documentation_draws_the_table() -> None:
    diagram = "\n".join(build_state_diagram())
    assert f"```mermaid\n{diagram}\n```" in LIFECYCLE.read_text("utf-8")


def test_the_documentation_lists_every_action() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \| ?(.*?) ?\|$", *_lifecycle())
    expected = [
        (action.value, move.allowed_actor.value, move.legal_basis, move.time_limit or "")
        for action, move in TRANSITIONS.items()
        if action is not Action.record
    ]
    assert sorted(
        (action, actor, basis, limit) for action, _, actor, basis, limit in rows
    ) == sorted(expected)


def test_the_documentation_lists_the_statuses_of_every_action() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", *_lifecycle())
    for action, statuses in rows:
        allowed = TRANSITIONS[Action(action)].allowed_statuses
        listed = set(Status) if statuses == "any" else set(re.findall(r"`(\w+)`", statuses))
        assert listed == allowed, action


def _lifecycle() -> tuple[str, re.RegexFlag]:
    return LIFECYCLE.read_text("utf-8"), re.MULTILINE
