"""Connections, before a request reaches the app: sizes, times, numbers, and HTTP/1.1 alone.

The protocol of uvicorn parses (with llhttp). This module limits what a client without a key can do:
hold connections, send endless heads, or have a body read as a request. One timer for a process
visits all connections, so a request costs no timer of its own.
"""

import asyncio
import logging
import resource
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.errors import (
    HeadTooLarge,
    Malformed,
    RegistryError,
    RequestTimeout,
    TooManyConnections,
)
from app.http.problems import problem_response
from app.http.sources import group_source, parse_address
from app.settings import Network, Settings

log = logging.getLogger("redblack.connections")

SWEEP_SECONDS = 1.0
"""Time between two looks at all connections: a limit of time is exceeded by no more."""
LINGER_SECONDS = 10.0
"""Time for which the rest of a refused body is discarded, so that the client reads the refusal."""
LINGER_HEAD_BYTES = 1_000_000
"""Bytes of a refused head that are discarded: no client needs more to read the refusal."""
MAX_CHUNK_OVERHEAD = 16
"""Bytes of chunk sizes for a byte of a chunked body: chunks of one byte need 6."""
RESERVED_FILES = 256
"""Open files that are left for databases, logs and worker processes."""
MIN_CONNECTIONS = 16
UPGRADE_FIELDS = frozenset({b"upgrade", b"http2-settings"})


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of the connections of one process; sizes in bytes, times in seconds."""

    connections: int = 2_000
    head_bytes: int = 64 * 1024
    head_fields: int = 100
    head_seconds: float = 15
    body_idle_seconds: float = 30
    body_bytes_per_second: int = 1_000
    trusted_proxies: tuple[Network, ...] = ()

    @classmethod
    def from_settings(cls, settings: Settings) -> "ConnectionLimits":
        """Return the limits of the settings; fewer connections where the file limit is small."""
        return cls(
            connections=min(
                settings.connection_limit, max(MIN_CONNECTIONS, raise_file_limit() - RESERVED_FILES)
            ),
            head_seconds=settings.tuning.head_seconds,
            body_idle_seconds=settings.tuning.body_idle_seconds,
            body_bytes_per_second=settings.tuning.body_bytes_per_second,
            trusted_proxies=settings.trusted_networks,
        )


def raise_file_limit() -> int:
    """Raise the limit of open files of this process to the highest that it may have; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in {soft, resource.RLIM_INFINITY}:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft if soft != resource.RLIM_INFINITY else 1_000_000


class ConnectionGuard:
    """The open connections of a process: their number, their sources and their times."""

    def __init__(self, limits: ConnectionLimits, loop: asyncio.AbstractEventLoop) -> None:
        self.limits = limits
        self._loop = loop
        self._open: set[GuardedProtocol] = set()
        self._by_source: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, protocol: "GuardedProtocol", address: str | None) -> bool:
        """Count a connection; return False if the process or its source has too many.

        A source that is no trusted proxy holds at most half of the connections. `address` is None
        for a socket of this machine.
        """
        limit = self.limits.connections
        if len(self._open) >= limit:
            return False
        if address is not None and not self._is_trusted(address):
            source = group_source(address)
            if self._by_source[source] >= limit // 2:
                return False
            self._by_source[source] += 1
            protocol.source = source
        self._open.add(protocol)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return True

    def release(self, protocol: "GuardedProtocol") -> None:
        """Forget a closed connection."""
        self._open.discard(protocol)
        if protocol.source is not None:
            self._by_source[protocol.source] -= 1
            if not self._by_source[protocol.source]:
                del self._by_source[protocol.source]
            protocol.source = None

    def _is_trusted(self, address: str) -> bool:
        parsed = parse_address(address)
        return parsed is not None and any(
            parsed in network for network in self.limits.trusted_proxies
        )

    def _sweep(self) -> None:
        now = self._loop.time()
        for protocol in tuple(self._open):
            protocol.end_if_overdue(now)
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep) if self._open else None


