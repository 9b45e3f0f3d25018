"""Look-ups: what a caller may know of one subject, with a record of the question."""

from collections.abc import Callable, Sequence
from functools import partial

import orjson
from starlette.concurrency import run_in_threadpool
from uuid_utils.compat import uuid7

from app.checks.queries import (
    EvaluationRequest,
    build_matched_subject,
    build_note,
    build_warning_views,
    evaluate_questions,
    format_instant,
    parse_question,
    read_moment,
    require_valid_investigation,
)
from app.checks.service import Receipt, record_receipts
from app.db.engines import is_database_away
from app.errors import Fault, InvalidPayload, SweepSuspected
from app.http.context import current_request_id
from app.jobs.batching import Batcher, run_batch
from app.lookups.queries import SubjectQuery, read_past_subject, read_subjects
from app.lookups.schemas import LookupRequest
from app.registry import Registry
from app.rules.permissions import Caller

MAX_BATCH_SIZE = 64
"""Subjects in one batch: with more, the first would wait for the last."""


class LookupService:
    """Look-ups of this process; subjects that are read at the same time share a snapshot.

    `schedule_indexing` is called after a look-up was recorded.
    """

    def __init__(self, registry: Registry, schedule_indexing: Callable[[], None]) -> None:
        self._registry = registry
        self._schedule_indexing = schedule_indexing
        self._batcher = Batcher[SubjectQuery, bytes](
            partial(run_subject_batch, registry), max_size=MAX_BATCH_SIZE, name="subjects"
        )

    async def look_up(self, caller: Caller, request: LookupRequest, *, chinese: bool) -> bytes:
        """Look up one subject and return the recorded answer in JSON.

        Raises:
            InvalidPayload: see `perform_lookup`.
        """
        answer = await run_in_threadpool(
            perform_lookup, self._registry, caller, request, chinese=chinese
        )
        self._schedule_indexing()
        return answer

    async def read_subject(self, query: SubjectQuery) -> bytes:
        """Return a subject as the caller may see it, in JSON (`schemas.SubjectView`).

        Raises:
            Forbidden, InvalidPayload, SubjectNotFound: see `read_past_subject`.
        """
        if query.past_moment:
            return await run_in_threadpool(read_past_subject, self._registry, query)
        return await self._batcher.submit(query)

    def close(self) -> None:
        """Finish the running batch."""
        self._batcher.close()


def run_subject_batch(
    registry: Registry, queries: Sequence[SubjectQuery]
) -> Sequence[bytes | Exception]:
    """Read subjects in one batch; a query that fails does not fail the others."""
    return run_batch(partial(read_subjects, registry), queries, is_fatal=is_database_away)


def perform_lookup(
    registry: Registry, caller: Caller, request: LookupRequest, *, chinese: bool
) -> bytes:
    """Look up one subject today, and record the question and the answer.

    Raises:
        InvalidPayload: the number is wrong, the name of a person is missing, or the delay of notice
            to the subject is not allowed.
        SweepSuspected: the caller seems to search for personal numbers.
    """
    now = registry.clock.now()
    question = parse_question(registry, request.build_asked_subject(), "1", registry.clock.today())
    if question.error is not None:
        code, sentence = question.error
        pointer = "/name" if code == "name_missing" else "/number"
        raise InvalidPayload(faults=[Fault(pointer, code, sentence)])
    with registry.database.reading() as connection:
        moment = read_moment(registry, connection)
        require_valid_investigation(caller, moment.catalogue, moment.on, request.investigation)
        evaluation_request = EvaluationRequest(caller, None, [question])
        [[finding]] = evaluate_questions(connection, [evaluation_request], moment)
    lookup_id = uuid7()
    body = {
        "lookup_id": str(lookup_id),
        "looked_up_at": format_instant(now),
        "on": moment.on.isoformat(),
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "found": finding.is_found,
        "standing": finding.standing,
        "subject": build_matched_subject(finding.subject),
        "candidates": [build_matched_subject(candidate) for candidate in finding.candidates],
        "entries": finding.entries,
        "warnings": build_warning_views(finding, chinese=chinese),
        "note": build_note(finding, chinese=chinese),
    }
    receipt = Receipt(
        id=lookup_id,
        kind="lookup",
        caller=caller,
        matter=None,
        reason=request,
        request_id=current_request_id(),
        questions=[question],
        findings=[finding],
        body=orjson.dumps(body),
    )
    [answer] = record_receipts(registry, now, moment, [receipt])
    if isinstance(answer, SweepSuspected):
        raise answer
    return answer
