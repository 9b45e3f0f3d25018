"""Building an own report: the entries of a subject as of one moment, in the shape of the report.

The caller decides how much the report shows (`app/rules/own_report.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.calendar.queries import read_current_calendar
from app.catalogue.queries import read_current_catalogue
from app.clock import civil_day
from app.db.counter import Head, read_head
from app.db.engines import Connection
from app.entries import queries as entries
from app.entries.projections import (
    NamedCodeJson,
    NamingEntryJson,
    build_named_code,
    build_naming_entry,
    build_partial_report_entry,
    build_report_entry,
)
from app.entries.queries import EntryRow, ResponsiblePersonFacts
from app.registry import Registry
from app.rights import store
from app.rights.documents import (
    CaseJson,
    EarlierReportJson,
    HeldEntryJson,
    QueryJson,
    ReportedOutcomeJson,
    UseJson,
    VersionJson,
)
from app.rights.store import QueryKeys
from app.rights.subject_lookup import (
    ReportSubject,
    build_unrecorded_subject,
    find_report_subject,
)
from app.rules.calendar import Calendar
from app.rules.identifiers import Identifier
from app.rules.law import Catalogue, DisclosureClass, ListKind, Severity
from app.rules.own_report import (
    EntryPart,
    ReportScope,
    determine_entry_part,
    issues_whole_reports,
    shows_answers_of,
)
from app.rules.permissions import Caller
from app.rules.text import fold_name
from app.rules.verdict import JudgedEntry, compute_verdict

Rows = Mapping[UUID, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldData:
    """The data on a subject that a caller's report may show, as of one state.

    Attributes:
        shown_names: the folded names that the shown entries give for the number, also as a
            responsible person in them; for the credit office all recorded names.
    """

    head: Head
    catalogue: Catalogue
    subject_data: ReportSubject
    entries: list[HeldEntryJson]
    named_in: list[NamingEntryJson]
    shown_names: frozenset[str]


class _Naming(NamedTuple):
    """An entry on another subject, and the roles of the person in it."""

    row: EntryRow
    people: list[ResponsiblePersonFacts]


def read_held_data(
    registry: Registry, connection: Connection, caller: Caller, asked: Identifier, day: date
) -> HeldData:
    """Read the data on the bearer of a number that a caller's report may show.

    Entries on the wrong subject are left out, because they never were about it. A check shows no
    entry that only names a person, so a department's report shows its own ones alone.
    """
    catalogue = read_current_catalogue(registry, connection)
    reported = find_report_subject(connection, registry.secrets, asked)
    presenter = EntryPresenter(catalogue, read_current_calendar(registry, connection), day)
    rows = _read_own_rows(connection, reported, day)
    parts = {row.id: _determine_part(caller, row, day) for row in rows}
    shown_rows = [row for row in rows if parts[row.id] is not EntryPart.none]
    whole_rows = [row for row in rows if parts[row.id] is EntryPart.whole]
    naming = _read_naming_entries(connection, reported, day)
    shown_naming = [
        each for each in naming if _determine_part(caller, each.row, day) is EntryPart.whole
    ]
    recorded_names = _fold_names(reported.names, naming)
    if issues_whole_reports(caller):
        shown_names, shown_subject = recorded_names, reported
    elif shown_rows:
        by_decision = sorted(shown_rows, key=lambda row: (row.decided_on, row.seq))
        shown_subjects = [row.facts["subject"] for row in by_decision]
        shown_names = _fold_names((each["name"] for each in shown_subjects), shown_naming)
        shown_subject = reported.limit_to(
            shown_subjects, [row.facts["subject"] for row in whole_rows]
        )
    else:  # the report discloses nothing of a subject whose entries it does not show
        shown_names = _fold_names((), shown_naming)
        shown_subject = build_unrecorded_subject(registry.secrets, asked)
    return HeldData(
        head=read_head(connection),
        catalogue=catalogue,
        subject_data=shown_subject,
        entries=_present_entries(connection, reported, presenter, shown_rows, parts),
        named_in=[presenter.present_naming_entry(row, people) for row, people in shown_naming],
        shown_names=shown_names,
    )


def _determine_part(caller: Caller, row: EntryRow, day: date) -> EntryPart:
    return determine_entry_part(caller, row.department, row.determine_access_level(caller, day))


def _fold_names(names: Iterable[str], naming: Iterable[_Naming]) -> frozenset[str]:
    named = {person["name"] for each in naming for person in each.people}
    return frozenset(map(fold_name, {*names, *named}))


def _read_own_rows(connection: Connection, reported: ReportSubject, day: date) -> list[EntryRow]:
    if reported.subject is None:
        return []
    rows = entries.read_subject_entries(connection, [reported.subject.id], day)
    return [row for row in rows if not row.void]


def _read_naming_entries(
    connection: Connection, reported: ReportSubject, day: date
) -> list[_Naming]:
    return [
        _Naming(row, people)
        for row in store.read_entries_naming(connection, reported.personal_keys, day)
        if not row.void and (people := _find_roles_of_person(row, reported))
    ]


def _present_entries(
    connection: Connection,
    reported: ReportSubject,
    presenter: "EntryPresenter",
    rows: Sequence[EntryRow],
    parts: Mapping[UUID, EntryPart],
) -> list[HeldEntryJson]:
    if reported.subject is None:
        return []
    histories = store.read_histories(connection, reported.subject.id)
    cases = store.read_cases(connection, [row.id for row in rows])
    return [
        presenter.present_entry(row, histories, cases)
        if parts[row.id] is EntryPart.whole
        else presenter.present_partial_entry(row)
        for row in rows
    ]


def _find_roles_of_person(row: EntryRow, reported: ReportSubject) -> list[ResponsiblePersonFacts]:
    """Return the roles of the person in an entry of another subject; a correction may end them."""
    if reported.subject is not None and row.subject_id == reported.subject.id:
        return []
    return [
        person
        for person in row.facts.get("responsible_persons") or ()
        if (number := person.get("identifier"))
        and (number["scheme"], number["key"]) in reported.personal_keys
    ]


def build_body_view(catalogue: Catalogue, code: str | None) -> NamedCodeJson | None:
    """Build a department by code and name; None for the credit office, whose keys name none."""
    return None if code is None else build_named_code(catalogue.departments, code)


@dataclass(frozen=True, slots=True)
class EntryPresenter:
    """Builds entries in the form of the report."""

    catalogue: Catalogue
    calendar: Calendar
    day: date

    def present_entry(self, row: EntryRow, histories: Rows, cases: Rows) -> HeldEntryJson:
        """Build an entry about the subject: whole, or an exempt one as an outline."""
        whole = row.disclosure_class_enum is not DisclosureClass.exempt
        return {
            **build_report_entry(row, self.day, self.calendar, self.catalogue),
            "uses": self._build_uses(row) if whole else [],
            "redress": [_build_case(case) for case in cases.get(row.id, ())] if whole else [],
            "history": [_build_version(change) for change in histories.get(row.id, ())]
            if whole
            else [],
        }

    def present_partial_entry(self, row: EntryRow) -> HeldEntryJson:
        """Build an entry of another department: the fields that a check shows."""
        whole = row.disclosure_class_enum is not DisclosureClass.exempt
        return {
            **build_partial_report_entry(row, self.day, self.calendar, self.catalogue),
            "uses": self._build_uses(row) if whole else [],
            "redress": [],
            "history": [],
        }

    def present_naming_entry(
        self, row: EntryRow, people: list[ResponsiblePersonFacts]
    ) -> NamingEntryJson:
        """Build the report of an entry of another subject that names the person (`NamedIn`)."""
        return build_naming_entry(
            row, [person["role"] for person in people], self.day, self.catalogue
        )

    def _build_uses(self, row: EntryRow) -> list[UseJson]:
        """List the measures of an entry today, for all matters."""
        fact = JudgedEntry(
            entry_id=str(row.id),
            list_type=row.list_type,
            kind=ListKind(row.kind),
            severity=None if row.severity is None else Severity(row.severity),
            status=row.compute_status(self.day),
            disputed=row.disputed,
        )
        measures = compute_verdict([fact], None, self.catalogue, self.day).measures
        # Several rules may give the same use.
        uses = {
            (item.code, item.name, item.kind, item.obligation, item.legal_basis)
            for item in measures
        }
        return [
            UseJson(code=code, name=name, kind=kind, obligation=obligation, legal_basis=legal_basis)
            for code, name, kind, obligation, legal_basis in sorted(uses)
        ]


def _build_version(version: Any) -> VersionJson:  # noqa: ANN401 - a row
    return {
        "version": version.version,
        "recorded_at": version.recorded_at,
        "action": version.action,
        "reason": version.change_reason,
    }


def _build_case(case: Any) -> CaseJson:  # noqa: ANN401 - a row
    return {
        "id": case.id,
        "kind": case.kind,
        "state": case.state,
        "received_on": case.received_on,
        "due_on": case.due_on,
        "steps": [
            {
                "step": step["step"],
                "on": civil_day(datetime.fromisoformat(step["at"])),
                "outcome": step.get("outcome"),
                "reasons": step.get("reasons"),
            }
            for step in case.steps
        ],
    }


# --- from the ledger -----------------------------------------------------


def build_queries(
    connection: Connection, caller: Caller, catalogue: Catalogue, query_keys: QueryKeys, day: date
) -> list[QueryJson]:
    """Build the list of queries about the subject, without those that are still withheld.

    The answer to another department's query may disclose an entry that a partial report leaves out.
    """
    outcomes = store.read_outcomes(connection, query_keys, day)
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "asked_at": row.asked_at,
            "role": row.role,
            "department": build_body_view(catalogue, row.department),
            "matter": None
            if row.matter is None
            else build_named_code(catalogue.matters, row.matter),
            "purpose": row.purpose,
            "case_no": row.case_no,
            "standing": row.standing if shows_answers_of(caller, row.department) else None,
            "outcome": _build_outcome(catalogue, outcomes.get((row.id, row.position)))
            if shows_answers_of(caller, row.department)
            else None,
            "withheld": None
            if row.withheld_until is None
            else {
                "basis": _find_law(catalogue, row.withheld_basis),
                "until": row.withheld_until,
            },
        }
        for row in store.read_queries(connection, query_keys, day)
    ]


def _find_law(catalogue: Catalogue, basis: str) -> str:
    """Return the law behind the code of a basis; older checks have the law itself."""
    found = catalogue.investigation_bases.get(basis)
    return basis if found is None else found.legal_reference


def build_earlier_reports(
    connection: Connection, caller: Caller, catalogue: Catalogue, query_keys: QueryKeys
) -> list[EarlierReportJson]:
    """Build the list of reports that were issued about the subject before.

    The scope of another department's report discloses whether it could show an entry then.
    """
    return [
        {
            "report_id": row.id,
            "issued_at": row.issued_at,
            "department": build_body_view(catalogue, row.department),
            "applicant": row.applicant["kind"],
            "scope": (row.scope or ReportScope.whole)
            if shows_answers_of(caller, row.department)
            else None,
        }
        for row in store.read_earlier_reports(connection, query_keys)
    ]


def _build_outcome(catalogue: Catalogue, row: Any | None) -> ReportedOutcomeJson | None:  # noqa: ANN401 - a row
    if row is None:
        return None
    return {
        "action": row.action,
        "measures": [build_named_code(catalogue.measures, code) for code in row.measures],
        "remark": row.remark,
        "recorded_at": row.recorded_at,
    }
