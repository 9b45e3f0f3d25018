from itertools import product

import pytest

from app.errors import TransitionRefused
from app.rules.status import Status
from app.rules.transitions import MOVES, Action, require

ANY = set(Status)
STANDING = {Status.scheduled, Status.active, Status.suspended}
TABLE = {
    Action.correct: ANY,
    Action.exit: STANDING,
    Action.publish: STANDING,
    Action.revoke: ANY,
    Action.withdraw: ANY,
}
# A new entry has no status yet, and a calendar notice touches entries whatever their state.
WITHOUT_A_MOVE = {Action.record, Action.recompute}


def test_every_action_has_a_move_or_needs_none() -> None:
    assert MOVES.keys() == TABLE.keys() == set(Action) - WITHOUT_A_MOVE


@pytest.mark.parametrize(("action", "status"), list(product(TABLE, Status)))
def test_an_action_is_possible_in_the_statuses_of_the_table_alone(
    action: Action, status: Status
) -> None:
    if status in TABLE[action]:
        require(action, status)
        return
    with pytest.raises(TransitionRefused) as refusal:
        require(action, status)
    assert refusal.value.members["entry_status"] == status
    assert refusal.value.members["legal_basis"] == MOVES[action].legal_basis
    for possible in TABLE[action]:
        assert possible.value in refusal.value.detail.en
        assert possible.value in refusal.value.detail.zh


def test_every_move_cites_its_legal_basis() -> None:
    assert all(move.legal_basis.strip() for move in MOVES.values())
