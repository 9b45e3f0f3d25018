"""A registry of three addresses, to test a mirror whose registry misbehaves."""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson

from app.client.mirror import run_mirror

ADDRESS = "https://registry.example"
KEY = "rbk_feed"
CHANGES, SNAPSHOT = "/v1/changes", "/v1/changes/snapshot"

ResponseOverride = httpx.Response | Exception | Callable[[httpx.Response], httpx.Response]


@dataclass
class FakeFeed:
    """Entries and their changes; `overrides` are answered first, or change the true answer."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = 1
    seq: int = 0
    as_of_day: str = "2026-11-22"
    page_size: int = 3
    oldest_seq: int = 0
    overrides: list[ResponseOverride | None] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    after_page: Callable[[], None] = lambda: None
    """Called between a page and the next request."""

    def put_entry(self, entry_id: str, /, **facts: Any) -> None:
        """Record or change an entry."""
        entry = {"id": entry_id, "seq": self.seq + 1, "on": None, **facts}
        self.entries[entry_id] = entry
        self._add_change("upsert", entry_id, entry)

    def remove_entry(self, entry_id: str) -> None:
        """Make an entry invisible."""
        del self.entries[entry_id]
        self._add_change("remove", entry_id, None)

    def add_invisible_change(self) -> None:
        """Add a change that this caller may not see."""
        self.seq += 1

    def pop_requested_paths(self) -> list[str]:
        """Return the paths that were requested since the last call."""
        paths = [request.url.path for request in self.requests]
        self.requests.clear()
        return paths

    def build_snapshot(self) -> bytes:
        """Build all lines and the trailer."""
        lines = b"".join(orjson.dumps(self.entries[name]) + b"\n" for name in sorted(self.entries))
        trailer = {
            "count": len(self.entries),
            "epoch": self.epoch,
            "seq": self.seq,
            "on": self.as_of_day,
            "sha256": hashlib.sha256(lines).hexdigest(),
        }
        return lines + orjson.dumps({"trailer": trailer}) + b"\n"

    def compute_sha256(self) -> str:
        """Compute the hash of the trailer."""
        return str(orjson.loads(self.build_snapshot().splitlines()[-1])["trailer"]["sha256"])

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request as the registry does."""
        self.requests.append(request)
        override = self.overrides.pop(0) if self.overrides else None
        if isinstance(override, Exception):
            raise override
        if isinstance(override, httpx.Response):
            return override
        answer = self._build_response(request)
        if request.url.path == CHANGES:
            self.after_page()
        return override(answer) if override is not None else answer

    def _build_response(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return build_problem_response(401, "unauthenticated", "Send a key that is in use")
        if request.url.path == SNAPSHOT:
            return build_chunked_response(self.build_snapshot())
        assert request.url.path == CHANGES
        after, epoch = (int(request.url.params[name]) for name in ("after", "epoch"))
        if epoch != self.epoch or not self.oldest_seq <= after <= self.seq:
            return build_problem_response(410, "feed_gone", "The feed does not lead on from there")
        limit = min(self.page_size, int(request.url.params["limit"]))
        later_changes = [change for change in self.changes if change["seq"] > after]
        page_changes = later_changes[:limit]
        next_after = page_changes[-1]["seq"] if len(later_changes) > limit else self.seq
        body = {
            "changes": page_changes,
            "next_after": next_after,
            "head_seq": self.seq,
            "epoch": self.epoch,
            "as_of_day": self.as_of_day,
        }
        return httpx.Response(200, json=body)

    def _add_change(self, op: str, entry_id: str, entry: dict[str, Any] | None) -> None:
        self.seq += 1
        self.changes.append(
            {"seq": self.seq, "recorded_at": "x", "op": op, "entry_id": entry_id, "entry": entry}
        )


def build_problem_response(status: int, code: str, detail: str, **headers: str) -> httpx.Response:
    """Build a problem document."""
    header_fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"code": code, "detail": detail}, headers=header_fields)


def build_chunked_response(body: bytes, chunk: int = 50) -> httpx.Response:
    """Build a response in chunks that do not end with lines."""
    return httpx.Response(
        200, content=(body[start : start + chunk] for start in range(0, len(body), chunk))
    )


@contextmanager
def serve_feed(feed: FakeFeed) -> Iterator[str]:
    """Serve the feed on a free port of the loopback, for mirrors in their own processes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer = feed.handle_request(
                    httpx.Request("GET", self.path, headers=dict(self.headers))
                )
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


def update_mirror(
    feed: FakeFeed, file: Path, key: str = KEY, url: str = ADDRESS, **options: Any
) -> str:
    """Update the mirror; return its last line."""
    transport = httpx.MockTransport(feed.handle_request)
    return list(run_mirror(url, file, key, transport=transport, **options))[-1]


def read_entries(file: Path) -> dict[str, Any]:
    """Read the content of the file without the mirror."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT id, body FROM entries").fetchall()
    return {name: orjson.loads(body) for name, body in rows}


def read_position(file: Path) -> dict[str, Any]:
    """Read the row with the position and the last proof."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return dict(database.execute("SELECT * FROM position").fetchone())
