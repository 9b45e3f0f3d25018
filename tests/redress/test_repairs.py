"""Credit repair: two persons of the department decide, and its effects on terms and measures."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import select

from app.db.tables import AuditRecord
from tests.support.export_readers import parse_ndjson
from tests.support.problems import require_refused
from tests.support.redress_cases import (
    View,
    build_application,
    build_evidence,
    create_official_client,
    open_case,
    read_changes,
    read_entry,
    read_head_seq,
    require_status,
    require_unchanged,
    take_case_step,
)
from tests.support.request_bodies import (
    build_check,
    build_decision,
    build_licence_changes,
    build_organisation,
    build_penalty_changes,
    build_person,
    build_publication,
    build_question,
    build_red_changes,
)
from tests.support.world import World

LISTED: dict[str, Any] = {
    "decision": build_decision("2026-04-02"),
    "conduct_ended_on": "2026-03-20",
    "effective_from": None,
    "effective_until": None,
}
"""A wage-arrears entry that is in force for more than seven months, and ends on 2029-04-02."""

ACCEPTED = {"outcome": "accepted", "reasons": "材料齐全"}
DECLINED = {"outcome": "declined", "reasons": "材料不全"}
APPROVED = {"outcome": "approved", "reasons": "已足额支付并公开承诺，符合提前移出条件"}
REFUSED = {"outcome": "refused", "reasons": "尚有工资未支付"}
WITHDRAWN = {"outcome": "withdrawn", "reasons": "申请人撤回"}
LONGER = {"reasons": "涉及多个项目，须分别核实"}
FALSE = {"reasons": "提交的支付凭证系伪造"}
CHANNELS = ("department_site", "credit_china_zaozhuang", "enterprise_publicity_shandong")


def fined(decided_on: str, **changes: Any) -> dict[str, Any]:
    """Record a penalty of that day."""
    facts = {"conduct_ended_on": "2026-01-20", **changes}
    kind = {"kind": "administrative_penalty", "penalty_law": "administrative"}
    return build_penalty_changes(decision=build_decision(decided_on, **kind), **facts)


def repairability(world: World, entry: View) -> View:
    told_all = require_status(world.api().get(f"/v1/entries/{entry['id']}/repairs"))
    return dict(told_all["repairability"])


def states(world: World, entry: View) -> list[str]:
    told_all = require_status(world.api("auditor").get(f"/v1/entries/{entry['id']}/repairs"))
    return [case["state"] for case in told_all["repairs"]]


def apply(api: httpx.Client, entry: View, body: View) -> httpx.Response:
    return api.post(f"/v1/entries/{entry['id']}/repairs", json=body)


def unmet(answer: httpx.Response) -> tuple[list[str], str | None]:
    document = require_refused(answer, 409, "not_repairable")
    return document["unmet"], document["earliest_on"]


def published(world: World, entry: View, on: str = "2026-04-09") -> None:
    required = entry["disclosure"]["channels"]
    for channel in [item["channel"] for item in required if item["required"]]:
        path = f"/v1/entries/{entry['id']}/disclosures"
        require_status(world.api().post(path, json=build_publication(on, channel)))


def standing(world: World, *subjects: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return the finding of an office for each: standing, number of entries, number of measures."""
    answer = require_status(world.api("approver").post("/v1/checks", json=build_check(*subjects)))
    return [
        (item["standing"], len(item["entries"]), len(item["measures"]))
        for item in answer["results"]
    ]


def in_force(world: World) -> set[str]:
    answer = world.api("auditor").get("/v1/exports/entries")
    return {row["id"] for row in parse_ndjson(answer.content).rows}


def to_take_down(api: httpx.Client) -> dict[str, tuple[str, str, str]]:
    items = require_status(api.get("/v1/withdrawals"))["withdrawals"]
    return {item["entry_id"]: (item["because"], item["since"], item["due"]) for item in items}


def repaired(world: World, entry: View, body: View | None = None) -> View:
    """Open a case that two officials bring to its approval."""
    case = open_case(world.api(), entry, "repairs", body or build_application())
    require_status(
        take_case_step(create_official_client(world, "王某"), case, "acceptance", ACCEPTED)
    )
    version = read_entry(world.api(), entry)["version"]
    return require_status(
        take_case_step(create_official_client(world, "赵某"), case, "decision", APPROVED, version)
    )


# --- conditions ----------------------------------------------------------


