"""Evaluate questions: match subjects, read their entries, compute verdicts. Nothing is written."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypedDict
from uuid import UUID

from app.checks.questions import Moment, Question, QuestionError, SubjectMatcher
from app.crypto import fingerprint
from app.db.engines import Connection
from app.entries import queries as entries
from app.entries.projections import CheckedEntryJson, build_checked_entry, format_stored_id
from app.entries.queries import CheckedEntryRow
from app.errors import Sentence
from app.rules.law import DisclosureClass, ListKind, MeasureKind, Obligation, Severity
from app.rules.permissions import AccessLevel, Caller, determine_access_level
from app.rules.status import Status
from app.rules.verdict import JudgedEntry, Standing, Verdict, compute_verdict
from app.subjects.records import FoundSubject

# Dictionaries by value: a look-up by the enum itself takes four times as long.
DISCLOSURE_CLASS_BY_VALUE = {each.value: each for each in DisclosureClass}
LIST_KIND_BY_VALUE = {each.value: each for each in ListKind}
SEVERITY_BY_VALUE: Mapping[str | None, Severity] = {each.value: each for each in Severity}
STATUS_BY_VALUE = {each.value: each for each in Status}

VisibleEntry = tuple[CheckedEntryRow, AccessLevel]


class MeasureJson(TypedDict):
    """A measure with its legal basis and its entry (`MeasureView`)."""

    code: str
    name: str
    kind: MeasureKind
    obligation: Obligation
    entry_id: str
    legal_basis: str


class SuppressedJson(TypedDict):
    """A reward that a black entry suppresses (`SuppressedView`)."""

    code: str
    entry_id: str
    because: str


class FindingWarning(NamedTuple):
    """A point that the officer must examine before relying on the finding."""

    code: str
    sentence: Sentence


NAME_MISMATCH = FindingWarning(
    "name_mismatch",
    Sentence("The name differs from the recorded ones", "名称与登记名称不一致，请核实"),
)
DISPUTED = FindingWarning(
    "disputed", Sentence("An entry is under objection", "有条目正处于异议处理中")
)
NAME_ONLY_MATCH = FindingWarning(
    "name_only_match",
    Sentence(
        "Matched by name alone; make sure that it is the same subject",
        "仅按名称匹配，请核实是否为同一主体",
    ),
)
AMBIGUOUS_NAME = FindingWarning(
    "ambiguous_name",
    Sentence(
        "Several subjects bear this name; ask with a number",
        "存在多个同名主体，请使用证件号码查询",
    ),
)
ASKED_BY_NAME = FindingWarning(
    "asked_by_name",
    Sentence(
        "Only organisations are found by name alone; persons are checked by number and name",
        "仅凭名称只能查询单位；自然人须同时使用号码和姓名核查",
    ),
)


class Finding(NamedTuple):
    """The result of the registry for one question.

    Attributes:
        subject: the matched subject, if the caller may see an entry of it.
        candidates: organisations with the same name that may be the subject.
        suppressed: rewards that a black entry suppresses.
    """

    ref: str
    subject: FoundSubject | None
    candidates: tuple[FoundSubject, ...]
    standing: Standing
    entries: list[CheckedEntryJson]
    measures: list[MeasureJson]
    suppressed: list[SuppressedJson]
    warnings: list[FindingWarning]
    error: QuestionError | None = None

    @property
    def is_found(self) -> bool:
        """True if the caller may see at least one entry."""
        return bool(self.entries)

    def compute_digest(self, matter: str | None) -> str:
        """Return a digest that changes only with a fact that matters for the decision.

        Records (list kind `record`) and disclosures do not change it.
        """
        codes = tuple(warning.code for warning in self.warnings)
        error = self.error and self.error.code
        if not self.entries:
            return _compute_empty_digest(matter, self.standing, codes, error)
        list_entries = [
            {
                "id": entry["id"],
                "list": entry["list"],
                "severity": entry["severity"],
                "status": entry["status"],
                "disputed": entry["disputed"],
                "effective_from": entry["effective_from"],
                "effective_until": entry["effective_until"],
            }
            for entry in self.entries
            if entry["list"] != ListKind.record
        ]
        return _compute_digest(
            matter, self.standing, list_entries, self.measures, self.suppressed, codes, error
        )


def _compute_digest(
    matter: str | None,
    standing: Standing,
    list_entries: Sequence[Mapping[str, object]],
    measures: Sequence[MeasureJson],
    suppressed: Sequence[SuppressedJson],
    warnings: Sequence[str],
    error: str | None,
) -> str:
    return fingerprint(
        {
            "matter": matter,
            "standing": standing,
            "entries": list_entries,
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


class EvaluationRequest(NamedTuple):
    """The questions of one caller for a matter; a lookup has no matter."""

    caller: Caller
    matter: str | None
    questions: Sequence[Question]


def evaluate_questions(
    connection: Connection, requests: Sequence[EvaluationRequest], moment: Moment
) -> list[list[Finding]]:
    """Evaluate the questions of all requests in one snapshot, with one query for all entries."""
    questions = [question for request in requests for question in request.questions]
    matcher = SubjectMatcher(connection, questions, moment.known_seq)
    rows_by_subject = _read_entries_by_subject(connection, matcher.collect_subject_ids(), moment)
    findings = []
    for caller, matter, own_questions in requests:
        evaluator = _Evaluator(caller, moment, matter, rows_by_subject)
        findings.append([evaluator.evaluate(question, matcher) for question in own_questions])
    return findings


def evaluate_subjects(
    connection: Connection,
    callers_and_subjects: Collection[tuple[Caller, FoundSubject]],
    moment: Moment,
) -> list[Finding]:
    """Evaluate subjects that need no matching, each with the permissions of its caller."""
    ids = {subject.id for _, subject in callers_and_subjects}
    rows_by_subject = _read_entries_by_subject(connection, ids, moment)
    return [
        _Evaluator(caller, moment, None, rows_by_subject).build_finding("1", subject)
        for caller, subject in callers_and_subjects
    ]


def _read_entries_by_subject(
    connection: Connection, subject_ids: Iterable[UUID], moment: Moment
) -> dict[UUID, list[CheckedEntryRow]]:
    rows_by_subject: dict[UUID, list[CheckedEntryRow]] = {}
    for row in entries.read_checked_entries(connection, subject_ids, moment.on, moment.known_seq):
        rows_by_subject.setdefault(UUID(row.subject_id), []).append(row)
    return rows_by_subject


@dataclass(frozen=True, slots=True)
class _Evaluator:
    """The entries that one caller may see, and the verdict on them for a matter."""

    caller: Caller
    moment: Moment
    matter: str | None
    rows_by_subject: dict[UUID, list[CheckedEntryRow]]

    def evaluate(self, question: Question, matcher: SubjectMatcher) -> Finding:
        """Return the finding for one question."""
        if question.error is not None:
            return build_unresolved_finding(question.ref, error=question.error)
        if question.identifier is None:
            return self._evaluate_name(question, matcher)
        subject = matcher.find_by_number(question)
        name_only_matches = matcher.find_name_only_matches(question)
        if subject is None and not name_only_matches:
            return _build_empty_finding(question.ref)
        warnings = []
        if self._has_other_name(question, subject, matcher):
            warnings.append(NAME_MISMATCH)
            if question.is_personal:
                return build_unresolved_finding(question.ref, warnings=warnings)
        finding = self.build_finding(question.ref, subject, warnings)
        if not name_only_matches:
            return finding
        return self._add_name_only_matches(finding, name_only_matches)

    def _evaluate_name(self, question: Question, matcher: SubjectMatcher) -> Finding:
        candidates = [
            subject for subject in matcher.find_by_name(question) if self._find_visible([subject])
        ]
        if len(candidates) > 1:
            return build_unresolved_finding(
                question.ref, candidates=tuple(candidates), warnings=[AMBIGUOUS_NAME]
            )
        if not candidates:
            return self.build_finding(question.ref, None, [ASKED_BY_NAME])
        return self.build_finding(question.ref, candidates[0], [NAME_ONLY_MATCH])

    def _has_other_name(
        self, question: Question, subject: FoundSubject | None, matcher: SubjectMatcher
    ) -> bool:
        # A mismatch that the caller may not see would disclose that the subject is recorded.
        return (
            subject is not None
            and question.name is not None
            and not matcher.has_name(subject, question.name)
            and bool(self._find_visible([subject]))
        )

    def build_finding(
        self, ref: str, subject: FoundSubject | None, warnings: Sequence[FindingWarning] = ()
    ) -> Finding:
        """Build the finding on one subject, or on none."""
        visible_entries = self._find_visible([subject]) if subject else []
        verdict = self._judge(row for row, _ in visible_entries)
        return Finding(
            ref=ref,
            subject=subject if visible_entries else None,
            candidates=(),
            standing=verdict.standing,
            entries=_build_entries(visible_entries),
            measures=[
                {
                    "code": measure.code,
                    "name": measure.name,
                    "kind": measure.kind,
                    "obligation": measure.obligation,
                    "entry_id": measure.entry_id,
                    "legal_basis": measure.legal_basis,
                }
                for measure in verdict.measures
            ],
            suppressed=[
                {
                    "code": measure.code,
                    "entry_id": measure.entry_id,
                    "because": f"black entry {measure.black_entry_id}",
                }
                for measure in verdict.suppressed
            ],
            warnings=[*warnings, DISPUTED] if verdict.disputed else list(warnings),
        )

    def _add_name_only_matches(
        self, finding: Finding, name_only_matches: Sequence[FoundSubject]
    ) -> Finding:
        """Add the entries of organisations that have the name and no number.

        They never count as the same subject. If one of them is black, the standing is unresolved
        and not `none`, so that an officer examines it.
        """
        visible_entries = self._find_visible(name_only_matches)
        if not visible_entries:
            return finding
        is_black = self._judge(row for row, _ in visible_entries).standing is Standing.black
        is_doubtful = is_black and finding.standing is not Standing.black
        return Finding(
            ref=finding.ref,
            subject=finding.subject,
            candidates=tuple(
                candidate for candidate in name_only_matches if self._find_visible([candidate])
            ),
            standing=Standing.unresolved if is_doubtful else finding.standing,
            entries=[*finding.entries, *_build_entries(visible_entries)],
            measures=[] if is_doubtful else finding.measures,
            suppressed=finding.suppressed,
            warnings=[*finding.warnings, NAME_ONLY_MATCH],
        )

    def _find_visible(self, subjects: Iterable[FoundSubject]) -> list[VisibleEntry]:
        """Return the entries that the caller may see, each with its access level."""
        rows = [row for subject in subjects for row in self.rows_by_subject.get(subject.id, ())]
        rows_with_access = [(row, self._determine_access_level(row)) for row in rows]
        return [each for each in rows_with_access if each[1] is not AccessLevel.none]

    def _determine_access_level(self, row: CheckedEntryRow) -> AccessLevel:
        return determine_access_level(
            self.caller,
            department=row.department,
            disclosure_class=DISCLOSURE_CLASS_BY_VALUE[row.disclosure_class],
            status=STATUS_BY_VALUE[row.status],
            void=bool(row.void),
        )

    def _judge(self, rows: Iterable[CheckedEntryRow]) -> Verdict:
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


def _build_entries(visible_entries: Iterable[VisibleEntry]) -> list[CheckedEntryJson]:
    return [build_checked_entry(row, access_level) for row, access_level in visible_entries]


def _build_empty_finding(ref: str) -> Finding:
    return Finding(
        ref=ref,
        subject=None,
        candidates=(),
        standing=Standing.none,
        entries=[],
        measures=[],
        suppressed=[],
        warnings=[],
    )


def build_unresolved_finding(
    ref: str,
    *,
    candidates: tuple[FoundSubject, ...] = (),
    warnings: Sequence[FindingWarning] = (),
    error: QuestionError | None = None,
) -> Finding:
    """Build the finding for a question that cannot be answered."""
    return Finding(
        ref=ref,
        subject=None,
        candidates=candidates,
        standing=Standing.unresolved,
        entries=[],
        measures=[],
        suppressed=[],
        warnings=list(warnings),
        error=error,
    )
