"""Entries that are published but may no longer be public: due withdrawals (行政处罚法 Art 48)."""

import importlib
from datetime import date
from typing import Any
from zlib import crc32

import httpx
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import select, update

from app.db.tables import EntryVersion
from tests.support.problems import require_refused
from tests.support.redress_cases import (
    View,
    build_application,
    create_official_client,
    open_case,
    read_entry,
    require_status,
    take_case_step,
)
from tests.support.request_bodies import (
    build_decision,
    build_organisation,
    build_penalty_changes,
    build_publication,
)
from tests.support.world import World

SITE, CITY, ENTERPRISE = (
    "department_site",
    "credit_china_zaozhuang",
    "enterprise_publicity_shandong",
)


def on_show(
    world: World,
    ref: str,
    *channels: str,
    by: str = "human_resources",
    decided: str = "2026-03-10",
    shown_on: str = "2026-03-12",
    **changes: Any,
) -> View:
    """A published penalty of a department, by default on its two channels."""
    domain = {"human_resources": "wage_arrears", "tax": "tax_fraud"}[by]
    penal = {"kind": "administrative_penalty", "penalty_law": "administrative"}
    facts = build_penalty_changes(
        source_ref=ref,
        list_type=f"{domain}.penalty",
        subject=build_organisation(crc32(ref.encode()) % 100_000, "12370400"),
        decision=build_decision(decided, **penal),
        **{"conduct_ended_on": "2026-01-20", **changes},
    )
    api = world.api("department", by)
    entry = world.record(api, **facts)
    for channel in channels or (SITE, CITY):
        path = f"/v1/entries/{entry['id']}/disclosures"
        entry = require_status(api.post(path, json=build_publication(shown_on, channel)))
    return entry


def order(world: World, entry: View, name: str, body: dict[str, Any]) -> View:
    headers = {"If-Match": f'"{entry["version"]}"'}
    path = f"/v1/entries/{entry['id']}/{name}"
    return require_status(world.api("operator").post(path, json=body, headers=headers))


def revoke(world: World, entry: View, code: str = "decision_revoked") -> View:
    body = {"reason": "撤销", "reason_code": code, "revoked_on": "2026-11-22"}
    return order(world, entry, "revocations", body)


def classed(world: World, entry: View, name: str) -> View:
    body = {"reason": "更正公开属性", "changes": {"disclosure": {"class": name}}}
    return order(world, entry, "corrections", body)


def repair(world: World, entry: View) -> None:
    case = open_case(world.api(), entry, "repairs", build_application())
    accepted = {"outcome": "accepted", "reasons": "材料齐全"}
    require_status(
        take_case_step(create_official_client(world, "王某"), case, "acceptance", accepted)
    )
    approved = {"outcome": "approved", "reasons": "已改正"}
    require_status(
        take_case_step(
            create_official_client(world, "赵某"), case, "decision", approved, entry["version"]
        )
    )


def withdraw(api: httpx.Client, entry: View, channel: str, on: str) -> httpx.Response:
    body = {"channel": channel, "withdrawn_on": on}
    return api.post(f"/v1/entries/{entry['id']}/withdrawals", json=body)


def list_due(api: httpx.Client, **query: Any) -> list[View]:
    return list(require_status(api.get("/v1/withdrawals", params=query))["withdrawals"])


def refs(items: list[View]) -> list[str]:
    return [item["source_ref"] for item in items]


@pytest.fixture
def office(world: World) -> World:
    """Entries that ended in every way, some still published; today is a Sunday."""
    on_show(world, "stands")
    on_show(world, "ends later", effective_until="2026-11-25")
    on_show(world, "expired", effective_until="2026-11-16")
    on_show(world, "five years", conduct_ended_on="2021-11-16")
    revoke(world, on_show(world, "revoked"))
    revoke(world, on_show(world, "wrong subject"), "wrong_subject")
    exit_order = {"reason": "已履行", "exited_on": "2026-11-18"}
    order(world, on_show(world, "exited", SITE), "exits", exit_order)
    repair(world, on_show(world, "repaired", decided="2026-03-31", shown_on="2026-04-01"))
    classed(world, on_show(world, "not public"), "restricted")
    revoke(world, on_show(world, "tax", by="tax"))
    never = world.record(
        source_ref="never shown", case_ref="HR-C-9", subject=build_organisation(99, "12370400")
    )
    revoke(world, never)
    return world


