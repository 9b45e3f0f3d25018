"""Roles, their permissions, and the caller of an operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """The role of an API key."""

    approver = "approver"
    auditor = "auditor"
    department = "department"
    operator = "operator"
    subscriber = "subscriber"


class Permission(StrEnum):
    """Every permission that an operation may require, in alphabetical order."""

    audit_read = "audit:read"
    catalogue_read = "catalogue:read"
    change_read = "change:read"
    check_create = "check:create"
    check_read = "check:read"
    disclosure_read = "disclosure:read"
    disclosure_write = "disclosure:write"
    entry_read = "entry:read"
    entry_write = "entry:write"
    export_read = "export:read"
    outcome_write = "outcome:write"
    own_report_issue = "own_report:issue"
    redress_read = "redress:read"
    redress_write = "redress:write"
    report_read = "report:read"
    subject_lookup = "subject:lookup"
    subject_read = "subject:read"
    submission_read = "submission:read"
    submission_write = "submission:write"


PERMISSIONS_BY_ROLE: Mapping[Role, frozenset[Permission]] = {
    Role.approver: frozenset(
        {
            Permission.catalogue_read,
            Permission.check_create,
            Permission.check_read,
            Permission.outcome_write,
            Permission.subject_lookup,
            Permission.subject_read,
        }
    ),
    Role.auditor: frozenset(
        {
            Permission.audit_read,
            Permission.catalogue_read,
            Permission.change_read,
            Permission.check_create,  # only checks of a past day (`app/checks`)
            Permission.check_read,
            Permission.disclosure_read,
            Permission.entry_read,
            Permission.export_read,
            Permission.redress_read,
            Permission.report_read,
            Permission.subject_read,
            Permission.submission_read,
        }
    ),
    Role.department: frozenset(
        {
            Permission.catalogue_read,
            Permission.check_read,
            Permission.disclosure_read,
            Permission.disclosure_write,
            Permission.entry_read,
            Permission.entry_write,
            Permission.own_report_issue,
            Permission.redress_read,
            Permission.redress_write,
            Permission.report_read,
            Permission.subject_lookup,
            Permission.subject_read,
            Permission.submission_read,
            Permission.submission_write,
        }
    ),
    Role.operator: frozenset(
        {
            Permission.audit_read,
            Permission.catalogue_read,
            Permission.check_create,  # only checks of a past day (`app/checks`)
            Permission.disclosure_read,
            Permission.disclosure_write,
            Permission.entry_read,
            Permission.entry_write,
            Permission.own_report_issue,
            Permission.redress_read,
            Permission.redress_write,
            Permission.report_read,
            Permission.subject_lookup,
            Permission.subject_read,
            Permission.submission_read,
            Permission.submission_write,
        }
    ),
    Role.subscriber: frozenset({Permission.catalogue_read, Permission.change_read}),
}

# Roles that act for one department; their keys must name it.
DEPARTMENT_ROLES = frozenset({Role.approver, Role.department})
# Roles that read the entries of every department, ended ones included.
OVERSIGHT_ROLES = frozenset({Role.auditor, Role.operator})


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of an API key; `id` is None for the command line, protected by the system."""

    id: UUID | None
    name: str
    role: Role
    department: str | None = None
    person: str | None = None
    """The person that the key is bound to, if any."""

    def has_permission(self, permission: Permission) -> bool:
        """Return True where the caller's role has the permission."""
        return permission in PERMISSIONS_BY_ROLE[self.role]

    @property
    def has_oversight(self) -> bool:
        """True for roles that read the entries of every department."""
        return self.role in OVERSIGHT_ROLES

    @property
    def can_read_sealed(self) -> bool:
        """True for roles that read void entries."""
        return self.role is Role.auditor

    @property
    def department_filter(self) -> dict[str, str]:
        """The list filter for entries that the caller may read in full: its own department's."""
        return {} if self.has_oversight else {"within": self.department or ""}

    def acts_for(self, department: str) -> bool:
        """Return True where the caller may act, and read all, in the name of the department."""
        return self.role is Role.operator or (
            self.role is Role.department and self.department == department
        )


COMMAND_LINE_CALLER = Caller(None, "command line", Role.operator)
