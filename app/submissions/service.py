"""Beginning a submission, letting a held one go ahead, and having one taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import read_current_catalogue
from app.db.engines import Connection
from app.errors import (
    Busy,
    Fault,
    InvalidPayload,
    NotYourDepartment,
    PersonKeyRequired,
    ProblemCode,
    SamePerson,
    Sentence,
    SubmissionNotFound,
    SubmissionUnderWay,
)
from app.http.request_id import current_request_id
from app.registry import Registry
from app.rules.permissions import Caller, Role
from app.rules.text import fold_name
from app.submissions import store
from app.submissions.processing import reversal
from app.submissions.schemas import (
    Approval,
    CommitRule,
    Mode,
    OnError,
    Reversal,
    State,
)
from app.submissions.store import SubmissionRow

MOST_UNFINISHED = 50
"""Files of one department at once: others' should not wait behind a hundred of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be done with a file."""

    list_type: str | None = None
    department: str | None = None
    dry_run: bool = False
    on_error: OnError = OnError.keep_on
    commit: CommitRule = CommitRule.valid_rows
    mode: Mode = Mode.append
    reason: str | None = None
    rows: int | None = None


def begin(registry: Registry, caller: Caller, wish: Wish) -> UUID:
    """Open a submission for a file that is about to arrive.

    Raises:
        NotYourDepartment: a department sends for itself.
        InvalidPayload: the wish contradicts itself, or names what there is not.
        Busy: too many files of the caller's department are under way.
    """
    department = _department(caller, wish.department)
    with registry.database.reading() as connection:
        catalogue = read_current_catalogue(registry, connection)
        if store.unfinished(connection, caller) >= MOST_UNFINISHED:
            raise Busy(TOO_MANY_FILES, retry_after=30)
    faults = _faults(wish, department)
    if wish.list_type is not None and wish.list_type not in catalogue.list_types:
        faults.append(Fault("?list_type", ProblemCode.unknown_value, NO_LIST_TYPE))
    if department is not None and department not in catalogue.departments:
        faults.append(Fault("?department", ProblemCode.unknown_value, NO_DEPARTMENT))
    if faults:
        raise InvalidPayload(faults=faults)
    submission_id, now = uuid7(), registry.clock.now()
    values = {
        "id": submission_id,
        "state": State.receiving.value,
        "department": department,
        "list_type": wish.list_type,
        "mode": wish.mode.value,
        "dry_run": wish.dry_run,
        "on_error": wish.on_error.value,
        "commit_rule": wish.commit.value,
        "reason": wish.reason,
        "declared_rows": wish.rows,
        "bytes": 0,
        "actor_id": caller.id,
        "actor_name": caller.name,
        "role": caller.role.value,
        "actor_department": caller.department,
        "person": caller.person,
        "request_id": current_request_id(),
        "received_at": now,
        "attempts": 0,
        "rows_read": 0,
        "bytes_read": 0,
    }
    registry.write(lambda connection: store.add(connection, values))
    return submission_id


def _department(caller: Caller, named: str | None) -> str | None:
    if caller.role is not Role.department:
        return named
    if named not in {None, caller.department}:
        raise NotYourDepartment
    return caller.department


def _faults(wish: Wish, department: str | None) -> list[Fault]:
    if wish.mode is not Mode.whole:
        return []
    needed: Mapping[str, Any] = {
        "list_type": wish.list_type,
        "department": department,
        "reason": wish.reason,
        "rows": wish.rows,
    }
    return [
        Fault(f"?{name}", ProblemCode.missing, REPLACE_NEEDS)
        for name, value in needed.items()
        if value is None
    ]


