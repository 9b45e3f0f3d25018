"""Invalid input, by mistake or on purpose: refused with a problem, never a 500, no echo."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.support.problems import (
    count_written_rows,
    read_problem,
    read_server_log,
    require_refused,
)
from tests.support.request_bodies import (
    BUILDER_USCC,
    PERSON_RESIDENT_ID,
    build_check,
    build_licence_changes,
    build_penalty_changes,
    build_person,
    build_push,
    build_resident_id,
    build_subject,
)
from tests.support.world import World

ENTRIES = "/v1/entries"
JSON = {"Content-Type": "application/json"}
FULL_WIDTH = PERSON_RESIDENT_ID.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
POSTS = [
    ENTRIES,
    f"{ENTRIES}/01928374-0000-7000-8000-000000000000/corrections",
    f"{ENTRIES}/01928374-0000-7000-8000-000000000000/revocations",
    f"{ENTRIES}/01928374-0000-7000-8000-000000000000/exits",
    f"{ENTRIES}/01928374-0000-7000-8000-000000000000/disclosures",
    f"{ENTRIES}/01928374-0000-7000-8000-000000000000/withdrawals",
    "/v1/subjects/lookup",
]


def sent(world: World, body: Any) -> httpx.Response:
    """Push a body as it is, as JSON with escapes for characters that UTF-8 cannot carry."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return world.api().post(ENTRIES, content=content, headers=JSON)


def raw(world: World, request: bytes) -> bytes:
    """Send bytes that no HTTP client would send; return the answer."""
    where = urlsplit(world.address)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


# --- bodies that are not a push -------------------------------------------

NO_PUSH: dict[str, tuple[bytes, int, str, str | None]] = {
    "an array": (b"[]", 422, "wrong_type", ""),
    "an array of pushes": (json.dumps([build_push()]).encode(), 422, "wrong_type", ""),
    "a text": (b'"abc"', 422, "wrong_type", ""),
    "a number": (b"1", 422, "wrong_type", ""),
    "null": (b"null", 422, "wrong_type", ""),
    "nothing": (b"", 422, "missing", ""),
    "an empty object": (b"{}", 422, "missing", "/list_type"),
    "half an object": (b'{"list_type":', 400, "malformed_json", None),
    "two objects": (b"{}{}", 400, "malformed_json", None),
    "single quotes": (b"{'list_type': 'x'}", 400, "malformed_json", None),
    "bytes that are not UTF-8": (b'{"reason":"\xff\xfe\xc0"}', 400, "malformed", None),
    "GBK": ('{"reason":"拖欠"}'.encode("gbk"), 400, "malformed", None),
    "ten thousand arrays": (b"[" * 10_000 + b"]" * 10_000, 400, "malformed", None),
    "ten thousand objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "malformed", None),
    "a number of many digits": (b'{"list_type":' + b"9" * 6_000 + b"}", 400, "malformed", None),
    "NaN": (b'{"list_type":NaN}', 422, "not_text", "/list_type"),
    "Infinity": (b'{"list_type":-Infinity}', 422, "not_text", "/list_type"),
    "a number beyond floats": (b'{"list_type":1e999}', 422, "not_text", "/list_type"),
}


def test_a_body_that_is_no_push_is_refused(world: World) -> None:
    before = count_written_rows(world)
    for body, status, code, pointer in NO_PUSH.values():
        require_refused(sent(world, body), status, code, pointer)
    assert count_written_rows(world) == before


def test_every_route_with_a_body_refuses_what_is_no_object(world: World) -> None:
    for path in POSTS:
        for body, status, *_ in NO_PUSH.values():
            answer = world.api().post(path, content=body, headers=JSON | {"If-Match": '"1"'})
            assert answer.status_code == status, (path, body[:40], answer.text)
            read_problem(answer)
    for body, *_ in NO_PUSH.values():
        answer = world.api("approver").post("/v1/checks", content=body, headers=JSON)
        assert answer.status_code in {400, 422}, (body[:40], answer.text)
        read_problem(answer)


