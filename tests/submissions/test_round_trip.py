"""An export is a submission: an empty registry gets the same facts from it."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.export_readers import EXPORT_PARSERS
from tests.support.problems import count_written_rows
from tests.support.request_bodies import (
    OTHER_USCC,
    build_licence_changes,
    build_penalty_changes,
    build_person,
    build_push,
    build_red_changes,
    build_subject,
    build_uscc,
)
from tests.support.submission_files import (
    View,
    build_row,
    change_settings,
    format_ndjson,
    read_entries,
    read_outcomes,
    record_entry,
    submit_file,
    submit_in_background,
)
from tests.support.world import RegistryTemplates, World, open_world

EXPORT = "/v1/exports/entries"
ODD = "=1+1,\"乙\"；'丙'\n第二行\t—— 𠀀"
NAMED = [{"role": "legal_representative", "name": "张某"}]
MADE = {
    *("id", "version", "seq", "received_at", "recorded_at", "catalogue_version"),
    *("deadline", "provisional", "calendar_version", "reported", "state", "channels"),
}
"""Fields that the registry adds; they may differ from one registry to the next."""


def filled(world: World) -> None:
    """Record entries of organisations, of every kind and with unusual values."""
    full = build_subject(build_uscc(serial="MB000001"), "枣庄甲公司（有限合伙）")
    full["identifiers"].append(
        {"scheme": "org_code", "number": full["identifiers"][0]["number"][8:17]}
    )
    world.record()
    exempt = {"class": "exempt", "exemption": "trade_secret", "basis": "保密法第九条"}
    bare = dict.fromkeys(
        ("severity", "effective_from", "effective_until", "disclosure", "conduct_ended_on")
    )
    for body in (
        build_row(2, subject=full, reason=ODD, remark="-乙", case_ref="'丙"),
        build_row(3, conduct_continues=True, **bare),
        build_row(4, effective_from="2026-12-01", disclosure=exempt),
    ):
        record_entry(world.api(), body)
    world.record(**build_red_changes(subject=build_subject(OTHER_USCC, "滕州某某劳务有限公司")))
    world.record(
        **build_penalty_changes(unintentional=True, severity="minor", effective_until="2027-11-16")
    )
    world.record(**build_licence_changes(source_ref="-LIC-1", disclosure={"class": "restricted"}))
    shop = {
        **build_subject(build_uscc("92370403", "MB000009"), "薛城区乙小吃店"),
        "kind": "individual_business",
    }
    world.record(**build_penalty_changes(source_ref="HR-PEN-2", subject=shop))
    world.record(
        world.api("department", "civil_affairs"),
        **build_penalty_changes(
            list_type="illegal_social_organizations.penalty",
            subject={"kind": "unincorporated_organization", "name": "无证某某联合会"},
        ),
    )
    entry = record_entry(world.api(), build_row(5))
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "笔误", "changes": {"reason": "更正后的事由"}},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text


def pull(api: httpx.Client, export_format: str, **query: Any) -> bytes:
    """Read an export, which must be complete."""
    answer = api.get(EXPORT, params={"format": export_format, **query})
    assert answer.status_code == 200, answer.text
    EXPORT_PARSERS[export_format](answer.content).require_matching_trailer()
    return answer.content


def parse_facts(body: bytes) -> dict[tuple[str, str], View]:
    """Return the facts of an NDJSON export, by department and reference."""
    return {(each["department"], each["source_ref"]): _facts(each) for each in _lines(body)}


def _lines(body: bytes) -> list[View]:
    return [json.loads(line) for line in body.splitlines()[:-1]]


def _facts(entry: View) -> View:
    facts = {name: value for name, value in entry.items() if name not in MADE}
    disclosure = {name: v for name, v in entry["disclosure"].items() if name not in MADE}
    facts["subject"] = {name: v for name, v in entry["subject"].items() if name != "id"}
    # An export masks the numbers of persons, so they cannot be imported.
    facts["responsible_persons"] = [
        {name: v for name, v in each.items() if name != "identifier"}
        for each in entry["responsible_persons"]
    ]
    return facts | {"disclosure": disclosure}


@pytest.fixture
def exports(world: World) -> dict[str, bytes]:
    """The registry in every format."""
    filled(world)
    return {each: pull(world.api("auditor"), each) for each in EXPORT_PARSERS}


@pytest.fixture
def empty(
    exports: dict[str, bytes],
    backend: str,
    templates: RegistryTemplates,
    app: FastAPI,
    address: str,
) -> Iterator[World]:
    """Another registry, behind the app that served the first."""
    assert exports
    settings = templates.create_copy(backend)
    opened = open_world(settings, app, address)
    yield opened
    opened.close()
    templates.drop_copy(settings)


@pytest.mark.parametrize("export_format", EXPORT_PARSERS)
def test_an_export_gives_the_same_facts_in_another_registry(
    empty: World, exports: dict[str, bytes], export_format: str
) -> None:
    content, operator = exports[export_format], empty.api("operator")
    view = submit_file(operator, content, list_type=None)
    assert [each for each in view["results"] if "code" in each] == []
    assert (view["state"], view["problem"]) == ("done", None)
    assert view["progress"]["accepted"] == 10
    assert parse_facts(pull(empty.api("auditor"), "ndjson")) == parse_facts(exports["ndjson"])
    # Sent again, and in every other format, it changes nothing.
    before = count_written_rows(empty)
    for again in exports.values():
        view = submit_file(operator, again, list_type=None, dry_run=True)
        assert {outcome for _, outcome in read_outcomes(view)} == {"replayed"}, view["results"]
    assert count_written_rows(empty) == before


def test_a_department_takes_its_own_rows_in(empty: World, exports: dict[str, bytes]) -> None:
    view = submit_file(empty.api(), exports["ndjson"], list_type=None)
    refused = [each for each in view["results"] if each["outcome"] == "refused"]
    assert [each["code"] for each in refused] == ["department_differs"]
    assert view["progress"]["accepted"] == 9
    assert (
        parse_facts(pull(empty.api("auditor"), "ndjson")).items()
        <= parse_facts(exports["ndjson"]).items()
    )
    change_settings(empty, submission_at_once_bytes=0)
    own = submit_in_background(
        empty, empty.api("department", "civil_affairs"), exports["json"], list_type=None
    )
    assert own["progress"]["accepted"] == 1
    assert parse_facts(pull(empty.api("auditor"), "ndjson")) == parse_facts(exports["ndjson"])


def _without_a_line(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:3], *lines[4:]])


CUT = {
    "ndjson": _without_a_line,
    "ndjson altered": lambda content: content.replace("劳动保障".encode(), "劳动保證".encode(), 1),
    "json": _without_a_line,
    "csv": lambda content: b"".join(
        line for line in content.splitlines(keepends=True) if b"HR-PEN-2" not in line
    ),
    "csv with a row behind its trailer": lambda content: (
        content + b"\r\n" + content.splitlines(keepends=True)[1]
    ),
}


@pytest.mark.parametrize("name", CUT)
def test_the_trailer_reveals_a_missing_row_of_an_export(
    empty: World, exports: dict[str, bytes], name: str
) -> None:
    content = exports[name.split(maxsplit=1)[0]]
    cut = CUT[name](content)
    assert cut != content
    before = count_written_rows(empty)
    operator = empty.api("operator")
    view = submit_file(operator, cut, list_type=None, commit="all_or_nothing")
    assert (view["state"], view["problem"]["code"]) == ("refused", "export_not_whole")
    assert count_written_rows(empty) == before
    view = submit_file(operator, cut, list_type=None)
    assert (view["state"], view["problem"]["code"]) == ("stopped", "export_not_whole")


def test_rows_that_cannot_be_imported_are_reported_one_by_one(world: World) -> None:
    api = world.api()
    world.record(subject=build_person(name="李某"), responsible_persons=None, source_ref="P-1")
    entry = record_entry(world.api(), build_row(1))
    answer = api.post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已履行", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text
    auditor, before = world.api("auditor"), count_written_rows(world)
    for export_format in EXPORT_PARSERS:
        content = pull(auditor, export_format, scope="all")
        view = submit_file(world.api("operator"), content, list_type=None)
        assert [each["code"] for each in view["results"]] == ["number_masked", "not_in_force"]
        assert all("3704" not in json.dumps(each) for each in view["results"])
    assert count_written_rows(world) == before


def test_a_mended_export_may_be_sent_without_its_trailer(world: World) -> None:
    """Lines of an export mixed with other lines are rows like others."""
    record_entry(world.api(), build_row(1, responsible_persons=NAMED))
    (line,) = _lines(pull(world.api("auditor"), "ndjson"))
    view = submit_file(
        world.api(),
        format_ndjson([line | {"source_ref": "HR-8"}, build_row(9, responsible_persons=NAMED)]),
    )
    assert read_outcomes(view) == [(1, "accepted"), (2, "accepted")]
    assert read_entries(world.api()).keys() == {"HR-1", "HR-8", "HR-9"}
    table = list(csv.reader(io.StringIO(pull(world.api("auditor"), "csv").decode())))
    text = io.StringIO()
    csv.writer(text).writerows(table[:-1])
    assert read_outcomes(submit_file(world.api(), text.getvalue().encode())) == [
        (2, "replayed"),
        (3, "replayed"),
        (4, "replayed"),
    ]
    assert build_push()["source_ref"] not in read_entries(world.api())
