"""Reads of the checks room for other rooms: questions, their evaluation, and shared texts."""

from app.checks.evaluation import EvaluationRequest, evaluate_questions, evaluate_subjects
from app.checks.preconditions import require_not_future, require_valid_delay
from app.checks.projections import (
    build_matched_subject,
    build_note,
    build_warning_views,
    format_instant,
)
from app.checks.questions import Finding, Moment, parse_question, read_moment

__all__ = [
    "EvaluationRequest",
    "Finding",
    "Moment",
    "build_matched_subject",
    "build_note",
    "build_warning_views",
    "evaluate_questions",
    "evaluate_subjects",
    "format_instant",
    "parse_question",
    "read_moment",
    "require_not_future",
    "require_valid_delay",
]
