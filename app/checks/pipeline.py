"""The pipeline of `POST /v1/checks`, from the request to the answer.

    serve_check          on the event loop: the key, the body, the command
    CheckService.submit  chooses: a past check, or a batch of small or large ones
    execute_checks       in a thread: one snapshot, the verdicts, one commit for the whole batch

The receipt is recorded before the answer is sent. Checks that arrive while others are answered
share the next batch (`app/jobs/batching.py`). FastAPI describes this operation and does not run it:
its dependencies, threads and response models take longer than the check.
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

from app.checks import service
from app.checks.evaluation import EvaluationRequest, evaluate_questions
from app.checks.preconditions import require_known_matter, require_valid_delay
from app.checks.projections import build_check_answer
from app.checks.questions import Finding, Moment, Question, parse_questions, read_moment
from app.checks.receipts import Receipt, record_receipts
from app.checks.result_indexing import ResultIndexer
from app.checks.schemas import CheckRequest
from app.clock import civil_day
from app.db.engines import is_database_away
from app.errors import Forbidden, Malformed, RegistryError
from app.http.deps import authenticate
from app.http.language import prefers_chinese
from app.http.middleware import read_header
from app.http.request_id import current_request_id
from app.http.validation import read_body
from app.jobs.batching import Batcher, run_batch
from app.registry import Registry
from app.rules.permissions import Caller, Permission, Role

MAX_BATCH_SIZE = 64
"""Checks in one batch: with more, the first would wait for the last."""
MAX_SUBJECTS_IN_SMALL_CHECK = 20
"""A check of more subjects waits in a queue of its own: small ones must not wait behind it."""


class CheckCommand(NamedTuple):
    """A requested check, with its caller."""

    caller: Caller
    request: CheckRequest
    chinese: bool
    request_id: str | None


class CheckRoute(APIRoute):
    """The route of checks: FastAPI describes it, and `app.http.fastpath` serves it.

    The FastAPI app without the fast path gives the same answers.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; another method than POST is refused as everywhere."""
        if scope["method"] != "POST":
            await super().handle(scope, receive, send)
            return
        response = await serve_check(scope, receive)
        await response(scope, receive, send)


REQUEST_ADAPTER = TypeAdapter(CheckRequest)


async def serve_check(scope: Scope, receive: Receive) -> Response:
    """Serve a check: parse the request and return the response.

    Raises:
        RegistryError: see `CheckService.submit`, `authenticate` and `read_body`.
    """
    caller = await authenticate(scope, [Permission.check_create])
    request = read_body(
        REQUEST_ADAPTER, await _receive_body(receive), read_header(scope, b"content-type")
    )
    chinese = prefers_chinese(read_header(scope, b"accept-language"))
    service: CheckService = scope["app"].state.check_service
    body = await service.submit(CheckCommand(caller, request, chinese, current_request_id()))
    return Response(body, media_type="application/json")


async def _receive_body(receive: Receive) -> bytes:
    body = b""
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":  # the client is gone
            raise Malformed
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    return body


class CheckService:
    """The checks of this process, in batches; their results are indexed when it is idle."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._small_batcher = Batcher[CheckCommand, bytes](
            partial(run_check_batch, registry), max_size=MAX_BATCH_SIZE, name="checks"
        )
        # One at a time: in parallel they would compete for the interpreter and take longer.
        self._large_batcher = Batcher[CheckCommand, bytes](
            partial(run_check_batch, registry), max_size=1, name="large checks"
        )
        self._indexer = ResultIndexer(registry)

    async def submit(self, command: CheckCommand) -> bytes:
        """Return the recorded answer in JSON (`schemas.CheckAnswer`).

        Raises:
            Forbidden: the present is for approvers, the past for auditors and operators.
            InvalidPayload: the question is not allowed; see `preconditions`.
        """
        caller, request, chinese, _ = command
        is_past = request.on or request.known_at or request.known_seq is not None
        if bool(is_past) == (caller.role is Role.approver):
            raise Forbidden
        if is_past:
            return await run_in_threadpool(
                service.re_examine, self._registry, caller, request, chinese=chinese
            )
        is_large = len(request.subjects) > MAX_SUBJECTS_IN_SMALL_CHECK
        try:
            return await (self._large_batcher if is_large else self._small_batcher).submit(command)
        finally:
            self.schedule_indexing()

    def schedule_indexing(self) -> None:
        """Index the results of a check or look-up when the process is idle."""
        self._indexer.notify()

    def close(self) -> None:
        """Finish the running batches."""
        self._indexer.close()
        for batcher in (self._small_batcher, self._large_batcher):
            batcher.close()


def run_check_batch(
    registry: Registry, commands: Sequence[CheckCommand]
) -> Sequence[bytes | Exception]:
    """Answer checks in one batch; a check that fails does not fail the others."""
    return run_batch(partial(execute_checks, registry), commands, is_fatal=is_database_away)


def execute_checks(registry: Registry, commands: Sequence[CheckCommand]) -> list[bytes | Exception]:
    """Read one snapshot, evaluate, and record all answers in one commit before any is sent.

    A check of an unknown matter, or with too long a delay of notice, gets an error instead.
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
        _build_receipt(command, now, moment, questions, findings)
        for command, (_, _, questions), findings in zip(
            valid_commands, requests, findings_by_command, strict=True
        )
    ]
    if receipts:
        record_receipts(registry, now, moment, receipts)
    bodies = (receipt.body for receipt in receipts)
    return [error or next(bodies) for error in errors]


def _find_error(command: CheckCommand, moment: Moment) -> RegistryError | None:
    try:
        require_known_matter(command.request.matter, moment.catalogue)
        require_valid_delay(moment.on, command.request.investigation, is_past=False)
    except RegistryError as error:
        return error
    return None


def _build_receipt(
    command: CheckCommand,
    at: datetime,
    moment: Moment,
    questions: Sequence[Question],
    findings: Sequence[Finding],
) -> Receipt:
    caller, request, chinese, request_id = command
    check_id = uuid7()
    view = build_check_answer(check_id, at, moment, request.matter, findings, chinese=chinese)
    return Receipt(check_id, caller, request, request_id, questions, findings, orjson.dumps(view))