_guards: WeakKeyDictionary[ServerState, ConnectionGuard] = WeakKeyDictionary()


class _LingeringTransport:
    """The transport of a connection whose `close` lets the client read its answer first.

    The kernel resets a connection that is closed with unread bytes, and the client loses the
    response. Therefore only the sending side is closed at once, and the rest of the body is
    discarded for a limited time.
    """

    def __init__(self, transport: asyncio.Transport, protocol: "GuardedProtocol") -> None:
        self._transport = transport
        self._protocol = protocol
        # The methods of every request, without a step between.
        self.write = transport.write
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol

    def is_closing(self) -> bool:
        return self._protocol.is_lingering or self._transport.is_closing()

    def close(self) -> None:
        if self._transport.is_closing() or self._protocol.is_lingering:
            return
        if self._protocol.is_sending() and self._transport.can_write_eof():
            self._protocol.linger()
            self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection, within the limits of its process.

    - `Upgrade` is ignored (RFC 9110, 7.8): the request is answered as HTTP/1.1, and its body is its
      body.
    - Heads are limited in bytes, fields and time; bodies in time and rate.
    - Fields of a trailer section are discarded (RFC 9110, 6.5.1), they never join the head.
    """

    limits: ClassVar[ConnectionLimits | None] = None
    """Limits instead of those of the settings."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.source: str | None = None
        self.is_lingering = False
        guard = _guards.get(server_state)
        if guard is None:
            limits = self.limits or ConnectionLimits.from_settings(Settings())
            guard = _guards[server_state] = ConnectionGuard(limits, self.loop)
        self._guard = guard
        self._limits = guard.limits
        self._refusal: RegistryError | None = None
        self._head_since: float | None = self.loop.time()
        self._unparsed_bytes = 0
        self._body_bytes = 0
        self._body_open = False
        self._now = 0.0
        self._last_byte_at = 0.0
        self._window_began_at = 0.0
        self._window_bytes = 0
        self._lingering_since = 0.0
        self._is_ended = False

    # --- the connection ---------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit a connection, or refuse it before a byte of it is read."""
        super().connection_made(_LingeringTransport(transport, self))  # type: ignore[arg-type]
        if not self._guard.admit(self, self.client[0] if self.client else None):
            log.info("refused before the app: too many connections")
            transport.write(_build_response(TooManyConnections(retry_after=1)))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection."""
        self._guard.release(self)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Close at once where only the rest of a refused body was waited for."""
        if self.is_lingering:
            self.transport.abort()

    def end_if_overdue(self, now: float) -> None:
        """Refuse the request if its head or body takes too long."""
        limits = self._limits
        if self.is_lingering:
            if now - self._lingering_since > LINGER_SECONDS:
                self.transport.abort()
        elif self._head_since is not None:
            if now - self._head_since > limits.head_seconds:
                self._end(RequestTimeout())
        elif self._body_open:
            if self.flow.read_paused:  # the app is slow, not the client
                self._begin_window(now)
            elif now - self._last_byte_at > limits.body_idle_seconds:
                self._end(RequestTimeout())
            elif now - self._window_began_at > limits.body_idle_seconds:
                seconds = now - self._window_began_at
                if self._window_bytes < limits.body_bytes_per_second * seconds:
                    self._end(RequestTimeout())
                else:
                    self._begin_window(now)

    def _begin_window(self, now: float) -> None:
        self._last_byte_at = self._window_began_at = now
        self._window_bytes = 0

    # --- bytes ------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse bytes, within the limits."""
        if self.is_lingering:
            self._discard(len(data))
            return
        self._unset_keepalive_if_required()
        self._now = self.loop.time()
        if self._body_open:
            self._last_byte_at = self._now
        elif self._head_since is None:
            self._head_since = self._now
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or Malformed())
        else:
            if self._body_open or self._head_since is not None:
                self._limit_unparsed(len(data))

    def _limit_unparsed(self, size: int) -> None:
        """Limit the bytes that the parser keeps: it keeps a field until the field is whole.

        Bytes around a body are its chunk sizes and its trailer section.
        """
        self._unparsed_bytes += size
        limit = self._limits.head_bytes
        if self._body_open and self._unparsed_bytes > limit + MAX_CHUNK_OVERHEAD * self._body_bytes:
            self._end(HeadTooLarge())
        elif not self._body_open and self._unparsed_bytes > limit:
            self._refuse(HeadTooLarge())

    def _parse_without_upgrade(self, rest: bytes) -> None:
        """Parse the request again without the fields that ask for another protocol."""
        method = self.scope["method"].encode()
        if method == b"CONNECT":
            self._refuse(Malformed())
            return
        lines = [b"%b %b HTTP/1.1" % (method, self.url)]
        lines += [b"%b: %b" % field for field in self.headers if field[0] not in UPGRADE_FIELDS]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._unparsed_bytes = 0
        self.data_received(b"\r\n".join([*lines, b"", b""]) + rest)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._head_since = self._head_since or self._now

    def on_headers_complete(self) -> None:
        """Start the request, except one that is parsed again without its upgrade."""
        if self.parser.should_upgrade():
            self.scope["method"] = self.parser.get_method().decode("ascii")
            return
        head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        limits = self._limits
        if len(self.headers) > limits.head_fields or head_bytes > limits.head_bytes:
            self._refusal = HeadTooLarge()
            raise self._refusal
        self._head_since = None
        self._body_open = True
        self._unparsed_bytes = self._body_bytes = 0
        self._begin_window(self._now)
        super().on_headers_complete()
        # The parser gives the fields of a trailer section as it gives those of the head.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._window_bytes += len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a body."""
        if self.parser.should_upgrade():
            return
        self._body_open = False
        self._unparsed_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Serve the next request, unless the client may still send a body that nobody reads.

        A client that was refused without `100 Continue` may omit the body (RFC 9110, 10.1.1): its
        next request would be read as the body of the refused one.
        """
        if self._body_open and self.expect_100_continue and not self._body_bytes:
            self._is_ended = True
            self.transport.close()
        super().on_response_complete()

    # --- refusals ---------------------------------------------------------------

    def is_sending(self) -> bool:
        """Return True if the client still sends its request, in time."""
        has_begun_head = self._head_since is not None and self._now > 0
        return not self._is_ended and (self._body_open or has_begun_head)

    def linger(self) -> None:
        """Discard what still comes from now on, for a limited time."""
        self.is_lingering = True
        self._lingering_since = self.loop.time()
        self.flow.resume_reading()

    def _end(self, error: RegistryError) -> None:
        """Refuse a request, and wait for nothing more of it."""
        self._is_ended = True
        self._refuse(error)

    def _discard(self, size: int) -> None:
        if not self._body_open:
            self._unparsed_bytes += size
            if self._unparsed_bytes > LINGER_HEAD_BYTES:
                self.transport.abort()

    def _refuse(self, error: RegistryError) -> None:
        """Answer with a problem document if no response began, and close the connection."""
        if self.transport.is_closing():
            return
        log.info("refused before the app: %s", error.problem_code)
        running = self.cycle is not None and not self.cycle.response_complete
        # A body may have its response already, whole or in part; a head may follow a request that
        # still waits for its own.
        is_unanswered = not self.cycle.response_started if self._body_open else not running
        if is_unanswered:
            self.transport.write(_build_response(error))
        if running:  # the app must not wait for the rest of the body
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def _build_response(error: RegistryError) -> bytes:
    response = problem_response(error, chinese=False)
    fields: Iterable[tuple[bytes, bytes]] = [*response.raw_headers, (b"connection", b"close")]
    head = b"".join(b"%b: %b\r\n" % field for field in fields)
    return b"HTTP/1.1 %d \r\n%b\r\n%b" % (error.status, head, bytes(response.body))
