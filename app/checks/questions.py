"""Questions, the moment to which they refer, and findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from app.catalogue.queries import read_catalogue_at
from app.checks.schemas import AskedSubject, CheckRequest
from app.crypto import Secrets, fingerprint
from app.db.counter import find_law_versions_at, read_head
from app.db.engines import Connection
from app.entries import queries as entries
from app.errors import ProblemCode, Sentence
from app.registry import Registry
from app.rules.identifiers import Identifier, InvalidIdentifier, parse_identifier
from app.rules.identity import LookupKey, build_name_only_key
from app.rules.law import Catalogue, ListKind, SubjectKind
from app.rules.verdict import Standing
from app.subjects.lookup_keys import build_query_keys
from app.subjects.records import FoundSubject

ORGANIZATION_KINDS = tuple(kind for kind in SubjectKind if kind is not SubjectKind.natural_person)

NAME_MISMATCH = Sentence("The name differs from the recorded ones", "名称与登记名称不一致，请核实")
DISPUTED = Sentence("An entry is under objection", "有条目正处于异议处理中")
NAME_ONLY = Sentence(
    "Matched by name alone; make sure that it is the same subject",
    "仅按名称匹配，请核实是否为同一主体",
)
AMBIGUOUS = Sentence(
    "Several subjects bear this name; ask with a number", "存在多个同名主体，请使用证件号码查询"
)
ASKED_BY_NAME = Sentence(
    "Only organisations are found by name alone; persons are checked by number and name",
    "仅凭名称只能查询单位；自然人须同时使用号码和姓名核查",
)
NAME_MISSING = Sentence(
    "A natural person is checked by number and name", "核查自然人须同时填写号码和姓名"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """As of which day and which state of the registry is answered."""

    on: date
    epoch: int
    seq: int
    head_seq: int
    known_seq: int | None
    catalogue: Catalogue


class Question(NamedTuple):
    """One requested subject: its parsed number, and its lookup keys."""

    ref: str
    identifier: Identifier | None
    name: str | None
    error: tuple[ProblemCode, Sentence] | None = None
    number_keys: Sequence[LookupKey] = ()
    """The surest first."""
    name_only_keys: Sequence[LookupKey] = ()
    """Of organisations that are known by this name alone."""

    @property
    def is_personal(self) -> bool:
        """True for the number of a natural person."""
        return self.identifier is not None and self.identifier.is_personal


class Finding(NamedTuple):
    """The finding for a question, in the shapes of `app/checks/schemas.py`."""

    ref: str
    subject: FoundSubject | None
    candidates: tuple[FoundSubject, ...]
    standing: Standing
    entries: list[dict[str, Any]]
    measures: list[dict[str, Any]]
    suppressed: list[dict[str, Any]]
    warnings: list[tuple[str, Sentence]]
    error: tuple[ProblemCode, Sentence] | None = None

    @property
    def is_found(self) -> bool:
        """At least one entry is visible to the caller."""
        return bool(self.entries)

    def compute_digest(self, matter: str | None) -> str:
        """Moves only when a decision-relevant fact does: records and disclosures do not count."""
        codes = tuple(code for code, _ in self.warnings)
        error = self.error and self.error[0]
        if not self.entries:
            return _compute_empty_digest(matter, self.standing, codes, error)
        list_entries = [
            {name: entry[name] for name in DECISIVE_FIELDS}
            for entry in self.entries
            if entry["list"] != ListKind.record
        ]
        return _compute_digest(
            matter, self.standing, list_entries, self.measures, self.suppressed, codes, error
        )


DECISIVE_FIELDS = (
    "id",
    "list",
    "severity",
    "status",
    "disputed",
    "effective_from",
    "effective_until",
)


def _compute_digest(
    matter: str | None,
    standing: Standing,
    entries: Sequence[Mapping[str, Any]],
    measures: Sequence[Mapping[str, Any]],
    suppressed: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
    error: str | None,
) -> str:
    return fingerprint(
        {
            "matter": matter,
            "standing": standing,
            "entries": entries,
            "measures": measures,
            "suppressed": suppressed,
            "warnings": warnings,
            "error": error,
        }
    )


@lru_cache(maxsize=1_000)
def _compute_empty_digest(
    matter: str | None, standing: Standing, warnings: tuple[str, ...], error: str | None
) -> str:
    return _compute_digest(matter, standing, [], [], [], warnings, error)


def read_moment(
    registry: Registry,
    connection: Connection,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    known_seq: int | None = None,
) -> Moment:
    """The present, or the past that a re-examination asks for."""
    head = read_head(connection)
    version = head.catalogue_version
    if known_at is not None:
        known_seq = entries.find_seq_at(connection, known_at)
    elif known_seq is not None:
        known_at = entries.find_recorded_at(connection, known_seq)
    if known_at is not None:
        version, _ = find_law_versions_at(connection, known_at)
    elif known_seq is not None:
        version = 1  # before the first change there was the first catalogue
    return Moment(
        on=on or registry.clock.today(),
        epoch=head.epoch,
        seq=head.seq if known_seq is None else known_seq,
        head_seq=head.seq,
        known_seq=known_seq,
        catalogue=read_catalogue_at(registry, connection, version),
    )


def parse_question(registry: Registry, subject: AskedSubject, ref: str, today: date) -> Question:
    """Parse one subject; what is wrong with it becomes its answer, not everybody's."""
    name = subject.name
    if subject.scheme is None or subject.number is None:
        return Question(ref, None, name)
    try:
        identifier = parse_identifier(subject.scheme, subject.number, today=today)
    except InvalidIdentifier as error:
        return Question(ref, None, name, (error.code, error.sentence))
    if identifier.is_personal and name is None:
        return Question(ref, identifier, None, (ProblemCode.name_missing, NAME_MISSING))
    return build_question(registry.secrets, ref, identifier, name)


def build_question(
    secrets: Secrets, ref: str, identifier: Identifier, name: str | None
) -> Question:
    """A question with a sound number."""
    number_keys = build_query_keys(identifier, secrets)
    name_keys = () if name is None or identifier.is_personal else build_organization_name_keys(name)
    return Question(ref, identifier, name, None, number_keys, name_keys)


def parse_questions(registry: Registry, request: CheckRequest, today: date) -> list[Question]:
    """The subjects of a check, in their order."""
    subjects_with_refs = zip(request.subjects, request.list_refs(), strict=True)
    return [parse_question(registry, subject, ref, today) for subject, ref in subjects_with_refs]


def build_organization_name_keys(name: str) -> list[LookupKey]:
    """Under which keys organisations are found that are known by this name alone."""
    return [build_name_only_key(kind, name) for kind in ORGANIZATION_KINDS]