def test_whether_and_from_when_an_entry_may_be_repaired_is_explained(world: World) -> None:
    entry = world.record(**LISTED)
    found = repairability(world, entry)
    assert found.pop("legal_reference").startswith("《拖欠农民工工资")
    assert found == {
        "repairable": False,
        "severity": "serious",
        "gentle": False,
        "rule": "wage_arrears",
        "confirmed": True,
        "counted_from": "correction",
        "minimum_years": 0,
        "minimum_months": 6,
        "means": ["correction"],
        "earliest_on": None,
        "unmet": ["correction_missing", "promise_missing"],
        "acceptance_working_days": 3,
        "decision_working_days": 15,
        "together": True,
    }
    path = f"/v1/entries/{entry['id']}/repairs"
    for role in ("operator", "auditor"):
        assert require_status(world.api(role).get(path))["repairs"] == []
    require_refused(world.api("department", "tax").get(path), 404, "entry_not_found")
    for role in ("approver", "subscriber"):
        require_refused(world.api(role).get(path), 403, "forbidden")


MISSING = ["correction_missing", "promise_missing"]
OLD, NEW = "general_ndrc_58", "general_ndrc_36"


def test_a_record_keeps_the_rule_under_which_it_was_decided(world: World) -> None:
    for facts, shown_on, expected in (
        (fined("2026-03-31"), None, (OLD, "decision", "2026-06-30", MISSING)),
        (fined("2026-04-01"), None, (NEW, "publication", "2026-07-01", MISSING)),
        (
            fined("2026-03-31", severity="serious"),
            "2026-04-20",
            (OLD, "decision", "2027-03-31", [*MISSING, "too_early"]),
        ),
        (
            fined("2026-04-01", severity="serious"),
            "2026-04-20",
            (NEW, "publication", "2027-04-20", [*MISSING, "too_early"]),
        ),
        (
            fined("2026-11-20", severity="minor"),
            "2026-11-21",
            (NEW, "publication", "2026-11-21", MISSING),
        ),
    ):
        facts["source_ref"] = f"{expected}"[:60]
        entry = world.record(**facts)
        if shown_on:
            published(world, entry, shown_on)
        found = repairability(world, entry)
        names = ("rule", "counted_from", "earliest_on", "unmet")
        assert tuple(found[name] for name in names) == expected
    for facts in (build_red_changes(subject=build_organisation(1)), build_licence_changes()):
        found = repairability(world, world.record(**facts))
        assert (found["unmet"], found["repairable"]) == (["not_repairable"], False)
        assert (found["means"], found["earliest_on"]) == ([], None)


def test_minor_unintended_conduct_is_repaired_at_once(
    world: World,
) -> None:
    entry = world.record(**fined("2026-11-20", severity="minor", unintentional=True))
    found = repairability(world, entry)
    assert (found["gentle"], found["earliest_on"]) == (True, "2026-11-22")
    assert found["unmet"] == ["means_missing"]
    assert found["means"] == ["correction", "removal_of_effect", "training", "public_welfare"]
    with require_unchanged(world):
        nothing_done = build_application(evidence=[], promise=None)
        assert unmet(apply(world.api(), entry, nothing_done)) == (["means_missing"], "2026-11-22")
    training = build_application(evidence=[build_evidence("2026-11-21", "training")], promise=None)
    assert repaired(world, entry, training)["state"] == "approved"
    assert read_entry(world.api(), entry)["removal"] == {"by": "repaired", "on": "2026-11-22"}


# --- effects -------------------------------------------------------------


