"""Roles of callers, the rights of each role, and the access level of an entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.rules.law import DisclosureClass
from app.rules.status import ENDED_STATUSES, Status


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


class AccessLevel(StrEnum):
    """The part of an entry that a caller may read."""

    full = "full"
    summary = "outline"
    """The existence of the entry and its measures, without text and issuer."""
    none = "hidden"


def determine_access_level(
    caller: Caller,
    *,
    department: str,
    disclosure_class: DisclosureClass,
    status: Status,
    void: bool,
    is_suspension_public: bool = False,
) -> AccessLevel:
    """Return the access level of a caller.

    `is_suspension_public`: a public black entry is among those that suspend a suspended entry.

    - Only auditors read void entries.
    - The own department, operators and auditors read an entry in full, also after its end.
    - Other callers do not read ended entries (山东省社会信用条例 Art 24, 38).
    - Approvers and other departments read a summary of exempt entries, because checks use them.
    - Subscribers (the public) read only public entries. `admission.determine_disclosure_class`
      ensures that entries of natural persons are public only by a State rule (Art 20). A suspended
      entry is absent for them unless they see a cause of it (`app/rules/suspension.py`).

    SQL twin for lists of entries: `app/entries/store/reads.py`.
    """
    if void:
        return AccessLevel.full if caller.can_read_sealed else AccessLevel.none
    if caller.has_oversight or caller.acts_for(department):
        return AccessLevel.full
    if status in ENDED_STATUSES:
        return AccessLevel.none
    if caller.role is Role.subscriber:
        has_hidden_cause = status is Status.suspended and not is_suspension_public
        is_visible = disclosure_class is DisclosureClass.public and not has_hidden_cause
        return AccessLevel.full if is_visible else AccessLevel.none
    return AccessLevel.summary if disclosure_class is DisclosureClass.exempt else AccessLevel.full
