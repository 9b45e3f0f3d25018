"""The floors: the cost of FastAPI and uvicorn alone for answers of the same bytes.

The answers are files that the benchmark took from the registry; nothing is read or written.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

JSON = "application/json"
ANSWERS_DIRECTORY = Path(os.environ["BENCH_ANSWERS"])
CHECK_ANSWER = (ANSWERS_DIRECTORY / "check.json").read_bytes()
SUBJECT_ANSWER = (ANSWERS_DIRECTORY / "subject.json").read_bytes()

Message = MutableMapping[str, Any]

fastapi_app = FastAPI()


@fastapi_app.post("/v1/checks")
async def check() -> Response:
    """Return the bytes of a check."""
    return Response(CHECK_ANSWER, media_type=JSON)


@fastapi_app.get("/v1/subjects/uscc/{code}")
async def subject(code: str) -> Response:
    """Return the bytes of a subject."""
    del code
    return Response(SUBJECT_ANSWER, media_type=JSON)


@fastapi_app.get("/health")
async def health() -> Response:
    """Answer that the app is up."""
    return Response()


async def asgi_app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Send the bytes of a check for every request."""
    if scope["type"] != "http":
        raise NotImplementedError  # uvicorn then assumes that there is no lifespan
    del receive
    headers = [
        (b"content-type", JSON.encode()),
        (b"content-length", str(len(CHECK_ANSWER)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": CHECK_ANSWER})
