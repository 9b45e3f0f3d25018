"""The entries of a report: all data that is held, ended or not, and its sources."""

from typing import Any

import httpx

from app.rules.identifiers import Scheme
from tests.support.numbers import build_org_code, build_resident_id, build_uscc
from tests.support.own_reports import (
    BUILDER_NAME,
    build_own_report_body,
    build_person_report_body,
    issue_report,
    read_report_page,
)
from tests.support.request_bodies import (
    BUILDER_USCC,
    PERSON_RESIDENT_ID,
    build_check,
    build_decision,
    build_person,
    build_publication,
    build_question,
    build_red_changes,
    build_subject,
)
from tests.support.world import World

WRONG = {"reason": "错列主体", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}


def post_change(
    world: World, entry: dict[str, Any], name: str, body: dict[str, Any], version: int = 1
) -> httpx.Response:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/{name}", json=body, headers={"If-Match": f'"{version}"'}
    )
    assert answer.is_success, answer.text
    return answer


def get_only_entry(report: dict[str, Any]) -> dict[str, Any]:
    [entry] = report["entries"]
    return dict(entry)


# --- a complete entry -----------------------------------------------------


def test_an_entry_has_its_source(world: World) -> None:
    recorded = world.record()
    entry = get_only_entry(issue_report(world))
    assert entry["source"] == {
        "department": {"code": "human_resources", "name": "市人力资源和社会保障局"},
        "source_ref": "HR-2026-000123",
        "case_ref": "HR-C-2026-77",
        "decision": recorded["decision"],
        "legal_basis": recorded["legal_basis"],
        "received_at": recorded["received_at"],
        "recorded_at": recorded["recorded_at"],
    }
    same = (
        "id",
        "list",
        "list_type",
        "domain",
        "status",
        "removal",
        "disputed",
        "severity",
        "effective_from",
        "effective_until",
        "ends_by_law_on",
        "conduct_ended_on",
        "reason",
        "remark",
    )
    assert {name: entry[name] for name in same} == {name: recorded[name] for name in same}
    assert (entry["in_force"], entry["outline"]) == (True, False)
    assert entry["list_type_name"] == "拖欠农民工工资失信联合惩戒对象名单"
    assert entry["subject_name"] == BUILDER_NAME
    assert entry["responsible_persons"] == [{"role": "legal_representative", "name": "张某"}]


def test_the_subject_has_its_recorded_data(world: World) -> None:
    world.record()
    shown = issue_report(world)["subject"]
    assert (shown["kind"], shown["name"], shown["recorded"]) == ("legal_person", BUILDER_NAME, True)
    assert shown["identifiers"] == [
        {"scheme": "org_code", "number": BUILDER_USCC[8:17]},
        {"scheme": "uscc", "number": BUILDER_USCC},
    ]


def test_an_organisation_is_found_by_any_of_its_numbers(world: World) -> None:
    world.record()
    by_inner = build_own_report_body(scheme="org_code", number=BUILDER_USCC[8:17])
    assert issue_report(world, by_inner)["entries"][0]["in_force"] is True
    known_by_inner = build_subject(name="乙公司")
    known_by_inner["identifiers"] = [{"scheme": "org_code", "number": build_org_code(9)}]
    world.record(source_ref="O", case_ref=None, subject=known_by_inner)
    assert (
        issue_report(world, build_own_report_body(number=build_uscc(9), name="乙公司"))["held"]
        is True
    )


def test_publications_have_their_days(world: World) -> None:
    entry = world.record()
    for version, channel in enumerate(("department_site", "credit_china_zaozhuang"), start=1):
        shown = build_publication(channel=channel, url="https://x.gov.cn/1")
        post_change(world, entry, "disclosures", shown, version)
    body = {"channel": "department_site", "withdrawn_on": "2026-11-22"}
    post_change(world, entry, "withdrawals", body, 3)
    disclosure = get_only_entry(issue_report(world))["disclosure"]
    assert disclosure == {
        "class": "public",
        "exemption": None,
        "basis": None,
        "channels": [
            {
                "channel": "department_site",
                "published_on": "2026-11-21",
                "url": "https://x.gov.cn/1",
                "withdrawn_on": "2026-11-22",
            },
            {
                "channel": "credit_china_zaozhuang",
                "published_on": "2026-11-21",
                "url": "https://x.gov.cn/1",
                "withdrawn_on": None,
            },
        ],
    }


def test_every_version_has_its_action_and_reason(world: World) -> None:
    entry = world.record()
    correction = {"reason": "文号录入错误", "changes": {"reason": "拖欠农民工工资"}}
    post_change(world, entry, "corrections", correction)
    shown = get_only_entry(issue_report(world))
    assert [(one["version"], one["action"], one["reason"]) for one in shown["history"]] == [
        (1, "record", None),
        (2, "correct", "文号录入错误"),
    ]
    assert shown["reason"] == "拖欠农民工工资"


