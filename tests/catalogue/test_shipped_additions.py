"""Shipped items of a newer release in the database of an earlier one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from app.catalogue import service, store
from app.catalogue.queries import read_catalogue_at, read_current_catalogue
from app.catalogue.sections import ITEM_CLASSES
from app.catalogue.service import add_missing_shipped_items, put_list_type_in_force
from app.db.counter import read_head
from app.db.tables import AuditRecord, CatalogueItem, CatalogueVersion
from app.registry import Registry
from app.rules.law import Catalogue, Span
from tests.support.commands import build_command_runner
from tests.support.request_bodies import build_push
from tests.support.world import World

NEW_FIELDS = {"extension", "consecutive_cap"}
"""Fields that list types did not have in release 0.1."""


def bodies(world: World, version: int, kind: str = "list_types") -> dict[str, dict[str, Any]]:
    with world.registry.database.reading() as connection:
        rows = connection.execute(
            select(CatalogueItem.code, CatalogueItem.body).where(
                CatalogueItem.version == version, CatalogueItem.kind == kind
            )
        )
        return {row.code: row.body for row in rows}


def alter(world: World, code: str, kind: str = "list_types", **changes: Any) -> None:
    """Overwrite an item of version 1 with the form of an earlier release."""
    body = bodies(world, 1, kind)[code] | changes
    with world.registry.database.writing() as connection:
        connection.execute(
            update(CatalogueItem)
            .where(
                CatalogueItem.version == 1, CatalogueItem.kind == kind, CatalogueItem.code == code
            )
            .values(body={key: value for key, value in body.items() if value is not ...})
        )
    world.registry.catalogues.clear()


def make_old(world: World) -> None:
    """Remove from version 1 the items and fields that the earlier release did not have."""
    with world.registry.database.writing() as connection:
        connection.execute(delete(CatalogueItem).where(CatalogueItem.kind == "repair_rules"))
        gone = CatalogueItem.code.in_(["honours_priority", "red_honours_priority"])
        connection.execute(delete(CatalogueItem).where(gone))
    for code in bodies(world, 1):
        alter(world, code, **dict.fromkeys(NEW_FIELDS, ...))


def law(registry: Registry, version: int | None = None) -> Catalogue:
    with registry.database.reading() as connection:
        if version is not None:
            return read_catalogue_at(registry, connection, version)
        return read_current_catalogue(registry, connection)


@contextmanager
def beside(world: World) -> Iterator[Registry]:
    """Yield a second registry on the same database, like another process."""
    with closing(Registry.open(world.registry.settings, world.clock)) as registry:
        yield registry


def versions(world: World) -> list[tuple[int, str, str]]:
    with world.registry.database.reading() as connection:
        rows = connection.execute(
            select(
                CatalogueVersion.version, CatalogueVersion.actor, CatalogueVersion.note
            ).order_by(CatalogueVersion.version)
        )
        return [(row.version, row.actor, row.note) for row in rows]


SHIPPED = (1, "command line", "shipped with the app")
COMPLETED = (2, "command line", "completed by a newer release")


def test_a_new_database_is_complete(world: World) -> None:
    add_missing_shipped_items(world.registry)
    assert versions(world) == [SHIPPED]


def test_an_old_database_gets_missing_items_and_fields(
    world: World,
) -> None:
    shipped = law(world.registry)
    make_old(world)
    old = law(world.registry)
    assert old.repair_rules == {}
    assert old.list_types["telecom_fraud.black"].consecutive_cap is None
    assert "honours_priority" not in old.measures
    add_missing_shipped_items(world.registry)
    new = law(world.registry)
    assert new.version == "2"
    for section in ITEM_CLASSES:
        assert getattr(new, section) == getattr(shipped, section), section
    assert versions(world) == [SHIPPED, COMPLETED]
    with world.registry.database.reading() as connection:
        records = connection.execute(
            select(AuditRecord.actor_name, AuditRecord.outcome, AuditRecord.target).where(
                AuditRecord.action == "catalogue_completed"
            )
        ).all()
        assert read_head(connection).seq == 0
    assert [tuple(record) for record in records] == [("command line", "done", "catalogue/2")]


def test_the_earlier_version_can_be_read(world: World) -> None:
    make_old(world)
    add_missing_shipped_items(world.registry)
    with beside(world) as fresh:
        old = law(fresh, 1)
        assert (old.version, old.repair_rules) == ("1", {})
        assert old.list_types["judgment_defaulting.black"].extension is None
        assert old.find_repair_rule("wage_arrears.black", date(2026, 11, 22)) is None
        new = law(fresh)
        assert new.list_types["judgment_defaulting.black"].extension == Span(years=3)
        rule = new.find_repair_rule("wage_arrears.black", date(2026, 11, 22))
        assert rule is not None
        assert rule.code == "wage_arrears"


def test_changes_of_an_operator_stay(world: World) -> None:
    make_old(world)
    alter(world, "telecom_fraud.black", term={"years": 2, "months": 0}, note="own note")
    alter(world, "tax", "departments", name="另一名称")
    with world.registry.database.writing() as connection:
        own = bodies(world, 1, "matters")["bidding"] | {"code": "own_matter"}
        connection.execute(
            CatalogueItem.__table__.insert().values(  # type: ignore[attr-defined]
                version=1, kind="matters", code="own_matter", position=999, body=own
            )
        )
    add_missing_shipped_items(world.registry)
    new = law(world.registry)
    telecom = new.list_types["telecom_fraud.black"]
    assert (telecom.term, telecom.note) == (Span(years=2), "own note")
    assert telecom.consecutive_cap == Span(years=5)
    assert new.departments["tax"].name == "另一名称"
    assert "own_matter" in new.matters


def test_an_empty_field_is_not_filled(world: World) -> None:
    make_old(world)
    alter(world, "telecom_fraud.black", consecutive_cap=None)
    alter(world, "wage_arrears.black", extension={"years": 1, "months": 0})
    add_missing_shipped_items(world.registry)
    new = law(world.registry)
    assert new.list_types["telecom_fraud.black"].consecutive_cap is None
    assert new.list_types["wage_arrears.black"].extension == Span(years=1)
    assert new.list_types["judgment_defaulting.black"].extension == Span(years=3)


def test_a_second_run_changes_nothing(world: World) -> None:
    make_old(world)
    add_missing_shipped_items(world.registry)
    add_missing_shipped_items(world.registry)
    with beside(world) as fresh:
        add_missing_shipped_items(fresh)
    assert versions(world) == [SHIPPED, COMPLETED]


def test_a_change_of_an_operator_adds_shipped_items_first(world: World) -> None:
    make_old(world)
    assert put_list_type_in_force(world.registry, "poverty_relief.black", "某法第一条") == 3
    add_missing_shipped_items(world.registry)
    enabled = (3, "command line", "poverty_relief.black: 某法第一条")
    assert versions(world) == [SHIPPED, COMPLETED, enabled]
    new = law(world.registry)
    assert new.list_types["poverty_relief.black"].in_force
    assert new.list_types["telecom_fraud.black"].consecutive_cap == Span(years=5)


def test_earlier_entries_stay_usable(world: World) -> None:
    make_old(world)
    entry = world.record()
    add_missing_shipped_items(world.registry)
    again = world.api().post("/v1/entries", json=build_push())
    assert (again.status_code, again.json()["id"]) == (200, entry["id"])


def test_two_processes_add_shipped_items_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(world)
    both_have_looked = Barrier(2)
    plain = store.find_missing_items
    looks: list[int] = []

    def look(*arguments: Any) -> Any:
        found = plain(*arguments)
        looks.append(len(found))
        if len(looks) <= 2:
            both_have_looked.wait(10)
        return found

    monkeypatch.setattr(service.store, "find_missing_items", look)
    with beside(world) as one, beside(world) as other, ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(add_missing_shipped_items, registry) for registry in (one, other)]:
            done.result()
    assert versions(world) == [SHIPPED, COMPLETED]
    assert looks[:2] == [4, 4]
    assert looks[-1] == 0


def test_the_upgrade_command_adds_shipped_items(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_old(world)
    command = build_command_runner(world.registry.settings, monkeypatch, capsys)
    for _ in range(2):
        assert command("db", "upgrade").exit_code == 0
        assert versions(world) == [SHIPPED, COMPLETED]
    rules = world.api().get("/v1/repair-rules").json()
    assert rules["catalogue_version"] == "2"
    assert len(rules["repair_rules"]) == 7