EXPECTED = {
    "expired": ("expired", "2026-11-17", "2026-11-20", "overdue", 0),
    "five years": ("expired", "2026-11-17", "2026-11-20", "overdue", 0),
    "exited": ("exited", "2026-11-18", "2026-11-23", "due", 0),
    "revoked": ("revoked", "2026-11-22", "2026-11-25", "due", 0),
    "wrong subject": ("revoked", "2026-11-22", "2026-11-25", "due", 0),
    "repaired": ("repaired", "2026-11-22", "2026-11-25", "due", 0),
    "not public": ("not_public", "2026-11-22", "2026-11-25", "due", 0),
    "tax": ("revoked", "2026-11-22", "2026-11-25", "due", 0),
}


def test_an_ended_or_non_public_entry_is_due_by_the_third_working_day(
    office: World,
) -> None:
    items = list_due(office.api("operator"))
    names = ("because", "since", "due", "state", "working_days_late")
    found = {item["source_ref"]: tuple(item[name] for name in names) for item in items}
    assert found == EXPECTED
    order_of = [(item["since"], item["entry_id"]) for item in items]
    assert order_of == sorted(order_of)
    channels = {item["source_ref"]: item["channels"] for item in items}
    shown_on = {"published_on": "2026-03-12", "url": None}
    assert channels["exited"] == [{"channel": SITE, **shown_on}]
    assert channels["revoked"] == [{"channel": SITE, **shown_on}, {"channel": CITY, **shown_on}]
    [expired] = [item for item in items if item["source_ref"] == "expired"]
    assert (expired["department"], expired["list_type"]) == (
        "human_resources",
        "wage_arrears.penalty",
    )
    for item in items:
        if item["source_ref"] == "wrong subject":
            continue
        view = read_entry(office.api("operator"), {"id": item["entry_id"]})
        down = {name: item[name] for name in ("since", "due", "state")}
        assert view["disclosure"]["take_down"] == down
    # The calendar alone makes the next one due.
    office.clock.set_day(date(2026, 11, 25))
    assert "ends later" not in refs(list_due(office.api()))
    office.clock.set_day(date(2026, 11, 26))
    items = {item["source_ref"]: item for item in list_due(office.api())}
    assert items["ends later"]["because"] == "expired"
    assert (items["ends later"]["since"], items["ends later"]["due"]) == (
        "2026-11-26",
        "2026-12-01",
    )
    late = {ref: (item["state"], item["working_days_late"]) for ref, item in items.items()}
    assert late["exited"] == ("overdue", 3)
    assert late["revoked"] == ("overdue", 1)
    assert late["expired"] == ("overdue", 4)


def test_an_entry_is_due_until_it_is_off_every_channel(
    office: World,
) -> None:
    mine = [ref for ref in EXPECTED if ref != "tax"]
    assert sorted(refs(list_due(office.api()))) == sorted(mine)
    assert refs(list_due(office.api("department", "tax"))) == ["tax"]
    assert list_due(office.api("department", "tax"), department="human_resources") == []
    for overseer in ("operator", "auditor"):
        api = office.api(overseer)
        late = {"expired", "five years"}
        assert set(refs(list_due(api, state="overdue"))) == late
        assert set(refs(list_due(api, state="due"))) == set(EXPECTED) - late
        assert refs(list_due(api, department="tax")) == ["tax"]
        assert refs(list_due(api, list_type="tax_fraud.penalty")) == ["tax"]
        assert list_due(api, list_type="wage_arrears.black") == []
    for role in ("approver", "subscriber"):
        require_refused(office.api(role).get("/v1/withdrawals"), 403, "forbidden")
    assert office.api().get("/v1/withdrawals", params={"state": "done"}).status_code == 422
    require_refused(office.api().get("/v1/withdrawals", params={"next": "x"}), 400, "bad_cursor")

    # Sealed elsewhere, but its department and the credit office must know about the withdrawal.
    [sealed] = [item for item in list_due(office.api()) if item["source_ref"] == "wrong subject"]
    for api in (office.api(), office.api("operator")):
        require_refused(api.get(f"/v1/entries/{sealed['entry_id']}"), 404, "entry_not_found")
    for limit in (1, 2, 3, 7):
        whole = list_due(office.api("operator"))
        paged: list[View] = []
        cursor = None
        for _ in range(len(whole) + 1):
            query = {"limit": limit} | ({"next": cursor} if cursor else {})
            page = require_status(office.api("operator").get("/v1/withdrawals", params=query))
            paged += page["withdrawals"]
            cursor = page["next"]
            if cursor is None:
                break
        assert paged == whole

    # It is due until the last channel is cleared.
    for item in list_due(office.api("operator")):
        by = "tax" if item["source_ref"] == "tax" else "human_resources"
        api = office.api("department", by)
        left = item["channels"]
        while left:
            require_status(
                withdraw(api, {"id": item["entry_id"]}, left[0]["channel"], "2026-11-22")
            )
            left = left[1:]
            still = {one["entry_id"]: one["channels"] for one in list_due(api)}
            assert still.get(item["entry_id"], []) == left
    assert list_due(office.api("operator")) == list_due(office.api("auditor")) == []


