"""The fast path of checks: it bypasses FastAPI, and gives the same answers."""

import gzip
import http.client
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send

from app.checks import pipeline
from app.checks.pipeline import MAX_SUBJECTS_IN_SMALL_CHECK
from app.checks.schemas import CheckRequest
from app.errors import RegistryError
from app.http import problems
from app.http.validation import read_body
from app.settings import Settings
from tests.conftest import DATABASES
from tests.support.check_requests import read_api_key, read_check_records
from tests.support.numbers import build_uscc
from tests.support.problems import read_problem, read_server_log
from tests.support.request_bodies import PERSON_RESIDENT_ID, build_check, build_question
from tests.support.world import World, serve_app

CHECKS = "/v1/checks"
JSON = {"Content-Type": "application/json"}
MADE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LIMIT = Settings(_env_file=None).body_limit_bytes
OF_ITS_OWN = {"date", "x-request-id", "content-length", "connection", "transfer-encoding"}


@pytest.fixture(params=DATABASES[:1])
def backend(request: pytest.FixtureRequest) -> str:
    """One database is enough: the path of a check does not depend on it."""
    return str(request.param)


class Bare:
    """The FastAPI app without the fast path."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.state = object()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def bare_address(app: FastAPI) -> Iterator[str]:
    with serve_app(Bare(app)) as where:  # type: ignore[arg-type]
        yield where


class Ways:
    """Sends the same request on both paths, which must answer alike."""

    def __init__(self, world: World, bare: str) -> None:
        self.world = world
        self._bare = World(world.registry, world.clock, bare, world.check_service)

    def clients(self, role: str | None = "approver") -> list[httpx.Client]:
        key = None if role is None else read_api_key(self.world.api(role))
        return [self.world.client(key), self._bare.client(key)]

    def send(
        self, role: str | None = "approver", method: str = "POST", path: str = CHECKS, **more: Any
    ) -> httpx.Response:
        """Send on both paths; require equal answers and return that of the fast path."""
        content = more.pop("content", None)
        answers = [
            client.request(
                method, path, content=content() if callable(content) else content, **more
            )
            for client in self.clients(role)
        ]
        front, bare = answers
        assert shape(front) == shape(bare)
        return front

    def close(self) -> None:
        for client in self._bare._open_clients:
            client.close()


def shape(answer: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """Return an answer without its own ids and instants."""
    headers = {name: value for name, value in answer.headers.items() if name not in OF_ITS_OWN}
    body: Any = answer.text
    if "json" in headers.get("content-type", ""):
        body = answer.json()
        for name in ("request_id", "check_id", "checked_at"):
            body.pop(name, None)
    return answer.status_code, headers, body


@pytest.fixture
def ways(world: World, bare_address: str) -> Iterator[Ways]:
    both = Ways(world, bare_address)
    yield both
    both.close()


def refusals(world: World) -> list[dict[str, Any]]:
    answer = world.api("auditor").get("/v1/audit/records", params={"outcome": "refused"})
    return list(answer.json()["records"])


# --- every answer ------------------------------------------------------------


def test_a_request_id_is_kept_or_made_and_is_on_record(ways: Ways) -> None:
    sent = ways.send(json=build_check(), headers={"X-Request-ID": "office-42.a_b"})
    assert sent.headers["X-Request-ID"] == "office-42.a_b"
    made = []
    for unusable in (
        None,
        "with blank",
        "x" * 65,
        "<script>",
        PERSON_RESIDENT_ID,
        f"a{PERSON_RESIDENT_ID}",
        "名",
        "",
    ):
        headers = {} if unusable is None else {"X-Request-ID": unusable.encode()}
        answer = ways.send(json=build_check(), headers=headers)
        assert MADE_ID.fullmatch(answer.headers["X-Request-ID"]), unusable
        made.append(answer.headers["X-Request-ID"])
    assert len(set(made)) == len(made)
    counted = Counter(row.request_id for row in read_check_records(ways.world).values())
    assert counted["office-42.a_b"] == 2
    assert set(made) <= counted.keys()
    assert PERSON_RESIDENT_ID not in str(counted)
    wrong = ways.send(json=build_check(matter="nothing"), headers={"X-Request-ID": "office-43"})
    assert wrong.json()["request_id"] == wrong.headers["X-Request-ID"] == "office-43"


def test_no_answer_is_cached_or_guessed_at(ways: Ways) -> None:
    for role, body in (
        ("approver", build_check()),
        ("approver", {}),
        ("department", build_check()),
        (None, {}),
    ):
        answer = ways.send(role, json=body)
        assert answer.headers.get_list("Cache-Control") == ["no-store"]
        assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
        assert len(answer.headers.get_list("X-Request-ID")) == 1


def test_long_answers_are_packed_where_asked_and_only_there(ways: Ways) -> None:
    long = build_check(
        *(build_question(build_uscc(serial), None, ref=str(serial)) for serial in range(30))
    )
    for body, accepted, packed in (
        (long, "gzip", True),
        (long, "br, gzip;q=0.5", True),
        (long, "identity", False),
        (long, "br", False),
        (build_check(), "gzip", False),  # short
        (build_check(matter="nothing"), "gzip", False),
    ):
        seen = []
        for client in ways.clients():
            sent = {"json": body, "headers": {"Accept-Encoding": accepted}}
            with client.stream("POST", CHECKS, **sent) as answer:
                raw = b"".join(answer.iter_raw())
            seen.append(answer.headers.get("Content-Encoding"))
            assert answer.headers["Content-Length"] == str(len(raw))
            if packed:
                assert "Accept-Encoding" in answer.headers["Vary"]
                assert len(raw) < len(gzip.decompress(raw)) / 3
            decoded = json.loads(gzip.decompress(raw) if packed else raw)
            assert "results" in decoded or decoded["code"] == "unknown_value"
        assert seen == ["gzip" if packed else None] * 2


def test_no_header_of_ours_is_asked_for_packing_it(ways: Ways) -> None:
    # As a client that names no encoding.
    for client in ways.clients():
        del client.headers["Accept-Encoding"]
        answer = client.post(
            CHECKS, json=build_check(*(build_question(ref=str(n)) for n in range(30)))
        )
        assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, None)


# --- refusals ----------------------------------------------------------------


def large(part: int = 65_536) -> Iterator[bytes]:
    """Build a body beyond the limit, in parts."""
    left = LIMIT + 1
    yield b'{"purpose":"'
    while left > 0:
        yield b"a" * min(part, left)
        left -= part


REFUSED: dict[str, tuple[str | None, dict[str, Any], int, str]] = {
    "no key": (None, {"json": build_check()}, 401, "unauthenticated"),
    "no permission": ("department", {"json": build_check()}, 403, "forbidden"),
    "the present for an auditor": ("auditor", {"json": build_check()}, 403, "forbidden"),
    "no JSON": ("approver", {"content": b"{", "headers": JSON}, 400, "malformed_json"),
    "no UTF-8": ("approver", {"content": b'{"a":"\xff"}', "headers": JSON}, 400, "malformed"),
    "no JSON said": ("approver", {"content": b"{}"}, 415, "unsupported_media_type"),
    "plain text": (
        "approver",
        {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        415,
        "unsupported_media_type",
    ),
    "nothing": ("approver", {"content": b"", "headers": JSON}, 422, "missing"),
    "no matter of ours": (
        *("approver", {"json": build_check(matter="nothing")}),
        *(422, "unknown_value"),
    ),
    "a parameter": (
        *("approver", {"json": build_check(), "params": {"colour": 1}}),
        *(422, "unknown_field"),
    ),
    "a number in the address": (
        "approver",
        {"json": build_check(), "params": {"number": PERSON_RESIDENT_ID}},
        400,
        "personal_number_in_url",
    ),
    "a NUL in the address": (
        "approver",
        {"json": build_check(), "path": f"{CHECKS}?a=%00"},
        400,
        "malformed",
    ),
    "too large, as declared": (
        "approver",
        {"content": b"a" * (LIMIT + 1), "headers": JSON},
        413,
        "body_too_large",
    ),
    "too large, in parts": ("approver", {"content": large, "headers": JSON}, 413, "body_too_large"),
    "too large, nobody's": (None, {"content": b"a" * (LIMIT + 1)}, 413, "body_too_large"),
    "another method": ("approver", {"method": "GET"}, 405, "method_not_allowed"),
}  # fmt: skip


def test_refusals_are_localised_problems_and_recorded(ways: Ways) -> None:
    for language in ("en", "zh-CN,zh;q=0.9"):
        chinese = language.startswith("zh")
        for number, (what, (role, sent, status, code)) in enumerate(REFUSED.items()):
            own = {"Accept-Language": language, "X-Request-ID": f"{language[:2]}-{number}"}
            answer = ways.send(role, **sent | {"headers": sent.get("headers", {}) | own})
            assert answer.status_code == status, (what, answer.text)
            document = read_problem(answer)
            assert document["code"] == code, what
            assert bool(re.search("[\u4e00-\u9fff]", document["title"])) is chinese
            assert answer.headers["Content-Language"] == ("zh" if chinese else "en")
            assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
            if status == 405:
                assert answer.headers["Allow"] == "POST"
    trail = refusals(ways.world)
    assert read_check_records(ways.world) == {}
    for number, (what, (role, sent, _, code)) in enumerate(REFUSED.items()):
        for language in ("en", "zh"):
            mine = [item for item in trail if item["request_id"] == f"{language}-{number}"]
            if role is None:
                assert mine == [], what
                continue
            assert [item["detail"]["code"] for item in mine] == [code] * 2, what
            assert {item["role"] for item in mine} == {role}
            if code not in {"personal_number_in_url", "malformed"}:  # before there is a route
                assert {item["action"] for item in mine} == {
                    f"{sent.get('method', 'POST')} {CHECKS}"
                }
            assert PERSON_RESIDENT_ID not in str(mine)


def test_a_parameter_is_named_where_its_name_is_plainly_one(ways: Ways) -> None:
    answer = ways.send(json=build_check(), params={"colour": "red", "<b>": "1"})
    assert [item["pointer"] for item in answer.json()["errors"]] == ["?", "?colour"]


def test_a_body_up_to_the_limit_is_read(ways: Ways) -> None:
    padded = orjson.dumps(build_check()).ljust(LIMIT)
    assert ways.send(content=padded, headers=JSON).status_code == 200
    assert ways.send(content=padded + b" ", headers=JSON).status_code == 413
    # A too large body is refused, and the next check on the same connection is answered.
    for client in ways.clients():
        for _ in range(2):
            assert client.post(CHECKS, content=padded + b" ", headers=JSON).status_code == 413
            assert client.post(CHECKS, json=build_check()).status_code == 200


def test_a_length_that_is_a_lie_is_not_believed(ways: Ways) -> None:
    """Declared small, but sent in parts beyond the limit: the received size counts."""
    for client in ways.clients():
        where = urlsplit(str(client.base_url))
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        connection.request("POST", CHECKS, body=large(), headers=dict(client.headers) | JSON)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (413, "body_too_large")
        connection.close()


def test_a_check_in_parts_is_a_check(ways: Ways) -> None:
    body = orjson.dumps(
        build_check(*(build_question(build_uscc(n), None, ref=str(n)) for n in range(40)))
    )

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    assert len(ways.send(content=parts, headers=JSON).json()["results"]) == 40


def test_too_many_strangers_are_turned_away(ways: Ways) -> None:
    limit = ways.world.registry.settings.attempts_per_minute
    front, bare = ways.clients(None)
    # One count for both paths: it is of the process.
    statuses = [
        (front if turn % 2 else bare).post(CHECKS, json=build_check()).status_code
        for turn in range(limit + 6)
    ]
    assert statuses == [401] * limit + [429] * 6


# --- traces of a request ---------------------------------------------------------


def test_a_line_in_the_log_names_the_route_and_no_address(
    ways: Ways, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="redblack.access")
    sent: list[tuple[dict[str, Any], int]] = [
        ({"json": build_check()}, 200),
        ({"json": build_check(matter="nothing")}, 422),
        ({"json": build_check(), "params": {"colour": "red"}}, 422),
        ({"content": b"{", "headers": JSON}, 400),
    ]
    for number, (more, status) in enumerate(sent):
        own = more.get("headers", {}) | {"X-Request-ID": f"line-{number}"}
        assert ways.send(**more | {"headers": own}).status_code == status
    lines = [item.getMessage() for item in caplog.records if item.name == "redblack.access"]
    for number, (_, status) in enumerate(sent):
        form = rf"POST {CHECKS} {status} [0-9]+\.[0-9]ms line-{number}"
        assert len([line for line in lines if re.fullmatch(form, line)]) == 2
    assert "colour" not in read_server_log(caplog)


def counts(world: World) -> Counter[tuple[str, str]]:
    """Return how often the metrics counted and timed the route."""
    found: Counter[tuple[str, str]] = Counter()
    for line in world.client(None).get("/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        if f'method="POST",route="{CHECKS}"' in name and not name.endswith("_created"):
            status = re.search(r'status="([0-9]+)"', name)
            if name.startswith("redblack_http_requests_total{") and status:
                found["counted", status[1]] += int(float(value))
            elif name.startswith("redblack_http_request_seconds_count{"):
                found["timed", ""] += int(float(value))
    return found


def test_a_check_is_counted_and_timed_under_its_route(ways: Ways) -> None:
    before = counts(ways.world)
    ways.send(json=build_check())
    ways.send(json=build_check(matter="nothing"))
    ways.send(None, json=build_check())
    ways.send(json=build_check(), headers={"Accept-Encoding": "gzip"})
    assert counts(ways.world) - before == {
        ("counted", "200"): 4,
        ("counted", "422"): 2,
        ("counted", "401"): 2,
        ("timed", ""): 8,
    }


@pytest.mark.parametrize("size", [1, MAX_SUBJECTS_IN_SMALL_CHECK + 1], ids=["small", "large"])
def test_an_unexpected_error_is_a_problem_without_details(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"broken by {PERSON_RESIDENT_ID}")

    monkeypatch.setattr(pipeline, "execute_checks", fail)
    subjects = [build_question(build_uscc(n), None, ref=str(n)) for n in range(size)]
    for language in ("en", "zh"):
        headers = {"Accept-Language": language, "X-Request-ID": f"broken-{language}"}
        for client in ways.clients():
            answer = client.post(CHECKS, json=build_check(*subjects), headers=headers)
            document = read_problem(answer)
            assert (document["status"], document["code"]) == (500, "internal_error")
            assert document["request_id"] == f"broken-{language}"
            assert answer.headers["Content-Language"] == language
            for secret in (PERSON_RESIDENT_ID, "Traceback", "RuntimeError", "broken by", ".py"):
                assert secret not in answer.text
    assert "unexpected RuntimeError" in read_server_log(caplog)
    trail = [item for item in refusals(ways.world) if item["detail"]["code"] == "internal_error"]
    assert [item["action"] for item in trail] == [f"POST {CHECKS}"] * 4
    monkeypatch.undo()
    assert ways.send(json=build_check(*subjects)).status_code == 200


# --- a body is read as FastAPI would have read it ----------------------------------

PLAIN = orjson.dumps(build_check())
BODIES: list[bytes] = [
    PLAIN,
    PLAIN.decode().encode("utf-8-sig"),
    PLAIN.decode().encode("utf-16"),
    b" \n" + PLAIN + b"\t ",
    PLAIN + b"x",
    PLAIN + PLAIN,
    b"[" + PLAIN + b"]",
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"1",
    b"NaN",
    b"tru",
    b"{'a': 1}",
    b'{"a":',
    b'{"a":1,}',
    b'{"purpose":"\xff"}',
    '{"purpose":"查询"}'.encode("gbk"),
    b'{"purpose":"\\ud800"}',
    b'{"purpose":"a\nb"}',
    b'{"matter":"a","matter":"bidding"}',
    PLAIN.replace(b'"bidding"', b'"nothing","matter":"bidding"', 1),
    b'{"matter":NaN,"known_seq":Infinity}',
    b'{"known_seq":1e999}',
    b'{"known_seq":' + b"9" * 5_000 + b"}",
    b'{"known_seq":' + b"9" * 30 + b"}",
    b"[" * 300 + b"]" * 300,
    b'{"a":' * 300 + b"1" + b"}" * 300,
    b"[" * 20_000 + b"]" * 20_000,
    *(
        orjson.dumps(build_check() | change)
        for change in (
            {"known_seq": 5},
            {"known_seq": 5.0},
            {"known_seq": 5.5},
            {"known_seq": "5"},
            {"known_seq": True},
            {"known_seq": -1},
            {"known_seq": 2**63},
            {"known_at": "2026-11-21T00:00:00Z"},
            {"known_at": "2026-11-21T00:00:00"},
            {"known_at": 1_700_000_000},
            {"known_at": "2026-11-21"},
            {"on": "2026-11-21"},
            {"on": "2026-11-21T00:00:00"},
            {"on": 20261121},
            {"matter": 1},
            {"matter": None},
            {"matter": "Bidding"},
            {"purpose": " "},
            {"purpose": "x" * 501},
            {"purpose": PERSON_RESIDENT_ID},
            {"purpose": "a\u202eb"},
            {"case_no": "a\tb"},
            {"case_no": ["x"]},
            {"subjects": []},
            {"subjects": {}},
            {"subjects": [None]},
            {"subjects": [build_question(), build_question()]},
            {"subjects": [{"name": "甲", "colour": 1}]},
            {"subjects": [{"number": build_uscc(1)}]},
            {"subjects": [{"scheme": "passport?", "number": "1"}]},
            {"subjects": [{"scheme": "uscc", "number": 91}]},
            {"subjects": [{"scheme": "uscc", "number": ""}]},
            {"investigation": {}},
            {"investigation": {"basis": "x", "until": "2026-12-31", "more": 1}},
            {"colour": "red", PERSON_RESIDENT_ID: 1},
        )
    ),
]  # fmt: skip
TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/registry+json",
    "application/jsonx",
    "text/json",
    "application/x-www-form-urlencoded",
    "json",
    "",
    None,
)


@pytest.fixture(scope="module")
def plain_route() -> Iterator[httpx.Client]:
    """Build an ordinary route with the body of a check, and the problems of the app."""
    plain = FastAPI()
    problems.install_handlers(plain, lambda _, error: error)

    @plain.post("/asked")
    def show(body: CheckRequest) -> Any:
        return body.model_dump(mode="json")

    with serve_app(plain) as where, httpx.Client(base_url=where, trust_env=False) as client:
        yield client


def as_we_read(body: bytes, media_type: str | None) -> tuple[int, Any]:
    try:
        read = read_body(TypeAdapter(CheckRequest), body, media_type)
    except RegistryError as error:
        said = json.loads(problems.problem_response(error, chinese=False).body)
        return error.status, said | {"request_id": None}
    return 200, read.model_dump(mode="json")


def as_a_route_reads(answer: httpx.Response) -> tuple[int, Any]:
    said = answer.json()
    return answer.status_code, said | ({"request_id": None} if answer.is_error else {})


def test_a_body_is_read_as_an_ordinary_route_would_read_it(plain_route: httpx.Client) -> None:
    outcomes = Counter[int]()
    for body in BODIES:
        answer = plain_route.post("/asked", content=body, headers=JSON)
        assert as_we_read(body, "application/json") == as_a_route_reads(answer), body[:80]
        outcomes[answer.status_code] += 1
    assert min(outcomes[200], outcomes[400], outcomes[422]) >= 5


def test_a_media_type_is_read_as_an_ordinary_route_would_read_it(plain_route: httpx.Client) -> None:
    for media_type in TYPES:
        headers = {} if media_type is None else {"Content-Type": media_type}
        for body in (PLAIN, b"{", b""):
            answer = plain_route.post("/asked", content=body, headers=headers)
            assert as_we_read(body, media_type) == as_a_route_reads(answer), media_type