def test_an_approval_ends_publication_sharing_use_and_measures_at_once(world: World) -> None:
    tax = world.api("department", "tax")
    rewarded = world.record(tax, **build_red_changes(list_type="tax_fraud.red"))
    entry = world.record(**LISTED)
    published(world, entry)
    boss = world.record(
        source_ref="HR-2", subject=build_person(), responsible_persons=None, **LISTED
    )
    elsewhere = world.record(
        source_ref="HR-3", case_ref="HR-C-2", subject=build_organisation(3), **LISTED
    )
    theirs = build_question(
        build_person()["identifiers"][0]["number"], "张某", scheme="resident_id", ref="2"
    )
    other = build_question(build_organisation(3)["identifiers"][0]["number"], None, ref="3")
    three = (build_question(), theirs, other)
    black = ("black", 1, standing(world, other)[0][2])
    assert standing(world, *three) == [("black", 2, black[2]), black, black]
    assert read_entry(tax, rewarded)["status"] == "suspended"

    first, second = create_official_client(world, "王某"), create_official_client(world, "赵某")
    case = open_case(world.api("operator"), entry, "repairs", build_application())
    assert (case["state"], case["due_on"]) == ("received", "2026-11-25")
    world.clock.set_day(date(2026, 11, 24))
    case = require_status(take_case_step(first, case, "acceptance", ACCEPTED))
    assert (case["state"], case["due_on"]) == ("accepted", "2026-12-15")
    assert case["steps"][0]["detail"] == {"rule": "wage_arrears"}
    world.clock.set_day(date(2026, 11, 26))
    assert standing(world, *three)[1:] == [black, black]
    before = read_head_seq(world)
    case = require_status(take_case_step(second, case, "decision", APPROVED, 4))
    assert (case["state"], case["due_on"], case["overdue"]) == ("approved", None, False)
    assert [item["person"] for item in case["steps"]] == ["王某", "赵某"]
    assert set(case["steps"][1]["detail"]["entries"]) == {entry["id"], boss["id"]}

    assert standing(world, *three)[1:] == [("none", 0, 0), black]
    assert standing(world, build_question()) == [
        ("red", 1, standing(world, build_question())[0][2])
    ]
    assert in_force(world) == {rewarded["id"], elsewhere["id"]}
    told_of = read_changes(world.api("subscriber"), before)
    assert sorted(told_of) == sorted(
        [("remove", entry["id"]), ("remove", boss["id"]), ("upsert", rewarded["id"])]
    )
    due = ("repaired", "2026-11-26", "2026-12-01")
    assert to_take_down(world.api()) == {entry["id"]: due}
    asking = {**build_question(), "purpose": "资格审查", "case_no": "ZZ-1"}
    del asking["ref"]
    seen = require_status(world.api("approver").post("/v1/subjects/lookup", json=asking))
    assert [item["id"] for item in seen["entries"]] == [rewarded["id"]]
    for gone in (entry, boss):
        now = read_entry(world.api(), gone)
        assert (now["status"], now["removal"]) == (
            "removed",
            {"by": "repaired", "on": "2026-11-26"},
        )
        require_refused(tax.get(f"/v1/entries/{gone['id']}"), 404, "entry_not_found")
        history = require_status(world.api().get(f"/v1/entries/{gone['id']}/history"))
        assert (history["versions"][-1]["action"], history["versions"][-1]["reason"]) == (
            "repair",
            APPROVED["reasons"],
        )
    assert read_entry(world.api(), elsewhere)["version"] == 1
    [woken] = require_status(tax.get(f"/v1/entries/{rewarded['id']}/history"))["turns"][-1:]
    assert (woken["status"], woken["because"]) == ("active", "no_black_entry_active")
    with world.registry.database.reading() as connection:
        trail = connection.execute(
            select(AuditRecord.action, AuditRecord.outcome, AuditRecord.detail)
            .where(AuditRecord.target == case["id"])
            .order_by(AuditRecord.id)
        ).all()
    assert [(record.action, record.outcome) for record in trail] == [
        ("repair_received", "received"),
        ("repair_acceptance", "accepted"),
        ("repair_decision", "approved"),
    ]
    assert [record.detail["person"] for record in trail] == [None, "王某", "赵某"]