def test_a_body_is_said_to_be_json(world: World) -> None:
    body = json.dumps(build_push()).encode()
    require_refused(world.api().post(ENTRIES, content=body), 415, "unsupported_media_type")
    for said in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "json"):
        answer = world.api().post(ENTRIES, content=body, headers={"Content-Type": said})
        require_refused(answer, 415, "unsupported_media_type")


def test_json_is_taken_with_a_charset_and_a_suffix(world: World) -> None:
    body = json.dumps(build_push()).encode()
    for content_type in ("application/json; charset=utf-8", "application/registry+json"):
        answer = world.api().post(ENTRIES, content=body, headers={"Content-Type": content_type})
        assert answer.status_code in {200, 201}, answer.text


def test_a_body_that_is_too_large_is_refused_declared_or_not(world: World) -> None:
    large = json.dumps(build_push(reason="a" * 5_000_000)).encode()

    def in_parts() -> Iterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    before = count_written_rows(world)
    require_refused(world.api().post(ENTRIES, content=large, headers=JSON), 413, "body_too_large")
    require_refused(
        world.api().post(ENTRIES, content=in_parts(), headers=JSON), 413, "body_too_large"
    )
    with world.client(None) as nobody:
        require_refused(nobody.post(ENTRIES, content=large, headers=JSON), 413, "body_too_large")
    chinese = JSON | {"Accept-Language": "zh"}
    answer = world.api().post(ENTRIES, content=large, headers=chinese)
    assert require_refused(answer, 413, "body_too_large")["title"] == "请求体过大"
    assert count_written_rows(world) == before
    world.record()


# --- fields ---------------------------------------------------------------


def with_unknown(body: Any, place: tuple[str | int, ...], name: str) -> Any:
    copy = json.loads(json.dumps(body))
    inner = copy
    for step in place:
        inner = inner[step]
    inner[name] = "x"
    return copy


LEVELS: list[tuple[str | int, ...]] = [
    (),
    ("subject",),
    ("subject", "identifiers", 0),
    ("responsible_persons", 0),
    ("responsible_persons", 0, "identifier"),
    ("decision",),
    ("disclosure",),
    ("penalty",),
    ("licence",),
]


def test_an_unknown_field_is_refused_at_every_level(world: World) -> None:
    whole = build_push(penalty={"fine": "1"}, licence=build_licence_changes()["licence"])
    before = count_written_rows(world)
    for level in LEVELS:
        pointer = "".join(f"/{step}" for step in level)
        answer = sent(world, with_unknown(whole, level, "sevrity"))
        require_refused(answer, 422, "unknown_field", f"{pointer}/sevrity")
        # A name that may be more than a name is not repeated.
        for name in (
            PERSON_RESIDENT_ID,
            FULL_WIDTH,
            f"id_{PERSON_RESIDENT_ID}",
            "a b",
            "\x00",
            "<script>",
            "",
        ):
            answer = sent(world, with_unknown(whole, level, name))
            require_refused(answer, 422, "unknown_field", pointer)
            assert PERSON_RESIDENT_ID not in answer.text
            assert "script" not in answer.text
        assert sent(world, with_unknown(whole, level, "\ud800")).status_code == 422
    assert count_written_rows(world) == before
    assert sent(world, whole).status_code == 201


FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"list_type": 1}, "not_text", "/list_type"),
    ({"list_type": "wage arrears"}, "wrong_form", "/list_type"),
    ({"list_type": f"x.{PERSON_RESIDENT_ID}"}, "wrong_form", "/list_type"),
    ({"department": PERSON_RESIDENT_ID + "X"}, "wrong_form", "/department"),
    ({"source_ref": 123}, "not_text", "/source_ref"),
    ({"source_ref": ""}, "blank", "/source_ref"),
    ({"source_ref": " \t\n"}, "blank", "/source_ref"),
    ({"source_ref": "\u200b\u3000"}, "blank", "/source_ref"),
    ({"source_ref": "x" * 81}, "too_long", "/source_ref"),
    ({"source_ref": "a\nb"}, "control_character", "/source_ref"),
    ({"source_ref": "a\tb"}, "control_character", "/source_ref"),
    ({"subject": build_subject(name="")}, "blank", "/subject/name"),
    ({"subject": build_subject(name="\u200b")}, "blank", "/subject/name"),
    ({"subject": build_subject(name="公" * 201)}, "too_long", "/subject/name"),
    ({"subject": build_subject(name="\ufdfa" * 200)}, "too_long", "/subject/name"),
    ({"subject": build_subject(name="甲\r\n乙")}, "control_character", "/subject/name"),
    ({"subject": "枣庄"}, "wrong_type", "/subject"),
    ({"subject": build_subject() | {"kind": "company"}}, "unknown_value", "/subject/kind"),
    ({"subject": build_subject() | {"identifiers": {}}}, "wrong_type", "/subject/identifiers"),
    (
        {"subject": build_subject() | {"identifiers": [None]}},
        "wrong_type",
        "/subject/identifiers/0",
    ),
    (
        {"subject": build_subject() | {"identifiers": [{"scheme": "uscc", "number": 91370403}]}},
        "not_text",
        "/subject/identifiers/0/number",
    ),
    (
        {"subject": build_subject() | {"identifiers": [{"scheme": "uscc", "number": "9" * 41}]}},
        "too_long",
        "/subject/identifiers/0/number",
    ),
    (
        {"subject": build_subject() | {"identifiers": build_subject()["identifiers"] * 9}},
        "too_many",
        "/subject/identifiers",
    ),
    ({"subject": build_person() | {"birth_date": 19850612}}, "invalid_date", "/subject/birth_date"),
    ({"decision": build_push()["decision"] | {"kind": "whim"}}, "unknown_value", "/decision/kind"),
    (
        {"decision": build_push()["decision"] | {"decided_on": "2023-02-29"}},
        "invalid_date",
        "/decision/decided_on",
    ),
    ({"reason": "x" * 5001}, "too_long", "/reason"),
    ({"reason": "\ud800"}, "control_character", "/reason"),
    ({"reason": None}, "not_text", "/reason"),
    ({"reason": ["x"]}, "not_text", "/reason"),
    ({"severity": "grave"}, "unknown_value", "/severity"),
    ({"conduct_continues": "true"}, "not_true_or_false", "/conduct_continues"),
    ({"conduct_continues": 1}, "not_true_or_false", "/conduct_continues"),
    ({"effective_until": "2023-02-29"}, "invalid_date", "/effective_until"),
    ({"effective_until": "2026-13-01"}, "invalid_date", "/effective_until"),
    ({"effective_until": "2029/11/20"}, "invalid_date", "/effective_until"),
    ({"effective_until": "2029-11-20T00:00:00Z"}, "invalid_date", "/effective_until"),
    ({"effective_until": "２０２９-11-20"}, "invalid_date", "/effective_until"),
    ({"effective_until": " 2029-11-20"}, "invalid_date", "/effective_until"),
    ({"effective_until": "29-11-20"}, "invalid_date", "/effective_until"),
    ({"effective_until": 20291120}, "invalid_date", "/effective_until"),
    ({"effective_until": 1.5}, "invalid_date", "/effective_until"),
    ({"effective_until": True}, "invalid_date", "/effective_until"),
    ({"effective_until": ""}, "invalid_date", "/effective_until"),
    ({"effective_until": "9999-12-31"}, "date_out_of_range", "/effective_until"),
    ({"effective_until": "0001-01-01"}, "date_out_of_range", "/effective_until"),
    (
        {"responsible_persons": [build_push()["responsible_persons"][0]] * 51},
        "too_many",
        "/responsible_persons",
    ),
    ({"disclosure": {"class": "secret"}}, "unknown_value", "/disclosure/class"),
    ({"disclosure": {"class_": "public"}}, "unknown_field", "/disclosure/class_"),
    ({"disclosure": "public"}, "wrong_type", "/disclosure"),
    ({"replaces": PERSON_RESIDENT_ID}, "not_an_id", "/replaces"),
    ({"replaces": "\ud800"}, "control_character", "/replaces"),
    ({"penalty": {"fine": "-1"}}, "invalid_amount", "/penalty/fine"),
    ({"penalty": {"fine": "0.0000001"}}, "invalid_amount", "/penalty/fine"),
    ({"penalty": {"fine": "NaN"}}, "wrong_type", "/penalty/fine"),
    ({"penalty": {"fine": "1" * 19}}, "wrong_type", "/penalty/fine"),
    ({"penalty": {"fine": True}}, "wrong_type", "/penalty/fine"),
    ({"penalty": {"categories": ["罚款"] * 11}}, "too_many", "/penalty/categories"),
]


