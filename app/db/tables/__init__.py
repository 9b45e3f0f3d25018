"""Every table, one module per area; importing the package fills the metadata."""

from app.db.tables.audit import AccessRecord, Alarm, AuditRecord, UnknownCaller
from app.db.tables.base import LEDGER, Base
from app.db.tables.catalogue import (
    CalendarVersion,
    CalendarYearRow,
    CatalogueItem,
    CatalogueVersion,
)
from app.db.tables.checks import Check, IndexedResult, Outcome, UnindexedResult
from app.db.tables.clock import ClockCorrection, ClockState
from app.db.tables.entries import Entry, EntryPerson, EntryStatusChange, EntryVersion
from app.db.tables.redress import RedressCase
from app.db.tables.registry import ApiKey, RegistryState, SchemaRelease, SealingKey
from app.db.tables.rights import IssuedReport
from app.db.tables.subjects import Subject, SubjectIdentifier, SubjectName
from app.db.tables.submissions import Submission, SubmissionBatch, SubmissionPart
from app.db.tables.sweeps import SweepCounter

__all__ = [
    "LEDGER",
    "AccessRecord",
    "Alarm",
    "ApiKey",
    "AuditRecord",
    "Base",
    "CalendarVersion",
    "CalendarYearRow",
    "CatalogueItem",
    "CatalogueVersion",
    "Check",
    "ClockCorrection",
    "ClockState",
    "Entry",
    "EntryPerson",
    "EntryStatusChange",
    "EntryVersion",
    "IndexedResult",
    "IssuedReport",
    "Outcome",
    "RedressCase",
    "RegistryState",
    "SchemaRelease",
    "SealingKey",
    "Subject",
    "SubjectIdentifier",
    "SubjectName",
    "Submission",
    "SubmissionBatch",
    "SubmissionPart",
    "SweepCounter",
    "UnindexedResult",
    "UnknownCaller",
]