def test_false_materials_restore_the_entry_with_a_new_term(
    world: World,
) -> None:
    rewarded = world.record(**build_red_changes())
    entry = world.record(**LISTED)
    published(world, entry)
    boss = world.record(
        source_ref="HR-2", subject=build_person(), responsible_persons=None, **LISTED
    )
    case = repaired(world, entry)
    assert read_entry(world.api(), rewarded)["status"] == "active"
    site = {"channel": CHANNELS[0], "withdrawn_on": "2026-11-23"}
    world.clock.set_day(date(2026, 11, 23))
    require_status(world.api().post(f"/v1/entries/{entry['id']}/withdrawals", json=site))
    world.clock.set_day(date(2026, 12, 10))
    gone = read_entry(world.api(), entry)
    assert (gone["status"], gone["restored_on"]) == ("removed", None)
    assert gone["disclosure"]["take_down"]["state"] == "overdue"

    before = read_head_seq(world)
    closed = require_status(
        take_case_step(
            create_official_client(world, "赵某"), case, "taking-back", FALSE, gone["version"]
        )
    )
    assert (closed["state"], closed["due_on"]) == ("taken_back", None)
    back = read_entry(world.api(), entry)
    assert (back["status"], back["removal"], back["disputed"]) == ("active", None, False)
    assert (back["restored_on"], back["effective_from"]) == ("2026-12-10", "2026-04-02")
    assert (back["effective_until"], back["ends_by_law_on"]) == ("2029-12-10", "2031-03-20")
    clock = back["disclosure"]
    assert (clock["deadline"], clock["state"], clock["reported"]) == (
        "2026-12-21",
        "pending",
        gone["disclosure"]["reported"],
    )
    assert clock["take_down"] is None
    states_now = {item["channel"]: item["state"] for item in clock["channels"]}
    assert states_now[CHANNELS[0]] == "pending"
    assert read_entry(world.api(), rewarded)["status"] == "suspended"
    assert standing(world, build_question())[0][0] == "black"
    assert in_force(world) >= {entry["id"], boss["id"]}
    assert set(read_changes(world.api("subscriber"), before)) == {
        ("upsert", entry["id"]),
        ("upsert", boss["id"]),
        ("upsert", rewarded["id"]),
    }
    assert to_take_down(world.api()) == {}
    linked = read_entry(world.api(), boss)
    assert (linked["status"], linked["effective_until"]) == ("active", "2029-12-10")
    again = build_publication("2026-12-10", CHANNELS[0])
    done = require_status(world.api().post(f"/v1/entries/{entry['id']}/disclosures", json=again))
    assert done["disclosure"]["state"] == "on_time"

    # For past days nothing changes: it was removed in between, and in force before.
    auditor = world.api("auditor")
    for on, status in (
        ("2026-11-21", "active"),
        ("2026-11-22", "removed"),
        ("2026-12-09", "removed"),
        ("2026-12-10", "active"),
        ("2029-12-10", "active"),
        ("2029-12-11", "expired"),
    ):
        for which in (entry, boss):
            then = read_entry(auditor, which, on=on)
            gap = {"by": "repaired", "on": "2026-11-22"} if status == "removed" else None
            assert (then["status"], then["removal"]) == (status, gap), on
    asleep = {
        on: read_entry(auditor, rewarded, on=on)["status"] for on in ("2026-11-30", "2026-12-11")
    }
    assert asleep == {"2026-11-30": "active", "2026-12-11": "suspended"}
    for on, listed in (("2026-11-21", True), ("2026-12-09", False), ("2026-12-10", True)):
        export = auditor.get("/v1/exports/entries", params={"on": on})
        then_in_force = {row["id"] for row in parse_ndjson(export.content).rows}
        assert ({entry["id"], boss["id"]} <= then_in_force) is listed, on
        assert (entry["id"] in then_in_force) is listed, on
    known = read_entry(auditor, entry, known_seq=before)
    assert (known["status"], known["restored_on"]) == ("removed", None)
    past = require_status(auditor.post("/v1/checks", json={**build_check(), "on": "2026-11-30"}))
    assert past["results"][0]["standing"] == "red"

    # It is not repaired a second time, alone or with another of its case.
    for which in (entry, boss):
        assert repairability(world, which)["unmet"] == ["false_materials_before"]
        with require_unchanged(world):
            second = build_application(circumstances=[], applied_on="2026-12-10")
            assert unmet(apply(world.api(), which, second)) == (["false_materials_before"], None)


def test_what_was_repaired_may_still_be_corrected_after_it_came_back(world: World) -> None:
    entry = world.record(**LISTED)
    case = repaired(world, entry)
    world.clock.set_day(date(2026, 12, 10))
    require_status(
        take_case_step(create_official_client(world, "赵某"), case, "taking-back", FALSE, 2)
    )
    path = f"/v1/entries/{entry['id']}/corrections"
    tag = {"If-Match": '"3"'}
    too_long = {"reason": "期限录入有误", "changes": {"effective_until": "2029-12-11"}}
    document = require_refused(
        world.api().post(path, json=too_long, headers=tag), 409, "term_not_allowed"
    )
    assert document["latest"] == "2029-12-10"
    slip = {"reason": "错字", "changes": {"reason": "拖欠农民工工资"}}
    now = require_status(world.api().post(path, json=slip, headers=tag))
    assert (now["effective_until"], now["restored_on"]) == ("2029-12-10", "2026-12-10")
    assert now["disclosure"]["deadline"] == "2026-12-21"
    anew = {"reason": "改期", "changes": {"decision": {"decided_on": "2026-04-03"}}}
    now = require_status(world.api().post(path, json=anew, headers={"If-Match": '"4"'}))
    assert (now["effective_until"], now["disclosure"]["deadline"]) == ("2029-12-10", "2026-12-21")


def test_a_record_of_a_subject_on_no_list_comes_back_too(world: World) -> None:
    entry = world.record(**fined("2026-03-31"))
    case = repaired(world, entry)
    require_status(
        take_case_step(create_official_client(world, "赵某"), case, "taking-back", FALSE, 2)
    )
    now = read_entry(world.api(), entry)
    assert (now["status"], now["effective_until"]) == ("active", None)


