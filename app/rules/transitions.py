"""What may be done to an entry in which status, by whom, on what basis, within which time.

A table, and nothing else moves an entry: every version that is written passes `require`. The README
shows it as a diagram, and a test holds the two equal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.errors import EntryNotFound, Sentence, TransitionRefused
from app.rules.permissions import Caller
from app.rules.status import Status


class Action(StrEnum):
    """Everything that makes a new version of an entry."""

    record = "record"
    correct = "correct"
    extend = "extend"
    exit = "exit"
    revoke = "revoke"
    reverse = "reverse"
    repair = "repair"
    restore = "restore"
    dispute = "dispute"
    settle = "settle"
    publish = "publish"
    withdraw = "withdraw"
    recompute = "recompute"


class Who(StrEnum):
    """Who may do it."""

    issuer = "its department, or the credit office for it"
    two_persons = "two persons of its department, one after the other"
    person = "a person of its department"
    registry = "the registry itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What an action does, and what allows it.

    Attributes:
        allowed: the statuses in which it may be done.
        leads_to: the status that follows; None where the entry stays as it is.
        who: by whom.
        legal_basis: the rule that it rests on.
        clock: within which time it is to be done, where a rule says so.
    """

    allowed: frozenset[Status]
    leads_to: Status | None = None
    who: Who = Who.issuer
    legal_basis: str
    clock: str | None = None


@dataclass(frozen=True, slots=True)
class DayMove:
    """What a day, or another entry, does to an entry without anybody's doing."""

    before: Status
    after: Status
    when: str


EVERY = frozenset(Status)
NOT_ENDED = frozenset({Status.scheduled, Status.active, Status.suspended})

MOVES: Mapping[Action, Move] = {
    Action.record: Move(
        allowed=frozenset(),
        legal_basis="枣文明委〔2019〕2号 三.3; 山东省社会信用条例 Art 16",
        clock="published within 7 working days of the decision",
    ),
    Action.correct: Move(allowed=EVERY, legal_basis="山东省社会信用条例 Art 16, 39"),
    Action.extend: Move(
        allowed=NOT_ENDED, legal_basis="the list type's rule (`extension` in the catalogue)"
    ),
    Action.exit: Move(
        allowed=NOT_ENDED,
        leads_to=Status.removed,
        legal_basis="发改财金规〔2017〕1798号; 枣文明委〔2019〕2号 四.1",
        clock="taken down within 3 working days",
    ),
    Action.revoke: Move(
        allowed=EVERY,
        leads_to=Status.removed,
        legal_basis="行政处罚法 Art 48; 山东省社会信用条例 Art 40",
        clock="taken down within 3 working days",
    ),
    Action.reverse: Move(
        allowed=EVERY,
        leads_to=Status.removed,
        legal_basis="山东省社会信用条例 Art 16, 39",
        clock="a whole submission, while nothing later rests on it",
    ),
    Action.repair: Move(
        allowed=frozenset({Status.scheduled, Status.active}),
        leads_to=Status.removed,
        who=Who.two_persons,
        legal_basis="信用修复管理办法 (国家发展改革委令第36号); 山东省社会信用条例 Art 41",
        clock="accepted within 3, decided within 10 working days (the catalogue's repair rules)",
    ),
    Action.restore: Move(
        allowed=frozenset({Status.removed}),
        leads_to=Status.active,
        who=Who.person,
        legal_basis="人力资源和社会保障部令第45号 Art 15; 信用修复管理办法",
    ),
    Action.dispute: Move(
        allowed=EVERY,
        legal_basis="山东省社会信用条例 Art 39",
        clock="answered within 3 working days, 7 where another unit must help",
    ),
    Action.settle: Move(allowed=EVERY, legal_basis="山东省社会信用条例 Art 39"),
    Action.publish: Move(
        allowed=NOT_ENDED, legal_basis="枣文明委〔2019〕2号 三.3; 山东省社会信用条例 Art 24"
    ),
    Action.withdraw: Move(
        allowed=EVERY, legal_basis="行政处罚法 Art 48; 山东省社会信用条例 Art 24, 40"
    ),
    Action.recompute: Move(
        allowed=EVERY, who=Who.registry, legal_basis="the State Council's notice of days off"
    ),
}

DAY_MOVES = (
    DayMove(Status.scheduled, Status.active, "its first day"),
    DayMove(Status.active, Status.expired, "the day after its last, by term or by the 5 years"),
    DayMove(Status.active, Status.suspended, "a red one, while its subject has a black one active"),
    DayMove(Status.suspended, Status.active, "once no black one is active any more"),
    DayMove(Status.suspended, Status.expired, "the day after its last"),
)


def require(action: Action, status: Status, caller: Caller, department: str) -> None:
    """Let an action pass, or not.

    Raises:
        EntryNotFound: the caller does not act for the entry's department.
        TransitionRefused: the status does not allow it; says which ones would.
    """
    move = MOVES[action]
    if not caller.acts_for(department):
        raise EntryNotFound
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


def diagram() -> Iterator[str]:
    """The table as lines of a Mermaid state diagram; an action that moves nothing is not drawn."""
    yield "stateDiagram-v2"
    for first in (Status.scheduled, Status.active):
        yield f"    [*] --> {first}: {Action.record}"
    for day_move in DAY_MOVES:
        yield f"    {day_move.before} --> {day_move.after}: {day_move.when}"
    for action, move in MOVES.items():
        for status in Status:
            if move.leads_to is not None and status in move.allowed - {move.leads_to}:
                yield f"    {status} --> {move.leads_to}: {action}"
