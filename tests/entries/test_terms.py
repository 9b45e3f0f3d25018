"""The periods of the sectors' lists (domain facts 1.6), as departments meet them."""

from datetime import date
from typing import Any

import httpx

from tests.support.problems import require_refused
from tests.support.redress_cases import (
    View,
    build_application,
    create_official_client,
    open_case,
    read_entry,
    require_status,
    require_unchanged,
    take_case_step,
)
from tests.support.request_bodies import (
    MINOR_RESIDENT_ID,
    build_decision,
    build_organisation,
    build_penalty_changes,
    build_person,
    build_publication,
    build_push,
    build_red_changes,
    build_resident_id,
)
from tests.support.world import World

TERMLESS: dict[str, Any] = {"effective_from": None, "effective_until": None}


def wage(ref: str, decided_on: str, **changes: Any) -> dict[str, Any]:
    """A wage-arrears entry of its own, whose last day is left to the list type."""
    return {
        "source_ref": ref,
        "decision": build_decision(decided_on),
        "conduct_ended_on": decided_on,
        **TERMLESS,
        **changes,
    }


def fraud(ref: str, first: str, last: str | None = None, **changes: Any) -> dict[str, Any]:
    """An entry of the telecom-fraud list that begins on the day of its decision."""
    return {
        "list_type": "telecom_fraud.black",
        "source_ref": ref,
        "decision": build_decision(min(first, "2026-11-22")),
        "conduct_ended_on": min(first, "2026-11-22"),
        "severity": None,
        "effective_from": first,
        "effective_until": last,
        **changes,
    }


def defaulter(ref: str = "FY-1", last: str | None = None, **changes: Any) -> dict[str, Any]:
    """A judgment defaulter: a person, by a court's decision of 2026-11-20."""
    return {
        "list_type": "judgment_defaulting.black",
        "source_ref": ref,
        "case_ref": None,
        "subject": build_person(),
        "responsible_persons": None,
        "decision": build_decision("2026-11-20", kind="court_decision"),
        "effective_until": last,
        **changes,
    }


def too_long(answer: httpx.Response) -> str | None:
    document = require_refused(answer, 409, "term_not_allowed")
    return document.get("latest")


def status_on(world: World, entry: View, *days: str) -> list[str]:
    return [read_entry(world.api("auditor"), entry, on=day)["status"] for day in days]


def extension(until: str, number: str = "(2026)鲁0402执18号之二", **changes: Any) -> dict[str, Any]:
    return {
        "reason": "以暴力妨碍执行，决定延长期限",
        "legal_basis": "关于公布失信被执行人名单信息的若干规定第二条",
        "decision": {"number": number, "decided_on": "2026-11-22"},
        "effective_until": until,
        **changes,
    }


def extend(
    api: httpx.Client, entry: View, body: dict[str, Any], version: int | None = 1
) -> httpx.Response:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return api.post(f"/v1/entries/{entry['id']}/extensions", json=body, headers=headers)


# --- wage arrears --------------------------------------------------------


def test_a_wage_arrears_entry_ends_three_years_after_its_decision(world: World) -> None:
    for number, (decided, last) in enumerate(
        (
            ("2026-11-20", "2029-11-20"),
            ("2024-02-29", "2027-02-28"),
            ("2025-11-30", "2028-11-30"),
            ("2024-02-28", "2027-02-28"),
        )
    ):
        facts = wage(f"HR-{number}", decided, subject=build_organisation(number))
        entry = world.record(**facts)
        assert (entry["effective_from"], entry["effective_until"]) == (decided, last)
        over = date.fromisoformat(last).replace(day=1).isoformat()
        assert status_on(world, entry, decided, over, last) == ["active"] * 3
    with require_unchanged(world):
        longer = build_push(**wage("HR-9", "2024-02-29", effective_until="2027-03-01"))
        assert too_long(world.api().post("/v1/entries", json=longer)) == "2027-02-28"
        never = build_push(**wage("HR-9", "2024-02-29")) | {"effective_until": None}
        assert too_long(world.api().post("/v1/entries", json=never)) is None
    shorter = world.record(
        **wage("HR-9", "2024-02-29", effective_until="2026-12-31", subject=build_organisation(9))
    )
    assert status_on(world, shorter, "2026-12-31", "2027-01-01") == ["active", "expired"]
    with require_unchanged(world):
        answer = extend(world.api(), shorter, extension("2027-01-31"))
        assert too_long(answer) is None