def test_only_what_this_repair_ended_comes_back_with_it(world: World) -> None:
    entry = world.record(**LISTED)
    numbers = (1, 2, 3)
    linked = [
        world.record(source_ref=f"HR-L{number}", subject=build_organisation(number), **LISTED)
        for number in numbers
    ]
    other = world.record(
        source_ref="HR-O", subject=build_organisation(9), **{**LISTED, "case_ref": None}
    )
    left = require_status(
        world.api().post(
            f"/v1/entries/{linked[0]['id']}/exits",
            json={"reason": "移出", "exited_on": "2026-11-21"},
            headers={"If-Match": '"1"'},
        )
    )
    case = repaired(world, entry)
    ended = {entry["id"], linked[1]["id"], linked[2]["id"]}
    assert set(case["steps"][1]["detail"]["entries"]) == ended
    order = {"reason": "原决定撤销", "reason_code": "decision_revoked", "revoked_on": "2026-11-22"}
    require_status(
        world.api().post(
            f"/v1/entries/{linked[1]['id']}/revocations",
            json=order,
            headers={"If-Match": '"2"'},
        )
    )
    require_status(
        take_case_step(create_official_client(world, "赵某"), case, "taking-back", FALSE, 2)
    )
    found = [read_entry(world.api(), one) for one in (entry, *linked, other)]
    assert [one["status"] for one in found] == ["active", "removed", "removed", "active", "active"]
    assert [one["version"] for one in found] == [3, 2, 3, 3, 1]
    assert (found[1]["removal"], left["removal"]["by"]) == (left["removal"], "exited")
    assert found[2]["removal"]["by"] == "revoked"


def test_what_came_back_is_not_repaired_again_with_another_of_its_case(world: World) -> None:
    entry = world.record(**LISTED)
    case = repaired(world, entry)
    world.clock.set_day(date(2026, 11, 24))
    require_status(
        take_case_step(create_official_client(world, "赵某"), case, "taking-back", FALSE, 2)
    )
    world.clock.set_day(date(2026, 11, 26))
    colleague = world.record(source_ref="HR-2", subject=build_organisation(2), **LISTED)
    told_of = repaired(world, colleague)["steps"][1]["detail"]["entries"]
    assert told_of == [colleague["id"]]
    now = read_entry(world.api(), entry)
    assert (now["status"], now["version"]) == ("active", 3)
    assert read_entry(world.api("auditor"), entry, on="2026-11-23")["status"] == "removed"


def test_approvals_of_one_case_at_the_same_time_end_it_once(world: World) -> None:
    linked = [
        world.record(source_ref=f"HR-{number}", subject=build_organisation(number), **LISTED)
        for number in range(3)
    ]
    first = create_official_client(world, "王某")
    cases = [open_case(world.api(), entry, "repairs", build_application()) for entry in linked]
    for case in cases:
        require_status(take_case_step(first, case, "acceptance", ACCEPTED))
    deciders = [create_official_client(world, f"赵某{number}") for number in range(3)]

    def decide(number: int) -> int:
        return take_case_step(deciders[number], cases[number], "decision", APPROVED, 1).status_code

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(decide, range(3))) == [200, 412, 412]
    for entry in linked:
        now = read_entry(world.api(), entry)
        assert (now["status"], now["version"]) == ("removed", 2)


# --- two persons ---------------------------------------------------------


