"""Responses of the catalogue."""

from pydantic import Field

from app.http.schemas import View
from app.rules.law import (
    Department,
    DisclosureClass,
    InvestigationBasis,
    ListKind,
    ListType,
    Matter,
    Measure,
    MeasureRule,
    RepairRule,
)


class BodyView(View):
    """A department of one domain, in the spelling of the plan."""

    code: str
    name: str


class ListTypeSummary(View):
    """A summary of a list type."""

    code: str
    kind: ListKind
    name: str
    in_force: bool
    legal_reference: str | None
    default_disclosure: DisclosureClass


class DomainView(View):
    """One of the 18 governance domains of the plan."""

    code: str
    number: int
    name: str
    leads: list[BodyView]
    participants: list[BodyView]
    participants_open: bool = Field(description="True where the list of the plan ends with 等")
    legal_reference: str
    list_types: list[ListTypeSummary]


class DomainsView(View):
    """The domains in the order of the plan."""

    catalogue_version: str
    domains: list[DomainView]


class DepartmentsView(View):
    """Every department of the catalogue."""

    catalogue_version: str
    departments: list[Department]


class ListTypesView(View):
    """Every list type with its rules."""

    catalogue_version: str
    list_types: list[ListType]


class MattersView(View):
    """The matters that an office may check for."""

    catalogue_version: str
    matters: list[Matter]


class MeasuresView(View):
    """Measures (rewards and punishments), and their rules."""

    catalogue_version: str
    measures: list[Measure]
    rules: list[MeasureRule]


class RepairRulesView(View):
    """The repair rules, by list type and by the day of the decision."""

    catalogue_version: str
    repair_rules: list[RepairRule]


class InvestigationBasesView(View):
    """The laws that let a department hide a question from its subject for a time."""

    catalogue_version: str
    investigation_bases: list[InvestigationBasis]