def test_the_three_working_days_skip_a_holiday(world: World) -> None:
    world.clock.set_day(date(2026, 9, 20))  # a worked Sunday
    entry = on_show(world, "ends before the holiday", effective_until="2026-09-28")
    world.clock.set_day(date(2026, 9, 28))
    assert list_due(world.api()) == []
    for today, state, late in (
        ((9, 29), "due", 0),
        ((10, 7), "due", 0),
        ((10, 9), "due", 0),
        ((10, 10), "overdue", 1),  # a worked Saturday
        ((10, 11), "overdue", 1),
        ((10, 12), "overdue", 2),
    ):
        world.clock.set_day(date(2026, *today))
        [item] = list_due(world.api())
        assert (item["since"], item["due"]) == ("2026-09-29", "2026-10-09")
        assert (item["state"], item["working_days_late"]) == (state, late), today
        assert refs(list_due(world.api(), state=state)) == [item["source_ref"]]
        other = {"due": "overdue", "overdue": "due"}[state]
        assert list_due(world.api(), state=other) == []
        assert read_entry(world.api(), entry)["disclosure"]["take_down"]["state"] == state


def test_an_entry_that_is_public_again_may_stay_published(world: World) -> None:
    entry = on_show(world, "back and forth", effective_until="2026-12-31")
    hidden = classed(world, entry, "restricted")
    assert hidden["disclosure"]["take_down"] == {
        "since": "2026-11-22",
        "due": "2026-11-25",
        "state": "due",
    }
    world.clock.set_day(date(2026, 11, 24))
    exempt = {"class": "exempt", "exemption": "trade_secret", "basis": "反不正当竞争法第九条"}
    body = {"reason": "更正", "changes": {"disclosure": exempt}}
    hidden = order(world, hidden, "corrections", body)
    assert hidden["disclosure"]["take_down"]["since"] == "2026-11-22"  # the count does not restart
    public = classed(world, hidden, "public")
    assert (public["disclosure"]["take_down"], list_due(world.api())) == (None, [])
    hidden = classed(world, public, "restricted")
    assert hidden["disclosure"]["take_down"]["since"] == "2026-11-24"
    world.clock.set_day(date(2027, 1, 4))
    [item] = list_due(world.api())
    assert (item["because"], item["since"], item["state"]) == ("expired", "2026-11-24", "overdue")
    # One channel is enough to stay on the list.
    require_status(withdraw(world.api(), entry, SITE, "2027-01-04"))
    assert [one["channel"] for one in list_due(world.api())[0]["channels"]] == [CITY]
    require_status(withdraw(world.api(), entry, CITY, "2027-01-04"))
    assert list_due(world.api()) == []


def test_a_corrected_term_moves_the_first_due_day(world: World) -> None:
    entry = on_show(world, "shorter", effective_until="2026-12-31")
    body = {"reason": "更正", "changes": {"effective_until": "2026-11-20"}}
    shorter = order(world, entry, "corrections", body)
    assert shorter["disclosure"]["take_down"]["since"] == "2026-11-21"
    body = {"reason": "更正", "changes": {"effective_until": "2027-12-31"}}
    longer = order(world, shorter, "corrections", body)
    assert (longer["disclosure"]["take_down"], list_due(world.api())) == (None, [])


def test_the_migration_fills_the_same_days_as_today(office: World) -> None:
    """Except the first day of a non-public class, which it cannot know."""
    later = {"not public"}
    revision = importlib.import_module("migrations.versions.20261122_0003_taking_down")

    def days() -> dict[Any, date | None]:
        with office.registry.database.reading() as connection:
            rows = connection.execute(
                select(EntryVersion.entry_id, EntryVersion.take_down_from).where(
                    EntryVersion.superseded_seq.is_(None)
                )
            )
            return {str(entry_id): day for entry_id, day in rows}

    listed = {item["entry_id"]: item["source_ref"] for item in list_due(office.api("operator"))}
    before = days()
    assert sum(day is not None for day in before.values()) == len(EXPECTED) + 2
    with office.registry.database.writing() as connection:
        connection.execute(update(EntryVersion).values(take_down_from=None))
    assert list_due(office.api("operator")) == []
    with (
        office.registry.database.writing() as connection,
        Operations.context(MigrationContext.configure(connection)),
    ):
        revision._fill()
    after = days()
    for entry_id, day in before.items():
        if listed.get(entry_id) not in later:
            assert after[entry_id] == day, listed.get(entry_id)
    assert set(refs(list_due(office.api("operator")))) == set(EXPECTED) - later
