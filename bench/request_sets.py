"""Requests to every side, as bytes, and a text by which the correct answer is known.

Half of the subjects are listed. The same seed gives every side the same subjects.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

import orjson

from bench.load_client import Request
from bench.paced_checks import FIRST_UNLISTED_SERIAL, build_check_body, pick_subject
from bench.peers.pocketbase import COLLECTION
from bench.rows import build_row_name, build_row_uscc

REQUEST_COUNT = 20_000
"""Number of different requests that are sent in a loop; few enough to be built in a second."""
LARGE_CHECK_SUBJECTS = 500
"""Subjects of one large check."""
LARGE_REQUEST_COUNT = 40

SubjectStanding = tuple[int, str]
"""A serial and its standing: black or none."""


def pick_subjects(listed_count: int, count: int, seed: int) -> Iterator[SubjectStanding]:
    """Pick subjects at random: half have a listed serial, the others were never listed."""
    random = Random(seed)  # noqa: S311 - no secrets
    return (pick_subject(random, listed_count) for _ in range(count))


def build_requests(
    listed_count: int, seed: int, build_request: Callable[[int, str], Request]
) -> list[Request]:
    """Build requests of one subject each."""
    return [
        build_request(serial, standing)
        for serial, standing in pick_subjects(listed_count, REQUEST_COUNT, seed)
    ]


# --- the registry --------------------------------------------------------


def build_checks(key: str, listed_count: int, seed: int) -> list[Request]:
    """Build `POST /v1/checks` with one subject in each."""

    def build_request(serial: int, standing: str) -> Request:
        return Request(_format_check(key, build_check_body(serial)), _format_standing(standing))

    return build_requests(listed_count, seed, build_request)


def build_large_checks(key: str, listed_count: int, seed: int) -> list[Request]:
    """Build `POST /v1/checks` with 500 subjects in each: every second one is listed."""
    random = Random(seed)  # noqa: S311 - no secrets
    return [_build_large_check(key, listed_count, random) for _ in range(LARGE_REQUEST_COUNT)]


def _build_large_check(key: str, listed_count: int, random: Random) -> Request:
    half = LARGE_CHECK_SUBJECTS // 2
    listed_serials = random.sample(range(listed_count), half)
    unlisted_serials = random.sample(range(FIRST_UNLISTED_SERIAL, 2 * FIRST_UNLISTED_SERIAL), half)
    pairs = zip(listed_serials, unlisted_serials, strict=True)
    serials = [serial for pair in pairs for serial in pair]
    subjects = [
        build_check_body(serial)["subjects"][0] | {"ref": str(place)}
        for place, serial in enumerate(serials, start=1)
    ]
    return Request(
        _format_check(key, build_check_body(0) | {"subjects": subjects}),
        _format_standing("black"),
        half,
    )


def build_subject_reads(key: str, listed_count: int, seed: int) -> list[Request]:
    """Build `GET /v1/subjects/uscc/{code}` of listed subjects."""
    random = Random(seed)  # noqa: S311 - no secrets
    serials = [random.randrange(listed_count) for _ in range(REQUEST_COUNT)]
    return [
        Request(
            format_get(f"/v1/subjects/uscc/{build_row_uscc(serial)}", key),
            _format_standing("black"),
        )
        for serial in serials
    ]


def _format_check(key: str, body: dict[str, Any]) -> bytes:
    return format_post("/v1/checks", body, key)


def _format_standing(standing: str) -> bytes:
    return b'"standing":"%s"' % standing.encode()


# --- the others ----------------------------------------------------------


def build_pocketbase_lookups(listed_count: int, seed: int) -> list[Request]:
    """Build PocketBase's look-up by a field, as its clients do it: the first record, uncounted."""

    def build_request(serial: int, standing: str) -> Request:
        found = f'"uscc":"{build_row_uscc(serial)}"' if standing == "black" else '"items":[]'
        wanted = quote(f"(uscc='{build_row_uscc(serial)}')")
        path = f"/api/collections/{COLLECTION}/records?filter={wanted}&perPage=1&skipTotal=1"
        return Request(format_get(path), found.encode())

    return build_requests(listed_count, seed, build_request)


def build_tutorial_checks(listed_count: int, seed: int) -> list[Request]:
    """Build `POST /checks` of the tutorial's app: the entries of one subject."""

    def build_request(serial: int, standing: str) -> Request:
        found = f'"uscc":"{build_row_uscc(serial)}"' if standing == "black" else "\r\n\r\n[]"
        body = {
            "uscc": build_row_uscc(serial),
            "name": build_row_name(serial),
            "purpose": "side-by-side benchmark",
            "case_no": f"BENCH-{serial}",
        }
        return Request(format_post("/checks", body), found.encode())

    return build_requests(listed_count, seed, build_request)


def replace_expected_answer(requests: Sequence[Request], answer: bytes) -> list[Request]:
    """Replace the expected answer of requests, for a side that always sends the same answer."""
    return [Request(request.content, answer) for request in requests]


# --- HTTP ----------------------------------------------------------------


def format_get(path: str, key: str | None = None) -> bytes:
    """Format a GET as bytes."""
    return f"GET {path} HTTP/1.1\r\n{_format_headers(key)}\r\n".encode()


def format_post(path: str, body: dict[str, Any], key: str | None = None) -> bytes:
    """Format a POST of JSON as bytes."""
    content = orjson.dumps(body)
    lengths = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{_format_headers(key)}{lengths}\r\n".encode() + content


def _format_headers(key: str | None) -> str:
    login = "" if key is None else f"Authorization: Bearer {key}\r\n"
    return f"Host: registry.example\r\n{login}"
