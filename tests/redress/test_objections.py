"""An objection marks the entry from receipt until it is answered (山东省社会信用条例 Art 39)."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import orjson

from tests.support.export_readers import parse_ndjson
from tests.support.problems import require_refused
from tests.support.redress_cases import (
    View,
    build_objection,
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
    build_organisation,
    build_penalty_changes,
    build_push,
    build_question,
)
from tests.support.world import World

REJECTED = {"outcome": "rejected", "reasons": "经核实，工资于决定前未结清"}
WITHDRAWN = {"outcome": "withdrawn", "reasons": "申请人撤回"}
CORRECTED = {
    "outcome": "upheld",
    "reasons": "经核实，行为终了日期录入有误",
    "correction": {"conduct_ended_on": "2026-10-30"},
}
REVOKED = {
    "outcome": "upheld",
    "reasons": "原决定已撤销",
    "revocation": {"reason_code": "decision_revoked", "revoked_on": "2026-11-22"},
}
HELP = {"unit": "市住房城乡建设局", "reason": "须核实工程款支付情况"}


def marks(body: Any) -> Iterator[bool]:
    """Return every mark of dispute in an answer, at any depth."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield from [value] if name == "disputed" else marks(value)
    elif isinstance(body, list):
        for item in body:
            yield from marks(item)


def everywhere(world: World, entry: View) -> dict[str, Any]:
    """Return the marks of the entry on every answer that shows it, and the warnings of a check."""
    office, auditor = world.api("approver"), world.api("auditor")
    subject = entry["subject"]["id"]
    asking = {**build_question(), "purpose": "资格审查", "case_no": "ZZ-1"}
    del asking["ref"]
    answers = {
        "department": read_entry(world.api(), entry),
        "operator": read_entry(world.api("operator"), entry),
        "auditor": read_entry(auditor, entry),
        "list": require_status(world.api().get("/v1/entries")),
        "check": require_status(office.post("/v1/checks", json=build_check())),
        "lookup": require_status(office.post("/v1/subjects/lookup", json=asking)),
        "subject": require_status(office.get(f"/v1/subjects/{subject}")),
        "subject by code": require_status(
            office.get(f"/v1/subjects/uscc/{build_question()['number']}")
        ),
        "export": parse_ndjson(auditor.get("/v1/exports/entries").content).rows,
        "feed": require_status(world.api("subscriber").get("/v1/changes")),
        "auditor's feed": require_status(auditor.get("/v1/changes")),
        "snapshot": [
            orjson.loads(line)
            for line in world.api("subscriber").get("/v1/changes/snapshot").content.splitlines()
        ],
    }
    found: dict[str, Any] = {name: set(marks(body)) for name, body in answers.items()}
    result = answers["check"]["results"][0]
    found["warned"] = {"disputed" in [item["code"] for item in result["warnings"]]}
    found["listed as"] = result["standing"]
    return found


def everywhere_is(*, disputed: bool) -> dict[str, Any]:
    answers = (
        "department",
        "operator",
        "auditor",
        "list",
        "check",
        "lookup",
        "subject",
        "subject by code",
        "export",
        "feed",
        "auditor's feed",
        "snapshot",
        "warned",
    )
    return {name: {disputed} for name in answers} | {"listed as": "black"}


def versions(world: World, entry: View) -> list[View]:
    history = require_status(world.api("auditor").get(f"/v1/entries/{entry['id']}/history"))
    return list(history["versions"])


# --- the mark ------------------------------------------------------------


def test_an_entry_is_disputed_until_the_last_objection_is_answered(
    world: World,
) -> None:
    entry = world.record()
    assert everywhere(world, entry) == everywhere_is(disputed=False)
    before = read_head_seq(world)
    first = open_case(world.api(), entry, "objections", build_objection())
    assert everywhere(world, entry) == everywhere_is(disputed=True)
    assert read_changes(world.api("subscriber"), before) == [("upsert", entry["id"])]
    [_, marked] = versions(world, entry)
    assert (marked["action"], marked["reason"]) == ("dispute", "objection")
    assert marked["changes"] == [{"field": "disputed", "old": False, "new": True}]

    # A second one finds the mark set, and takes no number.
    second = open_case(
        world.api("operator"), entry, "objections", build_objection(grounds="主体有误")
    )
    assert read_head_seq(world) == marked["seq"]
    answered = require_status(take_case_step(world.api(), first, "decision", REJECTED, 2))
    assert (answered["state"], answered["due_on"], answered["overdue"]) == ("rejected", None, False)
    assert (read_entry(world.api(), entry)["disputed"], read_head_seq(world)) == (
        True,
        marked["seq"],
    )

    assert (
        require_status(take_case_step(world.api(), second, "decision", WITHDRAWN, 2))["state"]
        == "withdrawn"
    )
    assert everywhere(world, entry) == everywhere_is(disputed=False)
    settled = versions(world, entry)[-1]
    assert (settled["action"], settled["reason"]) == ("settle", WITHDRAWN["reasons"])
    assert settled["changes"] == [{"field": "disputed", "old": True, "new": False}]
    auditor = world.api("auditor")
    assert read_entry(auditor, entry, known_seq=marked["seq"])["disputed"] is True
    assert read_entry(auditor, entry, known_seq=before)["disputed"] is False


