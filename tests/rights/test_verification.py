"""Verification of a print: for its holder, and never for a guesser."""

from typing import Any

import pytest
from fastapi import FastAPI

from app.db.tables import UnknownCaller
from app.errors import NotReady
from app.rights.verification_code import ALPHABET, make_code, parse_code
from app.security.limits import WindowLimiter
from tests.support.own_reports import BUILDER_NAME, build_person_report_body, issue_report
from tests.support.problems import require_refused
from tests.support.request_bodies import build_person
from tests.support.world import World

UNKNOWN = "00000-00000-00000-00000"


def build_path(code: str) -> str:
    return f"/v1/verifications/{code}"


def count_unknown_callers(world: World) -> int:
    with world.registry.database.reading_ledger() as connection:
        return sum(row.attempts for row in connection.execute(UnknownCaller.__table__.select()))


# --- a true code ----------------------------------------------------------


def test_any_holder_of_a_print_can_verify_it(world: World) -> None:
    world.record()
    report = issue_report(world)
    answer = world.client(None).get(build_path(report["verification_code"]))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "valid": True,
        "report_id": report["report_id"],
        "issued_at": report["issued_at"],
        "subject_name": BUILDER_NAME,
        "subject_kind": "legal_person",
        "scope": "whole",
        "superseded": False,
        "sha256": report["sha256"],
    }
    assert count_unknown_callers(world) == 0


@pytest.mark.parametrize(
    ("name", "masked"), [("张某", "张*"), ("买买提·艾力", "买*****"), ("John Doe", "J*******")]
)
def test_a_persons_name_is_masked_after_its_first_character(
    world: World, name: str, masked: str
) -> None:
    world.record(subject=build_person(name=name), responsible_persons=None)
    report = issue_report(world, build_person_report_body(name=name))
    answer = world.client(None).get(build_path(report["verification_code"]))
    assert answer.json()["subject_name"] == masked
    assert name not in answer.text


def test_it_is_read_as_people_read_it(world: World) -> None:
    code = issue_report(world)["verification_code"]
    nobody = world.client(None)
    for read in (
        code.lower(),
        code.replace("-", ""),
        code.replace("-", " "),
        code.replace("-", "\N{EN DASH}"),
        f" {code} ",
        code.replace("0", "O").replace("1", "I"),
        code.replace("0", "o").replace("1", "l"),
        "".join(chr(ord(each) + 0xFEE0) for each in code),
    ):
        assert nobody.get(build_path(read)).status_code == 200, read


# --- codes ----------------------------------------------------------------


def test_codes_are_long_grouped_and_without_look_alikes() -> None:
    codes = {make_code() for _ in range(500)}
    assert len(codes) == 500
    assert len(ALPHABET) ** 20 >= 2**80
    for code in codes:
        assert [len(group) for group in code.split("-")] == [5, 5, 5, 5]
        assert not set(code) & set("ILOU")
        assert parse_code(code) == code
    assert {each for code in codes for each in code} == {*ALPHABET, "-"}


def test_look_alikes_mean_what_they_look_like() -> None:
    assert parse_code("oOiIl-LlLoO-7q4mc-WD31N") == "00111-11100-7Q4MC-WD31N"


@pytest.mark.parametrize(
    "text", ["", "-", UNKNOWN[:-1], f"{UNKNOWN}0", UNKNOWN.replace("0", "U", 1), "枣庄", "ß" * 20]
)
def test_what_is_no_code_is_none(text: str) -> None:
    assert parse_code(text) is None


# --- guessing -------------------------------------------------------------


@pytest.mark.parametrize("code", [UNKNOWN, "x", "枣庄", "%27%20OR%201=1", "a" * 3000, "\ud7ff"])
def test_an_unknown_code_is_not_found_and_counted(world: World, code: str) -> None:
    issue_report(world)
    require_refused(world.client(None).get(build_path(code)), 404, "report_not_found")
    assert count_unknown_callers(world) == 1


def test_with_a_key_an_unknown_code_is_not_found_either(world: World) -> None:
    require_refused(world.api().get(build_path(UNKNOWN)), 404, "report_not_found")
    assert count_unknown_callers(world) == 1


def test_guessing_ends_and_true_codes_are_answered_still(world: World, app: FastAPI) -> None:
    app.state.authenticator.attempts = WindowLimiter(3, 60, world.clock)
    code = issue_report(world)["verification_code"]
    nobody = world.client(None)
    statuses = [nobody.get(build_path(UNKNOWN)).status_code for _ in range(5)]
    assert statuses == [404, 404, 404, 429, 429]
    answer = nobody.get(build_path(UNKNOWN))
    require_refused(answer, 429, "too_many_attempts")
    assert int(answer.headers["Retry-After"]) == 60
    assert nobody.get("/v1/matters").status_code == 429  # one count for both
    assert count_unknown_callers(world) == 3
    assert nobody.get(build_path(code)).status_code == 200


def test_it_answers_nothing_while_the_registry_is_not_ready(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = issue_report(world)["verification_code"]

    def away() -> Any:
        raise NotReady

    monkeypatch.setattr(world.registry, "require_ready", away)
    require_refused(world.client(None).get(build_path(code)), 503, "not_ready")


def test_a_report_with_a_void_entry_is_no_longer_shown(world: World) -> None:
    entry = world.record()
    report = issue_report(world)
    path = build_path(report["verification_code"])
    with world.client(None) as anybody:
        assert anybody.get(path).json()["superseded"] is False
    order = {"reason": "x", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}
    revoked = world.api().post(
        f"/v1/entries/{entry['id']}/revocations", json=order, headers={"If-Match": '"1"'}
    )
    assert revoked.status_code == 200
    for address in (f"/v1/own-reports/{report['report_id']}{form}" for form in ("", "/page")):
        answer = world.api("operator").get(address)
        assert (answer.status_code, answer.json()["code"]) == (404, "report_not_found")
    with world.client(None) as anybody:
        assert anybody.get(path).json()["superseded"] is True
