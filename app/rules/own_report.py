"""Contents of own reports: the part of a subject's data that a caller's report shows the subject.

The credit office (公共信用信息机构) answers for the whole (山东省社会信用条例 Art 21, 37).
Departments issue reports too, but the registry trusts a name, a number and the reference of a proof
that it cannot examine. So a department's report shows nothing of another department's entries that
a check does not show: no ended entries (Art 24, 38), no texts of exempt ones.
"""

from collections.abc import Collection
from enum import StrEnum

from app.errors import PersonKeyRequired
from app.rules.permissions import AccessLevel, Caller, Role


class ReportScope(StrEnum):
    """The part of a subject's data that a report shows."""

    whole = "whole"
    partial = "partial"
    """Entries of the issuing department, and of others what a check shows."""
    no_record = "no_record"
    """Nothing: the report shows no record under the number and the name."""


class EntryPart(StrEnum):
    """The part of an entry that a report shows."""

    whole = "whole"
    as_checked = "as_checked"
    none = "none"


def issues_whole_reports(caller: Caller) -> bool:
    """Return True for the credit office."""
    return caller.role is Role.operator


def require_person(caller: Caller) -> None:
    """Require a person's key of a department: the person answers for the proof at the counter.

    Raises:
        PersonKeyRequired: the key of a department is bound to no person.
    """
    if not issues_whole_reports(caller) and caller.person is None:
        raise PersonKeyRequired


def determine_entry_part(caller: Caller, department: str, access_level: AccessLevel) -> EntryPart:
    """Return the part of an entry that a caller's report shows its subject.

    `access_level` is that of a check by the caller. Of an exempt entry even the whole is an
    outline.
    """
    if issues_whole_reports(caller) or caller.acts_for(department):
        return EntryPart.whole
    return EntryPart.none if access_level is AccessLevel.none else EntryPart.as_checked


def shows_answers_of(caller: Caller, department: str | None) -> bool:
    """Return True if a caller's report shows what a department learned about the subject.

    The answer to a query of another department may disclose an entry that the report leaves out.
    """
    return issues_whole_reports(caller) or caller.department == department


def determine_report_scope(caller: Caller, shown_names: Collection[str], name: str) -> ReportScope:
    """Return the scope of a report on a number under a name.

    `shown_names` are the folded names that entries give for the number, as far as the caller's
    report shows them; `name` is the folded name of the request. A department gets the
    same report for a wrong name, for a number that is not recorded, and for a number of which it
    may see nothing: otherwise the report would disclose that the number was once listed. The credit
    office also reports on a number that is not recorded: it may have been asked about.
    """
    if issues_whole_reports(caller):
        is_known = not shown_names or name in shown_names
        return ReportScope.whole if is_known else ReportScope.no_record
    return ReportScope.partial if name in shown_names else ReportScope.no_record
