"""The law changes without a release: files, enabling a list type, departments."""

from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import select

from app.catalogue.loading.files import read_sections
from app.catalogue.queries import read_current_catalogue
from app.catalogue.service import add_department, load_catalogue_file, put_list_type_in_force
from app.db.counter import read_head
from app.db.tables import CatalogueVersion, EntryVersion
from app.errors import InvalidPayload
from app.rules.law import Severity, Span
from tests.support.request_bodies import (
    build_check,
    build_decision,
    build_organisation,
    build_penalty_changes,
    build_push,
    build_question,
    build_red_changes,
    build_subject,
)
from tests.support.world import World

NEW_MEASURE: dict[str, Any] = {
    "measures": [
        {
            "code": "site_visit",
            "name": "现场核查",
            "kind": "punishment",
            "legal_reference": "山东省社会信用条例第二十八条",
        }
    ],
    "measure_rules": [
        {
            "code": "site_visit.wages",
            "measure": "site_visit",
            "obligation": "should",
            "matters": ["bidding"],
            "list_types": ["wage_arrears.black"],
            "legal_reference": "山东省社会信用条例第二十八条第四项",
        }
    ],
}


def write_file(tmp_path: Path, document: object) -> Path:
    file = tmp_path / "law.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return file


def version(world: World) -> str:
    return str(world.api().get("/v1/measures").json()["catalogue_version"])


def list_type(world: World, code: str) -> dict[str, Any]:
    items = world.api().get("/v1/list-types").json()["list_types"]
    return dict(next(item for item in items if item["code"] == code))


def checked(world: World, **changes: Any) -> dict[str, Any]:
    answer = world.api("approver").post("/v1/checks", json=build_check(**changes))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def measures(body: dict[str, Any]) -> set[str]:
    return {item["code"] for item in body["results"][0]["measures"]}


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def faults_of(world: World, file: Path) -> dict[str, str]:
    with pytest.raises(InvalidPayload) as refusal:
        load_catalogue_file(world.registry, file)
    return {fault.pointer: fault.code for fault in refusal.value.faults}


# --- files ---------------------------------------------------------------


def test_a_new_measure_applies_to_the_next_check(world: World, tmp_path: Path) -> None:
    world.record()
    before = checked(world)
    assert load_catalogue_file(world.registry, write_file(tmp_path, NEW_MEASURE)) == 2
    after = checked(world)
    assert (before["catalogue_version"], after["catalogue_version"]) == ("1", "2")
    assert measures(after) == measures(before) | {"site_visit"}
    assert "site_visit" not in measures(checked(world, matter="honours"))
    [added] = [one for one in after["results"][0]["measures"] if one["code"] == "site_visit"]
    assert (
        added.items()
        >= {
            "name": "现场核查",
            "kind": "punishment",
            "obligation": "should",
            "legal_basis": "山东省社会信用条例第二十八条第四项",
        }.items()
    )
    assert after["results"][0]["digest"] != before["results"][0]["digest"]
    # The law changed; the entry did not.
    assert after["seq"] == before["seq"] == 1
    stored = world.api("approver").get(f"/v1/checks/{before['check_id']}").json()
    assert stored["catalogue_version"] == "1"


def test_a_file_replaces_items_by_code(world: World, tmp_path: Path) -> None:
    before = world.api().get("/v1/measures").json()["measures"]
    renamed = {**before[0], "name": "另一名称"}
    load_catalogue_file(world.registry, write_file(tmp_path, {"measures": [renamed]}))
    after = world.api().get("/v1/measures").json()["measures"]
    assert after == [renamed, *before[1:]]
    assert len(world.api().get("/v1/domains").json()["domains"]) == 18


def test_an_ended_list_type_has_no_effect(world: World, tmp_path: Path) -> None:
    entry = world.record()
    assert checked(world)["results"][0]["standing"] == "black"
    ended = list_type(world, "wage_arrears.black") | {"valid_until": "2026-11-21"}
    load_catalogue_file(world.registry, write_file(tmp_path, {"list_types": [ended]}))
    found = checked(world)["results"][0]
    assert (found["standing"], found["measures"]) == ("none", [])
    answer = world.api().post(
        "/v1/entries", json=build_push(source_ref="new", subject=build_organisation(1))
    )
    assert refused(answer) == (409, "list_type_not_in_force")
    # A retry gets the same response, and lawful entries stay correctable.
    assert world.api().post("/v1/entries", json=build_push()).status_code == 200
    corrected = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "录入错误", "changes": {"reason": "拖欠农民工工资"}},
        headers={"If-Match": '"1"'},
    )
    assert corrected.status_code == 200


