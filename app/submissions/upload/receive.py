"""The body of a request as a sealed file: never whole in memory, never in clear on a disk."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from app.errors import BodyTooLarge, Fault, InvalidPayload, Malformed, ProblemCode, Sentence
from app.registry import Registry
from app.submissions import store
from app.submissions.processing.job import build_part_binding

PART_BYTES = 1024 * 1024
DIGEST = re.compile(r"(?:^|,)\s*sha-256(?=[\s=;,]|$)([^;,]*)", re.IGNORECASE)
"""What a `Content-Digest` says of the SHA-256; other algorithms are ignored (RFC 9530, 2)."""


class Keeper:
    """Keeps a file as it comes, sealed, a part at a time."""

    def __init__(self, registry: Registry, submission_id: UUID) -> None:
        self._registry = registry
        self._id = submission_id
        self._digest = hashlib.sha256()
        self._parts = 0
        self.size = 0

    @property
    def patience(self) -> float:
        """Seconds for which a sender may send nothing."""
        return self._registry.settings.stalled_client_seconds

    @property
    def sha256(self) -> str:
        """The digest of all that came, in hex."""
        return self._digest.hexdigest()

    def is_as(self, announced: str) -> bool:
        """Tell whether all that came is as its sender's `Content-Digest` says."""
        told = f"=:{base64.b64encode(self._digest.digest()).decode()}:"
        return all(found.strip() == told for found in DIGEST.findall(announced))

    def keep(self, piece: bytes) -> None:
        """Keep the next part.

        Raises:
            BodyTooLarge: the file is larger than the settings allow.
        """
        self.size += len(piece)
        if self.size > self._registry.settings.submission_limit_bytes:
            raise BodyTooLarge
        self._digest.update(piece)
        number, self._parts = self._parts, self._parts + 1
        place = build_part_binding(self._id, number)
        sealed = self._registry.secrets.seal_content(piece, bound_to=place)
        self._registry.write(
            lambda connection: store.add_part(connection, self._id, number, sealed)
        )


async def receive(
    request: Request, keeper: Keeper, keep: Callable[[bytes], Awaitable[None]]
) -> None:
    """Take the file that a request carries, plain or as one part of a form.

    `keep` is the keeper's own, off the event loop.

    Raises:
        BodyTooLarge: it is larger than the settings allow.
        Malformed: the form cannot be read, or the sender went away or stalled.
        InvalidPayload: there is no file, or it is not as its digest says.
    """
    buffer = bytearray()
    async for piece in _file_of(request, _arriving(request, keeper.patience)):
        buffer += piece
        while len(buffer) >= PART_BYTES:
            await keep(bytes(buffer[:PART_BYTES]))
            del buffer[:PART_BYTES]
    if buffer:
        await keep(bytes(buffer))
    if not keeper.is_as(",".join(request.headers.getlist("Content-Digest"))):
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


async def _arriving(request: Request, patience: float) -> AsyncIterator[bytes]:
    """The body; a sender whose network is gone says no word, and would never end it."""
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(patience):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except (ClientDisconnect, TimeoutError):
            # Hardly anybody hears it, but the log has a line for a request, no failure of ours.
            raise Malformed(Sentence("The file broke off", "文件传输中断")) from None
        yield piece


def _file_of(request: Request, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    if kind == b"multipart/form-data":
        return _part_of(body, options.get(b"boundary", b""))
    return body


async def _part_of(body: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[bytes]:
    """The bytes of the part `file`; other parts are no files and say nothing."""
    try:
        form = _Form(boundary)
        async for piece in body:
            for found in form.feed(piece):
                yield found
        form.end()
    except ValueError:  # the parser's own errors are such
        raise Malformed(
            Sentence("The form cannot be read", "无法读取表单（multipart/form-data）")
        ) from None


class _Form:
    """Finds the one part `file` in a form, piece by piece."""

    def __init__(self, boundary: bytes) -> None:
        self._header = [b"", b""]
        self._in_file = False
        self._files = 0
        self._ended = False
        self._found: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._names,
                "on_header_value": self._says,
                "on_header_end": self._header_ends,
                "on_part_data": self._data,
                "on_end": self._ends,
            },
        )

    def feed(self, piece: bytes) -> list[bytes]:
        """The bytes of the file that a piece of the body brings."""
        self._found.clear()
        self._parser.write(piece)
        return self._found

    def end(self) -> None:
        """The body is over.

        Raises:
            ValueError: it broke off in the middle of a part.
            InvalidPayload: there was no file, or more than one.
        """
        self._parser.finalize()
        if not self._ended:
            raise ValueError("the form broke off")
        if self._files != 1:
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

    def _ends(self) -> None:
        self._ended = True

    def _part_begins(self) -> None:
        self._header, self._in_file = [b"", b""], False

    def _names(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _says(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_ends(self) -> None:
        name, said = self._header
        self._header = [b"", b""]
        if name.lower() == b"content-disposition":
            _, options = parse_options_header(said)
            self._in_file = options.get(b"name") == b"file"
            self._files += self._in_file

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._found.append(data[start:end])