def test_measures_have_their_legal_basis(world: World) -> None:
    world.record(**build_red_changes())
    world.record()
    black, suspended = sorted(issue_report(world)["entries"], key=lambda one: one["list"])
    assert {use["kind"] for use in black["uses"]} == {"punishment"}
    assert "restrict_bidding" in {use["code"] for use in black["uses"]}
    assert all(use["legal_basis"] and use["name"] for use in black["uses"])
    assert (suspended["status"], suspended["uses"]) == ("suspended", [])


def test_objections_have_their_due_day(world: World) -> None:
    entry = world.record()
    applicant = {"kind": "delegated", "name": "李某", "proof_ref": "SQ-2026-15"}
    objection = post_change(
        world, entry, "objections", {"applicant": applicant, "grounds": "决定前已结清"}
    ).json()
    shown = get_only_entry(issue_report(world))
    assert shown["disputed"] is True
    [case] = shown["redress"]
    assert case == {
        "id": objection["id"],
        "kind": "objection",
        "state": "received",
        "received_on": "2026-11-22",
        "due_on": "2026-11-25",
        "steps": [],
    }
    answer = {"outcome": "rejected", "reasons": "经核查，款项于决定后支付"}
    post_change(world, entry, f"objections/{objection['id']}/decision", answer, 2)
    [case] = get_only_entry(issue_report(world))["redress"]
    assert (case["state"], case["due_on"]) == ("rejected", None)
    assert case["steps"] == [
        {
            "step": "decision",
            "on": "2026-11-22",
            "outcome": "rejected",
            "reasons": "经核查，款项于决定后支付",
        }
    ]


# --- ended, exempt, void --------------------------------------------------


def test_ended_entries_are_there_and_marked(world: World) -> None:
    entry = world.record()
    post_change(world, entry, "exits", {"reason": "已足额支付", "exited_on": "2026-11-22"})
    world.record(
        source_ref="EXPIRED",
        case_ref=None,
        decision=build_decision("2025-03-03"),
        effective_from="2025-03-03",
        effective_until="2026-03-02",
        conduct_ended_on="2025-01-31",
    )
    exited, expired = issue_report(world)["entries"]
    assert (exited["status"], exited["in_force"]) == ("removed", False)
    assert exited["removal"] == {"by": "exited", "on": "2026-11-22"}
    assert (expired["status"], expired["in_force"]) == ("expired", False)
    assert [exited["uses"], expired["uses"]] == [[], []]
    assert exited["source"]["decision"]["number"]


def test_the_report_has_revoked_entries_but_no_void_ones(world: World) -> None:
    revoked = world.record()
    wrong = world.record(source_ref="WRONG", case_ref=None, reason="另一主体的欠薪事实")
    post_change(world, revoked, "revocations", WRONG | {"reason_code": "decision_revoked"})
    before = issue_report(world)
    assert {one["id"] for one in before["entries"]} == {revoked["id"], wrong["id"]}
    post_change(world, wrong, "revocations", WRONG)
    report = issue_report(world)
    assert [one["id"] for one in report["entries"]] == [revoked["id"]]
    assert "另一主体的欠薪事实" not in str(report) + read_report_page(world, report)


def test_a_person_named_only_by_a_void_decision_has_no_data(world: World) -> None:
    wrong = world.record()
    post_change(world, wrong, "revocations", WRONG)
    report = issue_report(world, build_own_report_body(name="任何名称"))
    assert (report["held"], report["entries"]) == (False, [])
    assert report["subject"]["recorded"] is False
    nobody = issue_report(world, build_person_report_body())
    assert nobody["named_in"] == []
    assert nobody["held"] is False


def test_a_number_that_was_recorded_in_error_leads_to_its_true_bearer(world: World) -> None:
    shared = build_uscc(11)
    wrongly = build_subject(name="甲公司")
    wrongly["identifiers"] = [{"scheme": "uscc", "number": shared}]
    wrong = world.record(source_ref="W", case_ref=None, subject=wrongly)
    post_change(world, wrong, "revocations", WRONG)
    rightly = wrongly | {"name": "乙公司"}
    right = world.record(source_ref="R", case_ref=None, subject=rightly)
    wrong_name = issue_report(world, build_own_report_body(number=shared, name="甲公司"))
    assert wrong_name["scope"] == "no_record"
    report = issue_report(world, build_own_report_body(number=shared, name="乙公司"))
    assert [one["id"] for one in report["entries"]] == [right["id"]]
    assert report["subject"]["former_names"] == []


