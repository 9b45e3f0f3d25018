"""Finding the subject of a number, and the keys under which registry and ledger know it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.crypto import Secrets
from app.db.engines import Connection
from app.rights.store import QueryKeys
from app.rules.identifiers import Identifier
from app.rules.identity import NAME_SCHEME, LookupKey
from app.rules.law import SubjectKind
from app.rules.text import fold_name
from app.subjects.lookup_keys import (
    build_lookup_key,
    build_query_keys,
    compute_query_digest,
    open_identifier,
)
from app.subjects.queries import find_by_first_key, read_identifiers, read_names
from app.subjects.records import FoundSubject, RecordedIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSubject:
    """The recorded subject of a number (`identifier`); None if none is recorded.

    Numbers and names that only decisions on a wrong subject gave (rows that are not `current`) do
    not count.
    """

    identifier: Identifier
    subject: FoundSubject | None
    names: tuple[str, ...]
    identifiers: tuple[dict[str, str], ...]
    personal_keys: frozenset[LookupKey]
    query_keys: QueryKeys

    @property
    def former_names(self) -> list[str]:
        """The names that it had before, oldest first."""
        present = self.subject and fold_name(self.subject.name)
        return [name for name in self.names if fold_name(name) != present]

    @property
    def kind(self) -> str:
        """Return the kind of the subject; if nothing is recorded, only what the number shows."""
        if self.subject is not None:
            return self.subject.kind.value
        return SubjectKind.natural_person.value if self.identifier.is_personal else "organization"


def find_report_subject(
    connection: Connection, secrets: Secrets, asked: Identifier
) -> ReportSubject:
    """Find the subject of a number, with its names, numbers and keys."""
    keys = build_query_keys(asked, secrets)
    subject = find_by_first_key(connection, keys)
    if subject is None:
        return ReportSubject(
            identifier=asked,
            subject=None,
            names=(),
            identifiers=(
                _build_shown_identifiers(
                    asked.scheme, asked.display_number, personal=asked.is_personal
                ),
            ),
            personal_keys=frozenset(keys[:1] if asked.is_personal else ()),
            query_keys=QueryKeys(
                None, frozenset({compute_query_digest(secrets, asked, None)}), frozenset()
            ),
        )
    rows = read_identifiers(connection, subject.id)
    names = read_names(connection, subject.id)
    own = {asked, *_decrypt_identifiers(secrets, (row for row in rows if row.current))}
    digests = frozenset(compute_query_digest(secrets, each, None) for each in own)
    strange = {
        compute_query_digest(secrets, each, None)
        for each in _decrypt_identifiers(secrets, (row for row in rows if not row.current))
    } | {compute_query_digest(secrets, None, row.name) for row in names if not row.current}
    return ReportSubject(
        identifier=asked,
        subject=subject,
        names=tuple(row.name for row in names if row.current),
        identifiers=tuple(
            _build_shown_identifiers(row.scheme, row.shown, personal=row.ciphertext is not None)
            for row in rows
            if row.current and row.scheme != NAME_SCHEME
        ),
        personal_keys=frozenset(
            build_lookup_key(each, secrets) for each in own if each.is_personal
        ),
        query_keys=QueryKeys(subject.id, digests, frozenset(strange - digests)),
    )


def _decrypt_identifiers(
    secrets: Secrets, rows: Iterable[RecordedIdentifier]
) -> Sequence[Identifier]:
    """Return the numbers themselves: the digest of a question covers the number alone."""
    return [open_identifier(secrets, row) for row in rows if row.scheme != NAME_SCHEME]


def _build_shown_identifiers(scheme: str, number: str, *, personal: bool) -> dict[str, str]:
    return {"scheme": scheme, "masked" if personal else "number": number}
