"""Sending a long stream: the source is closed when the reader goes or stalls."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

log = logging.getLogger("redblack.exports")


class Stalled(Exception):
    """The reader took nothing for too long."""


class Stream(StreamingResponse):
    """Like its parent, but a chunk that is not taken in time ends the answer.

    `stalled_after` is in seconds. The reader then lacks the trailer, and so knows.
    """

    def __init__(
        self,
        source: Iterator[bytes],
        *,
        media_type: str,
        headers: dict[str, str],
        stalled_after: float,
    ) -> None:
        self._chunks = _closing(source)
        super().__init__(self._chunks, media_type=media_type, headers=headers)
        self._stalled_after = stalled_after

    async def stream_response(self, send: Send) -> None:
        """Send the chunks, each with its own patience."""

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._stalled_after):
                    await send(message)
            except TimeoutError:
                raise Stalled from None

        try:
            await super().stream_response(send_in_time)
        except Stalled:
            # The server closes an answer that was left unfinished; it is nobody's failure.
            log.warning("an export ended: its reader took nothing for %gs", self._stalled_after)
        finally:
            # A generator that is dropped half-way is otherwise closed by garbage collection,
            # some day.
            await self._chunks.aclose()


async def _closing(source: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in iterate_in_threadpool(source):
            yield chunk
    finally:
        close: Callable[[], None] = getattr(source, "close", lambda: None)
        close()
