"""Connections before a request reaches the app: raw bytes on a socket."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from app.http import connections
from app.http.connections import ConnectionGuard, ConnectionLimits
from app.http.sources import group_source
from app.settings import Network, parse_networks
from tests.support.request_bodies import build_push
from tests.support.world import World, serve_app

LIMITS = ConnectionLimits(
    connections=20, head_seconds=0.4, body_idle_seconds=0.4, body_bytes_per_second=1_000
)
UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
)


@pytest.fixture(autouse=True)
def sweep_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.05)


@pytest.fixture
def bounded() -> Iterator[str]:
    """A served app with small limits; its requests need no registry."""
    app = FastAPI()

    @app.post("/length")
    def count(body: dict[str, str]) -> int:
        return sum(map(len, body.values()))

    @app.get("/")
    def answer() -> str:
        return "here"

    with serve_app(app, LIMITS) as address:
        yield address


@contextmanager
def connect(address: str) -> Iterator[socket.socket]:
    parts = urlsplit(address)
    with closing(socket.create_connection((parts.hostname, parts.port), timeout=10)) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection; a reset fails the test."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def read_response(connection: socket.socket) -> tuple[int, bytes]:
    """Read one response with a declared length."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        assert chunk, received
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body


def sends_for_ever(connection: socket.socket, byte: bytes) -> bool:
    """Send a byte every 20 ms; return True if the server still takes them after 200."""
    try:
        for _ in range(200):
            connection.sendall(byte)
            time.sleep(0.02)
    except ConnectionError:
        return False
    return True


def build_request(
    body: bytes, *fields: bytes, target: bytes = b"/v1/entries", key: str = ""
) -> bytes:
    lines = [b"POST %b HTTP/1.1" % target, b"Host: localhost", *fields]
    if key:
        lines.append(b"Authorization: " + key.encode())
    lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