def test_paid_wages_allow_an_early_repair_after_six_months(world: World) -> None:
    entry = world.record(**wage("HR-1", "2026-04-02"))
    paid = build_application("2026-05-31", promise={"reference": "CN-1", "signed_on": "2026-11-20"})
    path = f"/v1/entries/{entry['id']}/repairs"
    world.clock.set_day(date(2026, 11, 29))
    with require_unchanged(world):
        early = require_refused(world.api().post(path, json=paid), 409, "not_repairable")
        assert (early["unmet"], early["earliest_on"]) == (["too_early"], "2026-11-30")
    world.clock.set_day(date(2026, 11, 30))
    with require_unchanged(world):
        for circumstance in ("repeated", "criminal_case"):
            barred = paid | {"circumstances": [circumstance]}
            document = require_refused(world.api().post(path, json=barred), 409, "not_repairable")
            assert document["unmet"] == [circumstance]
    case = open_case(world.api(), entry, "repairs", paid)
    accepted = {"outcome": "accepted", "reasons": "材料齐全"}
    case = require_status(
        take_case_step(create_official_client(world, "王某"), case, "acceptance", accepted)
    )
    assert case["due_on"] == "2026-12-21"  # the 15th working day
    approved = {"outcome": "approved", "reasons": "符合提前移出条件"}
    require_status(
        take_case_step(create_official_client(world, "赵某"), case, "decision", approved, 1)
    )
    assert status_on(world, entry, "2026-11-29", "2026-11-30") == ["active", "removed"]


def test_dishonesty_entries_end_five_years_after_the_conduct(
    world: World,
) -> None:
    for number, (conduct, last_of_all) in enumerate(
        (
            ("2022-01-15", "2027-01-15"),
            ("2024-02-29", "2029-02-28"),
            ("2026-10-31", "2031-10-31"),
        )
    ):
        facts = wage(f"HR-{number}", "2026-11-20", conduct_ended_on=conduct)
        entry = world.record(**facts, subject=build_organisation(number))
        assert (entry["ends_by_law_on"], entry["effective_until"]) == (last_of_all, "2029-11-20")
        last = min(last_of_all, "2029-11-20")
        day = date.fromisoformat(last)
        assert status_on(world, entry, last) == ["active"]
        assert status_on(world, entry, date.fromordinal(day.toordinal() + 1).isoformat()) == [
            "expired"
        ]
    fined = world.record(**build_penalty_changes(conduct_ended_on="2022-01-15"))
    assert status_on(world, fined, "2027-01-15", "2027-01-16") == ["active", "expired"]
    ongoing = world.record(
        **wage("HR-9", "2026-11-20", conduct_ended_on=None, conduct_continues=True),
        subject=build_organisation(9),
    )
    assert ongoing["ends_by_law_on"] is None
    # Rewards and what a court lists until performance are no matter of Art 38.
    rewarded = world.record(**build_red_changes(subject=build_organisation(10)))
    court = world.api("department", "court")
    listed = world.record(court, **defaulter(conduct_ended_on="2020-01-15"))
    assert (rewarded["ends_by_law_on"], listed["ends_by_law_on"]) == (None, None)
    assert status_on(world, listed, "2026-11-22", "2199-12-31") == ["active", "active"]


# --- telecom fraud -------------------------------------------------------


