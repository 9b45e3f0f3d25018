"""Long work side by side, each piece in a process of its own, which surely ends with this one."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from bench.machine import END_SECONDS, BenchError, end_on_termination


@dataclass(frozen=True, slots=True)
class Piece:
    """What is to be done: a function of a module, and what it is given."""

    name: str
    work: Callable[..., Any]
    given: tuple[Any, ...]


def together(pieces: Sequence[Piece], at_once: int) -> Iterator[tuple[str, Any]]:
    """Do all of them, some at once, begun in this order; each name with what came of it.

    Raises:
        BenchError: one of them failed; the others are ended.
    """
    waiting = deque(pieces)
    running: dict[Connection, tuple[str, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                piece = waiting.popleft()
                told, process = _begun(piece)
                running[told] = piece.name, process
            for line in wait(list(running)):
                assert isinstance(line, Connection)
                name, process = running.pop(line)
                yield name, _result(name, line, process)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join(END_SECONDS)
            process.kill()


def _begun(piece: Piece) -> tuple[Connection, BaseProcess]:
    spawn = multiprocessing.get_context("spawn")
    told, tells = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_do, args=(piece, tells))
    process.start()
    tells.close()
    return told, process


def _do(piece: Piece, tells: Connection) -> None:
    end_on_termination()
    try:
        tells.send((True, piece.work(*piece.given)))
    except BenchError as failed:
        tells.send((False, str(failed)))


def _result(name: str, told: Connection, process: BaseProcess) -> Any:  # noqa: ANN401 - any work's
    try:
        done, result = told.recv()
    except EOFError:
        done, result = False, "ended early"
    process.join()
    if not done:
        raise BenchError(f"{name}: {result}")
    return result
