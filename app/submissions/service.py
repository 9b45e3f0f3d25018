"""Beginning a submission, letting a held one go ahead, and having one taken back."""

from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import read_current_catalogue
from app.db.engines import Connection
from app.db.tables.submissions import StoredSubmissionStep
from app.entries.queries import read_current_entries
from app.entries.service import require_recorded_numbers_absent
from app.errors import (
    Busy,
    Fault,
    InvalidPayload,
    PersonKeyRequired,
    ProblemCode,
    SamePerson,
    Sentence,
    SubmissionNotFound,
    SubmissionUnderWay,
    Unavailable,
)
from app.http.context import current_request_id
from app.http.request_bodies import list_parts, may_need_numbers
from app.registry import Registry
from app.rules.permissions import Caller, Role
from app.rules.text import fold_name
from app.submissions.processing.job import ProcessedSubmission
from app.submissions.processing.queue import expire_pending_approvals
from app.submissions.processing.reversal import require_no_later_changes
from app.submissions.processing.row_by_row import process
from app.submissions.queries import UNKNOWN_LIST_TYPE, require_visible
from app.submissions.schemas import (
    Approval,
    Reversal,
    State,
    SubmissionOptions,
)
from app.submissions.store import jobs, submissions
from app.submissions.store.submissions import SubmissionRow
from app.submissions.upload.encrypted_file import EncryptedUpload

UPLOAD_GIVEN_UP = Sentence(
    "The file was given up, because its server stood still for too long; send it again",
    "服务器长时间停顿，文件接收已中止，请重新发送",
)
MAX_UNFINISHED = 50
"""Files of one department at once: others' should not wait behind a hundred of them."""


def begin_upload(registry: Registry, caller: Caller, options: SubmissionOptions) -> EncryptedUpload:
    """Begin a submission whose file is about to arrive; nothing is stored before its first part.

    Raises:
        NotYourDepartment: a department sends for itself.
        InvalidPayload: the options contradict each other, or name an unknown code.
        Busy: too many files of the caller's department are unfinished.
    """
    department = options.find_department(caller)
    with registry.database.reading() as connection:
        catalogue = read_current_catalogue(registry, connection)
        _require_few_unfinished(connection, registry.clock.now(), caller)
    faults = options.find_faults(department)
    if options.list_type is not None and options.list_type not in catalogue.list_types:
        faults.append(Fault("?list_type", ProblemCode.unknown_value, UNKNOWN_LIST_TYPE))
    if department is not None and department not in catalogue.departments:
        faults.append(Fault("?department", ProblemCode.unknown_value, UNKNOWN_DEPARTMENT))
    if faults:
        raise InvalidPayload(faults=faults)
    row = SubmissionRow(
        **{**options.model_dump(mode="json"), "department": department},
        id=uuid7(),
        state=State.receiving.value,
        format=None,
        bytes=0,
        sha256=None,
        actor_id=caller.id,
        actor_name=caller.name,
        role=caller.role.value,
        actor_department=caller.department,
        person=caller.person,
        request_id=current_request_id(),
        received_at=registry.clock.now(),
    )
    return EncryptedUpload(registry, row)


def renew_upload(registry: Registry, upload: EncryptedUpload) -> None:
    """Extend the lease of a file that is arriving; nothing before its first part is stored.

    Raises:
        Unavailable: the lease ran out and the file was given up.
    """
    if upload.stored_parts:
        registry.write(lambda connection: _extend_upload(registry, connection, upload))


def _extend_upload(registry: Registry, connection: Connection, upload: EncryptedUpload) -> None:
    until = registry.clock.now() + timedelta(seconds=upload.lease_seconds)
    if not jobs.extend_upload(connection, upload.row.id, until):
        raise Unavailable(UPLOAD_GIVEN_UP, retry_after=1)


def _require_few_unfinished(connection: Connection, now: datetime, caller: Caller) -> None:
    if submissions.count_unfinished(connection, caller, now) >= MAX_UNFINISHED:
        raise Busy(TOO_MANY_FILES, retry_after=30)


def store_part(registry: Registry, upload: EncryptedUpload) -> None:
    """Store the last part of an upload, and the submission with its first part.

    Raises:
        Busy: too many files of the sender's department are unfinished.
        Unavailable: the lease ran out and the file was given up.
    """
    sealed = upload.seal_last_part()

    number = upload.stored_parts

    def work(connection: Connection) -> None:
        if number == 0:
            _require_few_unfinished(connection, registry.clock.now(), upload.row.caller)
            until = registry.clock.now() + timedelta(seconds=upload.lease_seconds)
            submissions.add_submission(connection, upload.row._replace(leased_until=until))
        else:
            _extend_upload(registry, connection, upload)
        submissions.add_part(connection, upload.row.id, number, sealed)

    upload.stored_parts += 1  # before the write: a failed upload is discarded if it may be stored
    registry.write(work)