def test_a_fraud_entry_lasts_three_years_or_as_the_push_says(world: World) -> None:
    police = world.api("department", "public_security")
    three = world.record(police, **fraud("GA-1", "2026-11-20", subject=build_organisation(1)))
    two = world.record(
        police, **fraud("GA-2", "2026-11-20", "2028-11-20", subject=build_organisation(2))
    )
    assert (three["effective_until"], two["effective_until"]) == ("2029-11-20", "2028-11-20")
    assert (three["severity"], three["disclosure"]["class"]) == ("general", "public")
    body = build_push(**fraud("GA-3", "2026-11-20", "2031-11-21", subject=build_organisation(3)))
    with require_unchanged(world):
        assert too_long(police.post("/v1/entries", json=body)) == "2031-11-20"
        assert too_long(extend(police, two, extension("2029-11-20"))) is None
    somebody = world.record(
        police,
        **fraud(
            "GA-4", "2026-11-20", subject=build_person(), responsible_persons=None, disclosure=None
        ),
    )
    assert somebody["disclosure"]["class"] == "restricted"


def test_consecutive_fraud_entries_end_after_five_years(world: World) -> None:
    police = world.api("department", "public_security")

    def after(ref: str, first: str, last: str | None = None, number: int = 1) -> httpx.Response:
        body = build_push(**fraud(ref, first, last, subject=build_organisation(number)))
        return police.post("/v1/entries", json=body)

    require_status(after("GA-1", "2023-11-20"), 201)  # three years, until 2026-11-20
    with require_unchanged(world):
        for last in ("2028-11-21", "2029-11-21"):
            assert too_long(after("GA-2", "2026-11-21", last)) == "2028-11-20"
    second = require_status(after("GA-2", "2026-11-21"), 201)
    assert second["effective_until"] == "2028-11-20"  # 2029-11-21, moved forward
    path, tag = f"/v1/entries/{second['id']}/corrections", {"If-Match": '"1"'}
    with require_unchanged(world):
        change = {"reason": "更正", "changes": {"effective_until": "2028-11-21"}}
        assert too_long(police.post(path, json=change, headers=tag)) == "2028-11-20"
    shorter = {"reason": "更正", "changes": {"effective_until": "2027-11-20"}}
    assert (
        require_status(police.post(path, json=shorter, headers=tag))["effective_until"]
        == "2027-11-20"
    )
    # A third one: the period still begins with the first.
    assert require_status(after("GA-3", "2027-11-21"), 201)["effective_until"] == "2028-11-20"
    with require_unchanged(world):
        # Without a free day no time is left; after a free day the years restart.
        assert too_long(after("GA-4", "2028-11-21")) == "2028-11-20"
        assert too_long(after("GA-4", "2028-11-21", "2028-11-21")) == "2028-11-20"
    assert require_status(after("GA-4", "2028-11-22"), 201)["effective_until"] == "2031-11-22"

    require_status(after("GA-B1", "2023-11-20", number=2), 201)
    assert (
        require_status(after("GA-B2", "2026-11-22", number=2), 201)["effective_until"]
        == "2029-11-22"
    )
    # An entry that was revoked on its first day, or is on another list, does not count.
    world.record(**wage("HR-3", "2023-11-21", subject=build_organisation(3)))
    void = require_status(after("GA-C1", "2023-11-20", number=3), 201)
    order = {"reason": "错列", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}
    path = f"/v1/entries/{void['id']}/revocations"
    require_status(police.post(path, json=order, headers={"If-Match": '"1"'}))
    assert (
        require_status(after("GA-C2", "2026-11-21", number=3), 201)["effective_until"]
        == "2029-11-21"
    )
    # An early exit ends the period on its day.
    left = require_status(after("GA-D1", "2025-11-20", number=4), 201)
    path = f"/v1/entries/{left['id']}/exits"
    order = {"reason": "移出", "exited_on": "2026-11-21"}
    require_status(police.post(path, json=order, headers={"If-Match": '"1"'}))
    assert (
        require_status(after("GA-D2", "2026-11-21", "2030-11-20", number=4), 201)["status"]
        == "active"
    )
    with require_unchanged(world):
        assert too_long(after("GA-D3", "2030-11-21", number=4)) == "2030-11-20"