def test_an_exempt_entry_appears_in_summary(world: World) -> None:
    world.record(
        reason="涉及商业秘密的事实",
        disclosure={
            "class": "exempt",
            "exemption": "trade_secret",
            "basis": "反不正当竞争法第九条",
        },
    )
    report = issue_report(world)
    entry = get_only_entry(report)
    assert (entry["outline"], entry["list"], entry["status"]) == (True, "black", "active")
    assert entry["disclosure"] == {
        "class": "exempt",
        "exemption": "trade_secret",
        "basis": None,  # only the coded reason: its basis may disclose the secret
        "channels": [],
    }
    for name in ("source", "reason", "list_type", "domain", "penalty", "remark", "subject_name"):
        assert entry[name] is None, name
    for name in ("uses", "history", "redress", "responsible_persons"):
        assert entry[name] == [], name
    shown = str(report) + read_report_page(world, report)
    assert "涉及商业秘密的事实" not in shown
    assert "枣人社列" not in shown


def test_a_restricted_entry_is_complete_for_its_subject(world: World) -> None:
    world.record(disclosure={"class": "restricted"})
    entry = get_only_entry(issue_report(world))
    assert (entry["outline"], entry["disclosure"]["class"]) == (False, "restricted")
    assert entry["reason"]


# --- named in entries on others -------------------------------------------


def test_a_person_sees_entries_on_others_that_name_them(world: World) -> None:
    world.record()
    report = issue_report(world, build_person_report_body())
    assert report["entries"] == []
    assert report["named_in"] == [
        {
            "list": "black",
            "list_type": "wage_arrears.black",
            "list_type_name": "拖欠农民工工资失信联合惩戒对象名单",
            "department": {"code": "human_resources", "name": "市人力资源和社会保障局"},
            "roles": ["legal_representative"],
            "subject_name": BUILDER_NAME,
            "decision_number": "枣人社列〔2026〕12号",
            "decided_on": "2026-11-20",
            "status": "active",
            "in_force": True,
        }
    ]
    assert report["held"] is True


def test_an_organisation_is_not_named_in_its_own_entry(world: World) -> None:
    world.record()
    assert issue_report(world)["named_in"] == []


def test_a_person_removed_by_a_correction_does_not_see_the_entry(world: World) -> None:
    entry = world.record()
    other = {
        "role": "legal_representative",
        "name": "王某",
        "identifier": {"scheme": "resident_id", "number": build_resident_id(3)},
    }
    post_change(
        world,
        entry,
        "corrections",
        {"reason": "法定代表人有误", "changes": {"responsible_persons": [other]}},
    )
    assert issue_report(world, build_person_report_body())["named_in"] == []
    assert (
        len(issue_report(world, build_person_report_body(build_resident_id(3), "王某"))["named_in"])
        == 1
    )


def test_an_exempt_entry_on_another_subject_shows_only_the_naming(world: World) -> None:
    world.record(
        disclosure={"class": "exempt", "exemption": "state_secret", "basis": "保守国家秘密法"}
    )
    [named] = issue_report(world, build_person_report_body())["named_in"]
    assert (named["list"], named["status"], named["roles"]) == (
        "black",
        "active",
        ["legal_representative"],
    )
    for name in ("list_type", "department", "subject_name", "decision_number", "decided_on"):
        assert named[name] is None, name


def test_a_listed_person_sees_own_entries_and_namings(
    world: World,
) -> None:
    world.record()
    own = world.record(source_ref="P", subject=build_person(), responsible_persons=None)
    report = issue_report(world, build_person_report_body())
    assert [one["id"] for one in report["entries"]] == [own["id"]]
    assert [one["subject_name"] for one in report["named_in"]] == [BUILDER_NAME]


def test_all_numbers_of_a_person_count(world: World) -> None:
    two = build_person()
    two["identifiers"].append({"scheme": Scheme.passport.value, "number": "E12345678"})
    world.record(source_ref="P", case_ref=None, subject=two, responsible_persons=None)
    world.record()
    world.api("approver").post(
        "/v1/checks",
        json=build_check(build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")),
    )
    report = issue_report(world, build_person_report_body("E12345678", scheme="passport"))
    assert len(report["entries"]) == len(report["named_in"]) == len(report["queries"]) == 1
    assert [item["masked"] for item in report["subject"]["identifiers"]] == [
        "*" * 9,
        "*" * 18,
    ]


# --- rights ---------------------------------------------------------------


def test_every_report_has_the_rights_and_the_limits(world: World) -> None:
    rights = issue_report(world)["rights"]
    assert "三个工作日" in rights["objection"]["zh"]
    assert "七个工作日" in rights["objection"]["zh"]
    assert "第三十九条" in rights["objection"]["zh"]
    assert "3 working days" in rights["objection"]["en"]
    assert "谁认定、谁修复" in rights["repair"]["zh"]
    assert "不收取任何费用" in rights["free_of_charge"]["zh"]
    assert "不作为信用良好的证明" in rights["no_statement_of_credit"]["zh"]
    assert "no statement of good credit" in rights["no_statement_of_credit"]["en"]
