"""What is asked, as of when, and the shape of what is found."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.catalogue.store import catalogue_at
from app.checks.schemas import AskedSubject
from app.checks.store import Matched
from app.crypto import fingerprint
from app.database import Connection
from app.entries import store as entries
from app.errors import Sentence
from app.registry import Registry, law_known_at, read_head
from app.rules.identifiers import Identifier, InvalidIdentifier, parse
from app.rules.law import Catalogue, ListKind
from app.rules.verdict import Standing

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


@dataclass(frozen=True, slots=True)
class Question:
    """One subject asked for, its number parsed."""

    ref: str
    identifier: Identifier | None
    name: str | None
    error: tuple[str, Sentence] | None = None

    @property
    def personal(self) -> bool:
        """True where a natural person's number is asked for."""
        return self.identifier is not None and self.identifier.personal


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found for a question, in the shapes of `app/checks/schemas.py`."""

    ref: str
    subject: Matched | None
    candidates: tuple[Matched, ...]
    standing: Standing
    entries: list[dict[str, Any]]
    measures: list[dict[str, Any]]
    suppressed: list[dict[str, Any]]
    warnings: list[tuple[str, Sentence]]
    error: tuple[str, Sentence] | None = None

    @property
    def found(self) -> bool:
        """At least one entry is visible to the caller."""
        return bool(self.entries)

    def digest(self, matter: str | None) -> str:
        """Moves only when a decision-relevant fact does: records and disclosures do not count."""
        listed = [
            {
                name: entry[name]
                for name in (
                    "id",
                    "list",
                    "severity",
                    "status",
                    "disputed",
                    "effective_from",
                    "effective_until",
                )
            }
            for entry in self.entries
            if entry["list"] != ListKind.record
        ]
        return fingerprint(
            {
                "matter": matter,
                "standing": self.standing,
                "entries": listed,
                "measures": self.measures,
                "suppressed": self.suppressed,
                "warnings": [code for code, _ in self.warnings],
                "error": self.error and self.error[0],
            }
        )


def moment_of(
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
        known_seq = entries.seq_known_at(connection, known_at)
    elif known_seq is not None:
        known_at = entries.instant_of(connection, known_seq)
    if known_at is not None:
        version, _ = law_known_at(connection, known_at)
    elif known_seq is not None:
        version = 1  # before the first change there was the first catalogue
    return Moment(
        on=on or registry.clock.today(),
        epoch=head.epoch,
        seq=head.seq if known_seq is None else known_seq,
        head_seq=head.seq,
        known_seq=known_seq,
        catalogue=catalogue_at(registry, connection, version),
    )


def read_question(asked: AskedSubject, ref: str, today: date) -> Question:
    """Parse one subject; what is wrong with it becomes its answer, not everybody's."""
    if asked.scheme is None or asked.number is None:
        return Question(ref, None, asked.name)
    try:
        identifier = parse(asked.scheme, asked.number, today=today)
    except InvalidIdentifier as wrong:
        return Question(ref, None, asked.name, ("invalid_identifier", wrong.sentence))
    if identifier.personal and asked.name is None:
        return Question(ref, identifier, None, ("name_missing", NAME_MISSING))
    return Question(ref, identifier, asked.name)