# --- judgment defaulters -------------------------------------------------


def test_a_defaulter_is_listed_until_performance_or_two_years(world: World) -> None:
    court = world.api("department", "court")
    openly = world.record(court, **defaulter("FY-1"))
    said = build_push(**defaulter("FY-2", subject=build_organisation(2)))
    body = said | {
        "effective_until": None,
        "responsible_persons": build_push()["responsible_persons"],
    }
    also_open = require_status(court.post("/v1/entries", json=body), 201)
    for entry in (openly, also_open):
        assert (entry["effective_until"], entry["disclosure"]["class"]) == (None, "public")
        assert status_on(world, entry, "2050-01-01") == ["active"]
    grown = {"subject": build_person(build_resident_id(serial="003"), "王某")}
    fixed = world.record(court, **defaulter("FY-3", "2028-11-20", **grown))
    assert status_on(world, fixed, "2028-11-20", "2028-11-21") == ["active", "expired"]
    with require_unchanged(world):
        long = build_push(**defaulter("FY-4", "2031-11-21", **grown))
        assert too_long(court.post("/v1/entries", json=long)) == "2031-11-20"


def test_a_defaulter_who_is_or_was_a_minor_is_refused(world: World) -> None:
    court = world.api("department", "court")
    # Eighteen on 2026-11-01: of age when decided on, and not yet on the last day of the conduct.
    half_grown = build_resident_id("20081101")
    with require_unchanged(world):
        for number, name in ((MINOR_RESIDENT_ID, "李小某"), (half_grown, "王小某")):
            body = build_push(**defaulter(subject=build_person(number, name)))
            require_refused(court.post("/v1/entries", json=body), 409, "minor_subject")
    grown = defaulter(subject=build_person(half_grown, "王小某"), conduct_ended_on="2026-11-01")
    assert world.record(court, **grown)["status"] == "active"


def test_a_fixed_term_is_extended_once_by_at_most_three_years(world: World) -> None:
    court = world.api("department", "court")
    entry = world.record(court, **defaulter("FY-1", "2028-11-20"))
    body = extension("2031-11-20")
    with require_unchanged(world):
        for until in ("2031-11-21", "2028-11-20", "2027-01-01"):
            assert too_long(extend(court, entry, extension(until))) == "2031-11-20"
        for day in ("2026-11-19", "2026-11-23"):
            unlikely = body | {"decision": body["decision"] | {"decided_on": day}}
            answer = extend(court, entry, unlikely)
            require_refused(answer, 422, "dates_out_of_order", "/decision/decided_on")
        require_refused(extend(court, entry, body, None), 428, "version_required")
        stale = require_refused(extend(court, entry, body, 2), 412, "stale_version")
        assert stale["current_version"] == 1
        require_refused(extend(world.api(), entry, body), 404, "entry_not_found")
        for role in ("approver", "auditor", "subscriber"):
            require_refused(extend(world.api(role), entry, body), 403, "forbidden")
        blank = {**body, "legal_basis": " "}
        require_refused(extend(court, entry, blank), 422, "blank", "/legal_basis")
    now = require_status(extend(court, entry, body))
    assert (now["version"], now["effective_until"]) == (2, "2031-11-20")
    assert now["extension"] == {
        "number": "(2026)鲁0402执18号之二",
        "decided_on": "2026-11-22",
        "legal_basis": body["legal_basis"],
    }
    last = require_status(court.get(f"/v1/entries/{entry['id']}/history"))["versions"][-1]
    assert (last["action"], last["reason"]) == ("extend", body["reason"])
    assert {change["field"] for change in last["changes"]} == {
        "effective_until",
        "extension.number",
        "extension.decided_on",
        "extension.legal_basis",
    }
    assert status_on(world, entry, "2028-11-21", "2031-11-20", "2031-11-21") == [
        "active",
        "active",
        "expired",
    ]
    with require_unchanged(world):
        for version in (1, 2):
            assert require_status(extend(world.api("operator"), entry, body, version)) == now
        assert too_long(extend(court, entry, extension("2031-11-21", "另一号"), 2)) is None
        stale = extend(court, entry, extension("2031-11-19", "另一号"), 1)
        require_refused(stale, 412, "stale_version")
        # Nor does a correction make it longer than five years in all.
        path, tag = f"/v1/entries/{entry['id']}/corrections", {"If-Match": '"2"'}
        change = {"reason": "更正", "changes": {"effective_until": "2031-11-21"}}
        assert too_long(court.post(path, json=change, headers=tag)) == "2031-11-20"
    slip = {"reason": "错字", "changes": {"remark": "已核对"}}
    now = require_status(court.post(path, json=slip, headers=tag))
    assert (now["effective_until"], now["extension"]["number"]) == (
        "2031-11-20",
        body["decision"]["number"],
    )