def test_an_objection_to_what_is_over_is_heard_and_changes_no_status(world: World) -> None:
    entry = world.record()
    ended = require_status(
        world.api().post(
            f"/v1/entries/{entry['id']}/exits",
            json={"reason": "移出", "exited_on": "2026-11-22"},
            headers={"If-Match": '"1"'},
        )
    )
    case = open_case(world.api(), ended, "objections", build_objection())
    now = read_entry(world.api(), entry)
    assert (now["disputed"], now["status"]) == (True, "removed")
    require_status(take_case_step(world.api(), case, "decision", REJECTED, now["version"]))
    now = read_entry(world.api(), entry)
    assert (now["disputed"], now["status"]) == (False, "removed")


# --- the clock -----------------------------------------------------------


def listed(world: World, role: str = "department", where: str | None = None, **query: Any) -> Any:
    page = require_status(world.api(role, where).get("/v1/objections", params=query))
    return [case["entry_id"] for case in page["cases"]]


def test_an_answer_is_due_in_three_or_seven_working_days(
    world: World,
) -> None:
    world.clock.set_day(date(2026, 9, 25))
    decided = {"decision": build_decision("2026-09-24"), "conduct_ended_on": "2026-09-01"}
    entry = world.record(**decided, effective_from=None, effective_until=None)
    world.clock.set_day(date(2026, 9, 29))
    # The holiday goes from the 1st to the 7th; Saturday the 10th is worked.
    case = open_case(world.api(), entry, "objections", build_objection())
    assert (case["received_on"], case["due_on"]) == ("2026-09-29", "2026-10-09")
    assert (case["provisional"], case["overdue"], case["state"]) == (False, False, "received")
    helped = require_status(take_case_step(world.api(), case, "assistance", HELP))
    assert (helped["due_on"], helped["state"]) == ("2026-10-14", "received")
    assert helped["steps"][0]["detail"] == {"unit": HELP["unit"]}
    earlier = build_objection(received_on="2026-09-26", grounds="周六收到")
    assert open_case(world.api(), entry, "objections", earlier)["due_on"] == "2026-09-30"

    for today, overdue in ((date(2026, 10, 14), False), (date(2026, 10, 15), True)):
        world.clock.set_day(today)
        shown_now = require_status(world.api().get(f"/v1/entries/{entry['id']}/objections"))[
            "objections"
        ]
        assert [item["overdue"] for item in shown_now] == [overdue, True]
        assert len(listed(world, due="overdue")) == 1 + overdue

    # The notice for 2027 is not published: dates in that year are provisional.
    for today, due, provisional in (
        (date(2026, 12, 28), "2026-12-31", False),
        (date(2026, 12, 29), "2027-01-04", True),
        (date(2026, 12, 31), "2027-01-06", True),
    ):
        world.clock.set_day(today)
        case = open_case(world.api(), entry, "objections", build_objection(grounds=f"{today}"))
        assert (case["due_on"], case["provisional"]) == (due, provisional)
    require_status(take_case_step(world.api(), case, "decision", REJECTED, 2))
    [*_, closed] = require_status(world.api().get(f"/v1/entries/{entry['id']}/objections"))[
        "objections"
    ]
    assert (closed["due_on"], closed["provisional"], closed["overdue"]) == (None, False, False)