def test_acceptance_and_decision_are_taken_by_two_persons_of_the_department(world: World) -> None:
    entry = world.record(**LISTED)
    case = open_case(world.api(), entry, "repairs", build_application())
    first, second = create_official_client(world, "王某"), create_official_client(world, "赵某")
    same_person, stranger = (
        create_official_client(world, "王某"),
        create_official_client(world, "钱某", "tax"),
    )

    def nobody_else(name: str, body: View, version: int | None) -> None:
        with require_unchanged(world):
            keyless = take_case_step(world.api(), case, name, body, version)
            require_refused(keyless, 403, "person_key_required")
            require_refused(
                take_case_step(world.api("operator"), case, name, body, version),
                403,
                "not_your_department",
            )
            require_refused(
                take_case_step(stranger, case, name, body, version), 404, "entry_not_found"
            )
            for role in ("approver", "auditor", "subscriber"):
                require_refused(
                    take_case_step(world.api(role), case, name, body, version), 403, "forbidden"
                )

    nobody_else("acceptance", ACCEPTED, None)
    require_status(take_case_step(first, case, "acceptance", ACCEPTED))
    nobody_else("prolongation", LONGER, None)
    for body in (APPROVED, REFUSED, WITHDRAWN):
        nobody_else("decision", body, 1)
        with require_unchanged(world):
            require_refused(take_case_step(first, case, "decision", body, 1), 409, "same_person")
            require_refused(
                take_case_step(same_person, case, "decision", body, 1), 409, "same_person"
            )
            require_refused(take_case_step(second, case, "decision", body), 428, "version_required")
            stale = require_refused(
                take_case_step(second, case, "decision", body, 2), 412, "stale_version"
            )
            assert stale["current_version"] == 1
    require_status(take_case_step(second, case, "decision", APPROVED, 1))
    with require_unchanged(world):
        require_refused(
            take_case_step(create_official_client(world, "赵某"), case, "taking-back", FALSE),
            428,
            "version_required",
        )
        require_refused(
            take_case_step(create_official_client(world, "赵某"), case, "taking-back", FALSE, 1),
            412,
            "stale_version",
        )
        require_refused(
            take_case_step(stranger, case, "taking-back", FALSE, 2), 404, "entry_not_found"
        )
        unbound = take_case_step(world.api(), case, "taking-back", FALSE, 2)
        require_refused(unbound, 403, "person_key_required")
        office = take_case_step(world.api("operator"), case, "taking-back", FALSE, 2)
        require_refused(office, 403, "not_your_department")
        for role in ("approver", "auditor", "subscriber"):
            require_refused(
                take_case_step(world.api(role), case, "taking-back", FALSE, 2), 403, "forbidden"
            )
            require_refused(apply(world.api(role), entry, build_application()), 403, "forbidden")
        require_refused(apply(stranger, entry, build_application()), 404, "entry_not_found")


# --- refused and closed --------------------------------------------------


def test_an_application_that_does_not_meet_the_conditions_is_not_taken_in(world: World) -> None:
    entry = world.record(**LISTED)
    api = world.api()
    with require_unchanged(world):
        for body, expected in (
            (build_application(promise=None), (["promise_missing"], "2026-10-20")),
            (build_application(evidence=[]), (["correction_missing"], None)),
            (
                build_application(evidence=[build_evidence("2026-05-01", "training")]),
                (["correction_missing"], None),
            ),
            (build_application("2026-05-23"), (["too_early"], "2026-11-23")),
            (build_application("2026-05-31"), (["too_early"], "2026-11-30")),
            (
                build_application("2026-08-31", applied_on="2026-11-20"),
                (["too_early"], "2027-02-28"),
            ),
            (
                build_application("2026-05-22", applied_on="2026-11-21"),
                (["too_early"], "2026-11-22"),
            ),
            (build_application(circumstances=["repeated"]), (["repeated"], "2026-10-20")),
            (
                build_application(circumstances=["criminal_case", "repeated"], promise=None),
                (["promise_missing", "repeated", "criminal_case"], "2026-10-20"),
            ),
        ):
            assert unmet(apply(api, entry, body)) == expected, body
        for changes, code, pointer in (
            ({"applied_on": "2026-04-01"}, "dates_out_of_order", "/applied_on"),
            ({"applied_on": "2026-11-23"}, "dates_out_of_order", "/applied_on"),
            (
                {
                    "evidence": [
                        build_evidence("2026-04-20"),
                        build_evidence("2026-11-23", "training"),
                    ]
                },
                "dates_out_of_order",
                "/evidence/1/completed_on",
            ),
            ({"circumstances": ["unlucky"]}, "unknown_value", "/circumstances/0"),
            ({"promise": {"reference": "CN-1"}}, "missing", "/promise/signed_on"),
            ({"applicant": None}, "missing", "/applicant"),
        ):
            require_refused(apply(api, entry, build_application(**changes)), 422, code, pointer)
        require_refused(
            apply(api, {"id": str(uuid4())}, build_application()), 404, "entry_not_found"
        )
    # The first day is enough, and a correction before the listing counts from the listing.
    case = open_case(api, entry, "repairs", build_application("2026-05-22"))
    with require_unchanged(world):
        require_refused(apply(api, entry, build_application("2026-05-21")), 409, "case_open")
    again = require_status(apply(world.api("operator"), entry, build_application("2026-05-22")))
    assert again["id"] == case["id"]


