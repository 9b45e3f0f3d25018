"""`POST /v1/checks` from the request to the response: the path that everybody waits for.

    serve_check            on the event loop: authenticate, validate, submit
    CheckService.submit    to a batch of small checks, of one large check, or to the past
    execute_checks         in a thread: one snapshot, all findings, one commit of all receipts

No answer is sent before its receipt is recorded. Checks that arrive while a batch runs share the
next one (`app/jobs/batching.py`). FastAPI describes this operation and does not run it, because its
dependencies, threads and response models take longer than the check.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

import orjson
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.checks.evaluation import EvaluationRequest, Finding, evaluate_questions
from app.checks.investigations import require_no_investigation, require_valid_investigation
from app.checks.metering import build_counted_request, withhold_persons
from app.checks.questions import (
    Moment,
    Question,
    build_future_error,
    parse_questions,
    read_moment,
    require_known_matter,
    require_not_future,
)
from app.checks.receipts import (
    Receipt,
    build_check_answer,
    compute_question_digest,
    record_receipts,
)
from app.checks.result_indexing import ResultIndexer
from app.checks.schemas import CheckRequest
from app.clock import civil_day
from app.db.engines import is_database_away
from app.errors import Forbidden, InvalidPayload, Malformed, RegistryError, SweepSuspected
from app.http.context import current_request_id, prefers_chinese
from app.http.deps import authenticate
from app.http.middleware import read_header
from app.http.pagination import require_one_moment
from app.http.request_bodies import protect_request_id_of_invalid_body
from app.http.validation import read_body
from app.jobs.batching import Batcher, run_batch
from app.registry import Registry
from app.rules.permissions import Caller, Permission, Role
from app.security.service import count_numbers

MAX_BATCH_SIZE = 64
"""Checks in one batch: in a larger one the first check would wait too long for the last."""
MAX_SUBJECTS_IN_SMALL_CHECK = 20
"""A check of more subjects runs alone, so that small checks do not wait for it."""

REQUEST_ADAPTER = TypeAdapter(CheckRequest)
OFFICER_ROLE = Role.approver
"""A re-examination shows what an approval officer saw, not what an auditor may see."""


class CheckCommand(NamedTuple):
    """A valid request for a check, with its caller and the language of the answer."""

    caller: Caller
    request: CheckRequest
    chinese: bool
    request_id: str | None

    @property
    def is_past(self) -> bool:
        """True if the request names a past day, instant or sequence number."""
        request = self.request
        return bool(request.on or request.known_at) or request.known_seq is not None


class CheckRoute(APIRoute):
    """The route of checks: FastAPI describes it, and `app.http.fastpath` serves it.

    The FastAPI app without the fast path gives the same answers.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; FastAPI refuses every method other than POST."""
        if scope["method"] != "POST":
            await super().handle(scope, receive, send)
            return
        response = await serve_check(scope, receive)
        await response(scope, receive, send)


async def serve_check(scope: Scope, receive: Receive) -> Response:
    """Return the response to one request.

    Raises:
        RegistryError: see `authenticate`, `read_body` and `CheckService.submit`.
    """
    caller = await authenticate(scope, [Permission.check_create])
    content, content_type = await _receive_body(receive), read_header(scope, b"content-type")
    try:
        request = read_body(REQUEST_ADAPTER, content, content_type)
    except InvalidPayload:
        protect_request_id_of_invalid_body(content)
        raise
    chinese = prefers_chinese(read_header(scope, b"accept-language"))
    service: CheckService = scope["app"].state.check_service
    body = await service.submit(CheckCommand(caller, request, chinese, current_request_id()))
    return Response(body, media_type="application/json")


async def _receive_body(receive: Receive) -> bytes:
    body = b""
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":  # the client hung up and reads no response
            raise Malformed
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    return body


class CheckService:
    """The checks of this process: batches, and the indexing of their results in a quiet time."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._small_batcher = Batcher(self._run_batch, max_size=MAX_BATCH_SIZE, name="checks")
        # One large check at a time: two at once would share the interpreter and both take longer.
        self._large_batcher = Batcher(self._run_batch, max_size=1, name="large checks")
        self._indexer = ResultIndexer(registry)

    async def submit(self, command: CheckCommand) -> bytes:
        """Return the answer as recorded, in JSON (`schemas.CheckAnswer`).

        Raises:
            Forbidden: only approvers check the present, and only auditors and operators the past.
            InvalidPayload: the matter, the moment or the investigation is invalid.
        """
        if command.is_past == (command.caller.role is Role.approver):
            raise Forbidden
        if command.is_past:
            return await run_in_threadpool(re_examine, self._registry, command)
        is_large = len(command.request.subjects) > MAX_SUBJECTS_IN_SMALL_CHECK
        try:
            return await (self._large_batcher if is_large else self._small_batcher).submit(command)
        finally:
            self.schedule_indexing()

    def schedule_indexing(self) -> None:
        """Index the results of a check or lookup in the next quiet time."""
        self._indexer.notify()

    def close(self) -> None:
        """Finish the running batches and accept no more checks."""
        self._indexer.close()
        self._small_batcher.close()
        self._large_batcher.close()

    def _run_batch(self, commands: Sequence[CheckCommand]) -> Sequence[bytes | Exception]:
        work = partial(execute_checks, self._registry)
        return run_batch(work, commands, is_fatal=is_database_away)


