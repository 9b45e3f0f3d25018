"""Answering for subjects: match them, read their entries, judge. Reads only; no record is made."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from app.checks.matching import SubjectMatcher
from app.checks.questions import (
    AMBIGUOUS,
    ASKED_BY_NAME,
    DISPUTED,
    NAME_MISMATCH,
    NAME_ONLY,
    Finding,
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
DISCLOSURE_CLASS_BY_VALUE = {each.value: each for each in DisclosureClass}
LIST_KIND_BY_VALUE = {each.value: each for each in ListKind}
SEVERITY_BY_VALUE: Mapping[str | None, Severity] = {each.value: each for each in Severity}
STATUS_BY_VALUE = {each.value: each for each in Status}


class EvaluationRequest(NamedTuple):
    """Questions of one caller, with the matter (None for a look-up)."""

    caller: Caller
    matter: str | None
    questions: Sequence[Question]


def evaluate_questions(
    connection: Connection, requests: Sequence[EvaluationRequest], moment: Moment
) -> list[list[Finding]]:
    """Answer everybody's questions from one snapshot, with one indexed query for all entries."""
    questions = [question for request in requests for question in request.questions]
    matcher = SubjectMatcher(connection, questions, moment.known_seq)
    by_subject = _read_entries_by_subject(connection, matcher.collect_subject_ids(), moment)
    findings = []
    for caller, matter, own_questions in requests:
        evaluator = _EntryEvaluator(caller, moment, matter, by_subject)
        findings.append(
            [_evaluate_question(question, matcher, evaluator) for question in own_questions]
        )
    return findings


def evaluate_subjects(
    connection: Connection, subjects: Collection[tuple[Caller, FoundSubject]], moment: Moment
) -> list[Finding]:
    """Answer for subjects that need no matching, each as its caller may see it."""
    ids = {subject.id for _, subject in subjects}
    by_subject = _read_entries_by_subject(connection, ids, moment)
    return [
        _build_finding(Question("1", None, subject.name), subject, evaluator, [])
        for caller, subject in subjects
        for evaluator in [_EntryEvaluator(caller, moment, None, by_subject)]
    ]


def _read_entries_by_subject(
    connection: Connection, subject_ids: Iterable[UUID], moment: Moment
) -> dict[UUID, list[CheckedEntryRow]]:
    rows_by_subject: dict[UUID, list[CheckedEntryRow]] = {}
    for row in entries.read_checked_entries(connection, subject_ids, moment.on, moment.known_seq):
        rows_by_subject.setdefault(UUID(row.subject_id), []).append(row)
    return rows_by_subject


@dataclass(frozen=True, slots=True)
class _EntryEvaluator:
    """The entries of subjects that one caller may see, and the verdict on them."""

    caller: Caller
    moment: Moment
    matter: str | None
    rows_by_subject: dict[UUID, list[CheckedEntryRow]]

    def find_visible_entries(
        self, subjects: Iterable[FoundSubject]
    ) -> list[tuple[CheckedEntryRow, AccessLevel]]:
        """The entries that the caller may see, with how much of each."""
        rows = [row for subject in subjects for row in self.rows_by_subject.get(subject.id, ())]
        rows_with_access = [(row, self._find_access_level(row)) for row in rows]
        return [
            (row, access_level)
            for row, access_level in rows_with_access
            if access_level is not AccessLevel.none
        ]

    def _find_access_level(self, row: CheckedEntryRow) -> AccessLevel:
        return determine_access_level(
            self.caller,
            department=row.department,
            disclosure_class=DISCLOSURE_CLASS_BY_VALUE[row.disclosure_class],
            status=STATUS_BY_VALUE[row.status],
            void=bool(row.void),
        )

    def judge_entries(self, rows: Iterable[CheckedEntryRow]) -> Verdict:
        """Compute the verdict of entries for the matter."""
        judged_entries = [
            JudgedEntry(
                entry_id=format_stored_id(row.id),
                list_type=row.list_type,
                kind=LIST_KIND_BY_VALUE[row.kind],
                severity=SEVERITY_BY_VALUE.get(row.severity),
                status=STATUS_BY_VALUE[row.status],
                disputed=bool(row.disputed),
            )
            for row in rows
        ]
        return compute_verdict(judged_entries, self.matter, self.moment.catalogue, self.moment.on)


