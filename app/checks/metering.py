"""The meter of sweeps in checks: the personal numbers that are counted, the findings left out."""

from collections.abc import Sequence

from app.checks.evaluation import NAME_MISMATCH, Finding, build_unresolved_finding
from app.checks.questions import Question, QuestionError
from app.errors import ProblemCode, Sentence
from app.registry import Registry
from app.rules.permissions import Caller
from app.security.service import CountedRequest, build_asked_number

SWEEP_SUSPECTED = QuestionError(
    ProblemCode.sweep_suspected,
    Sentence(
        "Not answered: this key seems to search for the numbers of natural persons. Organisations"
        " are answered. Ask again later, or ask the operator",
        "未予答复：该密钥对自然人的查询疑似批量试探号码。单位的核查照常答复；请稍后再试，或联系系统"
        "管理员",
    ),
)


def build_counted_request(
    registry: Registry,
    caller: Caller,
    operation: str,
    request_id: str | None,
    questions: Sequence[Question],
    findings: Sequence[Finding],
) -> CountedRequest:
    """Build the numbers of a check or lookup that the meter counts.

    A name counts as another one only if the answer shows it: otherwise a refusal would disclose
    that the number is listed in entries which the caller may not see.
    """
    numbers = [
        build_asked_number(
            registry.secrets,
            caller,
            question.identifier,
            question.number_keys[0][1],
            question.name,
            has_other_name=NAME_MISMATCH in finding.warnings,
            is_unmatched=not finding.entries and not finding.warnings,
        )
        for question, finding in zip(questions, findings, strict=True)
        if question.is_personal
        and question.error is None
        and question.identifier is not None
        and question.name is not None
    ]
    return CountedRequest(caller, operation, request_id, numbers)


def withhold_persons(
    questions: Sequence[Question], findings: Sequence[Finding]
) -> list[Finding] | None:
    """Return the findings with an error for each natural person; None if nothing else is left."""
    withheld = [
        build_unresolved_finding(finding.ref, error=SWEEP_SUSPECTED)
        if question.is_personal and question.error is None
        else finding
        for question, finding in zip(questions, findings, strict=True)
    ]
    return withheld if any(finding.error is None for finding in withheld) else None