def arrived(
    registry: Registry, submission_id: UUID, *, size: int, sha256: str, worker: str | None
) -> SubmissionRow:
    """The file is here whole: queue it, or let a worker that is named take it up at once.

    Gives the submission that goes on: an unfinished one of the very same file and wish, if there
    is one, for a sender who heard no answer sends again.
    """
    settings, now = registry.settings, registry.clock.now()
    lease = now + timedelta(seconds=settings.submission_lease_seconds)
    at_once = worker is not None

    def work(connection: Connection) -> SubmissionRow:
        row = _require(store.get(connection, submission_id))
        twin = store.twin(connection, row, sha256)
        if twin is not None:
            store.forget(connection, submission_id)
            return _require(store.get(connection, twin))
        store.step(
            connection,
            submission_id,
            None,
            state=(State.running if at_once else State.queued).value,
            bytes=size,
            sha256=sha256,
            worker=worker if at_once else None,
            leased_until=lease if at_once else None,
            started_at=now if at_once else None,
            attempts=int(at_once),
        )
        record = audit.build_record(
            row.caller,
            now,
            AuditAction.submission_received,
            "done",
            submission_id,
            list_type=row.list_type,
            mode=row.mode,
            dry_run=row.dry_run,
            bytes=size,
            sha256=sha256,
        )
        audit.record_changes(connection, [record])
        return _require(store.get(connection, submission_id))

    return registry.write(work)


def forget(registry: Registry, submission_id: UUID) -> None:
    """Let go of a file that did not arrive whole."""

    def work(connection: Connection) -> None:
        row = store.lock(connection, submission_id)
        if row is not None and row.state == State.receiving:
            store.forget(connection, submission_id)

    registry.write(work)


def find(registry: Registry, caller: Caller, submission_id: UUID) -> SubmissionRow:
    """A submission that the caller may see: of its department, or any for who oversees.

    Raises:
        SubmissionNotFound: there is none.
    """
    with registry.database.reading() as connection:
        return _visible(store.get(connection, submission_id), caller)


def approve(
    registry: Registry, caller: Caller, submission_id: UUID, order: Approval
) -> SubmissionRow:
    """Let a held full list go ahead, for what was shown and no more: two persons' word.

    Where the key that sent it is in nobody's hands, neither of them is its sender.

    Raises:
        SubmissionNotFound: there is none of the caller's department.
        SubmissionUnderWay: it is not held, or not any more.
        PersonKeyRequired, SamePerson: the approval is a second person's.
    """
    lapse(registry)

    def work(connection: Connection) -> SubmissionRow:
        row = _own(connection, caller, submission_id)
        if row.state != State.held:
            raise SubmissionUnderWay(state=row.state)
        _require_another(caller, row.actor_id, row.person)
        first = row.approval
        if first is not None:
            _require_another(caller, first["actor_id"] and UUID(first["actor_id"]), first["person"])
        said = _said(registry, caller, order.reason) | {"digest": (row.changes or {}).get("digest")}
        if row.person is None and first is None:
            store.step(connection, row.id, row.worker, approval=said)
            _tell(registry, connection, row, caller, AuditAction.submission_approved)
        else:
            _move(registry, connection, row, State.queued, caller, AuditAction.submission_approved)
            store.step(connection, row.id, None, approval=said, held_until=None)
        return _require(store.get(connection, row.id))

    return registry.write(work)


def _require_another(caller: Caller, key_id: UUID | None, person: str | None) -> None:
    if caller.person is None:
        raise PersonKeyRequired
    same_key = caller.id is not None and caller.id == key_id
    if same_key or (person and fold_name(person) == fold_name(caller.person)):
        raise SamePerson


def lapse(registry: Registry) -> None:
    """End what nobody approved in time, and write that down."""
    now = registry.clock.now()
    with registry.database.reading() as connection:
        if not store.has_lapsed(connection, now):
            return

    def work(connection: Connection) -> None:
        for row in store.lapse(connection, now):
            _tell(registry, connection, row, row.caller, AuditAction.submission_lapsed)

    registry.write(work)


