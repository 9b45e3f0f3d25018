"""A registry of one submission, to test a push whose registry misbehaves."""

import hashlib
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

KEY = "rbk_department_key"
SUBMISSION_ID = "019aa5a0-0000-7000-8000-000000000001"
SUBMISSIONS = "/v1/submissions"
SUBMISSION = f"{SUBMISSIONS}/{SUBMISSION_ID}"
RESULTS, WORKBOOK = f"{SUBMISSION}/results", f"{SUBMISSION}/refused.xlsx"


class Handler(BaseHTTPRequestHandler):
    """Reads requests for a `FakeRegistry`, and sends its answers."""

    registry: "FakeRegistry"

    def do_GET(self) -> None:
        self.registry.answer(self)

    def do_POST(self) -> None:
        self.registry.answer(self)

    def log_message(self, *_: object) -> None:
        pass

    def reply(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, short: int = 0
    ) -> None:
        """Answer; the last `short` bytes of the declared length are never sent."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - short])

    def reply_json(self, status: int, content: Any, **headers: str) -> None:
        self.reply(status, orjson.dumps(content), headers)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A closed connection is intended here."""


Action = Callable[[Handler], None]


@dataclass
class FakeRegistry:
    """A registry of one submission; `overrides` come first, one for each request."""

    first_view: dict[str, Any] = field(default_factory=dict)
    later_views: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    workbook: bytes = b""
    overrides: list[Action | None] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    uploads: list[tuple[dict[str, str], dict[str, str], str]] = field(default_factory=list)
    """Query, headers and SHA-256 of every complete upload."""
    poll_after: str = ""
    port: int = 0
    _server: Server | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        handler = type("Bound", (Handler,), {"registry": self})
        self._server = Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)
            self._server = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def results(self) -> bytes:
        trailer = {"trailer": {"rows": len(self.refusals), "state": "done"}}
        return b"".join(orjson.dumps(line) + b"\n" for line in [*self.refusals, trailer])

    def answer(self, handler: Handler) -> None:
        parts = urlsplit(handler.path)
        self.requests.append(f"{handler.command} {parts.path}")
        override = self.overrides.pop(0) if self.overrides else None
        if override is not None:
            override(handler)
        elif handler.headers["Authorization"] != f"Bearer {KEY}":
            send_problem(401, "unauthenticated", "需要有效的接口密钥")(handler)
        else:
            self._answer(handler, parts.path, dict(parse_qsl(parts.query)))

    def _answer(self, handler: Handler, path: str, query: dict[str, str]) -> None:
        match handler.command, path:
            case "POST", "/v1/submissions":
                self._receive_upload(handler, query)
            case "GET", "/v1/submissions":
                handler.reply_json(200, {"submissions": [], "next": None})
            case "GET", place if place == SUBMISSION:
                fields = (
                    self.later_views.pop(0) if len(self.later_views) > 1 else self.later_views[0]
                )
                after = {"Retry_After": self.poll_after} if self.poll_after else {}
                handler.reply_json(200, fields, **after)
            case "GET", place if place == RESULTS:
                assert query == {"outcome": "refused"}
                handler.reply(200, self.results())
            case "GET", place if place == WORKBOOK:
                handler.reply(200, self.workbook)
            case unknown:
                raise AssertionError(unknown)

    def _receive_upload(self, handler: Handler, query: dict[str, str]) -> None:
        left = int(handler.headers["Content-Length"])
        digest = hashlib.sha256()
        while left and (chunk := handler.rfile.read(min(left, 65536))):
            digest.update(chunk)
            left -= len(chunk)
        assert left == 0
        promised = f"sha-256=:{b64encode(digest.digest()).decode()}:"
        assert handler.headers["Content-Digest"] == promised
        self.uploads.append((query, dict(handler.headers), digest.hexdigest()))
        accepted = bool(self.later_views)
        handler.reply_json(
            202 if accepted else 200,
            self.first_view | {"sha256": digest.hexdigest()},
            Location=SUBMISSION,
        )


def build_view(state: str = "done", **fields: Any) -> dict[str, Any]:
    """Build the view of a submission; counts among `fields` are its progress."""
    progress = {
        "rows_read": 0,
        "accepted": 0,
        "replayed": 0,
        "refused": 0,
        "corrected": 0,
        "exited": 0,
        "share": None,
        "rows_per_second": None,
        "remaining_seconds": None,
    }
    progress |= {name: fields.pop(name) for name in list(fields) if name in progress}
    plain = {
        "id": SUBMISSION_ID,
        "state": state,
        "dry_run": False,
        "sha256": None,
        "held_until": None,
    }
    return plain | {"problem": None, "results": None, "progress": progress} | fields


def send_problem(status: int, code: str, detail: str, *faults: Any, **headers: str) -> Action:
    fields: dict[str, Any] = {"code": code, "detail": detail, "status": status}
    if faults:
        fields |= {"errors": faults, "submission_id": SUBMISSION_ID}

    def act(handler: Handler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.reply_json(status, fields, **headers)

    return act


def send_body(body: bytes, *, short: int = 0, status: int = 200, **headers: str) -> Action:
    return lambda handler: handler.reply(status, body, headers, short=short)


def hang_up_after(count: int) -> Action:
    """Read this part of the body, then close the connection."""

    def act(handler: Handler) -> None:
        handler.rfile.read(count)

    return act


def build_refusal(row: int, **fields: Any) -> dict[str, Any]:
    plain = {
        "row": row,
        "source_ref": f"HR-{row}",
        "outcome": "refused",
        "code": "invalid_identifier",
        "pointer": "/subject/identifiers/0/number",
        "column": "统一社会信用代码",
        "sentence": "校验码\u2028不符",
        "sentence_en": "The check digit does not match",
        "errors": [],
    }
    return plain | fields


@dataclass
class PushResult:
    """The result of a push."""

    code: int
    lines: list[str]
    failed: str
    err: str
    pauses: list[float]


PushRunner = Callable[..., PushResult]
