"""Long streamed responses: the source is closed when the client disconnects or stalls."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

log = logging.getLogger("redblack.exports")


class ClientStalled(Exception):
    """The client read nothing for too long."""


class Stream(StreamingResponse):
    """A streaming response that ends if the client does not read a chunk in time.

    `stalled_after` is in seconds. The client recognises the break by the missing trailer.
    """

    def __init__(
        self,
        source: Iterator[bytes],
        *,
        media_type: str,
        headers: dict[str, str],
        stalled_after: float,
    ) -> None:
        self._chunks = _close_source_after(source)
        super().__init__(self._chunks, media_type=media_type, headers=headers)
        self._stalled_after = stalled_after

    async def stream_response(self, send: Send) -> None:
        """Send the chunks, each with its own timeout."""

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._stalled_after):
                    await send(message)
            except TimeoutError:
                raise ClientStalled from None

        try:
            await super().stream_response(send_in_time)
        except ClientStalled:
            # The server closes an unfinished response; this is not an internal error.
            log.warning("an export ended: its reader took nothing for %gs", self._stalled_after)
        finally:
            # Otherwise garbage collection closes an unfinished generator at an unknown time.
            await self._chunks.aclose()


async def _close_source_after(source: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in iterate_in_threadpool(source):
            yield chunk
    finally:
        close: Callable[[], None] = getattr(source, "close", lambda: None)
        close()