def finish_upload(
    registry: Registry, upload: EncryptedUpload, *, worker: str | None
) -> SubmissionRow:
    """Store the last part and queue the file, or let a given worker claim it at once.

    Returns the submission that continues: an unfinished one of the same file and options, if there
    is one, because a sender without an answer sends the file again.

    Raises:
        Busy: too many files of the sender's department are unfinished.
        Unavailable: the lease ran out and the file was given up.
    """
    settings, now = registry.settings, registry.clock.now()
    received = upload.row._replace(
        state=State.queued.value, bytes=upload.size, sha256=upload.sha256
    )
    if worker is not None:
        received = received._replace(
            state=State.running.value,
            worker=worker,
            leased_until=now + timedelta(seconds=settings.tuning.submission_lease_seconds),
            started_at=now,
            attempts=1,
        )
    sealed = upload.seal_last_part() if upload.last_part else None

    def work(connection: Connection) -> SubmissionRow:
        twin = submissions.find_unfinished_twin(connection, received)
        if twin is not None:
            if upload.stored_parts:
                submissions.delete_submission(connection, received.id)
            return twin
        if upload.stored_parts:
            _extend_upload(registry, connection, upload)  # it may have been given up meanwhile
            submissions.record_step(
                connection,
                received.id,
                None,
                state=received.state,
                bytes=received.bytes,
                sha256=received.sha256,
                worker=received.worker,
                leased_until=received.leased_until,
                started_at=received.started_at,
                attempts=received.attempts,
            )
        else:
            _require_few_unfinished(connection, now, received.caller)
            submissions.add_submission(connection, received)
        if sealed is not None:
            submissions.add_part(connection, received.id, upload.stored_parts, sealed)
        record = audit.build_record(
            received.caller,
            now,
            AuditAction.submission_received,
            "done",
            received.id,
            list_type=received.list_type,
            mode=received.mode,
            dry_run=received.dry_run,
            bytes=received.bytes,
            sha256=received.sha256,
        )
        audit.record_changes(connection, [record])
        return received

    return registry.write(work)


def finish_and_process(
    registry: Registry, upload: EncryptedUpload, *, worker: str, max_rows: int, max_results: int
) -> ProcessedSubmission:
    """Store a small file and process it at once, from memory if it has one part.

    After `max_rows` rows another worker continues. Up to `max_results` row results are returned.

    Raises:
        Busy: too many files of the sender's department are unfinished.
    """
    row = finish_upload(registry, upload, worker=worker)
    if row.id == upload.row.id:
        processed = process(
            registry,
            row,
            content=upload.whole_content,
            max_rows=max_rows,
            max_results=max_results,
        )
        if processed is not None:
            return processed
    # The submission belongs to another worker: its results are in the database.
    with registry.database.reading() as connection:
        row = _require_found(submissions.get_submission(connection, row.id))
    if row.rows_read + row.exited > max_results:
        return ProcessedSubmission(row)
    batches = submissions.read_all_batches(registry, row.id)
    return ProcessedSubmission(row, tuple(result for batch in batches for result in batch.results))


def discard_upload(registry: Registry, upload: EncryptedUpload) -> None:
    """Delete the stored parts of a file that did not arrive completely."""

    def work(connection: Connection) -> None:
        row = submissions.lock_submission(connection, upload.row.id)
        if row is not None and row.state == State.receiving:
            submissions.delete_submission(connection, row.id)

    if upload.stored_parts:
        registry.write(work)


def approve_submission(
    registry: Registry, caller: Caller, submission_id: UUID, approval: Approval
) -> SubmissionRow:
    """Approve a held full list, exactly as it was shown; this needs two persons.

    If the key of the sender belongs to no person, neither of the two may be the sender.

    Raises:
        SubmissionNotFound: the department of the caller has no such submission.
        SubmissionUnderWay: it is not held, or not any more.
        PersonKeyRequired, SamePerson: the approval needs another person.
    """
    expire_pending_approvals(registry)

    def work(connection: Connection) -> SubmissionRow:
        row = _require_own(connection, caller, submission_id)
        if row.state != State.held:
            raise SubmissionUnderWay(state=row.state)
        _require_other_person(caller, row.actor_id, row.person)
        _require_reason_without_numbers(registry, connection, row, approval)
        first_approval = row.approval
        if first_approval is not None:
            _require_other_person(
                caller,
                UUID(first_approval["actor_id"]) if first_approval["actor_id"] else None,
                first_approval["person"],
            )
        provenance = _build_step(registry, caller, approval.reason)
        provenance["digest"] = row.changes["digest"] if row.changes else None
        if row.person is None and first_approval is None:
            submissions.record_step(connection, row.id, row.worker, approval=provenance)
            _record_audit(registry, connection, row, caller, AuditAction.submission_approved)
        else:
            _change_state(
                registry, connection, row, State.queued, caller, AuditAction.submission_approved
            )
            submissions.record_step(connection, row.id, None, approval=provenance, held_until=None)
        return _require_found(submissions.get_submission(connection, row.id))

    return registry.write(work)


