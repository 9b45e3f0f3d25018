"""Finding the subject of a number, and the keys under which registry and ledger know it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.crypto import Secrets
from app.db.engines import Connection
from app.rights.store import QueryKeys
from app.rules.identifiers import Identifier, Scheme, build_mask
from app.rules.identity import NAME_SCHEME, LookupKey
from app.rules.law import SubjectKind
from app.rules.stored_json import SubjectFacts
from app.rules.text import fold_name
from app.subjects.lookup_keys import (
    build_lookup_key,
    build_query_keys,
    compute_query_digest,
    open_identifier,
)
from app.subjects.queries import find_by_first_key, read_identifiers, read_names
from app.subjects.records import FoundSubject, RecordedIdentifier


class ShownIdentifier(NamedTuple):
    """A number as the report shows it, and the key that finds it."""

    key: LookupKey
    view: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSubject:
    """The recorded subject of a number (`identifier`); None if none is recorded.

    Numbers and names that only decisions on a wrong subject gave (rows that are not `current`) do
    not count.
    """

    identifier: Identifier
    subject: FoundSubject | None
    names: tuple[str, ...]
    identifiers: tuple[ShownIdentifier, ...]
    requested_keys: frozenset[LookupKey]
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

    def limit_to(
        self, shown: Sequence[SubjectFacts], whole: Iterable[SubjectFacts]
    ) -> "ReportSubject":
        """Return the subject without the names and numbers that only hidden entries give.

        `shown` describes the subject as the shown entries do, in the order of their decisions. Its
        name is the recorded one, or the newest of these. Former names and further numbers come from
        the entries that are shown as a `whole`.
        """
        names = set()
        keys = set(self.requested_keys)
        for description in whole:
            names.add(fold_name(description["name"]))
            for each in description.get("identifiers") or ():
                number = each.get("key") or each.get("number") or ""
                keys.add((each["scheme"], number))
                if each["scheme"] == Scheme.uscc:
                    keys.add(
                        (Scheme.org_code.value, Identifier(Scheme.uscc, number).org_code or "")
                    )
        subject = self.subject
        if subject is not None and subject.name_key not in _collect_name_keys(shown):
            name = shown[-1]["name"]
            subject = subject._replace(name=name, name_key=fold_name(name))
        return replace(
            self,
            subject=subject,
            names=tuple(name for name in self.names if fold_name(name) in names),
            identifiers=tuple(each for each in self.identifiers if each.key in keys),
        )


def _collect_name_keys(descriptions: Iterable[SubjectFacts]) -> frozenset[str]:
    """Return the folded names that descriptions of a subject give."""
    return frozenset(fold_name(description["name"]) for description in descriptions)


def find_report_subject(
    connection: Connection, secrets: Secrets, asked: Identifier
) -> ReportSubject:
    """Find the subject of a number, with its names, numbers and keys."""
    keys = build_query_keys(asked, secrets)
    subject = find_by_first_key(connection, keys)
    if subject is None:
        return build_unrecorded_subject(secrets, asked)
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
            ShownIdentifier(
                (row.scheme, row.lookup_key),
                _build_identifier_view(row.scheme, row.shown, personal=row.ciphertext is not None),
            )
            for row in rows
            if row.current and row.scheme != NAME_SCHEME
        ),
        requested_keys=frozenset(keys),
        personal_keys=frozenset(
            build_lookup_key(each, secrets) for each in own if each.is_personal
        ),
        query_keys=QueryKeys(subject.id, digests, frozenset(strange - digests)),
    )


def build_unrecorded_subject(secrets: Secrets, asked: Identifier) -> ReportSubject:
    """Build the subject of a number as if nothing was recorded under it."""
    keys = build_query_keys(asked, secrets)
    view = _build_identifier_view(asked.scheme, asked.display_number, personal=asked.is_personal)
    return ReportSubject(
        identifier=asked,
        subject=None,
        names=(),
        identifiers=(ShownIdentifier(keys[0], view),),
        requested_keys=frozenset(keys),
        personal_keys=frozenset(keys[:1] if asked.is_personal else ()),
        query_keys=QueryKeys(
            None, frozenset({compute_query_digest(secrets, asked, None)}), frozenset()
        ),
    )


def _decrypt_identifiers(
    secrets: Secrets, rows: Iterable[RecordedIdentifier]
) -> Sequence[Identifier]:
    """Return the numbers themselves: the digest of a question covers the number alone."""
    return [open_identifier(secrets, row) for row in rows if row.scheme != NAME_SCHEME]


def _build_identifier_view(scheme: str, number: str, *, personal: bool) -> dict[str, str]:
    if personal:
        return {"scheme": scheme, "masked": build_mask(scheme)}
    return {"scheme": scheme, "number": number}
