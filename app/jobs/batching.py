"""Micro-batching: requests that wait at the same time share one run of the work.

One database read, one commit and one change of threads serve every request that came while the
batch before it was answered. A request that comes alone does not wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")

LOOP_TICKS = 3
"""Ticks of the event loop before a batch starts: responses are sent and new requests are read."""

BatchWork = Callable[[Sequence[Request]], Sequence[Result | Exception]]
"""Computes the result of each request in order, or its error; runs in a thread of its own."""


class Batcher(Generic[Request, Result]):
    """Collects requests on the event loop and runs the work once per batch, one batch at a time.

    A batch holds at most `max_size` requests. A caller that stops waiting (a client that hangs up)
    does not cancel its request: it is processed, and recorded, like the others.
    """

    def __init__(self, work: BatchWork[Request, Result], *, max_size: int, name: str) -> None:
        self._work = work
        self._max_size = max_size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[tuple[Request, asyncio.Future[Result]]] = deque()
        self._busy = False

    async def submit(self, request: Request) -> Result:
        """Return the result of one request when its batch is done.

        Raises:
            Exception: `work` returned it for this request, or raised it for the whole batch.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((request, result))
        if not self._busy:
            self._busy = True
            self._start_soon(loop, LOOP_TICKS)
        return await result

    def close(self) -> None:
        """Finish the running batch and accept no more requests."""
        self._thread.shutdown()

    def _start_soon(self, loop: asyncio.AbstractEventLoop, ticks: int) -> None:
        # Not at once: a client that just got its answer and asks again joins the batch.
        if ticks:
            loop.call_soon(self._start_soon, loop, ticks - 1)
        else:
            self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._max_size, len(self._waiting)))]
        requests = [request for request, _ in batch]
        try:
            done = loop.run_in_executor(self._thread, self._work, requests)
        except RuntimeError as closed:  # after `close` a caller gets the error instead of waiting
            done = loop.create_future()
            done.set_exception(closed)
        done.add_done_callback(lambda done: self._finish(loop, batch, done))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[tuple[Request, asyncio.Future[Result]]],
        done: asyncio.Future[Sequence[Result | Exception]],
    ) -> None:
        error = done.exception()
        outcomes = [error] * len(batch) if error is not None else done.result()
        for (_, result), outcome in zip(batch, outcomes, strict=True):
            if result.done():  # its caller stopped waiting
                continue
            if isinstance(outcome, BaseException):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)
        if self._waiting:
            self._start_soon(loop, LOOP_TICKS)
        else:
            self._busy = False


def run_batch(
    work: BatchWork[Request, Result],
    requests: Sequence[Request],
    *,
    is_fatal: Callable[[Exception], bool],
) -> Sequence[Result | Exception]:
    """Run `work` for all requests; if that fails, for each alone, so that one fails no other.

    Raises:
        Exception: the error is fatal for all of them, or there is only one request.
    """
    try:
        return work(requests)
    except Exception as error:
        if len(requests) == 1 or is_fatal(error):
            raise
    return [_run_one(work, request) for request in requests]


def _run_one(work: BatchWork[Request, Result], request: Request) -> Result | Exception:
    try:
        [result] = work([request])
    except Exception as error:  # noqa: BLE001 - raised to the caller of this request
        return error
    return result