def _require_reason_without_numbers(
    registry: Registry, connection: Connection, row: SubmissionRow, request: Approval | Reversal
) -> None:
    """Require that a reason holds no personal number of an entry of the submission.

    Raises:
        InvalidPayload: it holds one.
    """
    if not may_need_numbers(list_parts(request)):
        return
    today = registry.clock.today()
    for batch in submissions.read_all_batches_in(connection, row.id):
        entry_ids = [UUID(item["entry_id"]) for item in batch.results if item.get("entry_id")]
        rows = read_current_entries(connection, entry_ids, today).values()
        require_recorded_numbers_absent(registry, connection, rows, request)


def _require_other_person(
    caller: Caller, first_key_id: UUID | None, first_person: str | None
) -> None:
    if caller.person is None:
        raise PersonKeyRequired
    same_key = caller.id is not None and caller.id == first_key_id
    if same_key or (first_person and fold_name(first_person) == fold_name(caller.person)):
        raise SamePerson


def reverse_submission(
    registry: Registry, caller: Caller, submission_id: UUID, reversal: Reversal
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
        row = _require_own(connection, caller, submission_id)
        _require_reason_without_numbers(registry, connection, row, reversal)
        provenance = _build_step(registry, caller, reversal.reason)
        if row.state == State.held:
            _change_state(
                registry, connection, row, State.lapsed, caller, AuditAction.submission_reversed
            )
            submissions.record_step(connection, row.id, None, **submissions.DRY_RUN_COUNTERS)
            finished_at: datetime | None = registry.clock.now()
        else:
            _require_reversible(registry, row)
            max_entries_alone = registry.settings.replace_brake_entries
            if require_no_later_changes(connection, row) > max_entries_alone:
                _require_other_person(caller, row.actor_id, row.person)
            _change_state(
                registry, connection, row, State.reversing, caller, AuditAction.submission_reversed
            )
            finished_at = None
        submissions.record_step(
            connection, row.id, None, reversal=provenance, finished_at=finished_at
        )
        return _require_found(submissions.get_submission(connection, row.id))

    return registry.write(work)


def _require_reversible(registry: Registry, row: SubmissionRow) -> None:
    if row.state not in {State.done, State.stopped} or row.dry_run or row.finished_at is None:
        raise SubmissionUnderWay(state=row.state)
    age = registry.clock.now() - row.finished_at
    if age > timedelta(days=registry.settings.submission_keep_days):
        raise SubmissionUnderWay(TOO_OLD_TO_REVERSE, state=row.state)


def _change_state(
    registry: Registry,
    connection: Connection,
    row: SubmissionRow,
    state: State,
    caller: Caller,
    audit_action: AuditAction,
) -> None:
    submissions.record_step(
        connection,
        row.id,
        row.worker,
        state=state.value,
        worker=None,
        leased_until=None,
        attempts=0,
    )
    _record_audit(registry, connection, row, caller, audit_action)


def _record_audit(
    registry: Registry,
    connection: Connection,
    row: SubmissionRow,
    caller: Caller,
    audit_action: str,
) -> None:
    now = registry.clock.now()
    record = audit.build_record(
        caller, now, audit_action, "done", row.id, list_type=row.list_type, mode=row.mode
    )
    audit.record_changes(connection, [record])


def _build_step(registry: Registry, caller: Caller, reason: str) -> StoredSubmissionStep:
    return {
        "by": caller.name,
        "person": caller.person,
        "at": registry.clock.now().isoformat(),
        "reason": reason,
        "actor_id": str(caller.id) if caller.id else None,
        "role": caller.role.value,
        "department": caller.department,
    }


def _require_own(connection: Connection, caller: Caller, submission_id: UUID) -> SubmissionRow:
    row = require_visible(submissions.lock_submission(connection, submission_id), caller)
    if not (caller.role is Role.operator or caller.acts_for(row.department or "")):
        raise SubmissionNotFound
    return row


def _require_found(row: SubmissionRow | None) -> SubmissionRow:
    if row is None:
        raise SubmissionNotFound
    return row


TOO_MANY_FILES = Sentence(
    "Too many files of yours are under way; send the next when some are done",
    "本部门正在处理的文件过多，请待部分处理完毕后再提交",
)
TOO_OLD_TO_REVERSE = Sentence(
    "The submission is too old to be taken back as a whole; revoke its entries one by one",
    "该批次时间已久，不能整批撤回，请逐条撤销",
)
UNKNOWN_DEPARTMENT = Sentence(
    "There is no such department; see GET /v1/departments",
    "没有该部门，请查看 GET /v1/departments",
)


def shorten_waiting_periods(registry: Registry, connection: Connection, now: datetime) -> None:
    """End leases and waiting periods that a wrong clock made longer than they may be."""
    settings = registry.settings
    jobs.shorten_waiting_periods(
        connection,
        leased_until=now + timedelta(seconds=settings.tuning.submission_lease_seconds),
        held_until=now + timedelta(hours=settings.replace_hold_hours),
    )