def test_a_department_sees_its_open_objections_by_due_day(
    world: World,
) -> None:
    tax = world.api("department", "tax")
    fined = build_penalty_changes(list_type="tax_fraud.penalty", conduct_ended_on="2026-09-01")
    other = world.record(tax, **fined)
    entries = [
        world.record(source_ref=f"HR-{number}", subject=build_organisation(number))
        for number in range(3)
    ]
    cases = {}
    for number, day in ((1, 24), (0, 25), (2, 25)):
        entry = entries[number]
        world.clock.set_day(date(2026, 11, day))
        cases[entry["id"]] = open_case(world.api(), entry, "objections", build_objection())
    world.clock.set_day(date(2026, 11, 26))
    theirs = open_case(tax, other, "objections", build_objection())
    mine = [entries[1]["id"], entries[0]["id"], entries[2]["id"]]
    assert listed(world) == mine
    assert listed(world, where="tax") == [other["id"]]
    for overseer in ("operator", "auditor"):
        assert listed(world, overseer) == [*mine, other["id"]]
        assert listed(world, overseer, department="tax") == [other["id"]]
    assert listed(world, department="tax") == []
    world.clock.set_day(date(2026, 11, 30))
    assert listed(world, due="overdue") == mine[:1]
    assert listed(world, state="received", due="overdue") == mine[:1]
    assert listed(world, state="received") == mine

    for role in ("approver", "subscriber"):
        assert world.api(role).get("/v1/objections").status_code == 403
        assert world.api(role).get(f"/v1/entries/{mine[0]}/objections").status_code == 403
    require_refused(tax.get(f"/v1/entries/{mine[0]}/objections"), 404, "entry_not_found")

    # An answered one leaves the list of open ones, and appears in that of its state.
    require_status(take_case_step(world.api(), cases[mine[0]], "decision", REJECTED, 2))
    require_status(take_case_step(world.api(), cases[mine[2]], "decision", REJECTED, 2))
    require_status(take_case_step(tax, theirs, "decision", WITHDRAWN, 2))
    assert listed(world) == [mine[1]]
    assert listed(world, state="rejected") == [mine[0], mine[2]]
    assert listed(world, state="withdrawn") == []
    assert listed(world, "operator", state="withdrawn") == [other["id"]]
    assert listed(world, state="rejected", due="overdue") == []

    # Pages of open and of closed ones lose nothing and repeat nothing.
    open_case(world.api(), entries[0], "objections", build_objection(grounds="又一异议"))
    open_case(world.api(), entries[0], "objections", build_objection(grounds="再一异议"))
    for query in ({}, {"state": "rejected"}):
        whole = require_status(world.api().get("/v1/objections", params=query))["cases"]
        paged, cursor = [], None
        for _ in whole:
            more = {"next": cursor} if cursor else {}
            page = require_status(
                world.api().get("/v1/objections", params={"limit": 1, **query, **more})
            )
            paged += page["cases"]
            cursor = page["next"]
        assert (paged, cursor) == (whole, None)
        assert len(whole) == (2 if query else 3)
    require_refused(world.api().get("/v1/objections", params={"next": "x"}), 400, "bad_cursor")
    assert world.api().get("/v1/objections", params={"due": "soon"}).status_code == 422


# --- the answer ----------------------------------------------------------


def test_an_objection_that_is_upheld_corrects_the_entry_in_the_same_version(world: World) -> None:
    entry = world.record()
    case = open_case(world.api(), entry, "objections", build_objection())
    closed = require_status(take_case_step(world.api(), case, "decision", CORRECTED, 2))
    assert closed["state"] == "upheld"
    now = read_entry(world.api(), entry)
    assert (now["version"], now["disputed"], now["status"]) == (3, False, "active")
    assert (now["conduct_ended_on"], now["ends_by_law_on"]) == ("2026-10-30", "2031-10-30")
    last = versions(world, entry)[-1]
    assert (last["action"], last["reason"]) == ("correct", CORRECTED["reasons"])
    assert {change["field"]: (change["old"], change["new"]) for change in last["changes"]} == {
        "conduct_ended_on": ("2026-10-31", "2026-10-30"),
        "ends_by_law_on": ("2031-10-31", "2031-10-30"),
        "disputed": (True, False),
    }
    # The earlier and the corrected content of the push both belong to this entry.
    for body in (build_push(), build_push(conduct_ended_on="2026-10-30")):
        again = world.api().post("/v1/entries", json=body)
        assert (again.status_code, again.json()["version"]) == (200, 3)


def test_a_remedy_that_leaves_another_objection_open_leaves_the_mark(world: World) -> None:
    entry = world.record()
    first = open_case(world.api(), entry, "objections", build_objection())
    second = open_case(world.api(), entry, "objections", build_objection(grounds="主体有误"))
    require_status(take_case_step(world.api(), first, "decision", CORRECTED, 2))
    assert read_entry(world.api(), entry)["disputed"] is True
    require_status(take_case_step(world.api(), second, "decision", REVOKED, 3))
    now = read_entry(world.api(), entry)
    assert (now["disputed"], now["status"]) == (False, "removed")
    assert now["removal"] == {"by": "revoked", "on": "2026-11-22"}
    found = require_status(world.api("approver").post("/v1/checks", json=build_check()))["results"][
        0
    ]
    assert (found["standing"], found["entries"], found["measures"]) == ("none", [], [])


