"""Answering for subjects: match them, read their entries, judge. Reads only; no record is made."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from app.checks.matching import Matching
from app.checks.questions import (
    AMBIGUOUS,
    ASKED_BY_NAME,
    DISPUTED,
    NAME_MISMATCH,
    NAME_ONLY,
    Answer,
    Moment,
    Question,
)
from app.db.engines import Connection
from app.entries import queries as entries
from app.entries.projections import build_checked_entry, format_stored_id
from app.entries.queries import CheckedEntryRow
from app.errors import ProblemCode, Sentence
from app.rules.law import DisclosureClass, ListKind, Severity
from app.rules.permissions import Caller
from app.rules.status import Status
from app.rules.verdict import JudgedEntry, Standing, Verdict, compute_verdict
from app.rules.visibility import AccessLevel, determine_access_level
from app.subjects.records import FoundSubject

# By their values: an enum takes four times as long to look its own up.
CLASSES = {each.value: each for each in DisclosureClass}
KINDS = {each.value: each for each in ListKind}
SEVERITIES: Mapping[str | None, Severity] = {each.value: each for each in Severity}
STATUSES = {each.value: each for each in Status}


class Examined(NamedTuple):
    """Whose questions they are, and for which matter (None for a look-up)."""

    caller: Caller
    matter: str | None
    questions: Sequence[Question]


def answer_all(
    connection: Connection, asked: Sequence[Examined], moment: Moment
) -> list[list[Answer]]:
    """Answer everybody's questions from one snapshot, with one indexed query for all entries."""
    questions = [question for one in asked for question in one.questions]
    matching = Matching(connection, questions, moment.known_seq)
    by_subject = _entries_by_subject(connection, matching.subject_ids(), moment)
    answers = []
    for caller, matter, own in asked:
        viewer = _Viewer(caller, moment, matter, by_subject)
        answers.append([_answer(question, matching, viewer) for question in own])
    return answers


def answer_known(
    connection: Connection, known: Collection[tuple[Caller, FoundSubject]], moment: Moment
) -> list[Answer]:
    """Answer for subjects that need no matching, each as its caller may see it."""
    ids = {subject.id for _, subject in known}
    by_subject = _entries_by_subject(connection, ids, moment)
    return [
        _judged(Question("1", None, subject.name), subject, viewer, [])
        for caller, subject in known
        for viewer in [_Viewer(caller, moment, None, by_subject)]
    ]


