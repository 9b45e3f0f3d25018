"""The key file belongs to the database: with another file nothing is answered."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.catalogue.service import initialize_registry
from app.crypto import KeyFileError, Secrets
from app.db.tables import SealingKey
from app.errors import SecretKeyMismatch
from app.main import attach_registry
from app.registry import Registry
from app.rules.law import SubjectKind
from app.subjects.queries import read_birth_date
from tests.support.numbers import build_resident_id
from tests.support.openapi_operations import (
    fill_path_parameters,
    iterate_operations,
    read_example_body,
)
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_question,
)
from tests.support.world import World


def opened(world: World, key_file: Path) -> Registry:
    """Open the same database with another key file."""
    settings = world.registry.settings.model_copy(update={"secret_key_file": key_file})
    return Registry.open(settings, world.clock)


@pytest.fixture
def stranger(world: World, app: FastAPI, tmp_path: Path) -> Iterator[Registry]:
    """The app over the right database with the wrong key."""
    world.record(subject=build_person(), responsible_persons=None)
    for role in ("approver", "auditor", "operator"):
        world.api(role)
    Secrets.make(tmp_path / "other.key")
    registry = opened(world, tmp_path / "other.key")
    attach_registry(app, registry)
    yield registry
    app.state.check_service.close()
    registry.close()


def test_with_another_key_file_it_is_not_ready(world: World, stranger: Registry) -> None:
    answer = world.client(None).get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "secret_key_mismatch")
    assert world.client(None).get("/healthz").status_code == 200
    assert not stranger.ready


def test_with_another_key_file_no_operation_answers(
    world: World, app: FastAPI, stranger: Registry
) -> None:
    for caller in (world.api("operator"), world.client(None)):
        for method, path, operation in iterate_operations(app):
            if operation["security"] == []:
                continue
            answer = caller.request(
                method, fill_path_parameters(path), json=read_example_body(app, operation)
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "secret_key_mismatch"), path
            assert int(answer.headers["Retry-After"]) > 0


def test_another_key_file_never_gives_the_standing_none(world: World, stranger: Registry) -> None:
    answer = world.api("approver").post(
        "/v1/checks",
        json=build_check(build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")),
    )
    assert answer.status_code == 503
    assert "standing" not in answer.text
    assert "none" not in answer.text


def test_with_the_right_key_file_it_answers_again(
    world: World, app: FastAPI, stranger: Registry
) -> None:
    assert world.api("approver").post("/v1/checks", json=build_check()).status_code == 503
    attach_registry(app, world.registry)
    assert world.client(None).get("/readyz").status_code == 200
    answer = world.api("approver").post(
        "/v1/checks",
        json=build_check(build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")),
    )
    assert answer.json()["results"][0]["standing"] == "black"


def test_another_key_file_is_not_adopted(world: World, stranger: Registry) -> None:
    with pytest.raises(SecretKeyMismatch):
        initialize_registry(stranger)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_key_file_that_others_can_read_opens_nothing(
    world: World, tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "copy.key"
    path.write_bytes(world.registry.settings.key_path.read_bytes())
    path.chmod(mode)
    with pytest.raises(KeyFileError):
        opened(world, path)


def test_the_command_never_overwrites_a_key_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    command = [sys.executable, "-m", "app.cli.main", "keys", "secret", str(path)]
    environment = {**os.environ, "REDBLACK_DATA_DIR": str(tmp_path / "var")}
    made = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert made.returncode == 0, made.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert again.returncode == 1
    assert "never overwritten" in again.stderr
    assert "Traceback" not in again.stderr
    assert path.read_bytes() == before


# --- rotation ------------------------------------------------------------


def key_file(path: Path, *, index: dict[str, str], encryption: list[dict[str, str]]) -> Path:
    path.write_text(json.dumps({"blind_index": index, "encryption": encryption}))
    path.chmod(0o600)
    return path


def test_a_new_encryption_key_is_adopted_and_the_old_one_still_opens(
    world: World, app: FastAPI, tmp_path: Path
) -> None:
    entry = world.record(subject=build_person(), responsible_persons=None)
    old = json.loads(world.registry.settings.key_path.read_text())
    Secrets.make(tmp_path / "next.key")
    added = json.loads((tmp_path / "next.key").read_text())["encryption"]
    both = key_file(
        tmp_path / "both.key",
        index=old["blind_index"],
        encryption=[*added, *old["encryption"]],
    )
    registry = opened(world, both)
    try:
        assert registry.verify() is None
        initialize_registry(registry)
        attach_registry(app, registry)
        # A correction reads the birth date inside the number that the old key sealed.
        corrected = world.api().post(
            f"/v1/entries/{entry['id']}/corrections",
            json={"reason": "笔误", "changes": {"reason": "拖欠工资"}},
            headers={"If-Match": '"1"'},
        )
        assert corrected.status_code == 200, corrected.text
        world.record(
            source_ref="HR-2",
            subject=build_person(build_resident_id(5), "李某"),
            responsible_persons=None,
        )
        with registry.database.reading() as connection:
            adopted = set(connection.scalars(SealingKey.__table__.select()))
            sealed_by = list(
                connection.scalars(text("SELECT key_id FROM subject_identifiers ORDER BY id"))
            )
        assert adopted == {key.key_id for key in registry.secrets.keys}
        assert sealed_by == [old["encryption"][0]["id"], added[0]["id"]]
        answer = world.api("approver").post(
            "/v1/checks",
            json=build_check(
                build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id"),
                build_question(build_resident_id(5), "李某", scheme="resident_id", ref="2"),
            ),
        )
        assert [item["standing"] for item in answer.json()["results"]] == ["black", "black"]
    finally:
        registry.close()
    _no_longer_ready(world, world.registry.settings.key_path)
    _no_longer_ready(
        world,
        key_file(tmp_path / "new.key", index=old["blind_index"], encryption=added),
    )


def _no_longer_ready(world: World, path: Path) -> None:
    registry = opened(world, path)
    assert isinstance(registry.verify(), SecretKeyMismatch)
    registry.close()


def test_a_ciphertext_that_was_moved_to_another_row_does_not_open(world: World) -> None:
    first = world.record(subject=build_person(), responsible_persons=None)
    second = world.record(
        source_ref="HR-2",
        subject=build_person(build_resident_id(5), "李某"),
        responsible_persons=None,
    )
    with world.registry.database.writing() as connection:
        rows = connection.execute(
            text("SELECT id, ciphertext FROM subject_identifiers ORDER BY id")
        ).all()
        for target, source in ((rows[0], rows[1]), (rows[1], rows[0])):
            connection.execute(
                text("UPDATE subject_identifiers SET ciphertext = :sealed WHERE id = :id"),
                {"sealed": source.ciphertext, "id": target.id},
            )
    assert first["subject"]["kind"] == second["subject"]["kind"] == SubjectKind.natural_person
    with world.registry.database.reading() as connection:
        for entry in (first, second):
            with pytest.raises(KeyFileError):
                read_birth_date(
                    connection,
                    world.registry.secrets,
                    UUID(entry["subject"]["id"]),
                    world.clock.today(),
                )
    answer = world.api().post(
        f"/v1/entries/{first['id']}/corrections",
        json={"reason": "笔误", "changes": {"reason": "拖欠工资"}},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code >= 500
    assert PERSON_RESIDENT_ID not in answer.text
