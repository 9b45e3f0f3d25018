"""The upgrade of a database of release 0.2: masks, bodies that are sent again, and the new epoch.

`tests/vectors/former_release.json` holds bodies that release 0.2.0 accepted, the rows that it
stored, and the key file that it sealed them with, which was made for this purpose.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from fastapi import FastAPI
from sqlalchemy import Connection, Table, insert, select, update

from app.catalogue.service import initialize_registry
from app.db import migrations
from app.db.engines import open_migration_connection
from app.db.tables import Base, EntryVersion, RegistryState
from app.registry import Registry
from app.settings import Settings
from tests.support.problems import require_refused
from tests.support.submission_files import (
    change_settings,
    format_ndjson,
    read_outcomes,
    submit_file,
)
from tests.support.world import World, open_world

FORMER: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "former_release.json").read_text(encoding="utf-8")
)
FORMER_SCHEMA = "0010"
BODIES: list[dict[str, Any]] = FORMER["bodies"]
CORRECTION = FORMER["correction"]
WHOLE_LIST = {"mode": "replace", "department": "human_resources", "reason": "年度全量更新"}


def parse_value(value: Any, python_type: type) -> Any:
    if isinstance(value, dict) and "base64" in value:
        return base64.b64decode(value["base64"])
    if isinstance(value, str) and python_type is UUID:
        return UUID(value)
    if isinstance(value, str) and python_type in {date, datetime}:
        return python_type.fromisoformat(value)  # type: ignore[attr-defined]
    return value


def insert_rows(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    types = {
        column.name: getattr(column.type, "impl_instance", column.type).python_type
        for column in table.columns
    }
    for row in rows:
        values = {name: parse_value(value, types[name]) for name, value in row.items()}
        if table is RegistryState.__table__:
            connection.execute(update(table).values(values))
        else:
            connection.execute(insert(table).values(values))


def migrate(settings: Settings, revision: str) -> None:
    config = migrations.build_alembic_config()
    with open_migration_connection(settings) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


@pytest.fixture
def upgraded(scratch: Settings, tmp_path: Path, app: FastAPI, address: str) -> Iterator[World]:
    """A registry that release 0.2 filled, after the upgrade."""
    key_file = tmp_path / "former.key"
    key_file.write_text(json.dumps(FORMER["key_file"]))
    key_file.chmod(0o600)
    settings = scratch.model_copy(update={"secret_key_file": key_file})
    migrations.upgrade(settings)
    with closing(Registry.open(settings)) as registry:
        initialize_registry(registry)
    migrate(settings, FORMER_SCHEMA)
    with open_migration_connection(settings) as connection, connection.begin():
        for name, rows in FORMER["tables"].items():
            insert_rows(connection, Base.metadata.tables[name], rows)
    migrations.upgrade(settings)
    world = open_world(settings, app, address)
    yield world
    world.close()


def read_versions(world: World) -> dict[str, int]:
    answer = world.api("auditor").get("/v1/exports/entries", params={"scope": "all"})
    rows = [json.loads(line) for line in answer.text.splitlines()[:-1]]
    return {row["source_ref"]: row["version"] for row in rows}


VERSIONS = {"F-1": 1, "F-2": 1, "F-3": 1, "F-4": 2, "F-5": 1}


def test_recorded_rows_are_those_of_the_former_release(upgraded: World) -> None:
    with upgraded.registry.database.reading() as connection:
        stored = json.dumps(list(connection.scalars(select(EntryVersion.facts))))
    assert '"masked": "370403************"' in stored


def test_a_body_of_the_former_release_is_recognised(upgraded: World) -> None:
    for body in BODIES:
        answer = upgraded.api().post("/v1/entries", json=body)
        assert answer.is_success, answer.text
        assert (answer.status_code, answer.json()["source_ref"]) == (200, body["source_ref"])
        other = body | {"reason": "另一事由"}
        require_refused(upgraded.api().post("/v1/entries", json=other), 409, "entry_conflict")
    assert read_versions(upgraded) == VERSIONS


def test_another_number_under_the_same_mask_is_another_body(upgraded: World) -> None:
    """The former mask of both is the same; the lookup key is not."""
    body = json.loads(json.dumps(BODIES[1]))
    body["subject"]["identifiers"][0]["number"] = "H12345679"
    require_refused(upgraded.api().post("/v1/entries", json=body), 409, "entry_conflict")


def test_a_file_of_the_former_release_is_recognised(upgraded: World) -> None:
    done = submit_file(upgraded.api(), format_ndjson(BODIES))
    assert done["state"] == "done"
    assert {outcome for _, outcome in read_outcomes(done)} == {"replayed"}
    assert read_versions(upgraded) == VERSIONS


def test_a_full_list_of_the_former_release_changes_nothing(upgraded: World) -> None:
    change_settings(upgraded, replace_brake_share=1.0)
    bodies = [dict(body) for body in BODIES]
    bodies[3] |= CORRECTION["body"]["changes"]
    done = submit_file(upgraded.api(), format_ndjson(bodies), rows=len(bodies), **WHOLE_LIST)
    assert (done["state"], done["changes"]["unchanged"]) == ("done", 5)
    assert [done["changes"][name] for name in ("new", "changed", "missing")] == [0, 0, 0]
    assert read_versions(upgraded) == VERSIONS


def test_a_correction_of_the_former_release_is_recognised(upgraded: World) -> None:
    entry = upgraded.api().post("/v1/entries", json=BODIES[3]).json()
    path = f"/v1/entries/{entry['id']}/corrections"
    # Sent again, with the version that it changed, and with the version that it made.
    for version in (CORRECTION["version"], CORRECTION["version"] + 1):
        answer = upgraded.api().post(
            path, json=CORRECTION["body"], headers={"If-Match": f'"{version}"'}
        )
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
    # A further version is stored without the masks, and both bodies are recognised.
    further = {"reason": "更正备注", "changes": {"remark": "已核对"}}
    answer = upgraded.api().post(path, json=further, headers={"If-Match": '"2"'})
    assert (answer.status_code, answer.json()["version"]) == (200, 3)
    with upgraded.registry.database.reading() as connection:
        facts = connection.scalar(select(EntryVersion.facts).where(EntryVersion.version == 3))
    assert "masked" not in json.dumps(facts)
    assert upgraded.api().post("/v1/entries", json=BODIES[3]).status_code == 200


def test_nothing_shows_a_mask_of_the_former_release(upgraded: World) -> None:
    """Neither the rows of the former release nor what is computed from them."""
    ids = {
        body["source_ref"]: upgraded.api().post("/v1/entries", json=body).json()["id"]
        for body in BODIES
    }
    texts = [
        upgraded.api(role).get(path).text
        for role, path in [
            ("subscriber", "/v1/changes"),
            ("subscriber", "/v1/changes/snapshot"),
            ("auditor", "/v1/changes/snapshot"),
            ("auditor", "/v1/exports/entries?format=csv"),
            *(("department", f"/v1/entries/{entry_id}") for entry_id in ids.values()),
            *(("department", f"/v1/entries/{entry_id}/history") for entry_id in ids.values()),
        ]
    ]
    numbers = [
        item["number"]
        for body in BODIES
        for item in [
            *body["subject"]["identifiers"],
            *(person["identifier"] for person in body.get("responsible_persons", [])),
        ]
        if item["scheme"] != "uscc"
    ]
    assert len(numbers) == 6
    looked_up = upgraded.api().post(
        "/v1/subjects/lookup",
        json={
            **BODIES[0]["subject"]["identifiers"][1],
            "name": "张甲",
            "purpose": "核对",
            "case_no": "ZZ-1",
        },
    )
    assert looked_up.status_code == 200, looked_up.text
    for text in [*texts, looked_up.text]:
        for number in numbers:
            mask = number[:6] if len(number) >= 15 else number[:2]
            assert f"{mask}*" not in text
    assert "*" * 18 in texts[0]


def test_the_upgrade_begins_one_new_epoch(upgraded: World) -> None:
    former = {"after": FORMER["tables"]["registry_state"][0]["seq"], "epoch": 1}
    subscriber = upgraded.api("subscriber")
    document = require_refused(subscriber.get("/v1/changes", params=former), 410, "feed_gone")
    assert (document["epoch"], document["snapshot"]) == (2, "/v1/changes/snapshot")
    migrations.upgrade(upgraded.registry.settings)
    assert subscriber.get("/v1/changes", params={"epoch": 2}).status_code == 200
    records = upgraded.api("auditor").get("/v1/audit/records", params={"action": "epoch_started"})
    [started] = records.json()["records"]
    assert (started["target"], started["actor_name"]) == ("epoch/2", "command line")


def test_a_new_registry_begins_in_its_first_epoch(world: World) -> None:
    assert world.api("subscriber").get("/v1/changes").json()["epoch"] == 1