def test_a_change_in_between_prevents_acceptance_and_approval(world: World) -> None:
    entry = world.record(**LISTED)
    first, second = create_official_client(world, "王某"), create_official_client(world, "赵某")
    case = open_case(world.api(), entry, "repairs", build_application())
    require_status(take_case_step(first, case, "acceptance", ACCEPTED))
    world.record(source_ref="HR-AGAIN", case_ref="HR-C-AGAIN")  # arrears occurred again
    with require_unchanged(world):
        document = unmet(take_case_step(second, case, "decision", APPROVED, 1))
        assert document == (["repeated"], "2026-10-20")
    assert (
        require_status(take_case_step(second, case, "decision", REFUSED, 1))["state"] == "refused"
    )
    other = world.record(source_ref="HR-2", subject=build_organisation(2), **LISTED)
    case = open_case(world.api(), other, "repairs", build_application())
    require_status(
        world.api().post(
            f"/v1/entries/{other['id']}/exits",
            json={"reason": "移出", "exited_on": "2026-11-22"},
            headers={"If-Match": '"1"'},
        )
    )
    with require_unchanged(world):
        assert unmet(take_case_step(first, case, "acceptance", ACCEPTED)) == (["ended"], None)
    assert (
        require_status(take_case_step(first, case, "acceptance", DECLINED))["state"] == "declined"
    )


def test_a_closed_application_changes_nothing_and_allows_another(
    world: World,
) -> None:
    entry = world.record(**LISTED)
    before = read_entry(world.api(), entry)
    first, second = create_official_client(world, "王某"), create_official_client(world, "赵某")
    for number, steps in enumerate(
        (
            [(first, "acceptance", DECLINED)],
            [(first, "acceptance", WITHDRAWN)],
            [(first, "acceptance", ACCEPTED), (second, "decision", REFUSED)],
            [(first, "acceptance", ACCEPTED), (second, "decision", WITHDRAWN)],
        )
    ):
        evidence = [
            build_evidence("2026-04-20"),
            build_evidence(f"2026-05-0{number + 1}", "training"),
        ]
        case = open_case(world.api(), entry, "repairs", build_application(evidence=evidence))
        for api, name, body in steps:
            case = require_status(
                take_case_step(api, case, name, body, 1 if name == "decision" else None)
            )
        assert (case["state"], case["due_on"]) == (body["outcome"], None)
        assert case["steps"][-1]["reasons"] == body["reasons"]
        with require_unchanged(world):
            for api, name, body, version in (
                (first, "acceptance", {**ACCEPTED, "reasons": "另"}, None),
                (first, "prolongation", LONGER, None),
                (second, "decision", {**APPROVED, "reasons": "另"}, 1),
                (create_official_client(world, "赵某"), "taking-back", FALSE, 1),
            ):
                document = require_refused(
                    take_case_step(api, case, name, body, version), 409, "step_refused"
                )
                assert document["state"] == case["state"]
    assert read_entry(world.api(), entry) == before
    assert states(world, entry) == ["declined", "withdrawn", "refused", "withdrawn"]
    assert read_head_seq(world) == before["seq"]


def test_every_step_taken_twice_is_taken_once(world: World) -> None:
    entry = world.record(**fined("2026-03-31"))
    other = world.record(**LISTED)
    first, second = create_official_client(world, "王某"), create_official_client(world, "赵某")
    body = build_application(applied_on="2026-11-20")
    case = open_case(world.api(), entry, "repairs", body)
    assert case["due_on"] == "2026-11-25"
    path = f"/v1/entries/{entry['id']}/repairs"

    def nothing_more(told_last: View) -> None:
        with require_unchanged(world):
            again = world.api().post(path, json=body)
            assert require_status(again) == told_last
            assert again.headers["Location"] == path

    nothing_more(case)
    for name, api, sent, version, due in (
        ("acceptance", first, ACCEPTED, None, "2026-12-04"),
        ("prolongation", second, LONGER, None, "2026-12-18"),
        ("decision", second, APPROVED, 1, None),
        ("taking-back", create_official_client(world, "赵某"), FALSE, 2, None),
    ):
        with require_unchanged(world):
            for wrong in (
                take_case_step(api, {**case, "id": str(uuid4())}, name, sent, version),
                take_case_step(api, case, name, sent, version, entry_id=other["id"]),
            ):
                require_refused(wrong, 404, "case_not_found")
        closed = require_status(take_case_step(api, case, name, sent, version))
        assert closed["due_on"] == due
        with require_unchanged(world):
            for retried in (version, version and version + 1):
                assert require_status(take_case_step(api, case, name, sent, retried)) == closed
        nothing_more(closed)
        with require_unchanged(world):
            another = {**sent, "reasons": "另一理由"}
            latest = version and version + 1
            document = require_refused(
                take_case_step(api, case, name, another, latest), 409, "step_refused"
            )
            assert document["state"] == closed["state"]
    [told_case] = require_status(world.api().get(path))["repairs"]
    assert [item["step"] for item in told_case["steps"]] == [
        "acceptance",
        "prolongation",
        "decision",
        "taking_back",
    ]