def test_an_objection_about_a_wrong_subject_seals_entry_and_cases(
    world: World,
) -> None:
    entry = world.record()
    case = open_case(world.api(), entry, "objections", build_objection())
    wrong = REVOKED | {"revocation": REVOKED["revocation"] | {"reason_code": "wrong_subject"}}
    before = read_head_seq(world)
    assert (
        require_status(take_case_step(world.api(), case, "decision", wrong, 2))["state"] == "upheld"
    )
    assert read_changes(world.api("subscriber"), before) == [("remove", entry["id"])]
    with require_unchanged(world):
        again = require_status(take_case_step(world.api(), case, "decision", wrong, 2))
        assert again["state"] == "upheld"
        for api in (world.api(), world.api("operator")):
            require_refused(
                api.get(f"/v1/entries/{entry['id']}/objections"), 404, "entry_not_found"
            )
            require_refused(
                api.post(f"/v1/entries/{entry['id']}/objections", json=build_objection()),
                404,
                "entry_not_found",
            )
            require_refused(
                take_case_step(api, case, "decision", REJECTED, 3), 404, "entry_not_found"
            )
            assert (
                require_status(api.get("/v1/objections", params={"state": "upheld"}))["cases"] == []
            )
    auditor = world.api("auditor")
    [sealed] = require_status(auditor.get("/v1/objections", params={"state": "upheld"}))["cases"]
    assert sealed["entry_id"] == entry["id"]
    assert read_entry(auditor, entry)["disputed"] is False


# --- repeated and refused ------------------------------------------------


def test_a_repeated_request_acts_once_and_closed_cases_stay_closed(world: World) -> None:
    for number, answer in enumerate((REJECTED, WITHDRAWN, CORRECTED, REVOKED)):
        entry = world.record(source_ref=f"HR-{number}", subject=build_organisation(number))
        case = open_case(world.api(), entry, "objections", build_objection())
        require_status(take_case_step(world.api(), case, "assistance", HELP))
        with require_unchanged(world):
            path = f"/v1/entries/{entry['id']}/objections"
            for again in (
                world.api("operator").post(path, json=build_objection()),
                take_case_step(world.api(), case, "assistance", HELP),
            ):
                assert (require_status(again)["id"], require_status(again)["due_on"]) == (
                    case["id"],
                    "2026-12-01",
                )
            elsewhere = HELP | {"unit": "市公安局"}
            document = take_case_step(world.api(), case, "assistance", elsewhere)
            require_refused(document, 409, "step_refused")
        closed = require_status(take_case_step(world.api(), case, "decision", answer, 2))
        with require_unchanged(world):
            for version in (2, 3, 99):
                assert (
                    require_status(take_case_step(world.api(), case, "decision", answer, version))
                    == closed
                )
            other = REJECTED | {"reasons": "另一理由"}
            document = require_refused(
                take_case_step(world.api(), case, "decision", other, 3), 409, "step_refused"
            )
            assert document["state"] == answer["outcome"]
            late = HELP | {"unit": "市公安局"}
            require_refused(
                take_case_step(world.api(), case, "assistance", late), 409, "step_refused"
            )
        steps = [(item["step"], item["outcome"], item["reasons"]) for item in closed["steps"]]
        assert steps == [
            ("assistance", None, HELP["reason"]),
            ("decision", answer["outcome"], answer["reasons"]),
        ]
        assert closed["steps"][1]["actor"] == "department human_resources"


def test_who_may_not_touch_an_objection_changes_nothing(world: World) -> None:
    entry = world.record()
    other = world.record(source_ref="HR-2", subject=build_organisation(2))
    case = open_case(world.api(), entry, "objections", build_objection())
    path = f"/v1/entries/{entry['id']}/objections"
    with require_unchanged(world):
        for role in ("approver", "auditor", "subscriber"):
            api = world.api(role)
            for answer in (
                api.post(path, json=build_objection(grounds="另一异议")),
                take_case_step(api, case, "assistance", HELP),
                take_case_step(api, case, "decision", REJECTED, 2),
            ):
                require_refused(answer, 403, "forbidden")
        tax = world.api("department", "tax")
        for answer in (
            tax.post(path, json=build_objection(grounds="另一异议")),
            take_case_step(tax, case, "assistance", HELP),
            take_case_step(tax, case, "decision", REJECTED, 2),
        ):
            require_refused(answer, 404, "entry_not_found")
        api = world.api()
        nowhere = {"id": str(uuid4()), "kind": "objection", "entry_id": entry["id"]}
        for name, body in (("assistance", HELP), ("decision", REJECTED)):
            version = 2 if name == "decision" else None
            for answer in (
                take_case_step(api, nowhere, name, body, version),
                take_case_step(api, case, name, body, version, entry_id=other["id"]),
            ):
                require_refused(answer, 404, "case_not_found")
            unknown = take_case_step(api, case, name, body, version, entry_id=str(uuid4()))
            require_refused(unknown, 404, "entry_not_found")
        as_repair = {**case, "kind": "repair"}
        require_refused(
            take_case_step(api, as_repair, "decision", {"outcome": "refused", "reasons": "x"}, 2),
            404,
            "case_not_found",
        )


