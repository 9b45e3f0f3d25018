"""The facts of a decision: its kind, subject, dates and disclosure, before the law is applied."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

from app.errors import Fault, ProblemCode, Sentence
from app.rules.law import DisclosureClass, ListType, Severity, SubjectKind
from app.rules.list_effects import LIST_EFFECTS
from app.rules.stored_json import EntryFacts

Converted = TypeVar("Converted")


class DecisionKind(StrEnum):
    """The kind of decision that an entry is based on."""

    list_decision = "list_decision"
    administrative_penalty = "administrative_penalty"
    administrative_licence = "administrative_licence"
    court_decision = "court_decision"
    honour = "honour"
    other = "other"


class PenaltyLaw(StrEnum):
    """The law of a penalty; public-security penalties are sealed."""

    administrative = "administrative"
    public_security = "public_security"
    other = "other"


class PersonRole(StrEnum):
    """The role of a responsible person in the organisation."""

    legal_representative = "legal_representative"
    person_in_charge = "person_in_charge"
    actual_controller = "actual_controller"
    business_owner = "business_owner"
    directly_responsible = "directly_responsible"


class Unset:
    """A last day that a push does not give: the term of the list type applies."""


UNSET = Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFacts:
    """The facts of one decision that the law needs."""

    subject_kind: SubjectKind
    has_identifier: bool
    birth_date: date | None
    decision_kind: DecisionKind
    penalty_law: PenaltyLaw | None
    decided_on: date
    severity: Severity | None
    conduct_ended_on: date | None
    conduct_continues: bool
    effective_from: date | None
    effective_until: date | Unset | None
    person_roles: frozenset[PersonRole]
    disclosure_class: DisclosureClass | None
    exemption: str | None
    exemption_basis: str | None
    unintentional: bool = False
    extended: bool = False
    """True where a later decision extended the term."""
    restored_on: date | None = None
    """The day on which the term started again, after a repair by false materials."""
    issued_by_police: bool = False
    """True where the issuing department also gives public-security penalties."""

    @classmethod
    def from_facts(
        cls,
        facts: EntryFacts,
        birth_date: date | None,
        *,
        issued_by_police: bool = False,
        restored_on: date | None = None,
    ) -> "DecisionFacts":
        """Build from the sealed facts of an entry (`app/entries/recording/proposals.py`)."""
        decision, disclosure = facts["decision"], facts.get("disclosure", {})
        persons = facts.get("responsible_persons") or []
        until = facts.get("effective_until", UNSET)
        return cls(
            subject_kind=SubjectKind(facts["subject"]["kind"]),
            has_identifier=bool(facts["subject"].get("identifiers")),
            birth_date=birth_date,
            decision_kind=DecisionKind(decision["kind"]),
            penalty_law=_convert_optional(PenaltyLaw, decision.get("penalty_law")),
            decided_on=date.fromisoformat(decision["decided_on"]),
            severity=_convert_optional(Severity, facts.get("severity")),
            conduct_ended_on=_convert_optional(date.fromisoformat, facts.get("conduct_ended_on")),
            conduct_continues=bool(facts.get("conduct_continues")),
            effective_from=_convert_optional(date.fromisoformat, facts.get("effective_from")),
            effective_until=until
            if isinstance(until, Unset)
            else _convert_optional(date.fromisoformat, until),
            person_roles=frozenset(PersonRole(person["role"]) for person in persons),
            disclosure_class=_convert_optional(DisclosureClass, disclosure.get("class")),
            exemption=disclosure.get("exemption"),
            exemption_basis=disclosure.get("basis"),
            unintentional=bool(facts.get("unintentional")),
            extended="extension" in facts,
            restored_on=restored_on,
            issued_by_police=issued_by_police,
        )


def _convert_optional(convert: Callable[[str], Converted], value: str | None) -> Converted | None:
    return None if value is None else convert(value)


KINDS_WITH_RESPONSIBLE_PERSON = frozenset(
    {SubjectKind.legal_person, SubjectKind.unincorporated_organization}
)
HEAD_ROLES = frozenset({PersonRole.legal_representative, PersonRole.person_in_charge})


def find_date_faults(
    facts: DecisionFacts, today: date, *, conduct_was_continuing: bool
) -> list[Fault]:
    """Return faults of dates.

    Conduct that continued when the decision was made (`conduct_was_continuing`) may have ended
    after the decision, up to today.
    """
    faults = []
    if facts.decided_on > today:
        faults.append(
            Fault(
                "/decision/decided_on",
                ProblemCode.decision_in_future,
                Sentence("The decision day lies in the future", "决定日期晚于今天"),
            )
        )
    latest_end = today if conduct_was_continuing else facts.decided_on
    if facts.conduct_ended_on is not None and facts.conduct_ended_on > latest_end:
        faults.append(
            Fault(
                "/conduct_ended_on",
                ProblemCode.dates_out_of_order,
                Sentence(
                    "The conduct cannot end after the decision; if it goes on, send"
                    " conduct_continues",
                    "行为终了日期不得晚于决定日期；行为仍在持续的请填 conduct_continues",
                ),
            )
        )
    start = facts.effective_from or facts.decided_on
    if isinstance(facts.effective_until, date) and facts.effective_until < start:
        faults.append(
            Fault(
                "/effective_until",
                ProblemCode.dates_out_of_order,
                Sentence("The last day in force lies before the first", "有效期止早于有效期起"),
            )
        )
    return faults


def find_fact_faults(
    facts: DecisionFacts, list_type: ListType, severity: Severity | None
) -> list[Fault]:
    """Return faults of missing facts and of facts that contradict each other."""
    faults = []
    is_person = facts.subject_kind is SubjectKind.natural_person
    if not facts.has_identifier and (list_type.requires_identifier or is_person):
        faults.append(
            Fault(
                "/subject/identifiers",
                ProblemCode.identifier_missing,
                Sentence(
                    "This list type needs at least one identifier", "该名单类型须填写证件号码"
                ),
            )
        )
    if is_person and facts.birth_date is None:
        faults.append(
            Fault(
                "/subject/birth_date",
                ProblemCode.birth_date_missing,
                Sentence(
                    "The identifier does not show the birth date; send it, because minors are"
                    " never listed",
                    "证件号码不含出生日期，请填写出生日期（未成年人不得列入）",
                ),
            )
        )
    if facts.conduct_continues and facts.conduct_ended_on is not None:
        faults.append(
            Fault(
                "/conduct_continues",
                ProblemCode.conduct_contradicts,
                Sentence("Conduct that has ended does not continue", "行为已终了，不能同时持续"),
            )
        )
    is_penalty = facts.decision_kind is DecisionKind.administrative_penalty
    if facts.issued_by_police and is_penalty and facts.penalty_law is None:
        faults.append(
            Fault(
                "/decision/penalty_law",
                ProblemCode.missing,
                Sentence(
                    "A public-security body says under which law it punished",
                    "公安机关报送行政处罚须注明处罚所依据的法律类别",
                ),
            )
        )
    if LIST_EFFECTS[list_type.kind].needs_conduct_end:
        faults.extend(_find_black_list_faults(facts, severity))
    is_exempt = facts.disclosure_class is DisclosureClass.exempt
    if is_exempt != (facts.exemption is not None) or is_exempt != (
        facts.exemption_basis is not None
    ):
        faults.append(
            Fault(
                "/disclosure",
                ProblemCode.exemption_incomplete,
                Sentence(
                    "class exempt, exemption and basis go together",
                    "不予公开须同时填写 class=exempt、exemption 和 basis",
                ),
            )
        )
    return faults


def _find_black_list_faults(facts: DecisionFacts, severity: Severity | None) -> list[Fault]:
    faults = []
    if facts.conduct_ended_on is None and not facts.conduct_continues:
        faults.append(
            Fault(
                "/conduct_ended_on",
                ProblemCode.conduct_end_missing,
                Sentence(
                    "A black entry says when the conduct ended, or conduct_continues: true",
                    "黑名单条目须填写行为终了日期，或注明行为仍在持续",
                ),
            )
        )
    is_serious = severity is Severity.serious
    if (
        is_serious
        and facts.subject_kind in KINDS_WITH_RESPONSIBLE_PERSON
        and not facts.person_roles & HEAD_ROLES
    ):
        faults.append(
            Fault(
                "/responsible_persons",
                ProblemCode.responsible_person_missing,
                Sentence(
                    "A serious black entry on an organisation names its legal representative or"
                    " person in charge (Shandong Art 31)",
                    "严重失信的单位须载明法定代表人或主要负责人（山东省社会信用条例第三十一条）",
                ),
            )
        )
    return faults
