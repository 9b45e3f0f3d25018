"""The limit of the size of a body, for the app and for the fast path."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLarge
from app.http.context import prefers_chinese
from app.http.middleware import read_header
from app.http.problems import problem_response

UPLOAD_PATH = "/v1/submissions"


def declares_larger_body(scope: Scope, max_bytes: int) -> bool:
    """Return True if the header `Content-Length` of a request is above the limit."""
    declared = read_header(scope, b"content-length") or "0"
    return declared.isdecimal() and int(declared) > max_bytes


def refuse_larger_body(scope: Scope, max_bytes: int) -> None:
    """Refuse a request by its header `Content-Length`, before its body is read.

    Raises:
        BodyTooLarge: the declared length is above the limit.
    """
    if declares_larger_body(scope, max_bytes):
        raise BodyTooLarge


def limit_body(receive: Receive, max_bytes: int) -> Receive:
    """Return a `receive` that stops a body above the limit.

    It raises an `HTTPException` with status 413, because FastAPI reports any other exception
    during the read of a body as a malformed one.
    """
    bytes_left = max_bytes

    async def receive_within_limit() -> Message:
        nonlocal bytes_left
        message = await receive()
        bytes_left -= len(message.get("body", b""))
        if bytes_left < 0:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return receive_within_limit


class BodyLimits:
    """Middleware that limits bodies: files are streamed, so they may be much larger."""

    def __init__(self, app: ASGIApp, *, usual: int, files: int) -> None:
        self._app = app
        self._usual = usual
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within its limit."""
        # No route reads the body of a GET.
        if scope["type"] != "http" or scope["method"] == "GET":
            await self._app(scope, receive, send)
            return
        max_bytes = self._files if scope["path"] == UPLOAD_PATH else self._usual
        if not declares_larger_body(scope, max_bytes):
            await self._app(scope, limit_body(receive, max_bytes), send)
            return
        # The app finds the route and records the refusal. Its response is replaced: the body is too
        # large whatever else is wrong with the request.
        await self._app(scope, _refuse_body, _discard_message)
        chinese = prefers_chinese(read_header(scope, b"accept-language"))
        await problem_response(BodyTooLarge(), chinese=chinese)(scope, receive, send)


async def _refuse_body() -> Message:
    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def _discard_message(message: Message) -> None:
    del message