def test_an_open_or_ended_term_is_not_extended(world: World) -> None:
    court = world.api("department", "court")
    openly = world.record(court, **defaulter("FY-1"))
    one, two, three = (build_person(build_resident_id(serial=f"00{n}"), "王某") for n in (3, 5, 7))
    almost = world.record(court, **defaulter("FY-2", "2031-11-19", subject=one))
    ended = world.record(court, **defaulter("FY-3", "2028-11-20", subject=two))
    order = {"reason": "已履行", "exited_on": "2026-11-22"}
    path = f"/v1/entries/{ended['id']}/exits"
    require_status(court.post(path, json=order, headers={"If-Match": '"1"'}))
    expired = world.record(court, **defaulter("FY-4", "2026-11-21", subject=three))
    with require_unchanged(world):
        assert too_long(extend(court, openly, extension("2031-11-20"))) is None
        assert too_long(extend(court, almost, extension("2031-11-21"))) == "2031-11-20"
        for over, version, status in ((ended, 2, "removed"), (expired, 1, "expired")):
            answer = extend(court, over, extension("2029-11-20"), version)
            document = require_refused(answer, 409, "transition_refused")
            assert document["entry_status"] == status
    require_status(extend(court, almost, extension("2031-11-20")))


def test_a_repaired_defaulter_is_due_for_withdrawal_in_three_working_days(world: World) -> None:
    court = world.api("department", "court")
    entry = world.record(court, **defaulter("FY-1"))
    later = {"subject": build_person(build_resident_id(serial="003"), "王某")}
    fixed = world.record(court, **defaulter("FY-2", "2026-11-26", **later))
    for one in (entry, fixed):
        require_status(court.post(f"/v1/entries/{one['id']}/disclosures", json=build_publication()))
    paid = build_application("2026-11-21", promise={"reference": "CN-1", "signed_on": "2026-11-21"})
    case = open_case(court, entry, "repairs", paid)
    assert case["due_on"] == "2026-11-23"
    accepted = {"outcome": "accepted", "reasons": "已履行完毕"}
    case = require_status(
        take_case_step(create_official_client(world, "王某", "court"), case, "acceptance", accepted)
    )
    assert case["due_on"] == "2026-11-24"  # acceptance and decision within the three days
    approved = {"outcome": "approved", "reasons": "已履行完毕"}
    require_status(
        take_case_step(
            create_official_client(world, "赵某", "court"), case, "decision", approved, 2
        )
    )
    down = read_entry(court, entry)["disclosure"]["take_down"]
    assert down == {"since": "2026-11-22", "due": "2026-11-25", "state": "due"}
    assert read_entry(court, fixed)["disclosure"]["take_down"] is None
    for today, state in ((27, "due"), (30, "due")):
        world.clock.set_day(date(2026, 11, today))
        down = read_entry(court, fixed)["disclosure"]["take_down"]
        assert down == {"since": "2026-11-27", "due": "2026-12-02", "state": state}