NOT_TAKEN: list[tuple[dict[str, Any], str, str]] = [
    ({}, "remedy_unclear", ""),
    ({"outcome": "rejected"}, "remedy_unclear", ""),
    ({"outcome": "withdrawn"}, "remedy_unclear", ""),
    ({"revocation": REVOKED["revocation"]}, "remedy_unclear", ""),
    ({"correction": None}, "remedy_unclear", ""),
    ({"correction": {}}, "nothing_to_change", "/correction"),
    ({"correction": {"conduct_ended_on": "2026-10-31"}}, "nothing_to_change", "/correction"),
    ({"reasons": " "}, "blank", "/reasons"),
    ({"reasons": None}, "not_text", "/reasons"),
    ({"reasons": "身份证 370402198506120013"}, "personal_number_in_text", "/reasons"),
    ({"outcome": "done"}, "unknown_value", "/outcome"),
    ({"remark": "x"}, "unknown_field", "/remark"),
]


def test_an_invalid_answer_is_refused_and_the_entry_stays_disputed(
    world: World,
) -> None:
    entry = world.record()
    case = open_case(world.api(), entry, "objections", build_objection())
    api = world.api()
    with require_unchanged(world):
        for position, (changes, code, pointer) in enumerate(NOT_TAKEN):
            base = CORRECTED if position else {**CORRECTED, "correction": None}
            document = require_refused(
                take_case_step(api, case, "decision", base | changes, 2), 422, code, pointer
            )
            assert "370402198506120013" not in document["detail"]
        require_refused(
            take_case_step(
                api,
                case,
                "decision",
                REVOKED | {"revocation": {"reason_code": "other", "revoked_on": "2026-11-19"}},
                2,
            ),
            422,
            "dates_out_of_order",
            "/revocation/revoked_on",
        )
        fixed = CORRECTED | {"correction": {"subject": {"identifiers": []}}}
        require_refused(take_case_step(api, case, "decision", fixed, 2), 409, "subject_fixed")
        for body in (CORRECTED, REVOKED, REJECTED):
            document = require_refused(
                take_case_step(api, case, "decision", body, 1), 412, "stale_version"
            )
            assert document["current_version"] == 2
            require_refused(take_case_step(api, case, "decision", body), 428, "version_required")
        for changes, code, pointer in (
            ({"received_on": "2026-11-21"}, "dates_out_of_order", "/received_on"),
            ({"received_on": "2026-11-23"}, "dates_out_of_order", "/received_on"),
            ({"grounds": "370402198506120013"}, "personal_number_in_text", "/grounds"),
            ({"applicant": {"kind": "self", "name": "张某"}}, "missing", "/applicant/proof_ref"),
            ({"evidence": [{"description": "x"}] * 21}, "too_many", "/evidence"),
        ):
            path = f"/v1/entries/{entry['id']}/objections"
            require_refused(api.post(path, json=build_objection(**changes)), 422, code, pointer)
    assert read_entry(api, entry)["disputed"] is True


def test_a_fault_in_a_correction_has_its_pointer(world: World) -> None:
    entry = world.record()
    case = open_case(world.api(), entry, "objections", build_objection())
    wrong_number = {"scheme": "resident_id", "number": "370402198506120014"}
    head_of_it = {"role": "legal_representative", "name": "张某", "identifier": wrong_number}
    with require_unchanged(world):
        for correction, code, place in (
            ({"conduct_ended_on": "2026-11-21"}, "dates_out_of_order", "/conduct_ended_on"),
            (
                {"responsible_persons": [head_of_it]},
                "invalid_identifier",
                "/responsible_persons/0/identifier/number",
            ),
        ):
            body = CORRECTED | {"correction": correction}
            answer = take_case_step(world.api(), case, "decision", body, 2)
            require_refused(answer, 422, code, f"/correction{place}")
