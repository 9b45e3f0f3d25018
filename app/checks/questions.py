"""Questions of a check: the moment they are about, the conditions they meet, and their parsing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from app.catalogue.queries import read_catalogue_at
from app.checks.schemas import AskedSubject, CheckRequest, Investigation
from app.crypto import Secrets
from app.db.counter import find_law_versions_at, read_head
from app.db.engines import Connection
from app.entries import queries as entries
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.registry import Registry
from app.rules.identifiers import Identifier, InvalidIdentifier, parse_identifier
from app.rules.identity import LookupKey, build_name_only_key
from app.rules.law import Catalogue, Span, SubjectKind
from app.rules.spans import add_span
from app.subjects.lookup_keys import build_query_keys

ORGANIZATION_KINDS = tuple(kind for kind in SubjectKind if kind is not SubjectKind.natural_person)
MAX_DELAY = Span(years=1)
"""Longest time for which an investigation may hide a check from its subject."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The day and the state of the registry that a check is about.

    Attributes:
        seq: the sequence number of that state.
        head_seq: the newest sequence number.
        known_seq: equal to `seq` for a past state; None for the present.
    """

    on: date
    epoch: int
    seq: int
    head_seq: int
    known_seq: int | None
    catalogue: Catalogue


class QuestionError(NamedTuple):
    """A defect of one question; the other questions of the check are answered."""

    code: ProblemCode
    sentence: Sentence


NAME_MISSING = QuestionError(
    ProblemCode.name_missing,
    Sentence("A natural person is checked by number and name", "核查自然人须同时填写号码和姓名"),
)


class Question(NamedTuple):
    """One subject of a check: its parsed number, its name, and the keys that find it."""

    ref: str
    identifier: Identifier | None
    name: str | None
    error: QuestionError | None = None
    number_keys: Sequence[LookupKey] = ()
    """The most reliable key first."""
    name_only_keys: Sequence[LookupKey] = ()
    """Keys of organisations that are recorded with this name and no number."""

    @property
    def is_personal(self) -> bool:
        """True if the number is a natural person's."""
        return self.identifier is not None and self.identifier.is_personal


def read_moment(
    registry: Registry,
    connection: Connection,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    known_seq: int | None = None,
) -> Moment:
    """Read the present state, or the past state that the caller names."""
    head = read_head(connection)
    version = head.catalogue_version
    if known_at is not None:
        known_seq = entries.find_seq_at(connection, known_at)
    elif known_seq is not None:
        known_at = entries.find_recorded_at(connection, known_seq)
    if known_at is not None:
        version, _ = find_law_versions_at(connection, known_at)
    elif known_seq is not None:
        version = 1  # before the first change the first catalogue was in force
    return Moment(
        on=on or registry.clock.today(),
        epoch=head.epoch,
        seq=head.seq if known_seq is None else known_seq,
        head_seq=head.seq,
        known_seq=known_seq,
        catalogue=read_catalogue_at(registry, connection, version),
    )


# --- parsing -------------------------------------------------------------


def parse_questions(registry: Registry, request: CheckRequest, today: date) -> list[Question]:
    """Parse the subjects of a check, in their order."""
    subjects_with_refs = zip(request.subjects, request.list_refs(), strict=True)
    return [parse_question(registry, subject, ref, today) for subject, ref in subjects_with_refs]


def parse_question(registry: Registry, subject: AskedSubject, ref: str, today: date) -> Question:
    """Parse one subject; a defect becomes the `error` of its question and fails no other."""
    name = subject.name
    if subject.scheme is None or subject.number is None:
        return Question(ref, None, name)
    try:
        identifier = parse_identifier(subject.scheme, subject.number, today=today)
    except InvalidIdentifier as error:
        return Question(ref, None, name, QuestionError(error.code, error.sentence))
    if identifier.is_personal and name is None:
        return Question(ref, identifier, None, NAME_MISSING)
    return build_question(registry.secrets, ref, identifier, name)


def build_question(
    secrets: Secrets, ref: str, identifier: Identifier, name: str | None
) -> Question:
    """Build the question about a valid number, with its lookup keys."""
    number_keys = build_query_keys(identifier, secrets)
    name_only_keys = (
        () if name is None or identifier.is_personal else build_organization_name_keys(name)
    )
    return Question(ref, identifier, name, None, number_keys, name_only_keys)


def build_organization_name_keys(name: str) -> list[LookupKey]:
    """Build the keys of organisations that are recorded with this name and no number."""
    return [build_name_only_key(kind, name) for kind in ORGANIZATION_KINDS]


# --- conditions ----------------------------------------------------------


def require_known_matter(code: str, catalogue: Catalogue) -> None:
    """Refuse a matter that is not in the catalogue.

    Raises:
        InvalidPayload: the catalogue has no such matter.
    """
    if code not in catalogue.matters:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/matter",
                    ProblemCode.unknown_value,
                    Sentence(
                        "There is no such matter; see GET /v1/matters",
                        "没有该事项类型，请查看 GET /v1/matters",
                    ),
                )
            ]
        )


def require_not_future(
    registry: Registry, on: date | None, known_at: datetime | None, pointer_prefix: str = "/"
) -> None:
    """Refuse a day or an instant in the future.

    Raises:
        InvalidPayload: names the first of the two that is in the future.
    """
    is_future_day = on is not None and on > registry.clock.today()
    if is_future_day or (known_at is not None and known_at > registry.clock.now()):
        name = "on" if is_future_day else "known_at"
        raise build_future_error(f"{pointer_prefix}{name}")


def build_future_error(pointer: str) -> InvalidPayload:
    """Build the refusal of a moment in the future."""
    sentence = Sentence("A re-examination looks at the past", "复核只能针对过去的时点")
    return InvalidPayload(faults=[Fault(pointer, ProblemCode.in_future, sentence)])


def require_valid_delay(
    today: date, investigation: Investigation | None, *, is_past: bool = False
) -> None:
    """Refuse an investigation that hides a check for too long, or hides a re-examination.

    Raises:
        InvalidPayload: `until` is not after today or more than `MAX_DELAY` ahead, or the check is
            about the past, which no own report lists.
    """
    if investigation is None:
        return
    if is_past:
        fault = Fault(
            "/investigation",
            ProblemCode.unknown_field,
            Sentence(
                "No subject is told of a re-examination: leave investigation out",
                "复核不计入主体的被查询记录，请勿填写 investigation",
            ),
        )
        raise InvalidPayload(faults=[fault])
    if not today < investigation.until <= add_span(today, MAX_DELAY):
        fault = Fault(
            "/investigation/until",
            ProblemCode.dates_out_of_order,
            Sentence(
                "The last day of the delay lies after today, and at most one year ahead",
                "延期告知的截止日应晚于今日，且最长不超过一年",
            ),
        )
        raise InvalidPayload(faults=[fault])
