"""What may be done to an entry in which status: a table, and nothing else moves an entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.errors import Sentence, TransitionRefused
from app.rules.status import Status


class Action(StrEnum):
    """Everything that makes a new version of an entry."""

    record = "record"
    correct = "correct"
    exit = "exit"
    revoke = "revoke"
    publish = "publish"
    withdraw = "withdraw"
    recompute = "recompute"


@dataclass(frozen=True, slots=True)
class Move:
    """From which statuses an action is allowed, and what allows it."""

    allowed: frozenset[Status]
    legal_basis: str


NOT_ENDED = frozenset({Status.scheduled, Status.active, Status.suspended})

MOVES: Mapping[Action, Move] = {
    Action.correct: Move(frozenset(Status), "山东省社会信用条例 Art 16, 39"),
    Action.exit: Move(NOT_ENDED, "发改财金规〔2017〕1798号; 枣文明委〔2019〕2号 四.1"),
    Action.revoke: Move(frozenset(Status), "山东省社会信用条例 Art 40"),
    Action.publish: Move(NOT_ENDED, "枣文明委〔2019〕2号 三.3; 山东省社会信用条例 Art 24"),
    Action.withdraw: Move(frozenset(Status), "行政处罚法 Art 48; 山东省社会信用条例 Art 24, 40"),
}


def require(action: Action, status: Status) -> None:
    """Let an action pass, or not.

    Raises:
        TransitionRefused: the status does not allow it; says which ones would.
    """
    move = MOVES[action]
    if status not in move.allowed:
        allowed = ", ".join(sorted(move.allowed))
        raise TransitionRefused(
            Sentence(
                f"The entry is {status}; this is possible while it is {allowed}",
                f"条目当前状态为 {status}；仅在以下状态可操作：{allowed}",
            ),
            entry_status=status,
            legal_basis=move.legal_basis,
        )
