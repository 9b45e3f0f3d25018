"""Receiving of a file as the body of a request; the file is never whole in memory.

The parser of python-multipart is fed chunk by chunk, because `Request.form()` would write a large
part to a temporary file in clear.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from app.db.engines import DatabaseError
from app.errors import Fault, InvalidPayload, Malformed, ProblemCode, RegistryError, Sentence
from app.submissions.upload.encrypted_file import PART_BYTES, EncryptedUpload


async def receive_file(
    request: Request, upload: EncryptedUpload, store: Callable[[], Awaitable[None]]
) -> None:
    """Receive the file of a request: its whole body, or one part of a form.

    `store` stores the last part of the upload. The end of the file stays its last part, unstored.

    Raises:
        BodyTooLarge: the file is larger than the settings allow.
        Malformed: the form cannot be read, or the sender disconnected or stalled.
        InvalidPayload: there is no file, or it does not match its `Content-Digest`.
    """
    buffer = bytearray()
    async for chunk in _select_file(request, _read_body(request, upload.idle_timeout)):
        buffer += chunk
        while len(buffer) > PART_BYTES:
            await run_in_threadpool(upload.add, bytes(buffer[:PART_BYTES]))
            await store()
            del buffer[:PART_BYTES]
    await run_in_threadpool(upload.add, bytes(buffer))
    if not upload.matches_digest(",".join(request.headers.getlist("Content-Digest"))):
        raise InvalidPayload(
            faults=[
                Fault(
                    "header:Content-Digest",
                    ProblemCode.digest_differs,
                    Sentence(
                        "The file is not as its Content-Digest says; send it again",
                        "文件与 Content-Digest 不符，请重新发送",
                    ),
                )
            ]
        )


@asynccontextmanager
async def renewing(
    upload: EncryptedUpload, renew: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Extend the lease of an upload while the block runs, however slowly its file arrives.

    A file that is complete needs no lease: processing has its own.
    """

    async def renew_on() -> None:
        while True:
            await asyncio.sleep(upload.lease_seconds / 4)
            # A failure is that of the next part too, which answers the request.
            with suppress(RegistryError, DatabaseError):
                await renew()

    task = asyncio.create_task(renew_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _read_body(request: Request, idle_timeout: float) -> AsyncIterator[bytes]:
    chunks = request.stream()
    while True:
        try:
            # A sender that lost its network sends nothing more, and no end of the body either.
            async with asyncio.timeout(idle_timeout):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except (ClientDisconnect, TimeoutError):
            # The sender rarely receives it, but the log shows a refused request and no failure.
            raise Malformed(Sentence("The file broke off", "文件传输中断")) from None
        yield chunk


def _select_file(request: Request, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    media_type, options = parse_options_header(request.headers.get("Content-Type"))
    if media_type == b"multipart/form-data":
        return _read_form_file(body, options.get(b"boundary", b""))
    return body


async def _read_form_file(body: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[bytes]:
    """Read the bytes of the part `file`; other parts are ignored."""
    try:
        form = _FormFile(boundary)
        async for chunk in body:
            for found in form.feed(chunk):
                yield found
        form.finish()
    except ValueError:  # errors of the parser too
        raise Malformed(
            Sentence("The form cannot be read", "无法读取表单（multipart/form-data）")
        ) from None


class _FormFile:
    """The one part `file` of a form, chunk by chunk."""

    def __init__(self, boundary: bytes) -> None:
        self._header_name = self._header_value = b""
        self._is_in_file = False
        self._file_count = 0
        self._has_ended = False
        self._found: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_header_name,
                "on_header_value": self._add_header_value,
                "on_header_end": self._end_header,
                "on_part_data": self._add_data,
                "on_end": self._end_form,
            },
        )

    def feed(self, chunk: bytes) -> list[bytes]:
        """Parse a chunk of the body; return the bytes of the file in it."""
        self._found.clear()
        self._parser.write(chunk)
        return self._found

    def finish(self) -> None:
        """Require that the form is complete.

        Raises:
            ValueError: the body broke off in the middle of a part.
            InvalidPayload: there was no file, or more than one.
        """
        self._parser.finalize()
        if not self._has_ended:
            raise ValueError("the form broke off")
        if self._file_count != 1:
            raise InvalidPayload(
                faults=[
                    Fault(
                        "/file",
                        ProblemCode.one_file,
                        Sentence(
                            "A form carries one part named file",
                            "表单中须有且仅有一个名为 file 的文件",
                        ),
                    )
                ]
            )

    def _end_form(self) -> None:
        self._has_ended = True

    def _begin_part(self) -> None:
        self._header_name = self._header_value = b""
        self._is_in_file = False

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        name, value = self._header_name, self._header_value
        self._header_name = self._header_value = b""
        if name.lower() == b"content-disposition":
            _, options = parse_options_header(value)
            self._is_in_file = options.get(b"name") == b"file"
            self._file_count += self._is_in_file

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_file:
            self._found.append(data[start:end])