def test_a_list_type_is_in_force_on_its_last_day(world: World, tmp_path: Path) -> None:
    world.record()
    ending = list_type(world, "wage_arrears.black") | {"valid_until": "2026-11-22"}
    load_catalogue_file(world.registry, write_file(tmp_path, {"list_types": [ending]}))
    assert checked(world)["results"][0]["standing"] == "black"
    world.clock.set_day(date(2026, 11, 23))
    assert checked(world)["results"][0]["standing"] == "none"


FAULTY: list[tuple[dict[str, Any], dict[str, str]]] = [
    (
        {"measures": [{"code": "x", "name": "x", "kind": "gift", "legal_reference": "x"}]},
        {"/measures/0/kind": "enum"},
    ),
    (
        {"matters": [{"code": "x", "name": "x"}, {"name": 5, "legal_reference": "x"}]},
        {
            "/matters/0/legal_reference": "missing",
            "/matters/1/code": "missing",
            "/matters/1/name": "string_type",
        },
    ),
    (
        {"places": [{"code": "1", "name": "x", "colour": "red"}]},
        {"/places/0/colour": "unexpected_keyword_argument"},
    ),
    ({"places": None}, {"/places": "tuple_type"}),
    (
        {"matters": [{"code": "x", "name": "x", "legal_reference": " "}]},
        {"/matters/0/legal_reference": "missing"},
    ),
    (
        {
            "matters": [
                {"code": "x", "name": "x", "legal_reference": "x"},
                {"code": "x", "name": "y", "legal_reference": "y"},
            ]
        },
        {"/matters/1/code": "twice"},
    ),
    (
        {
            "measures": [
                {
                    "code": "x",
                    "name": "x",
                    "kind": "reward",
                    "legal_reference": "x",
                    "valid_from": "2026-04-01",
                    "valid_until": "2026-03-31",
                }
            ]
        },
        {"/measures/0/valid_until": "dates_out_of_order"},
    ),
]
BARE_LIST = {
    "code": "wage_arrears.watch",
    "domain": "wage_arrears",
    "kind": "black",
    "name": "x",
    "issuers": [{"function": "human_resources"}],
    "subject_kinds": ["legal_person"],
}


def test_a_file_with_faults_is_refused_as_a_whole(world: World, tmp_path: Path) -> None:
    for document, expected in FAULTY:
        assert faults_of(world, write_file(tmp_path, document)) == expected, document
    lawless = {"list_types": [BARE_LIST | {"in_force": True}]}
    assert faults_of(world, write_file(tmp_path, lawless)) == {
        "/list_types/0/legal_reference": "missing"
    }
    astray = {"list_types": [BARE_LIST | {"domain": "tax_fraud"}]}
    assert faults_of(world, write_file(tmp_path, astray)) == {"/list_types/0/code": "wrong_form"}
    endless = {"list_types": [BARE_LIST | {"term": {"months": -1}, "extension": {"years": 101}}]}
    assert faults_of(world, write_file(tmp_path, endless)) == {
        "/list_types/0/term": "out_of_range",
        "/list_types/0/extension": "out_of_range",
    }
    # A valid item next to a faulty one is not loaded either.
    half = NEW_MEASURE | {"matters": [{"code": "x"}]}
    assert "/matters/0/name" in faults_of(world, write_file(tmp_path, half))
    assert version(world) == "1"


