"""Every table, one module per area; importing the package fills the metadata."""

from app.tables.audit import AccessRecord, AuditRecord, UnknownCaller
from app.tables.base import LEDGER, Base
from app.tables.catalogue import CalendarVersion, CalendarYearRow, CatalogueItem, CatalogueVersion
from app.tables.checks import Check, CheckResult, Outcome, RecentResult
from app.tables.entries import Entry, EntryPerson, EntryTurn, EntryVersion
from app.tables.redress import RedressCase
from app.tables.registry import ApiKey, RegistryState, SealingKey
from app.tables.rights import OwnReport
from app.tables.subjects import Subject, SubjectIdentifier, SubjectName
from app.tables.submissions import Submission, SubmissionBatch, SubmissionPart

__all__ = [
    "LEDGER",
    "AccessRecord",
    "ApiKey",
    "AuditRecord",
    "Base",
    "CalendarVersion",
    "CalendarYearRow",
    "CatalogueItem",
    "CatalogueVersion",
    "Check",
    "CheckResult",
    "Entry",
    "EntryPerson",
    "EntryTurn",
    "EntryVersion",
    "Outcome",
    "OwnReport",
    "RecentResult",
    "RedressCase",
    "RegistryState",
    "SealingKey",
    "Subject",
    "SubjectIdentifier",
    "SubjectName",
    "Submission",
    "SubmissionBatch",
    "SubmissionPart",
    "UnknownCaller",
]
