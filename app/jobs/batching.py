"""Work that is done for many at the price of one: whatever waits is done together.

One read of the database, one commit and one change of threads serve every request that came while
those before it were answered. Who comes alone waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

TURNS = 3
"""Turns of the event loop before a group begins: answers go out, questions come in, are read."""

Work = Callable[[Sequence[Question]], Sequence[Answer | Exception]]
"""Answers each of the questions, in their order, or says why not; runs in a thread of its own."""


class Grouping(Generic[Question, Answer]):
    """Gathers questions on the event loop and has them answered together, a group at a time.

    A group holds at most `most` questions. Whoever stops waiting (a client that hangs up) leaves
    the question behind, and it is answered, and recorded, like the others.
    """

    def __init__(self, work: Work[Question, Answer], *, most: int, name: str) -> None:
        self._work = work
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._busy = False

    async def ask(self, question: Question) -> Answer:
        """The answer to one question, once its group is done.

        Raises:
            Exception: whatever `work` gave for this question, or raised for the whole group.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, answered))
        if not self._busy:
            self._busy = True
            self._begin_soon(loop, TURNS)
        return await answered

    def close(self) -> None:
        """Finish what is under way."""
        self._thread.shutdown()

    def _begin_soon(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        # Not at once: who was just answered, and asks again, comes along.
        if turns:
            loop.call_soon(self._begin_soon, loop, turns - 1)
        else:
            self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        questions = [question for question, _ in group]
        try:
            done = loop.run_in_executor(self._thread, self._work, questions)
        except RuntimeError as closed:  # whoever asks after the end is told, not left waiting
            done = loop.create_future()
            done.set_exception(closed)
        done.add_done_callback(lambda done: self._finish(loop, group, done))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        group: Sequence[tuple[Question, asyncio.Future[Answer]]],
        done: asyncio.Future[Sequence[Answer | Exception]],
    ) -> None:
        failed = done.exception()
        answers = [failed] * len(group) if failed is not None else done.result()
        for (_, answered), answer in zip(group, answers, strict=True):
            if answered.done():  # nobody waits any more
                continue
            if isinstance(answer, BaseException):
                answered.set_exception(answer)
            else:
                answered.set_result(answer)
        if self._waiting:
            self._begin_soon(loop, TURNS)
        else:
            self._busy = False


def together_or_alone(
    work: Work[Question, Answer],
    questions: Sequence[Question],
    *,
    hopeless: Callable[[Exception], bool],
) -> Sequence[Answer | Exception]:
    """Do work for all; where that fails, for each alone, so that one does not fail the others.

    Raises:
        Exception: what failed is `hopeless` for all of them, or there is but one.
    """
    try:
        return work(questions)
    except Exception as failure:
        if len(questions) == 1 or hopeless(failure):
            raise
    return [_alone(work, question) for question in questions]


def _alone(work: Work[Question, Answer], question: Question) -> Answer | Exception:
    try:
        [answer] = work([question])
    except Exception as failure:  # noqa: BLE001 - raised to whoever asked
        return failure
    return answer