def execute_checks(registry: Registry, commands: Sequence[CheckCommand]) -> list[bytes | Exception]:
    """Evaluate all checks in one snapshot and record all receipts in one commit.

    Return the answer of each check in order, or the error of a check that is invalid.
    """
    now = registry.clock.now()
    with registry.database.reading_for_checks() as connection:
        moment = read_moment(registry, connection, on=civil_day(now))
        errors = [_find_error(command, moment) for command in commands]
        valid_commands = [
            command for command, error in zip(commands, errors, strict=True) if error is None
        ]
        requests = [
            EvaluationRequest(
                command.caller,
                command.request.matter,
                parse_questions(registry, command.request, moment.on),
            )
            for command in valid_commands
        ]
        findings_by_command = evaluate_questions(connection, requests, moment)
    receipts = [
        _build_receipt(command, now, moment, request.questions, findings)
        for command, request, findings in zip(
            valid_commands, requests, findings_by_command, strict=True
        )
    ]
    answers = iter(record_receipts(registry, now, moment, receipts) if receipts else ())
    return [error or next(answers) for error in errors]


def _find_error(command: CheckCommand, moment: Moment) -> RegistryError | None:
    try:
        require_known_matter(command.request.matter, moment.catalogue)
        require_valid_investigation(
            command.caller, moment.catalogue, moment.on, command.request.investigation
        )
    except RegistryError as error:
        return error
    return None


def _build_receipt(
    command: CheckCommand,
    checked_at: datetime,
    moment: Moment,
    questions: Sequence[Question],
    findings: Sequence[Finding],
) -> Receipt:
    caller, request, chinese, request_id = command
    check_id, matter = uuid7(), request.matter

    def build_body(findings: Sequence[Finding]) -> bytes:
        return orjson.dumps(
            build_check_answer(check_id, checked_at, moment, matter, findings, chinese=chinese)
        )

    body = build_body(findings)
    return Receipt(
        check_id,
        "check",
        caller,
        matter,
        request,
        request_id,
        questions,
        findings,
        body,
        build_body,
    )


def re_examine(registry: Registry, command: CheckCommand) -> bytes:
    """Return the answer that an approval officer would have got at a past moment.

    The audit log records it as a read; it is no check and has no receipt.

    Raises:
        InvalidPayload: the matter is not in the catalogue, the moment is in the future, or the
            request names an investigation.
        SweepSuspected: the caller seems to search for personal numbers; nothing else was asked.
    """
    caller, request, chinese, request_id = command
    require_one_moment(request.known_at, request.known_seq, "/known_seq")
    now = registry.clock.now()
    require_not_future(registry, request.on, request.known_at)
    require_no_investigation(request.investigation)
    questions = parse_questions(registry, request, registry.clock.today())
    with registry.database.reading() as connection:
        moment = read_moment(
            registry,
            connection,
            on=request.on,
            known_at=request.known_at,
            known_seq=request.known_seq,
        )
        if request.known_seq is not None and request.known_seq > moment.head_seq:
            raise build_future_error("/known_seq")
        require_known_matter(request.matter, moment.catalogue)
        officer = Caller(caller.id, caller.name, OFFICER_ROLE)
        evaluation_request = EvaluationRequest(officer, request.matter, questions)
        [findings] = evaluate_questions(connection, [evaluation_request], moment)
    record = audit.build_record(
        caller,
        now,
        AuditAction.check_re_examined,
        "answered",
        request.case_no,
        matter=request.matter,
        purpose=request.purpose,
        on=moment.on,
        seq=moment.seq,
        subjects=[compute_question_digest(registry, question) for question in questions],
    )
    counted = build_counted_request(
        registry, caller, "re_examination", request_id, questions, findings
    )
    with registry.database.ledger() as connection:
        [refusal] = count_numbers(registry, connection, now, [counted])
        shown = findings if refusal is None else withhold_persons(questions, findings)
        if shown is not None:
            audit.add_access(connection, record)
    if shown is None:  # raised only now, because the counts must be committed
        raise refusal or SweepSuspected
    answer = build_check_answer(None, now, moment, request.matter, shown, chinese=chinese)
    return orjson.dumps(answer)