def _entries_by_subject(
    connection: Connection, subject_ids: Iterable[UUID], moment: Moment
) -> dict[UUID, list[CheckedEntryRow]]:
    found: dict[UUID, list[CheckedEntryRow]] = {}
    for row in entries.read_checked_entries(connection, subject_ids, moment.on, moment.known_seq):
        found.setdefault(UUID(row.subject_id), []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class _Viewer:
    """What one caller sees of subjects' entries, and the verdict on them."""

    caller: Caller
    moment: Moment
    matter: str | None
    by_subject: dict[UUID, list[CheckedEntryRow]]

    def visible(
        self, subjects: Iterable[FoundSubject]
    ) -> list[tuple[CheckedEntryRow, AccessLevel]]:
        """The entries that the caller may see, with how much of each."""
        rows = [row for subject in subjects for row in self.by_subject.get(subject.id, ())]
        seen = [(row, self._sight(row)) for row in rows]
        return [(row, sees) for row, sees in seen if sees is not AccessLevel.none]

    def _sight(self, row: CheckedEntryRow) -> AccessLevel:
        return determine_access_level(
            self.caller,
            department=row.department,
            disclosure_class=CLASSES[row.disclosure_class],
            status=STATUSES[row.status],
            void=bool(row.void),
        )

    def verdict(self, rows: Iterable[CheckedEntryRow]) -> Verdict:
        """What follows from entries for the matter."""
        facts = [
            JudgedEntry(
                entry_id=format_stored_id(row.id),
                list_type=row.list_type,
                kind=KINDS[row.kind],
                severity=SEVERITIES.get(row.severity),
                status=STATUSES[row.status],
                disputed=bool(row.disputed),
            )
            for row in rows
        ]
        return compute_verdict(facts, self.matter, self.moment.catalogue, self.moment.on)


def _answer(question: Question, matching: Matching, viewer: _Viewer) -> Answer:
    if question.error is not None:
        return _unresolved(question, error=question.error)
    subject = matching.by_number(question)
    if question.identifier is None:
        named = matching.by_name(question)
        visible = [one for one in named if viewer.visible([one])]
        if len(visible) > 1:
            warning = ("ambiguous_name", AMBIGUOUS)
            return _unresolved(question, candidates=tuple(visible), warnings=[warning])
        subject = visible[0] if visible else None
        told = ("name_only_match", NAME_ONLY) if subject else ("asked_by_name", ASKED_BY_NAME)
        warnings = [told]
        return _judged(question, subject, viewer, warnings)
    others = matching.by_name_beside(question)
    if subject is None and not others:
        return _nothing(question)
    warnings = []
    named_otherwise = (
        subject is not None
        and question.name is not None
        and not matching.bears_name(subject, question.name)
        and bool(viewer.visible([subject]))
    )
    if named_otherwise:
        warnings.append(("name_mismatch", NAME_MISMATCH))
        if question.personal:
            return _unresolved(question, warnings=warnings)
    answer = _judged(question, subject, viewer, warnings)
    return _with_name_only(answer, others, viewer) if others else answer


def _nothing(question: Question) -> Answer:
    return Answer(
        ref=question.ref,
        subject=None,
        candidates=(),
        standing=Standing.none,
        entries=[],
        measures=[],
        suppressed=[],
        warnings=[],
    )


def _judged(
    question: Question,
    subject: FoundSubject | None,
    viewer: _Viewer,
    warnings: list[tuple[str, Sentence]],
) -> Answer:
    seen = viewer.visible([subject]) if subject else []
    verdict = viewer.verdict(row for row, _ in seen)
    if verdict.disputed:
        warnings = [*warnings, ("disputed", DISPUTED)]
    return Answer(
        ref=question.ref,
        subject=subject if seen else None,
        candidates=(),
        standing=verdict.standing,
        entries=[build_checked_entry(row, sees) for row, sees in seen],
        measures=[item._asdict() for item in verdict.measures],
        suppressed=[
            {
                "code": item.code,
                "entry_id": item.entry_id,
                "because": f"black entry {item.black_entry_id}",
            }
            for item in verdict.suppressed
        ],
        warnings=warnings,
    )


def _with_name_only(answer: Answer, others: list[FoundSubject], viewer: _Viewer) -> Answer:
    """Entries on somebody known by this name alone are shown, but never count as the same subject.

    Where one of them is black the answer is not "none": an officer has to look.
    """
    seen = viewer.visible(others)
    if not seen:
        return answer
    black = viewer.verdict(row for row, _ in seen).standing is Standing.black
    doubtful = black and answer.standing is not Standing.black
    return Answer(
        ref=answer.ref,
        subject=answer.subject,
        candidates=tuple(one for one in others if viewer.visible([one])),
        standing=Standing.unresolved if doubtful else answer.standing,
        entries=[
            *answer.entries,
            *(build_checked_entry(row, sees) for row, sees in seen),
        ],
        measures=[] if doubtful else answer.measures,
        suppressed=answer.suppressed,
        warnings=[*answer.warnings, ("name_only_match", NAME_ONLY)],
    )


def _unresolved(
    question: Question,
    *,
    candidates: tuple[FoundSubject, ...] = (),
    warnings: list[tuple[str, Sentence]] | None = None,
    error: tuple[ProblemCode, Sentence] | None = None,
) -> Answer:
    return Answer(
        ref=question.ref,
        subject=None,
        candidates=candidates,
        standing=Standing.unresolved,
        entries=[],
        measures=[],
        suppressed=[],
        warnings=warnings or [],
        error=error,
    )