class TestUpgrade:
    """`Upgrade` is ignored (RFC 9110, 7.8): stock Java clients send it with their first request."""

    @pytest.mark.parametrize("pieces", ["together", "head and body apart", "byte for byte"])
    def test_a_push_with_an_upgrade_is_recorded(self, world: World, pieces: str) -> None:
        api = world.api()
        body = json.dumps(build_push()).encode()
        request = build_request(body, *UPGRADE, key=api.headers["Authorization"])
        head = len(request) - len(body)
        cuts = {
            "together": [request],
            "head and body apart": [request[:head], request[head:]],
            "byte for byte": [bytes([byte]) for byte in request],
        }
        with connect(world.address) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in cuts[pieces]:
                connection.sendall(piece)
                if pieces == "head and body apart":
                    time.sleep(0.05)
            status, answer = read_response(connection)
        assert status == 201, answer

    def test_a_body_is_never_run_as_a_request(self, world: World) -> None:
        hidden = b"GET /v1/entries HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with connect(world.address) as connection:
            connection.sendall(
                build_request(hidden, *UPGRADE, b"Connection: close")[: -len(hidden)]
            )
            time.sleep(0.05)
            connection.sendall(hidden)
            received = read_all(connection)
        assert received.count(b"HTTP/1.1 ") == 1
        assert b"401" in received.split(b"\r\n")[0]

    def test_the_connection_serves_further_requests(self, bounded: str) -> None:
        with connect(bounded) as connection:
            for text in ("a", "bb", "ccc"):
                connection.sendall(
                    build_request(
                        json.dumps({"text": text}).encode(),
                        b"Connection: Upgrade",
                        b"Upgrade: websocket",
                        target=b"/length",
                    )
                )
                assert read_response(connection) == (200, str(len(text)).encode())

    def test_a_tunnel_is_refused(self, bounded: str) -> None:
        with connect(bounded) as connection:
            connection.sendall(b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_all(connection).startswith(b"HTTP/1.1 400")

    def test_two_lengths_are_refused(self, bounded: str) -> None:
        with connect(bounded) as connection:
            connection.sendall(
                b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
            )
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 400")
        assert received.count(b"HTTP/1.1 ") == 1

    def test_a_field_of_a_trailer_joins_no_head(self, world: World) -> None:
        body = json.dumps(build_push()).encode()
        key = world.api().headers["Authorization"].encode()
        with connect(world.address) as connection:
            connection.sendall(
                b"POST /v1/entries HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b"%x\r\n%b\r\n0\r\nAuthorization: %b\r\n\r\n"
                % (len(body), body, key)
            )
            assert read_all(connection).startswith(b"HTTP/1.1 401")

    def test_an_endless_trailer_is_refused(self, bounded: str) -> None:
        sent = 0
        with connect(bounded) as connection:
            connection.sendall(
                b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\n{\r\n0\r\nX: "
            )
            try:
                while sent < 50_000_000:
                    sent += connection.send(b"a" * 16_384)
            except ConnectionError:
                pass
        assert sent < 20_000_000

    def test_a_body_in_chunks_of_one_byte_is_served(self, bounded: str) -> None:
        body = json.dumps({"text": "a" * 5_000}).encode()
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
        with connect(bounded) as connection:
            connection.sendall(
                b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
            )
            assert read_response(connection) == (200, b"5000")


class TestHeads:
    """Heads of at most 64 KiB and 100 fields, within their time."""

    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000,
            b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" % (b"a" * 1_000) * 80,
            b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 101 + b"\r\n",
            b"GET /" + b"a" * 70_000,
        ],
        ids=["one field", "many bytes", "many fields", "target"],
    )
    def test_a_large_head_is_refused(self, bounded: str, head: bytes) -> None:
        with connect(bounded) as connection:
            connection.sendall(head)
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 431")
        assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "head_too_large"

    def test_an_endless_head_is_refused_early(self, bounded: str) -> None:
        sent = 0
        with connect(bounded) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            try:
                while sent < 50_000_000:
                    sent += connection.send(b"a" * 16_384)
            except ConnectionError:
                pass
        assert sent < 20_000_000

    def test_a_large_sound_head_is_served(self, bounded: str) -> None:
        head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-F: %b\r\n" % (b"a" * 600) * 90 + b"\r\n"
        with connect(bounded) as connection:
            connection.sendall(head)
            assert read_response(connection)[0] == 200

    @pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"\r\n"])
    def test_a_head_that_does_not_end_is_ended(self, bounded: str, sent: bytes) -> None:
        with connect(bounded) as connection:
            connection.sendall(sent)
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 408")

    def test_a_head_byte_by_byte_is_ended(self, bounded: str) -> None:
        with connect(bounded) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            assert not sends_for_ever(connection, b"a")

    def test_a_second_request_has_its_own_time(self, bounded: str) -> None:
        with connect(bounded) as connection:
            for _ in range(4):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert read_response(connection)[0] == 200
                time.sleep(0.2)


class TestBodies:
    """Bodies end when they pause or are slow; a large one gets its refusal."""

    def test_a_body_that_pauses_is_ended(self, bounded: str) -> None:
        with connect(bounded) as connection:
            connection.sendall(build_request(b"{" + b" " * 100, target=b"/length")[:-50])
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 408")
        assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"

    def test_a_slow_body_is_ended(self, bounded: str) -> None:
        with connect(bounded) as connection:
            connection.sendall(build_request(b"{" + b" " * 10_000, target=b"/length")[:-10_000])
            assert not sends_for_ever(connection, b" ")

    def test_a_body_in_pieces_is_served(self, bounded: str) -> None:
        body = json.dumps({"text": "a" * 1_000}).encode()
        request = build_request(body, target=b"/length")
        with connect(bounded) as connection:
            for start in range(0, len(request), 100):
                connection.sendall(request[start : start + 100])
                time.sleep(0.05)
            assert read_response(connection) == (200, b"1000")

    def test_a_client_that_closes_reads_its_413(self, world: World) -> None:
        body = b"a" * 6_000_000
        key = world.api().headers["Authorization"]
        with connect(world.address) as connection:
            connection.sendall(build_request(body, b"Connection: close", key=key))
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 413")
        assert b"body_too_large" in received

    def test_a_refusal_before_100_continue_closes_the_connection(self, world: World) -> None:
        with connect(world.address) as connection:
            connection.sendall(build_request(b"{}", b"Expect: 100-continue")[:-2])
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 401")
        assert received.count(b"HTTP/1.1 ") == 1

    def test_a_body_after_its_answer_gets_no_second_answer(self) -> None:
        limits = ConnectionLimits(body_idle_seconds=0.3)
        app = FastAPI()
        with serve_app(app, limits) as address, connect(address) as connection:
            connection.sendall(build_request(b"a" * 100, target=b"/nowhere")[:-50])
            received = read_all(connection)
        assert received.startswith(b"HTTP/1.1 404")
        assert received.count(b"HTTP/1.1 ") == 1


