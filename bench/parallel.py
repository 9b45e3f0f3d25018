"""Long work in parallel, each piece in a process of its own, which surely ends with this one."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from bench.machine import END_SECONDS, BenchError, exit_on_sigterm


@dataclass(frozen=True, slots=True)
class Task:
    """A task: a function of a module, and its arguments."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def run_parallel(tasks: Sequence[Task], max_parallel: int) -> Iterator[tuple[str, Any]]:
    """Run all tasks, some at once, begun in this order; yield each name with its result.

    Raises:
        BenchError: one of them failed; the others are ended.
    """
    waiting = deque(tasks)
    running: dict[Connection, tuple[str, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max_parallel:
                task = waiting.popleft()
                receiver, process = _start_task(task)
                running[receiver] = task.name, process
            for receiver_with_result in wait(list(running)):
                assert isinstance(receiver_with_result, Connection)
                name, process = running.pop(receiver_with_result)
                yield name, _receive_result(name, receiver_with_result, process)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join(END_SECONDS)
            process.kill()


def _start_task(task: Task) -> tuple[Connection, BaseProcess]:
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_run_task, args=(task, sender))
    process.start()
    sender.close()
    return receiver, process


def _run_task(task: Task, sender: Connection) -> None:
    exit_on_sigterm()
    try:
        sender.send((True, task.function(*task.arguments)))
    except BenchError as failed:
        sender.send((False, str(failed)))


def _receive_result(name: str, receiver: Connection, process: BaseProcess) -> Any:  # noqa: ANN401 - any work's
    try:
        is_done, result = receiver.recv()
    except EOFError:
        is_done, result = False, "ended early"
    process.join()
    if not is_done:
        raise BenchError(f"{name}: {result}")
    return result
