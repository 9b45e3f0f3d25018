"""Transitions of an entry: allowed statuses, actors, legal basis and time limits, as one table.

Every new version of an entry passes `require_transition_allowed`. `docs/lifecycle.md` shows the
table and its diagram, and a test compares the two.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.errors import EntryNotFound, Sentence, TransitionRefused
from app.rules.permissions import Caller
from app.rules.status import Status


class Action(StrEnum):
    """Every action that makes a new version of an entry."""

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


class AllowedActor(StrEnum):
    """The callers that may take an action."""

    issuer = "its department, or the credit office for it"
    two_persons = "two persons of its department, one after the other"
    person = "a person of its department"
    registry = "the registry itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """The conditions and the effect of an action.

    Attributes:
        allowed_statuses: the statuses in which the action is allowed.
        next_status: the status after the action; None where it does not change.
        allowed_actor: the callers that may take the action.
        legal_basis: the law or plan that allows it.
        time_limit: the time limit, if the law sets one.
    """

    allowed_statuses: frozenset[Status]
    next_status: Status | None = None
    allowed_actor: AllowedActor = AllowedActor.issuer
    legal_basis: str
    time_limit: str | None = None


@dataclass(frozen=True, slots=True)
class AutomaticTransition:
    """A change of status by the date or by another entry, without an action."""

    before: Status
    after: Status
    condition: str


ALL_STATUSES = frozenset(Status)
NOT_ENDED_STATUSES = frozenset({Status.scheduled, Status.active, Status.suspended})

TRANSITIONS: Mapping[Action, Transition] = {
    Action.record: Transition(
        allowed_statuses=frozenset(),
        legal_basis="枣文明委〔2019〕2号 三.3; 山东省社会信用条例 Art 16",
        time_limit="published within 7 working days of the decision",
    ),
    Action.correct: Transition(
        allowed_statuses=ALL_STATUSES, legal_basis="山东省社会信用条例 Art 16, 39"
    ),
    Action.extend: Transition(
        allowed_statuses=NOT_ENDED_STATUSES,
        legal_basis="the list type's rule (`extension` in the catalogue)",
    ),
    Action.exit: Transition(
        allowed_statuses=NOT_ENDED_STATUSES,
        next_status=Status.removed,
        legal_basis="发改财金规〔2017〕1798号; 枣文明委〔2019〕2号 四.1",
        time_limit="taken down within 3 working days",
    ),
    Action.revoke: Transition(
        allowed_statuses=ALL_STATUSES,
        next_status=Status.removed,
        legal_basis="行政处罚法 Art 48; 山东省社会信用条例 Art 40",
        time_limit="taken down within 3 working days",
    ),
    Action.reverse: Transition(
        allowed_statuses=ALL_STATUSES,
        next_status=Status.removed,
        legal_basis="山东省社会信用条例 Art 16, 39",
        time_limit="a whole submission, while nothing later rests on it",
    ),
    Action.repair: Transition(
        allowed_statuses=frozenset({Status.scheduled, Status.active}),
        next_status=Status.removed,
        allowed_actor=AllowedActor.two_persons,
        legal_basis="信用修复管理办法 (国家发展改革委令第36号); 山东省社会信用条例 Art 41",
        time_limit=(
            "accepted within 3, decided within 10 working days (the catalogue's repair rules)"
        ),
    ),
    Action.restore: Transition(
        allowed_statuses=frozenset({Status.removed}),
        next_status=Status.active,
        allowed_actor=AllowedActor.person,
        legal_basis="人力资源和社会保障部令第45号 Art 15; 信用修复管理办法",
    ),
    Action.dispute: Transition(
        allowed_statuses=ALL_STATUSES,
        legal_basis="山东省社会信用条例 Art 39",
        time_limit="answered within 3 working days, 7 where another unit must help",
    ),
    Action.settle: Transition(
        allowed_statuses=ALL_STATUSES, legal_basis="山东省社会信用条例 Art 39"
    ),
    Action.publish: Transition(
        allowed_statuses=NOT_ENDED_STATUSES,
        legal_basis="枣文明委〔2019〕2号 三.3; 山东省社会信用条例 Art 24",
    ),
    Action.withdraw: Transition(
        allowed_statuses=ALL_STATUSES,
        legal_basis="行政处罚法 Art 48; 山东省社会信用条例 Art 24, 40",
    ),
    Action.recompute: Transition(
        allowed_statuses=ALL_STATUSES,
        allowed_actor=AllowedActor.registry,
        legal_basis="the State Council's notice of days off",
    ),
}

AUTOMATIC_TRANSITIONS = (
    AutomaticTransition(Status.scheduled, Status.active, "its first day"),
    AutomaticTransition(
        Status.active, Status.expired, "the day after its last, by term or by the 5 years"
    ),
    AutomaticTransition(
        Status.active, Status.suspended, "a red one, while its subject has a black one active"
    ),
    AutomaticTransition(Status.suspended, Status.active, "once no black one is active any more"),
    AutomaticTransition(Status.suspended, Status.expired, "the day after its last"),
)


def require_transition_allowed(
    action: Action, status: Status, caller: Caller, department: str
) -> None:
    """Raise unless the caller may take the action on an entry in this status.

    Raises:
        EntryNotFound: the caller does not act for the entry's department.
        TransitionRefused: the status does not allow the action; gives the statuses that do.
    """
    transition = TRANSITIONS[action]
    if not caller.acts_for(department):
        raise EntryNotFound
    if status not in transition.allowed_statuses:
        allowed = ", ".join(sorted(transition.allowed_statuses))
        raise TransitionRefused(
            Sentence(
                f"The entry is {status}; this is possible while it is {allowed}",
                f"条目当前状态为 {status}；仅在以下状态可操作：{allowed}",
            ),
            entry_status=status,
            legal_basis=transition.legal_basis,
        )


def build_state_diagram() -> Iterator[str]:
    """Yield the lines of a Mermaid state diagram; only actions that change the status are drawn."""
    yield "stateDiagram-v2"
    for first in (Status.scheduled, Status.active):
        yield f"    [*] --> {first}: {Action.record}"
    for automatic in AUTOMATIC_TRANSITIONS:
        yield f"    {automatic.before} --> {automatic.after}: {automatic.condition}"
    for action, transition in TRANSITIONS.items():
        for status in Status:
            if transition.next_status is not None and status in transition.allowed_statuses - {
                transition.next_status
            }:
                yield f"    {status} --> {transition.next_status}: {action}"