class TestNumbers:
    """A cap on connections, of which one address holds at most half."""

    def test_one_address_holds_half(self, bounded: str) -> None:
        opened = [socket.create_connection(_address(bounded), timeout=10) for _ in range(10)]
        for each in opened:
            each.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_response(each)[0] == 200
        with connect(bounded) as one_more:
            received = read_all(one_more)
        assert received.startswith(b"HTTP/1.1 503")
        assert b"too_many_connections" in received
        opened.pop().close()
        _await_served(bounded)
        for each in opened:
            each.close()

    def test_a_trusted_proxy_holds_all(self) -> None:
        limits = ConnectionLimits(connections=6, trusted_proxies=_networks("127.0.0.0/8"))
        with serve_app(FastAPI(), limits) as address:
            opened = [socket.create_connection(_address(address), timeout=10) for _ in range(6)]
            for each in opened:
                each.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert read_response(each)[0] == 404
            with connect(address) as one_more:
                assert read_all(one_more).startswith(b"HTTP/1.1 503")
            for each in opened:
                each.close()

    def test_half_sent_requests_keep_nobody_out(self) -> None:
        limits = ConnectionLimits(connections=40, head_seconds=0.3)
        app = FastAPI()
        with serve_app(app, limits) as address:
            opened = [socket.create_connection(_address(address), timeout=10) for _ in range(19)]
            for each in opened:
                each.sendall(b"POST /v1/checks HTTP/1.1\r\n")
            with connect(address) as other:
                other.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert read_response(other)[0] == 404
            for each in opened:
                assert read_all(each).startswith(b"HTTP/1.1 408")
                each.close()


@pytest.mark.parametrize("proxy", ["2001:db8::5", "2001:db8::/32", "192.0.2.0/24"])
def test_a_trusted_proxy_is_known_by_its_own_address(proxy: str) -> None:
    address = "::ffff:192.0.2.7" if "192" in proxy else "2001:db8::5"
    trusted = _networks(proxy)
    with closing(asyncio.new_event_loop()) as loop:
        guard = ConnectionGuard(ConnectionLimits(trusted_proxies=trusted), loop)
    assert guard._is_trusted(address)
    assert not guard._is_trusted("2001:db9::5")
    assert not guard._is_trusted("no address")


def test_sources_of_ipv6_are_networks() -> None:
    assert group_source("2001:db8:1:2:3:4:5:6") == group_source("2001:db8:1:2::9")
    assert group_source("2001:db8:1:2::9") != group_source("2001:db8:1:3::9")
    assert group_source("::ffff:192.0.2.1") == group_source("192.0.2.1") == "192.0.2.1"
    assert group_source("370402198506120013") == "unknown"


def _address(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _networks(text: str) -> tuple[Network, ...]:
    return parse_networks(text)


def _await_served(address: str) -> None:
    give_up = time.monotonic() + 10
    while True:
        with connect(address) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            if connection.recv(12) == b"HTTP/1.1 200":
                return
        assert time.monotonic() < give_up
        time.sleep(0.02)