def reverse(
    registry: Registry, caller: Caller, submission_id: UUID, order: Reversal
) -> SubmissionRow:
    """Have a submission taken back as a whole; a held one simply ends.

    More than the brake of a full list lets pass is for a second person to take back.

    Raises:
        SubmissionNotFound: there is none of the caller's department.
        SubmissionUnderWay: it is being worked off, was taken back already, or is too old.
        PersonKeyRequired, SamePerson: it recorded much, and a second person takes that back.
        BuiltUpon: something later rests on what it recorded.
    """

    def work(connection: Connection) -> SubmissionRow:
        row = _own(connection, caller, submission_id)
        said = _said(registry, caller, order.reason)
        if row.state == State.held:
            _move(registry, connection, row, State.lapsed, caller, AuditAction.submission_reversed)
            store.step(connection, row.id, None, **store.NOTHING_DONE)
            finished_at: datetime | None = registry.clock.now()
        else:
            _require_reversible(registry, row)
            most_alone = registry.settings.replace_brake_entries
            if reversal.require_nothing_later(connection, row) > most_alone:
                _require_another(caller, row.actor_id, row.person)
            _move(
                registry, connection, row, State.reversing, caller, AuditAction.submission_reversed
            )
            finished_at = None
        store.step(connection, row.id, None, reversal=said, finished_at=finished_at)
        return _require(store.get(connection, row.id))

    return registry.write(work)


def _require_reversible(registry: Registry, row: SubmissionRow) -> None:
    if row.state not in {State.done, State.stopped} or row.dry_run or row.finished_at is None:
        raise SubmissionUnderWay(state=row.state)
    age = registry.clock.now() - row.finished_at
    if age > timedelta(days=registry.settings.submission_keep_days):
        raise SubmissionUnderWay(TOO_OLD, state=row.state)


def _move(
    registry: Registry,
    connection: Connection,
    row: SubmissionRow,
    state: State,
    caller: Caller,
    audit_action: AuditAction,
) -> None:
    store.step(
        connection,
        row.id,
        row.worker,
        state=state.value,
        worker=None,
        leased_until=None,
        attempts=0,
    )
    _tell(registry, connection, row, caller, audit_action)


def _tell(
    registry: Registry, connection: Connection, row: SubmissionRow, caller: Caller, name: str
) -> None:
    now = registry.clock.now()
    record = audit.build_record(
        caller, now, name, "done", row.id, list_type=row.list_type, mode=row.mode
    )
    audit.record_changes(connection, [record])


def _said(registry: Registry, caller: Caller, reason: str) -> dict[str, Any]:
    return {
        "by": caller.name,
        "person": caller.person,
        "at": registry.clock.now().isoformat(),
        "reason": reason,
        "actor_id": caller.id and str(caller.id),
        "role": caller.role.value,
        "department": caller.department,
    }


def _own(connection: Connection, caller: Caller, submission_id: UUID) -> SubmissionRow:
    row = _visible(store.lock(connection, submission_id), caller)
    if not (caller.role is Role.operator or caller.acts_for(row.department or "")):
        raise SubmissionNotFound
    return row


def _visible(row: SubmissionRow | None, caller: Caller) -> SubmissionRow:
    if row is None or not (caller.has_oversight or row.department == caller.department):
        raise SubmissionNotFound
    return row


def _require(row: SubmissionRow | None) -> SubmissionRow:
    if row is None:
        raise SubmissionNotFound
    return row


TOO_MANY_FILES = Sentence(
    "Too many files of yours are under way; send the next when some are done",
    "本部门正在处理的文件过多，请待部分处理完毕后再提交",
)
NO_LIST_TYPE = Sentence(
    "There is no such list type; see GET /v1/list-types",
    "没有该名单类型，请查看 GET /v1/list-types",
)
TOO_OLD = Sentence(
    "The submission is too old to be taken back as a whole; revoke its entries one by one",
    "该批次时间已久，不能整批撤回，请逐条撤销",
)
NO_DEPARTMENT = Sentence(
    "There is no such department; see GET /v1/departments",
    "没有该部门，请查看 GET /v1/departments",
)
REPLACE_NEEDS = Sentence(
    "mode=replace needs list_type, department, reason, and rows: how many rows the file holds",
    "全量替换须填写 list_type、department、reason 以及 rows（文件行数）",
)