REPAIR_RULE: dict[str, Any] = {
    "code": "transport",
    "list_types": ["transport.black"],
    "minimum": {"serious": {"months": 6}},
    "counted_from": "publication",
    "legal_reference": "某办法第十条",
}


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"minimum": {}}, {"/minimum": "missing"}),
        ({"means": []}, {"/means": "missing"}),
        (
            {"minimum": {"minor": {"months": -1}, "serious": {"years": -1, "months": 18}}},
            {"/minimum/minor": "out_of_range", "/minimum/serious": "out_of_range"},
        ),
        ({"minimum": {"serious": {"years": 101}}}, {"/minimum/serious": "out_of_range"}),
        ({"minimum": {"grave": {}}}, {"/minimum/grave/[key]": "enum"}),
        ({"counted_from": "birth"}, {"/counted_from": "enum"}),
        ({"acceptance_working_days": 0}, {"/acceptance_working_days": "out_of_range"}),
        ({"decision_working_days": 0}, {"/decision_working_days": "out_of_range"}),
        ({"extension_working_days": -1}, {"/extension_working_days": "out_of_range"}),
        ({"decision_working_days": 251}, {"/decision_working_days": "out_of_range"}),
        (
            {"valid_from": "2026-04-01", "valid_until": "2026-03-31"},
            {"/valid_until": "dates_out_of_order"},
        ),
        ({"legal_reference": " "}, {"/legal_reference": "missing"}),
        ({"deadline": 3}, {"/deadline": "unexpected_keyword_argument"}),
    ],
)
def test_a_repair_rule_with_faults_is_refused(
    tmp_path: Path, changes: dict[str, Any], faults: dict[str, str]
) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        read_sections(write_file(tmp_path, {"repair_rules": [REPAIR_RULE | changes]}))
    assert {fault.pointer: fault.code for fault in refusal.value.faults} == {
        f"/repair_rules/0{place}": code for place, code in faults.items()
    }


def test_a_repair_rule_may_have_no_minimum_and_one_day(tmp_path: Path) -> None:
    bounds = {
        "minimum": {"minor": {}, "serious": {"years": 100}},
        "acceptance_working_days": 1,
        "decision_working_days": 1,
        "extension_working_days": 0,
        "valid_from": "2026-04-01",
        "valid_until": "2026-04-01",
    }
    [rule] = read_sections(write_file(tmp_path, {"repair_rules": [REPAIR_RULE | bounds]}))[
        "repair_rules"
    ]
    assert rule.minimum == {Severity.minor: Span(), Severity.serious: Span(years=100)}


def test_a_new_repair_rule_applies_from_the_next_version(world: World, tmp_path: Path) -> None:
    def codes() -> dict[str, str]:
        with world.registry.database.reading() as connection:
            law = read_current_catalogue(world.registry, connection)
        found = {
            code: law.find_repair_rule(code, date(2026, 11, 22))
            for code in ("transport.black", "charity.black")
        }
        return {code: rule.code for code, rule in found.items() if rule}

    general = {"transport.black": "general_ndrc_36", "charity.black": "general_ndrc_36"}
    assert codes() == general
    assert (
        load_catalogue_file(world.registry, write_file(tmp_path, {"repair_rules": [REPAIR_RULE]}))
        == 2
    )
    assert codes() == general | {"transport.black": "transport"}
    # An item with the same code is replaced, so it does not overlap.
    ended = REPAIR_RULE | {"valid_until": "2026-11-21"}
    assert load_catalogue_file(world.registry, write_file(tmp_path, {"repair_rules": [ended]})) == 3
    assert codes() == general


