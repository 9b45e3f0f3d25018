"""A registry of three addresses, to see what a mirror does when its registry misbehaves."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson

ADDRESS = "https://registry.example"
KEY = "rbk_feed"
CHANGES, SNAPSHOT = "/v1/changes", "/v1/changes/snapshot"

Answer = httpx.Response | Exception | Callable[[httpx.Response], httpx.Response]


@dataclass
class Feed:
    """Entries and their changes; `instead` is answered first, or bends the true answer."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = 1
    seq: int = 0
    day: str = "2026-11-22"
    page: int = 3
    too_old: int = 0
    instead: list[Answer | None] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    """Happens between a page and what is asked next."""

    def put(self, name: str, /, **facts: Any) -> None:
        """Record or change an entry."""
        entry = {"id": name, "seq": self.seq + 1, "on": None, **facts}
        self.entries[name] = entry
        self._tell("upsert", name, entry)

    def take(self, name: str) -> None:
        """Take an entry out of sight."""
        del self.entries[name]
        self._tell("remove", name, None)

    def pass_over(self) -> None:
        """A change that this caller may not see."""
        self.seq += 1

    def paths(self) -> list[str]:
        """What was asked for since the last time."""
        paths = [request.url.path for request in self.asked]
        self.asked.clear()
        return paths

    def snapshot(self) -> bytes:
        """All lines and the trailer."""
        lines = b"".join(orjson.dumps(self.entries[name]) + b"\n" for name in sorted(self.entries))
        trailer = {
            "count": len(self.entries),
            "epoch": self.epoch,
            "seq": self.seq,
            "on": self.day,
            "sha256": hashlib.sha256(lines).hexdigest(),
        }
        return lines + orjson.dumps({"trailer": trailer}) + b"\n"

    def sha256(self) -> str:
        """The hash that the trailer tells."""
        return str(orjson.loads(self.snapshot().splitlines()[-1])["trailer"]["sha256"])

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What the registry says to a request."""
        self.asked.append(request)
        instead = self.instead.pop(0) if self.instead else None
        if isinstance(instead, Exception):
            raise instead
        if isinstance(instead, httpx.Response):
            return instead
        answer = self._truly(request)
        if request.url.path == CHANGES:
            self.meanwhile()
        return instead(answer) if instead is not None else answer

    def _truly(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return problem(401, "unauthenticated", "Send a key that is in use")
        if request.url.path == SNAPSHOT:
            return streamed(self.snapshot())
        assert request.url.path == CHANGES
        after, epoch = (int(request.url.params[name]) for name in ("after", "epoch"))
        if epoch != self.epoch or not self.too_old <= after <= self.seq:
            return problem(410, "feed_gone", "The feed does not lead on from there")
        limit = min(self.page, int(request.url.params["limit"]))
        later = [change for change in self.changes if change["seq"] > after]
        shown = later[:limit]
        reached = shown[-1]["seq"] if len(later) > limit else self.seq
        told = {
            "changes": shown,
            "next_after": reached,
            "head_seq": self.seq,
            "epoch": self.epoch,
            "as_of_day": self.day,
        }
        return httpx.Response(200, json=told)

    def _tell(self, op: str, name: str, entry: dict[str, Any] | None) -> None:
        self.seq += 1
        self.changes.append(
            {"seq": self.seq, "recorded_at": "x", "op": op, "entry_id": name, "entry": entry}
        )


def problem(status: int, code: str, detail: str, **headers: str) -> httpx.Response:
    """A problem document."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"code": code, "detail": detail}, headers=told)


def streamed(body: bytes, chunk: int = 50) -> httpx.Response:
    """A body in pieces that respect no line."""
    return httpx.Response(
        200, content=(body[start : start + chunk] for start in range(0, len(body), chunk))
    )


@contextmanager
def served(feed: Feed) -> Iterator[str]:
    """The feed on a free port of the loopback, for mirrors that are processes of their own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer = feed.answer(httpx.Request("GET", self.path, headers=dict(self.headers)))
                body = answer.read()
            except httpx.TransportError:
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)
