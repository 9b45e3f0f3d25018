"""What every side is asked, as bytes, and by what its right answer is known.

Half of those asked for are listed. The same seed gives every side the same subjects.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

import orjson

from bench.asking import NEVER_LISTED, question, whom
from bench.loading import Request
from bench.peers.pocketbase import COLLECTION
from bench.rows import name, number

DIFFERENT = 20_000
"""So many questions, none like the other, go round; few enough to be made in a second."""
SUBJECTS = 500
"""Subjects of one large check."""
DIFFERENT_LARGE = 40

Whom = tuple[int, str]
"""A serial and its standing: black or none."""


def asked(listed: int, count: int, seed: int) -> Iterator[Whom]:
    """Subjects to ask for: each listed one below `listed`, or never listed, as chance has it."""
    random = Random(seed)  # noqa: S311 - no secrets
    return (whom(random, listed) for _ in range(count))


def one_each(listed: int, seed: int, made: Callable[[int, str], Request]) -> list[Request]:
    """Requests of one subject each."""
    return [made(serial, standing) for serial, standing in asked(listed, DIFFERENT, seed)]


# --- the registry --------------------------------------------------------


def checks(key: str, listed: int, seed: int) -> list[Request]:
    """`POST /v1/checks`, one subject in each."""

    def made(serial: int, standing: str) -> Request:
        return Request(_check(key, question(serial)), _standing(standing))

    return one_each(listed, seed, made)


def large_checks(key: str, listed: int, seed: int) -> list[Request]:
    """`POST /v1/checks`, 500 subjects in each: every second one is listed."""
    random = Random(seed)  # noqa: S311 - no secrets
    return [_large_check(key, listed, random) for _ in range(DIFFERENT_LARGE)]


def _large_check(key: str, listed: int, random: Random) -> Request:
    half = SUBJECTS // 2
    found = random.sample(range(listed), half)
    others = random.sample(range(NEVER_LISTED, 2 * NEVER_LISTED), half)
    pairs = zip(found, others, strict=True)
    serials = [serial for pair in pairs for serial in pair]
    subjects = [
        question(serial)["subjects"][0] | {"ref": str(place)}
        for place, serial in enumerate(serials, start=1)
    ]
    return Request(_check(key, question(0) | {"subjects": subjects}), _standing("black"), half)


def subjects(key: str, listed: int, seed: int) -> list[Request]:
    """`GET /v1/subjects/uscc/{code}` of listed subjects."""
    random = Random(seed)  # noqa: S311 - no secrets
    serials = [random.randrange(listed) for _ in range(DIFFERENT)]
    return [
        Request(get(f"/v1/subjects/uscc/{number(serial)}", key), _standing("black"))
        for serial in serials
    ]


def _check(key: str, body: dict[str, Any]) -> bytes:
    return post("/v1/checks", body, key)


def _standing(standing: str) -> bytes:
    return b'"standing":"%s"' % standing.encode()


# --- the others ----------------------------------------------------------


def pocketbase_lookups(listed: int, seed: int) -> list[Request]:
    """PocketBase's look-up by a field, as its clients do it: the first record, uncounted."""

    def made(serial: int, standing: str) -> Request:
        found = f'"uscc":"{number(serial)}"' if standing == "black" else '"items":[]'
        wanted = quote(f"(uscc='{number(serial)}')")
        path = f"/api/collections/{COLLECTION}/records?filter={wanted}&perPage=1&skipTotal=1"
        return Request(get(path), found.encode())

    return one_each(listed, seed, made)


def tutorial_checks(listed: int, seed: int) -> list[Request]:
    """`POST /checks` of the tutorial's app: the entries of one subject."""

    def made(serial: int, standing: str) -> Request:
        found = f'"uscc":"{number(serial)}"' if standing == "black" else "\r\n\r\n[]"
        body = {
            "uscc": number(serial),
            "name": name(serial),
            "purpose": "side-by-side benchmark",
            "case_no": f"BENCH-{serial}",
        }
        return Request(post("/checks", body), found.encode())

    return one_each(listed, seed, made)


def the_same(requests: Sequence[Request], answer: bytes) -> list[Request]:
    """Requests of another side, put to one that gives everybody this answer."""
    return [Request(request.content, answer) for request in requests]


# --- HTTP ----------------------------------------------------------------


def get(path: str, key: str | None = None) -> bytes:
    """A GET as bytes."""
    return f"GET {path} HTTP/1.1\r\n{_headers(key)}\r\n".encode()


def post(path: str, body: dict[str, Any], key: str | None = None) -> bytes:
    """A POST of JSON as bytes."""
    content = orjson.dumps(body)
    lengths = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{_headers(key)}{lengths}\r\n".encode() + content


def _headers(key: str | None) -> str:
    login = "" if key is None else f"Authorization: Bearer {key}\r\n"
    return f"Host: registry.example\r\n{login}"
