"""Writes of the redress room: objections, repairs, and due days after a calendar notice."""

from app.redress.due_days import lock_open_cases, recompute_due_days
from app.redress.objections import decide_objection, open_objection, record_assistance
from app.redress.repairs import (
    decide_acceptance,
    decide_repair,
    open_repair,
    prolong_repair,
    take_back_repair,
)

__all__ = [
    "decide_acceptance",
    "decide_objection",
    "decide_repair",
    "lock_open_cases",
    "open_objection",
    "open_repair",
    "prolong_repair",
    "recompute_due_days",
    "record_assistance",
    "take_back_repair",
]
