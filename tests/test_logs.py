"""The log: one line for an event, and never a personal number in it."""

import io
import logging

import pytest

from app.logs import RedactingFormatter
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_push,
    build_question,
)
from tests.support.world import World


def formatted(message: str, *args: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("redblack", logging.INFO, "app.py", 1, message, args, info)
    return RedactingFormatter("%(message)s").format(record)


@pytest.mark.parametrize(
    "number", [PERSON_RESIDENT_ID, "11010519491231002X", "11010519491231002x", "91370403MB000CT75T"]
)
def test_what_has_the_shape_of_an_identity_number_is_masked(number: str) -> None:
    personal = number.rstrip("Xx").isdigit()
    line = formatted("asked for %s, twice: %s", number, number)
    assert (number in line) is not personal
    if personal:
        assert line.count(f"{number[:6]}************") == 2


def test_a_number_in_a_traceback_is_masked() -> None:
    line = ""
    try:
        int(PERSON_RESIDENT_ID + " years")
    except ValueError as error:
        line = formatted("unforeseen", error=error)
    assert PERSON_RESIDENT_ID not in line
    assert "ValueError" in line


def test_instants_counts_and_ids_are_left_alone() -> None:
    plain = "2026-11-22T02:00:00 seq 1042 01a2048c-a7cf-733f-a0d1-e46482f79751 200 1.5ms"
    assert formatted(plain) == plain


def test_no_request_brings_a_personal_number_into_the_log(world: World) -> None:
    captured = io.StringIO()
    handler = logging.StreamHandler(captured)
    # Without the masking formatter: these numbers are masked before the last filter.
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the log of the test's client
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    try:
        _battery(world)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    log = captured.getvalue()
    assert "/v1/checks 200" in log
    assert "/v1/entries 422" in log
    for line in log.splitlines():
        assert PERSON_RESIDENT_ID not in line
        assert "198506120013" not in line
    assert "/v1/entries?" not in log


def _battery(world: World) -> None:
    headers = {
        "X-Request-ID": PERSON_RESIDENT_ID,
        "User-Agent": PERSON_RESIDENT_ID,
        "X-Case": PERSON_RESIDENT_ID,
        "Referer": PERSON_RESIDENT_ID,
    }
    for role in ("department", "approver", "auditor", "operator"):
        api = world.api(role)
        for method, path in (
            ("GET", f"/v1/entries?source_ref={PERSON_RESIDENT_ID}"),
            ("GET", f"/v1/subjects/uscc/{PERSON_RESIDENT_ID}"),
            ("GET", f"/{PERSON_RESIDENT_ID}"),
            ("DELETE", f"/v1/entries/{PERSON_RESIDENT_ID}"),
            ("GET", f"/v1/audit/records?next={PERSON_RESIDENT_ID}"),
        ):
            assert api.request(method, path, headers=headers).status_code == 400
        for body in (
            build_push(subject=build_person(), responsible_persons=None),
            build_push(source_ref=PERSON_RESIDENT_ID),
            build_push(reason=PERSON_RESIDENT_ID),
            build_push(subject=build_person(PERSON_RESIDENT_ID[:-1] + "4")),
            build_push() | {PERSON_RESIDENT_ID: 1},
            build_check(build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")),
            build_check(
                build_question(PERSON_RESIDENT_ID, PERSON_RESIDENT_ID, scheme="resident_id")
            ),
            build_check(
                build_question(PERSON_RESIDENT_ID, "张某", scheme="uscc", ref=PERSON_RESIDENT_ID)
            ),
            {
                "scheme": "resident_id",
                "number": PERSON_RESIDENT_ID,
                "name": "张某",
                "purpose": "查",
                "case_no": "1",
            },
            [PERSON_RESIDENT_ID],
        ):
            for path in ("/v1/entries", "/v1/checks", "/v1/subjects/lookup"):
                api.post(path, json=body, headers=headers)
        api.post("/v1/checks", content=f"{{{PERSON_RESIDENT_ID}".encode(), headers=headers)
        api.post(
            "/v1/checks",
            content=PERSON_RESIDENT_ID.encode(),
            headers={"Content-Type": PERSON_RESIDENT_ID},
        )
        api.get(
            "/v1/matters",
            headers={"Accept-Language": PERSON_RESIDENT_ID, "If-Match": PERSON_RESIDENT_ID},
        )
    world.client(PERSON_RESIDENT_ID).get("/v1/matters")
