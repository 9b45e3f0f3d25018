"""The facts of a decision: its kind, subject, dates and disclosure, before the law is applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from app.rules.law import DisclosureClass, Severity, SubjectKind


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
        facts: Mapping[str, Any],
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


def _convert_optional(convert: Any, value: Any) -> Any:  # noqa: ANN401 - any constructor and its argument
    return None if value is None else convert(value)
