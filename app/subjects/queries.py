"""Reads of subjects: by number, name or id, their profiles, names and numbers.

Numbers and names are current while a valid decision gives them (`app/rules/identity.py`). Others
stay for what was answered in the past, and lead to no subject: another subject may have them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from app.crypto import Secrets
from app.db.engines import Connection
from app.rules.identifiers import Identifier, build_mask, parse_identifier
from app.rules.identity import LookupKey, SubjectDescription
from app.rules.law import SubjectKind
from app.rules.text import fold_name
from app.subjects import store
from app.subjects.lookup_keys import open_identifier
from app.subjects.records import FoundSubject, RecordedIdentifier, RecordedName, SubjectProfile


def find_by_keys(
    connection: Connection, keys: Iterable[LookupKey]
) -> dict[LookupKey, FoundSubject]:
    """Return the current subjects behind lookup keys."""
    by_scheme: dict[str, list[str]] = {}
    for scheme, number in keys:
        by_scheme.setdefault(scheme, []).append(number)
    # One statement per scheme: with all schemes in one, each number would meet each scheme.
    return {
        (scheme, number): FoundSubject(UUID(subject_id), SubjectKind(kind), name, name_key)
        for scheme, numbers in by_scheme.items()
        for number, subject_id, kind, name, name_key in store.BY_KEYS.fetch(
            connection, scheme=scheme, numbers=numbers
        )
    }


def find_by_first_key(connection: Connection, keys: Sequence[LookupKey]) -> FoundSubject | None:
    """Return the current subject behind the first key that has one."""
    rows = connection.execute(store.select_by_any_key(keys))
    found = {
        (row.scheme, row.lookup_key): FoundSubject(
            row.id, SubjectKind(row.kind), row.name, row.name_key
        )
        for row in rows
    }
    return next((found[key] for key in keys if key in found), None)


def find_organizations_by_names(
    connection: Connection, name_keys: Iterable[str]
) -> dict[str, list[FoundSubject]]:
    """Return organisations by folded name, current and former; never natural persons."""
    found: dict[str, list[FoundSubject]] = {}
    for row in connection.execute(store.select_organizations_by_names(name_keys)):
        subject = FoundSubject(row.id, SubjectKind(row.kind), row.name, fold_name(row.name))
        found.setdefault(row.name_key, []).append(subject)
    return found


def find_by_ids(connection: Connection, ids: Collection[UUID]) -> dict[UUID, FoundSubject]:
    """Return subjects by their ids."""
    if not ids:
        return {}
    found = (
        FoundSubject(UUID(subject_id), SubjectKind(kind), name, name_key)
        for subject_id, kind, name, name_key in store.BY_IDS.fetch(connection, ids=list(ids))
    )
    return {subject.id: subject for subject in found}


def find_subject_ids(connection: Connection, keys: Collection[LookupKey]) -> dict[LookupKey, UUID]:
    """Return the ids of the current subjects behind lookup keys."""
    return dict(_find_key_owners(connection, keys, current_only=True))


def find_historical_by_keys(
    connection: Connection, keys: Collection[LookupKey]
) -> list[tuple[LookupKey, UUID]]:
    """Return every subject that ever had one of the keys, also by a decision that became void."""
    return _find_key_owners(connection, keys, current_only=False)


def find_historical_by_names(
    connection: Connection, name_keys: Collection[str]
) -> list[tuple[str, UUID]]:
    """Return every subject that ever had one of the folded names."""
    rows = connection.execute(store.select_ids_by_names(name_keys))
    return [(row.name_key, row.subject_id) for row in rows]


def _find_key_owners(
    connection: Connection, keys: Collection[LookupKey], *, current_only: bool
) -> list[tuple[LookupKey, UUID]]:
    rows = connection.execute(store.select_key_owners(keys, current_only=current_only))
    found = [((row.scheme, row.lookup_key), row.subject_id) for row in rows]
    return [(key, subject_id) for key, subject_id in found if key in keys]


def read_subject_descriptions(
    connection: Connection, ids: Iterable[UUID], seq: int | None = None
) -> dict[UUID, list[SubjectDescription]]:
    """Return the subject descriptions of entry versions, oldest first.

    With `seq` only versions up to that sequence number count.
    """
    found: dict[UUID, list[SubjectDescription]] = {}
    for subject_id, *values in connection.execute(store.select_descriptions(ids, seq)):
        found.setdefault(subject_id, []).append(SubjectDescription(*values))
    return found


def read_identifiers(connection: Connection, subject_id: UUID) -> Sequence[RecordedIdentifier]:
    """Return every number of a subject, also numbers of void decisions."""
    rows = connection.execute(store.select_identifiers(subject_id))
    return [RecordedIdentifier(*row) for row in rows]


def read_names(connection: Connection, subject_id: UUID) -> Sequence[RecordedName]:
    """Return every name of a subject, oldest first, also names of void decisions."""
    return [RecordedName(*row) for row in connection.execute(store.select_names(subject_id))]


def read_birth_date(
    connection: Connection, secrets: Secrets, subject_id: UUID, today: date
) -> date | None:
    """Return the birth date in a person's sealed number; None where no number shows one."""
    for row in connection.execute(store.select_sealed_identifiers(subject_id)):
        sealed = open_identifier(secrets, RecordedIdentifier(*row))
        birth_date = parse_identifier(sealed.scheme, sealed.number, today=today).birth_date
        if birth_date is not None:
            return birth_date
    return None


def read_sealed_numbers(
    connection: Connection, secrets: Secrets, ids: Collection[UUID]
) -> list[tuple[str, Identifier]]:
    """Decrypt every sealed number of subjects; return each with its lookup key."""
    if not ids:
        return []
    rows = connection.execute(store.select_sealed_identifiers_of_subjects(ids))
    recorded = (RecordedIdentifier(*row) for row in rows)
    return [(each.lookup_key, open_identifier(secrets, each)) for each in recorded]


def read_profiles(connection: Connection, ids: Iterable[UUID]) -> Mapping[UUID, SubjectProfile]:
    """Return subjects as responses show them: names, former names, masked personal numbers."""
    subject_ids = list(ids)
    if not subject_ids:
        return {}
    found: dict[UUID, SubjectProfile] = {
        (identity := UUID(subject_id)): {
            "id": identity,
            "kind": kind,
            "name": name,
            "former_names": [],
            "identifiers": [],
        }
        for subject_id, kind, name in store.CURRENT_NAMES.fetch(connection, ids=subject_ids)
    }
    for subject_id, scheme, shown, personal in store.CURRENT_IDENTIFIERS.fetch(
        connection, ids=subject_ids
    ):
        found[UUID(subject_id)]["identifiers"].append(
            {"scheme": scheme, "masked": build_mask(scheme)}
            if personal
            else {"scheme": scheme, "number": shown}
        )
    for subject_id, name in store.FORMER_NAMES.fetch(connection, ids=subject_ids):
        found[UUID(subject_id)]["former_names"].append(name)
    return found


def read_folded_names(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, set[str]]:
    """Return the folded names of subjects, current and former."""
    found: dict[UUID, set[str]] = {}
    for row in connection.execute(store.select_folded_names(ids)):
        found.setdefault(row.subject_id, set()).add(row.name_key)
    return found