def _evaluate_question(
    question: Question, matcher: SubjectMatcher, evaluator: _EntryEvaluator
) -> Finding:
    if question.error is not None:
        return _build_unresolved_finding(question, error=question.error)
    subject = matcher.find_by_number(question)
    if question.identifier is None:
        subjects_with_name = matcher.find_by_name(question)
        visible = [
            candidate
            for candidate in subjects_with_name
            if evaluator.find_visible_entries([candidate])
        ]
        if len(visible) > 1:
            warning = ("ambiguous_name", AMBIGUOUS)
            return _build_unresolved_finding(
                question, candidates=tuple(visible), warnings=[warning]
            )
        subject = visible[0] if visible else None
        name_warning = (
            ("name_only_match", NAME_ONLY) if subject else ("asked_by_name", ASKED_BY_NAME)
        )
        warnings = [name_warning]
        return _build_finding(question, subject, evaluator, warnings)
    name_only_matches = matcher.find_name_only_matches(question)
    if subject is None and not name_only_matches:
        return _build_empty_finding(question)
    warnings = []
    has_other_name = (
        subject is not None
        and question.name is not None
        and not matcher.has_name(subject, question.name)
        and bool(evaluator.find_visible_entries([subject]))
    )
    if has_other_name:
        warnings.append(("name_mismatch", NAME_MISMATCH))
        if question.is_personal:
            return _build_unresolved_finding(question, warnings=warnings)
    finding = _build_finding(question, subject, evaluator, warnings)
    return (
        _add_name_only_matches(finding, name_only_matches, evaluator)
        if name_only_matches
        else finding
    )


def _build_empty_finding(question: Question) -> Finding:
    return Finding(
        ref=question.ref,
        subject=None,
        candidates=(),
        standing=Standing.none,
        entries=[],
        measures=[],
        suppressed=[],
        warnings=[],
    )


def _build_finding(
    question: Question,
    subject: FoundSubject | None,
    evaluator: _EntryEvaluator,
    warnings: list[tuple[str, Sentence]],
) -> Finding:
    visible_entries = evaluator.find_visible_entries([subject]) if subject else []
    verdict = evaluator.judge_entries(row for row, _ in visible_entries)
    if verdict.disputed:
        warnings = [*warnings, ("disputed", DISPUTED)]
    return Finding(
        ref=question.ref,
        subject=subject if visible_entries else None,
        candidates=(),
        standing=verdict.standing,
        entries=[build_checked_entry(row, access_level) for row, access_level in visible_entries],
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


def _add_name_only_matches(
    finding: Finding, name_only_matches: list[FoundSubject], evaluator: _EntryEvaluator
) -> Finding:
    """Build the finding of a name without a number: its entries are shown but never count.

    If one of them is black the standing is `unresolved`, because an officer has to decide.
    """
    visible_entries = evaluator.find_visible_entries(name_only_matches)
    if not visible_entries:
        return finding
    is_black = evaluator.judge_entries(row for row, _ in visible_entries).standing is Standing.black
    is_doubtful = is_black and finding.standing is not Standing.black
    return Finding(
        ref=finding.ref,
        subject=finding.subject,
        candidates=tuple(
            candidate
            for candidate in name_only_matches
            if evaluator.find_visible_entries([candidate])
        ),
        standing=Standing.unresolved if is_doubtful else finding.standing,
        entries=[
            *finding.entries,
            *(build_checked_entry(row, access_level) for row, access_level in visible_entries),
        ],
        measures=[] if is_doubtful else finding.measures,
        suppressed=finding.suppressed,
        warnings=[*finding.warnings, ("name_only_match", NAME_ONLY)],
    )


def _build_unresolved_finding(
    question: Question,
    *,
    candidates: tuple[FoundSubject, ...] = (),
    warnings: list[tuple[str, Sentence]] | None = None,
    error: tuple[ProblemCode, Sentence] | None = None,
) -> Finding:
    return Finding(
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
