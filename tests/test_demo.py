"""The demo data: an example of every feature, and all of it passed the rules."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.calendar.queries import read_current_calendar
from app.catalogue.queries import read_current_catalogue
from app.catalogue.service import initialize_registry
from app.crypto import KeyFileError, Sealed, Secrets
from app.db import migrations
from app.db.counter import read_head
from app.db.tables import (
    AuditRecord,
    EntryPerson,
    EntryStatusChange,
    EntryVersion,
    Subject,
    SubjectIdentifier,
)
from app.db.tables import SubjectName as NameRow
from app.demo import load_demo_data, print_keys, synthetic
from app.disclosure.store import build_disclosure_state_expression
from app.entries.store import reads
from app.entries.store.rows import EntryRow
from app.registry import Registry
from app.rules.disclosure import DisclosureState
from app.rules.identifiers import Scheme, parse_identifier
from app.rules.identity import NAME_SCHEME
from app.rules.law import DisclosureClass, ListKind, Severity, SubjectKind
from app.rules.permissions import Caller, Role
from app.rules.status import Removal, Status
from app.security.queries import find_caller
from app.settings import Settings
from tests.support.world import ManualClock

AUDITOR = Caller(None, "auditor", Role.auditor)
SUBJECTS = 400


def opened(directory: Path, key: Path | None = None) -> Registry:
    """An empty registry in a directory, sealed with a new key or a given one."""
    settings = Settings(_env_file=None, data_dir=directory)
    if key is None:
        Secrets.make(settings.key_path)
    else:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(key, settings.key_path)
    migrations.upgrade(settings)
    registry = Registry.open(settings, ManualClock())
    initialize_registry(registry)
    assert registry.verify() is None
    return registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = opened(tmp_path_factory.mktemp("demo") / "data")
    assert load_demo_data(registry, subjects=SUBJECTS, seed=1) > SUBJECTS
    yield registry
    registry.close()


@pytest.fixture(scope="module")
def today(registry: Registry) -> date:
    return registry.clock.today()


@pytest.fixture(scope="module")
def rows(registry: Registry, today: date) -> list[EntryRow]:
    with registry.database.reading() as connection:
        return reads.read_entry_page(
            connection, today, after=None, limit=10_000, filters={}, caller=AUDITOR
        )


def test_every_domain_has_licences_and_penalties_and_lists_only_those_in_force(
    registry: Registry, rows: list[EntryRow]
) -> None:
    with registry.database.reading() as connection:
        catalogue = read_current_catalogue(registry, connection)
    found = {row.list_type for row in rows}
    assert len(catalogue.domains) == 18
    for domain in catalogue.domains:
        assert {f"{domain}.licence", f"{domain}.penalty"} <= found
    assert found == {code for code, item in catalogue.list_types.items() if item.in_force}


def test_every_entry_was_issued_by_a_body_that_may(
    registry: Registry, rows: list[EntryRow], today: date
) -> None:
    with registry.database.reading() as connection:
        catalogue = read_current_catalogue(registry, connection)
    for row in rows:
        department = catalogue.departments[row.department]
        assert department.is_valid_on(today)
        assert catalogue.is_issuer(department, catalogue.list_types[row.list_type])


def test_every_state_of_disclosure_is_there(
    registry: Registry, rows: list[EntryRow], today: date
) -> None:
    with registry.database.reading() as connection:
        state = build_disclosure_state_expression(
            today, read_current_calendar(registry, connection)
        )
        states = set(connection.scalars(select(state).where(EntryVersion.superseded_seq.is_(None))))
    assert states == {item.value for item in DisclosureState}
    assert any(row.reported_late for row in rows)
    assert any(row.published_late for row in rows)


def test_every_kind_status_severity_and_class_is_there(rows: list[EntryRow], today: date) -> None:
    assert {row.facts["subject"]["kind"] for row in rows} == {kind.value for kind in SubjectKind}
    assert {row.compute_status(today) for row in rows} == set(Status)
    assert {row.term.find_removal_on(today) for row in rows} == {None, *Removal}
    assert {row.severity for row in rows} == {None, *(item.value for item in Severity)}
    assert {row.disclosure_class_enum for row in rows} == set(DisclosureClass)
    assert {row.kind for row in rows} == {kind.value for kind in ListKind}


def test_natural_persons_are_public_only_where_the_state_says_so(rows: list[EntryRow]) -> None:
    persons = [row for row in rows if row.facts["subject"]["kind"] == SubjectKind.natural_person]
    public = {
        row.list_type for row in persons if row.disclosure_class_enum is DisclosureClass.public
    }
    assert public <= {"wage_arrears.black", "judgment_defaulting.black"}
    assert public


def test_serious_black_entries_on_organisations_name_who_answers_for_them(
    rows: list[EntryRow],
) -> None:
    named = [row for row in rows if row.facts.get("responsible_persons")]
    assert all(row.severity == Severity.serious for row in named)
    assert any(row.kind == ListKind.black for row in named)


def test_some_subjects_have_several_entries_and_a_former_name(
    registry: Registry, rows: list[EntryRow]
) -> None:
    entries = Counter(row.subject_id for row in rows)
    void = sum(row.void for row in rows)  # leaves the bare row; later decisions get a new one
    assert SUBJECTS <= len(entries) <= SUBJECTS + void
    assert max(entries.values()) >= 3
    with registry.database.reading() as connection:
        names = Counter(connection.scalars(select(NameRow.subject_id)))
        present = set(connection.scalars(select(Subject.name)))
    assert max(names.values()) == 2
    assert all("示例" in name for name in present)


def test_every_identifier_is_valid(registry: Registry, today: date) -> None:
    with registry.database.reading() as connection:
        kept = connection.execute(select(*SubjectIdentifier.__table__.columns)).all()
        persons = connection.execute(select(*EntryPerson.__table__.columns)).all()
    schemes = Counter(row.scheme for row in kept)
    assert {*schemes} >= {Scheme.uscc, Scheme.org_code, Scheme.registration_no, NAME_SCHEME}
    assert {*schemes} >= {Scheme.resident_id, Scheme.passport}
    for row in kept:
        if row.ciphertext is not None:
            sealed, bound_to = Sealed(row.ciphertext, row.key_id), f"{row.id}:{row.scheme}"
            parse_identifier(
                Scheme(row.scheme), registry.secrets.open(sealed, bound_to=bound_to), today=today
            )
        elif row.scheme != NAME_SCHEME:
            parse_identifier(Scheme(row.scheme), row.lookup_key, today=today)
    assert persons
    for row in persons:
        sealed, bound_to = Sealed(row.ciphertext, row.key_id), f"{row.entry_id}:{row.scheme}"
        parse_identifier(
            Scheme(row.scheme), registry.secrets.open(sealed, bound_to=bound_to), today=today
        )


def test_numbers_have_no_gap_and_time_never_runs_back(registry: Registry) -> None:
    with registry.database.reading() as connection:
        versions = connection.execute(
            select(
                EntryVersion.seq,
                EntryVersion.recorded_at,
                EntryVersion.entry_id,
                EntryVersion.version,
                EntryVersion.superseded_seq,
            ).order_by(EntryVersion.seq)
        ).all()
        turned = connection.scalars(select(EntryStatusChange.seq)).all()
        audited = connection.scalars(
            select(AuditRecord.seq).where(AuditRecord.seq.is_not(None)).order_by(AuditRecord.seq)
        ).all()
        head = read_head(connection).seq
    seqs = [row.seq for row in versions]
    assert sorted([*seqs, *turned]) == [*range(1, head + 1)]
    assert seqs == [*audited]
    instants = [row.recorded_at for row in versions]
    assert instants == sorted(instants)
    assert instants[-1] <= registry.clock.now()
    assert instants[0] < registry.clock.now() - timedelta(days=500)
    by_place = {(row.entry_id, row.version): row for row in versions}
    for row in versions:
        following = by_place.get((row.entry_id, row.version + 1))
        assert row.superseded_seq == (following.seq if following else None)


def test_what_is_published_was_published_between_the_decision_and_its_record(
    rows: list[EntryRow],
) -> None:
    published = [
        (row, item)
        for row in rows
        for item in row.publications.values()
        if item.published_on is not None
    ]
    assert published
    for row, item in published:
        assert row.decided_on <= item.published_on
        assert item.published_on.isoformat() <= item.recorded_at
        assert item.applicable_deadline == row.deadline


def test_a_second_load_does_nothing(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    with registry.database.reading() as connection:
        before = read_head(connection)
    assert load_demo_data(registry, subjects=SUBJECTS, seed=2) == 0
    with registry.database.reading() as connection:
        assert read_head(connection) == before
    assert "nothing loaded" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_facts_elsewhere(
    registry: Registry, rows: list[EntryRow], today: date, tmp_path: Path
) -> None:
    other = opened(tmp_path / "data", registry.settings.key_path)
    clock = other.clock
    assert load_demo_data(other, subjects=SUBJECTS, seed=1) == len(rows)
    assert other.clock is clock
    with other.database.reading() as connection:
        again = reads.read_entry_page(
            connection, today, after=None, limit=10_000, filters={}, caller=AUDITOR
        )
    other.close()
    assert [facts_of(row) for row in again] == [facts_of(row) for row in rows]


def facts_of(row: EntryRow) -> tuple[Any, ...]:
    """Return all data of an entry except its ids and instants."""
    published = [(item.published_on, item.url) for item in row.publications.values()]
    return row.source_ref, row.facts_digest, row.seq, row.exited_on, row.revoked_on, published


def test_keys_are_saved_with_a_first_call_that_finds_a_subject(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "var" / "keys.json"
    print_keys(registry, file)
    first = capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    keys = json.loads(file.read_text())
    assert {*keys} == {role.value for role in Role}
    with registry.database.reading() as connection:
        callers = {role: find_caller(connection, key) for role, key in keys.items()}
    assert all(caller is not None and caller.role == role for role, caller in callers.items())
    assert callers["department"].department == "human_resources"
    assert callers["approver"].department == "finance_bureau"
    assert all(key in first for key in keys.values())
    assert "/v1/checks" in first
    assert "http://127.0.0.1:8000/docs" in first
    body = json.loads(first.split("-d '")[1].split("'")[0])
    with registry.database.reading() as connection:
        [number] = [item["number"] for item in body["subjects"]]
        asked = connection.scalars(
            select(SubjectIdentifier.subject_id).where(SubjectIdentifier.lookup_key == number)
        ).all()
        found = reads.read_subject_entries(connection, asked, registry.clock.today())
    assert any(row.kind == ListKind.black for row in found)
    print_keys(registry, file)
    assert capsys.readouterr().out == first


def test_keys_of_another_registry_are_created_again(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"operator": "rbk_of_another_registry"}))
    file.chmod(0o600)
    print_keys(registry, file)
    assert "rbk_of_another_registry" not in capsys.readouterr().out
    assert {*json.loads(file.read_text())} == {role.value for role in Role}
    file.chmod(0o644)
    with pytest.raises(KeyFileError):
        print_keys(registry, file)


def test_synthetic_numbers_are_valid_and_differ() -> None:
    serials = [*range(2_000), 999_999, 5_000_042, 10**7 - 1]
    today = date(2026, 11, 22)
    made = {
        Scheme.uscc: [synthetic.build_uscc(serial) for serial in serials],
        Scheme.org_code: [synthetic.build_org_code(serial) for serial in serials],
        Scheme.registration_no: [synthetic.build_registration_no(serial) for serial in serials],
        Scheme.resident_id: [
            synthetic.build_resident_id(serial, synthetic.build_birth_date(serial))
            for serial in serials
        ],
    }
    for scheme, numbers in made.items():
        assert len({*numbers}) == len(serials)
        for number in numbers:
            assert parse_identifier(scheme, number, today=today).number == number
    assert synthetic.build_organization_name(42, "建筑") == "枣庄示例建筑有限公司00042号"
