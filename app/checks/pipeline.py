"""`POST /v1/checks`, from the request to the answer: the path for which everybody waits.

    answer_request    on the event loop: the key, the body, the question
    Desk.answer       past, large, or together with whoever waits
    answer_together   in a thread: one snapshot, the verdicts, one commit for all of a group

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

from app.checks import receipts, service
from app.checks.evaluation import Examined, answer_all
from app.checks.preconditions import require_delay, require_matter
from app.checks.projections import check_view
from app.checks.questions import Answer, Moment, Question, moment_of, read_questions
from app.checks.receipts import Answered
from app.checks.result_indexing import Sorting
from app.checks.schemas import CheckRequest
from app.clock import civil_day
from app.db.engines import DatabaseError, is_connection_error
from app.errors import Forbidden, Malformed, RegistryError
from app.http.deps import authenticate
from app.http.middleware import read_header
from app.http.problems import prefers_chinese
from app.http.request_id import current_request_id
from app.http.validation import read_body
from app.jobs.batching import Batcher, run_batch
from app.lookups.queries import Look, show_past, show_together
from app.registry import Registry
from app.rules.permissions import Caller, Permission, Role

MOST_TOGETHER = 64
"""Checks in one group: more would make the first of them wait for the last."""
MANY_SUBJECTS = 20
"""A check of more waits for others such as it alone: small ones must not wait behind it."""


class Inquiry(NamedTuple):
    """A check as it was asked."""

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
        response = await answer_request(scope, receive)
        await response(scope, receive, send)


REQUEST = TypeAdapter(CheckRequest)


async def answer_request(scope: Scope, receive: Receive) -> Response:
    """From the request to the response.

    Raises:
        RegistryError: it is not answered; see `Desk.answer`, `authenticate` and `read_body`.
    """
    caller = await authenticate(scope, [Permission.check_create])
    asked = read_body(REQUEST, await _body(receive), read_header(scope, b"content-type"))
    chinese = prefers_chinese(read_header(scope, b"accept-language"))
    desk: Desk = scope["app"].state.desk
    answer = await desk.answer(Inquiry(caller, asked, chinese, current_request_id()))
    return Response(answer, media_type="application/json")


async def _body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":  # nobody is there to read why
            raise Malformed
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


class Desk:
    """Where checks of this process are answered, and their results sorted in when it is quiet."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._together = Batcher[Inquiry, bytes](
            partial(answer_group, registry), max_size=MOST_TOGETHER, name="checks"
        )
        # One after the other: side by side they would take turns at the interpreter, for longer.
        self._large = Batcher[Inquiry, bytes](
            partial(answer_group, registry), max_size=1, name="large checks"
        )
        self._shown = Batcher[Look, bytes](
            partial(show_group, registry), max_size=MOST_TOGETHER, name="subjects"
        )
        self._sorting = Sorting(registry)

    async def answer(self, inquiry: Inquiry) -> bytes:
        """The answer, as it is on record, in JSON (`schemas.CheckAnswer`).

        Raises:
            Forbidden: the present is for approvers, the past for auditors and operators.
            InvalidPayload: it cannot be asked so; see `guards`.
        """
        caller, request, chinese, _ = inquiry
        past = request.on or request.known_at or request.known_seq is not None
        if bool(past) == (caller.role is Role.approver):
            raise Forbidden
        if past:
            return await run_in_threadpool(
                service.re_examine, self._registry, caller, request, chinese=chinese
            )
        large = len(request.subjects) > MANY_SUBJECTS
        try:
            return await (self._large if large else self._together).submit(inquiry)
        finally:
            self.sort_later()

    async def show(self, look: Look) -> bytes:
        """A subject as the caller may see it, in JSON (`schemas.SubjectView`).

        Raises:
            Forbidden, InvalidPayload, SubjectNotFound: see `show_past`.
        """
        if look.past:
            return await run_in_threadpool(show_past, self._registry, look)
        return await self._shown.submit(look)

    def sort_later(self) -> None:
        """Have the results of a check or look-up sorted in when it is quiet."""
        self._sorting.note()

    def close(self) -> None:
        """Finish what is under way."""
        self._sorting.close()
        for grouping in (self._together, self._large, self._shown):
            grouping.close()


def answer_group(registry: Registry, group: Sequence[Inquiry]) -> Sequence[bytes | Exception]:
    """Answer checks together; one that fails for a reason of its own does not fail the others."""
    return run_batch(partial(answer_together, registry), group, is_fatal=_is_hopeless)


def show_group(registry: Registry, group: Sequence[Look]) -> Sequence[bytes | Exception]:
    """Show subjects together, likewise."""
    return run_batch(partial(show_together, registry), group, is_fatal=_is_hopeless)


def _is_hopeless(failure: Exception) -> bool:
    return isinstance(failure, DatabaseError) and is_connection_error(failure)


def answer_together(registry: Registry, group: Sequence[Inquiry]) -> list[bytes | Exception]:
    """Read one snapshot, judge, and write down what is answered: all of it, or nothing is answered.

    Who asks for a matter that there is not, or hides the question for too long, is refused.
    """
    now = registry.clock.now()
    with registry.database.reading_for_checks() as connection:
        moment = moment_of(registry, connection, on=civil_day(now))
        refusals = [_refusal_of(inquiry, moment) for inquiry in group]
        sound = [one for one, refusal in zip(group, refusals, strict=True) if refusal is None]
        asked = [
            Examined(
                one.caller, one.request.matter, read_questions(registry, one.request, moment.on)
            )
            for one in sound
        ]
        examined = answer_all(connection, asked, moment)
    answered = [
        _answered(inquiry, now, moment, questions, answers)
        for inquiry, (_, _, questions), answers in zip(sound, asked, examined, strict=True)
    ]
    if answered:
        receipts.keep(registry, now, moment, answered)
    bodies = (one.body for one in answered)
    return [refusal or next(bodies) for refusal in refusals]


def _refusal_of(inquiry: Inquiry, moment: Moment) -> RegistryError | None:
    try:
        require_matter(inquiry.request.matter, moment.catalogue)
        require_delay(moment.on, inquiry.request.investigation, past=False)
    except RegistryError as refusal:
        return refusal
    return None


def _answered(
    inquiry: Inquiry,
    at: datetime,
    moment: Moment,
    questions: Sequence[Question],
    answers: Sequence[Answer],
) -> Answered:
    caller, request, chinese, request_id = inquiry
    check_id = uuid7()
    view = check_view(check_id, at, moment, request.matter, answers, chinese=chinese)
    return Answered(check_id, caller, request, request_id, questions, answers, orjson.dumps(view))