def test_a_field_of_the_wrong_kind_is_named_and_not_repeated(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = count_written_rows(world)
    for changes, code, pointer in FIELDS:
        answer = sent(world, build_push() | changes)
        require_refused(answer, 422, code, pointer)
        assert PERSON_RESIDENT_ID not in answer.text
    assert count_written_rows(world) == before
    assert PERSON_RESIDENT_ID not in read_server_log(caplog)


CONTROLS = [chr(code) for code in (*range(9), 11, 12, *range(14, 32), 127, 128, 133, 159)]


def test_control_and_direction_characters_are_refused_in_every_text(world: World) -> None:
    before = count_written_rows(world)
    for character in [*CONTROLS, *BIDI]:
        answer = sent(world, build_push(reason=f"拖欠{character}工资"))
        require_refused(answer, 422, "control_character", "/reason")
    for changes, pointer in (
        ({"source_ref": "HR-\x00"}, "/source_ref"),
        ({"subject": build_subject(name="枣庄\u202e公司")}, "/subject/name"),
        ({"legal_basis": "\ufeff\x1b[2J"}, "/legal_basis"),
    ):
        require_refused(sent(world, build_push(**changes)), 422, "control_character", pointer)
    assert count_written_rows(world) == before


def test_what_looks_odd_but_is_plain_text_is_kept_as_it_is(world: World) -> None:
    text = "第一行\n第二行\t𠀀 é ﷺ 👩‍👧 '; DROP TABLE entries; -- <b>{{7*7}}</b> %s \\u0000 ={1+1}"
    entry = world.record(reason=text, source_ref="'; -- %00 \\")
    assert entry["reason"] == text
    found = world.api().get(ENTRIES, params={"source_ref": "'; -- %00 \\"}).json()["entries"]
    assert [item["id"] for item in found] == [entry["id"]]


def test_numbers_that_cannot_be_are_refused_and_not_repeated(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = count_written_rows(world)
    future, no_day = build_resident_id("20990101"), build_resident_id("20230229")
    for number in (
        future,
        no_day,
        PERSON_RESIDENT_ID[:-1] + "4",
        PERSON_RESIDENT_ID[:-1],
        "\x00" * 18,
        "𝟛" * 18,
        "X" * 18,
    ):
        body = build_push(subject=build_person(number), responsible_persons=None)
        answer = sent(world, body)
        require_refused(answer, 422, "invalid_identifier", "/subject/identifiers/0/number")
        assert number not in answer.text
        assert number not in read_server_log(caplog)
    for number in ("91440300MA5DC0TE8I", "00000000000000000X", BUILDER_USCC[:-1], "９" * 18):
        answer = sent(world, build_push(subject=build_subject(number)))
        require_refused(answer, 422, "invalid_identifier", "/subject/identifiers/0/number")
        assert number not in answer.text
    assert count_written_rows(world) == before


def test_dates_far_ahead_are_days_like_others(world: World) -> None:
    entry = world.record(**build_penalty_changes(effective_until="2099-12-31"))
    assert entry["effective_until"] == "2099-12-31"
    assert entry["status"] == "active"
    late = build_push(source_ref="B", effective_from="2196-12-31", effective_until=None)
    answer = world.api().post(ENTRIES, json=late)
    assert (answer.status_code, answer.json()["effective_until"]) == (201, "2199-12-31")
    # A term beyond the last date that can be written could never be read again.
    later = build_push(source_ref="C", effective_from="2197-01-01", effective_until=None)
    require_refused(world.api().post(ENTRIES, json=later), 409, "term_not_allowed")
    assert len(world.api().get(ENTRIES).json()["entries"]) == 2


def test_a_deep_value_in_an_unread_field_is_refused(world: World) -> None:
    entry = world.record()
    deep = b"[" * 500 + b"]" * 500
    body = b'{"reason":"x","changes":{"subject":{"identifiers":' + deep + b"}}}"
    answer = world.api().post(
        f"{ENTRIES}/{entry['id']}/corrections", content=body, headers=JSON | {"If-Match": '"1"'}
    )
    require_refused(answer, 409, "subject_fixed")


def test_the_longest_name_is_kept_with_a_number_and_refused_without_one(world: World) -> None:
    entry = world.record(subject=build_subject(name="公" * 200))
    assert entry["subject"]["name"] == "公" * 200
    alone = {"kind": "unincorporated_organization", "name": "公" * 171}
    body = build_push(
        **build_penalty_changes(
            list_type="illegal_social_organizations.penalty", subject=alone, source_ref="B"
        )
    )
    api = world.api("department", "civil_affairs")
    require_refused(api.post(ENTRIES, json=body), 422, "too_long", "/subject/name")
    alone["name"] = "公" * 170
    assert api.post(ENTRIES, json=body).status_code == 201


# --- addresses ------------------------------------------------------------

NUMBER_FORMS: dict[str, str] = {
    "plain": PERSON_RESIDENT_ID,
    "lower case": "11010519491231002x",
    "percent": "".join(f"%{ord(each):02X}" for each in PERSON_RESIDENT_ID),
    "twice percent": "".join(f"%25{ord(each):02X}" for each in PERSON_RESIDENT_ID),
    "full width": quote(FULL_WIDTH),
    "grouped": f"{PERSON_RESIDENT_ID[:6]}-{PERSON_RESIDENT_ID[6:14]}-{PERSON_RESIDENT_ID[14:]}",
    "with blanks": (
        f"{PERSON_RESIDENT_ID[:6]}%20{PERSON_RESIDENT_ID[6:14]}+{PERSON_RESIDENT_ID[14:]}"
    ).replace("+", "%20"),
    "zero width": quote("\u200b".join(PERSON_RESIDENT_ID)),
}


@pytest.mark.parametrize("form", NUMBER_FORMS)
def test_a_personal_number_in_an_address_is_refused_and_never_logged(
    world: World, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    caplog.set_level(logging.DEBUG)
    number = NUMBER_FORMS[form]
    for path in (
        f"{ENTRIES}/{number}",
        f"{ENTRIES}/{number}/history",
        f"{ENTRIES}?source_ref={number}",
        f"{ENTRIES}?{number}",
        f"{ENTRIES}?x{number}=1",
        f"{ENTRIES}?next={number}",
        f"/v1/subjects/uscc/{number}",
        f"/v1/checks/{number}",
        f"/v1/changes?after={number}",
        f"/{number}",
        f"/docs?{number}",
        f"/healthz?q={number}",
    ):
        for client in (world.api(), world.api("auditor")):
            answer = client.get(path)
            require_refused(answer, 400, "personal_number_in_url")
            assert PERSON_RESIDENT_ID not in answer.text
    posted = world.api().post(f"{ENTRIES}?ref={number}", json=build_push())
    require_refused(posted, 400, "personal_number_in_url")
    assert count_written_rows(world)[-1] == 0
    text = read_server_log(caplog)
    for trace in (PERSON_RESIDENT_ID, number, FULL_WIDTH):
        assert trace not in text


def test_a_personal_number_in_a_header_is_neither_echoed_nor_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    entry = world.record()
    path = f"{ENTRIES}/{entry['id']}/exits"
    body = {"reason": "x", "exited_on": "2026-11-22"}
    for headers in (
        {"X-Request-ID": PERSON_RESIDENT_ID, "If-Match": '"2"'},
        {"If-Match": f'"{PERSON_RESIDENT_ID}"'},
        {"Accept-Language": PERSON_RESIDENT_ID, "If-Match": '"2"'},
    ):
        answer = world.api().post(path, json=body, headers=headers)
        read_problem(answer)
        assert PERSON_RESIDENT_ID not in answer.text + str(answer.headers)
    with world.client(PERSON_RESIDENT_ID) as somebody:
        answer = somebody.get(ENTRIES)
    require_refused(answer, 401, "unauthenticated")
    assert PERSON_RESIDENT_ID not in answer.text + read_server_log(caplog)


def test_a_request_id_is_taken_or_made(world: World) -> None:
    for given in ("abc-123", "A_b.9"):
        answer = world.api().get("/v1/nothing", headers={"X-Request-ID": given})
        assert read_problem(answer)["request_id"] == given
    for unusable in ("a b", "x" * 65, "<b>", "ü".encode()):
        answer = world.api().get("/v1/nothing", headers={"X-Request-ID": unusable})
        assert read_problem(answer)["request_id"] != unusable


def test_a_nul_in_an_address_is_refused(world: World) -> None:
    for name in ("source_ref", "list_type", "domain", "department"):
        for api in (world.api(), world.api("operator")):
            require_refused(api.get(f"{ENTRIES}?{name}=a%00b"), 400, "malformed")
    require_refused(world.api().get("/v1/subjects/uscc/%00"), 400, "malformed")


def test_odd_queries_are_refused_or_find_nothing(world: World) -> None:
    world.record()
    for query, code in (
        ("limit=0", "too_small"),
        ("limit=501", "too_large"),
        ("limit=1e3", "wrong_type"),
        ("limit=", "wrong_type"),
        ("status=gone", "unknown_value"),
        ("subject_id=1", "not_an_id"),
        (f"source_ref={'x' * 81}", "too_long"),
    ):
        require_refused(
            world.api().get(f"{ENTRIES}?{query}"), 422, code, f"?{query.partition('=')[0]}"
        )
    for cursor in (
        "abc",
        "%FF",
        "WyJhIl0=",
        "bnVsbA==",
        "W10=",
        "W251bGxd",
        "e30=",
        "%F0%9F%98%80",
    ):
        require_refused(world.api().get(f"{ENTRIES}?next={cursor}"), 400, "bad_cursor")
    for nothing in ("source_ref=%ED%A0%80", "domain=%25", "department=%27%20OR%201=1--"):
        assert world.api().get(f"{ENTRIES}?{nothing}").json() == {"entries": [], "next": None}


def test_bytes_that_are_no_request_do_not_break_the_server(world: World) -> None:
    world.api()
    digits = FULL_WIDTH.encode()
    for request in (
        b"GET /v1/entries?x=" + digits + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /" + digits + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        f"P{PERSON_RESIDENT_ID} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(),
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + b"\x00" * 40 + b"\r\n\r\n",
    ):
        answer = raw(world, request)
        assert answer.split(b" ")[1:2] == [b"400"], answer[:200]
        assert PERSON_RESIDENT_ID.encode() not in answer
        assert digits not in answer
    assert world.api().get(ENTRIES).status_code == 200


# --- methods, paths and languages -----------------------------------------


def test_an_unknown_path_and_a_wrong_method_differ(world: World) -> None:
    some = "01928374-0000-7000-8000-000000000000"
    with world.client(None) as nobody:
        for client in (world.api(), nobody):
            for path in ("/", "/v1", "/v2/entries", "/v1/entries/x/y/z", "/v1/%2e%2e/%2e%2e/etc"):
                require_refused(client.get(path), 404, "no_such_address")
            for method, path, allowed in (
                ("PUT", ENTRIES, "GET, POST"),
                ("DELETE", ENTRIES, "GET, POST"),
                ("PATCH", f"{ENTRIES}/{some}", "GET"),
                ("DELETE", f"{ENTRIES}/{some}", "GET"),
                ("GET", f"{ENTRIES}/{some}/corrections", "POST"),
                ("POST", f"{ENTRIES}/{some}/history", "GET"),
                ("GET", "/v1/checks", "POST"),
                ("POST", "/healthz", "GET"),
            ):
                answer = client.request(method, path)
                require_refused(answer, 405, "method_not_allowed")
                assert answer.headers["Allow"] == allowed, (method, path)


LANGUAGES: list[tuple[str | None, str]] = [
    (None, "en"),
    ("", "en"),
    ("zh", "zh"),
    ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
    ("ZH-hans", "zh"),
    ("en", "en"),
    ("zh;q=0.1,en;q=0.9", "en"),
    ("zh;q=0,en;q=0", "en"),
    ("fr,de;q=0.5", "en"),
    ("fr,zh;q=0.5", "zh"),
    ("*", "en"),
    ("zh;q=high", "zh"),
    (";;;,,q=", "en"),
    ("zh," * 1000, "zh"),
]


def test_an_error_speaks_the_readers_language_under_one_code(world: World) -> None:
    asks: list[Callable[[dict[str, str]], httpx.Response]] = [
        lambda headers: world.api().get("/v1/nothing", headers=headers),
        lambda headers: world.api().get(f"{ENTRIES}?x={PERSON_RESIDENT_ID}", headers=headers),
        *(
            lambda headers, body=body: world.api().post(ENTRIES, json=body, headers=headers)
            for body in (
                build_push(severity="x"),
                build_push(conduct_ended_on=None),
                build_push(effective_until="2040-01-01"),
            )
        ),
    ]
    for ask in asks:
        codes = set()
        for accepted, language in LANGUAGES:
            answer = ask({} if accepted is None else {"Accept-Language": accepted})
            document = read_problem(answer)
            assert answer.headers["Content-Language"] == language, accepted
            texts = [document["title"], document["detail"]]
            texts += [item["detail"] for item in document.get("errors", [])]
            for text in texts:
                chinese = any("\u4e00" <= each <= "\u9fff" for each in text)
                assert chinese == (language == "zh"), text
            codes.add(document["code"])
        assert len(codes) == 1


def test_a_batch_of_checks_refuses_odd_bodies_plainly(world: World) -> None:
    world.record()
    api = world.api("approver")
    for body in (
        build_check() | {"subjects": []},
        build_check() | {"subjects": [None]},
        build_check() | {"subjects": "x"},
        build_check() | {"purpose": "\x00"},
        build_check() | {"purpose": "\ud800"},
        build_check() | {"case_no": PERSON_RESIDENT_ID},
        build_check() | {PERSON_RESIDENT_ID: 1},
        build_check(matter="x" * 500),
        build_check(matter="\x00"),
        build_check({"ref": PERSON_RESIDENT_ID, "scheme": "uscc", "number": BUILDER_USCC}),
    ):
        answer = api.post("/v1/checks", content=json.dumps(body).encode(), headers=JSON)
        assert answer.status_code in {409, 422}, answer.text
        read_problem(answer)
        assert PERSON_RESIDENT_ID not in answer.text


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_internal_error_discloses_nothing(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the inside of the registry")

    api = world.api()
    monkeypatch.setattr(world.registry, "write", fail)
    answer = api.post(ENTRIES, json=build_push())
    require_refused(answer, 500, "internal_error")
    assert "inside" not in answer.text
    assert "Traceback" not in answer.text
    assert "the inside of the registry" in read_server_log(caplog)