def test_overlapping_repair_rules_are_refused(world: World, tmp_path: Path) -> None:
    def load(*rules: dict[str, Any]) -> int:
        return load_catalogue_file(
            world.registry, write_file(tmp_path, {"repair_rules": list(rules)})
        )

    later = REPAIR_RULE | {"code": "later", "valid_from": "2027-01-01"}
    for rules, named in (
        ([REPAIR_RULE, later], "transport, later"),
        ([REPAIR_RULE | {"list_types": ["tax_fraud.black"]}], "transport, tax_fraud"),
        ([REPAIR_RULE | {"list_types": []}], "transport, general_ndrc_36"),
        ([later | {"list_types": []}], "later, general_ndrc_36"),
        (
            [REPAIR_RULE | {"list_types": [], "valid_until": "2026-03-31"}],
            "transport, general_ndrc_58",
        ),
    ):
        with pytest.raises(InvalidPayload) as refusal:
            load(*rules)
        assert named in refusal.value.detail.en
    assert version(world) == "1"
    assert load(REPAIR_RULE | {"valid_until": "2026-12-31"}, later) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("measures: [", "cannot be read as YAML"),
        ("measures:\n- valid_from: 2026-02-30", "a day that does not exist"),
        ("- a", "has the sections"),
        ("laws: []", "has the sections"),
        ("", "has the sections"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "law.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPayload) as refusal:
        read_sections(file)
    assert expected in refusal.value.detail.en


def test_references_to_missing_items_are_refused(world: World, tmp_path: Path) -> None:
    rule = NEW_MEASURE["measure_rules"][0]
    domain = {
        "code": "new",
        "number": 19,
        "name": "x",
        "leads": [{"department": "anonymous", "named": "x"}],
        "legal_reference": "x",
    }
    body = {"code": "new", "name": "x"}
    for document, missing in (
        ({"measure_rules": [rule]}, "measure site_visit"),
        (NEW_MEASURE | {"measure_rules": [rule | {"matters": ["war"]}]}, "matter war"),
        (NEW_MEASURE | {"measure_rules": [rule | {"list_types": ["a.b"]}]}, "list type a.b"),
        ({"repair_rules": [REPAIR_RULE | {"list_types": ["a.b"]}]}, "list type a.b"),
        ({"list_types": [BARE_LIST | {"code": "x.red", "domain": "x"}]}, "domain x"),
        ({"domains": [domain]}, "department anonymous"),
        ({"domains": [domain | {"leads": [], "participants": domain["leads"]}]}, "anonymous"),
        ({"departments": [body | {"parent": "anonymous"}]}, "department anonymous"),
        ({"departments": [body | {"successor": "anonymous"}]}, "department anonymous"),
        ({"departments": [body | {"place": "999999"}]}, "place 999999"),
    ):
        with pytest.raises(InvalidPayload) as refusal:
            load_catalogue_file(world.registry, write_file(tmp_path, document))
        assert missing in refusal.value.detail.en, document
    assert version(world) == "1"


def test_every_change_of_the_law_is_recorded(world: World, tmp_path: Path) -> None:
    load_catalogue_file(world.registry, write_file(tmp_path, NEW_MEASURE))
    put_list_type_in_force(world.registry, "poverty_relief.black", "某法第一条")
    add_department(world.registry, "new_office", "新局", None)
    with world.registry.database.reading() as connection:
        rows = connection.execute(
            select(
                CatalogueVersion.version, CatalogueVersion.actor, CatalogueVersion.note
            ).order_by(CatalogueVersion.version)
        ).all()
        assert read_head(connection).seq == 0
    assert [tuple(row) for row in rows] == [
        (1, "command line", "shipped with the app"),
        (2, "command line", "file law.yaml"),
        (3, "command line", "poverty_relief.black: 某法第一条"),
        (4, "command line", "new_office 新局"),
    ]


# --- enabling ------------------------------------------------------------


def test_an_enabled_list_type_has_effect(world: World) -> None:
    facts = build_push(list_type="poverty_relief.black", subject=build_organisation(1))
    api = world.api("department", "poverty_relief_office")
    assert refused(api.post("/v1/entries", json=facts)) == (409, "list_type_not_in_force")
    assert put_list_type_in_force(world.registry, "poverty_relief.black", " 某法第一条 ") == 2
    shown = list_type(world, "poverty_relief.black")
    assert (shown["in_force"], shown["legal_reference"]) == (True, "某法第一条")
    assert api.post("/v1/entries", json=facts).status_code == 201
    number = facts["subject"]["identifiers"][0]["number"]
    body = build_check(build_question(number, None))
    found = world.api("approver").post("/v1/checks", json=body).json()
    assert found["catalogue_version"] == "2"
    assert found["results"][0]["standing"] == "black"
    assert measures(found)


def test_enabling_needs_a_law_and_a_list_type(world: World) -> None:
    for code, reference in (("poverty_relief.black", "  "), ("poverty_relief.grey", "某法")):
        with pytest.raises(InvalidPayload):
            put_list_type_in_force(world.registry, code, reference)
    assert version(world) == "1"


# --- departments ---------------------------------------------------------


def test_a_district_bureau_issues_what_its_parent_issues(world: World) -> None:
    add_department(world.registry, "shizhong_hr", "市中区人社局", "human_resources")
    district = world.api("department", "shizhong_hr")
    entry = world.record(district)
    assert entry["department"] == "shizhong_hr"
    # Entries belong to one department: the city department does not read it and may use the same
    # reference.
    assert world.api().get(f"/v1/entries/{entry['id']}").status_code == 404
    own = world.record(world.api(), **build_penalty_changes(source_ref=entry["source_ref"]))
    assert own["department"] == "human_resources"
    bodies = {
        item["code"]: item for item in world.api().get("/v1/departments").json()["departments"]
    }
    assert (
        bodies["shizhong_hr"].items()
        >= {
            "parent": "human_resources",
            "functions": ["human_resources"],
            "level": "county",
        }.items()
    )


def test_an_issuer_needs_the_function(world: World) -> None:
    add_department(world.registry, "shizhong_hr", "市中区人社局", "human_resources")
    add_department(world.registry, "new_office", "新局", None)
    tax_facts = build_push(**build_penalty_changes(source_ref="T-1", list_type="tax_fraud.penalty"))
    for department, facts in (
        ("shizhong_hr", tax_facts),
        ("human_resources", tax_facts),
        ("new_office", build_push()),
        ("tax", build_push()),
        ("no_such_body", build_push()),
    ):
        answer = world.api("department", department).post("/v1/entries", json=facts)
        assert refused(answer) == (403, "not_your_list"), department
    assert world.api("department", "tax").post("/v1/entries", json=tax_facts).status_code == 201


def test_an_issuer_needs_the_level(world: World, tmp_path: Path) -> None:
    add_department(world.registry, "shizhong_hr", "市中区人社局", "human_resources")
    city_only = list_type(world, "wage_arrears.black") | {
        "issuers": [{"function": "human_resources", "levels": ["city"]}]
    }
    load_catalogue_file(world.registry, write_file(tmp_path, {"list_types": [city_only]}))
    district = world.api("department", "shizhong_hr")
    assert refused(district.post("/v1/entries", json=build_push())) == (403, "not_your_list")
    assert world.api().post("/v1/entries", json=build_push()).status_code == 201


def test_an_ended_department_issues_nothing(world: World, tmp_path: Path) -> None:
    gone = {
        "code": "human_resources",
        "name": "市人力资源和社会保障局",
        "functions": ["human_resources"],
        "valid_until": "2026-11-21",
    }
    load_catalogue_file(world.registry, write_file(tmp_path, {"departments": [gone]}))
    assert refused(world.api().post("/v1/entries", json=build_push())) == (403, "not_your_list")


def test_a_faulty_department_is_refused(
    world: World,
) -> None:
    for code, name, parent in (
        ("tax", "x", None),
        ("new", "x", "anonymous"),
        ("New Office", "x", None),
        ("", "x", None),
        ("新局", "x", None),
        ("new", " ", None),
    ):
        with pytest.raises(InvalidPayload):
            add_department(world.registry, code, name, parent)
    assert version(world) == "1"


# --- the past ------------------------------------------------------------


def test_a_check_of_the_past_uses_the_law_of_that_time(world: World, tmp_path: Path) -> None:
    world.record()
    load_catalogue_file(world.registry, write_file(tmp_path, NEW_MEASURE))
    world.record(
        **build_red_changes(
            source_ref="red",
            subject=build_organisation(9),
            decision=build_decision("2026-11-20", kind="honour"),
            effective_from=None,
        )
    )
    now = checked(world, matter="bidding")
    assert (now["catalogue_version"], now["seq"]) == ("2", 2)
    auditor = world.api("auditor")
    past = auditor.post("/v1/checks", json=build_check(known_seq=1)).json()
    assert (past["catalogue_version"], past["seq"], past["check_id"]) == ("1", 1, None)
    assert past["results"][0]["standing"] == "black"
    assert measures(now) - measures(past) == {"site_visit"}
    later = auditor.post("/v1/checks", json=build_check(known_seq=2)).json()
    assert later["catalogue_version"] == "2"
    assert measures(later) == measures(now)


def test_an_entry_names_the_law_of_its_decision(world: World, tmp_path: Path) -> None:
    first = world.record(subject=build_subject())
    load_catalogue_file(world.registry, write_file(tmp_path, NEW_MEASURE))
    second = world.record(source_ref="second", subject=build_organisation(1))
    with world.registry.database.reading() as connection:
        found = dict(
            connection.execute(select(EntryVersion.entry_id, EntryVersion.catalogue_version)).all()
        )
    assert {str(entry_id): number for entry_id, number in found.items()} == {
        first["id"]: 1,
        second["id"]: 2,
    }