def test_more_time_is_given_once_and_only_where_the_rule_knows_it(world: World) -> None:
    entry = world.record(**LISTED)
    official_one = create_official_client(world, "王某")
    case = open_case(world.api(), entry, "repairs", build_application())
    with require_unchanged(world):
        require_refused(
            take_case_step(official_one, case, "prolongation", LONGER), 409, "step_refused"
        )
    case = require_status(take_case_step(official_one, case, "acceptance", ACCEPTED))
    with require_unchanged(world):
        document = require_refused(
            take_case_step(official_one, case, "prolongation", LONGER), 409, "step_refused"
        )
        assert document["state"] == "accepted"


def test_open_applications_stand_by_the_day_of_their_next_step(world: World) -> None:
    tax = world.api("department", "tax")
    theirs = world.record(tax, **fined("2026-03-31", list_type="tax_fraud.penalty"))
    one = world.record(**LISTED)
    two = world.record(source_ref="HR-2", subject=build_organisation(2), **fined_elsewhere())
    cases = {
        entry["id"]: open_case(api, entry, "repairs", build_application())
        for api, entry in ((tax, theirs), (world.api(), one), (world.api(), two))
    }
    require_status(
        take_case_step(
            create_official_client(world, "王某"), cases[one["id"]], "acceptance", ACCEPTED
        )
    )

    def listed(role: str = "department", where: str | None = None, **query: Any) -> list[str]:
        page = require_status(world.api(role, where).get("/v1/repairs", params=query))
        return [case["entry_id"] for case in page["cases"]]

    assert listed() == [two["id"], one["id"]]
    assert listed(where="tax") == [theirs["id"]]
    assert listed("operator") == [theirs["id"], two["id"], one["id"]]
    assert listed("auditor", state="accepted") == [one["id"]]
    assert listed("operator", department="tax") == [theirs["id"]]
    assert listed(due="overdue") == []
    world.clock.set_day(date(2026, 11, 26))
    assert listed(due="overdue") == [two["id"]]
    assert listed("operator", due="overdue") == [theirs["id"], two["id"]]
    world.clock.set_day(date(2026, 12, 12))  # the 15th working day is the 11th, a Friday
    assert listed(due="overdue") == [two["id"], one["id"]]
    for role in ("approver", "subscriber"):
        require_refused(world.api(role).get("/v1/repairs"), 403, "forbidden")
    require_status(
        take_case_step(
            create_official_client(world, "赵某"), cases[one["id"]], "decision", APPROVED, 1
        )
    )
    assert (listed(), listed(state="approved")) == ([two["id"]], [one["id"]])
    paged, cursor = [], None
    for _ in range(2):
        more = {"next": cursor} if cursor else {}
        page = require_status(world.api("operator").get("/v1/repairs", params={"limit": 1, **more}))
        paged += [case["entry_id"] for case in page["cases"]]
        cursor = page["next"]
    assert (paged, cursor) == ([theirs["id"], two["id"]], None)


def fined_elsewhere() -> dict[str, Any]:
    """Build a penalty whose reference and subject are still to be set."""
    facts = fined("2026-03-31")
    del facts["source_ref"]
    return facts


def test_an_entry_on_the_wrong_subject_is_not_found_for_repair(world: World) -> None:
    entry = world.record(**LISTED)
    case = open_case(world.api(), entry, "repairs", build_application())
    order = {"reason": "错列", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}
    require_status(
        world.api().post(
            f"/v1/entries/{entry['id']}/revocations", json=order, headers={"If-Match": '"1"'}
        )
    )
    first = create_official_client(world, "王某")
    path = f"/v1/entries/{entry['id']}/repairs"
    with require_unchanged(world):
        require_refused(world.api().get(path), 404, "entry_not_found")
        require_refused(apply(world.api(), entry, build_application()), 404, "entry_not_found")
        require_refused(take_case_step(first, case, "acceptance", ACCEPTED), 404, "entry_not_found")
        require_refused(take_case_step(first, case, "acceptance", DECLINED), 404, "entry_not_found")
        assert require_status(world.api().get("/v1/repairs"))["cases"] == []
    # Nothing is due on a void entry; an auditor finds it by its state.
    assert require_status(world.api("auditor").get("/v1/repairs"))["cases"] == []
    [sealed] = require_status(world.api("auditor").get("/v1/repairs?state=received"))["cases"]
    assert sealed["id"] == case["id"]
