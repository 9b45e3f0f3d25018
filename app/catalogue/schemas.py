"""What the catalogue answers."""

from pydantic import Field

from app.http.schemas import View
from app.rules.law import (
    Department,
    DisclosureClass,
    ListKind,
    ListType,
    Matter,
    Measure,
    MeasureRule,
    RepairRule,
)


class BodyView(View):
    """A department as the plan names it within one domain."""

    code: str
    name: str


class ListTypeSummary(View):
    """A list type in one line."""

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
    participants_open: bool = Field(description="True where the plan's enumeration ends with 等")
    legal_reference: str
    list_types: list[ListTypeSummary]


class DomainsView(View):
    """The domains in the plan's order."""

    catalogue_version: str
    domains: list[DomainView]


class DepartmentsView(View):
    """Every body of the catalogue."""

    catalogue_version: str
    departments: list[Department]


class ListTypesView(View):
    """Every list type with its rules."""

    catalogue_version: str
    list_types: list[ListType]


class MattersView(View):
    """What an office may decide about."""

    catalogue_version: str
    matters: list[Matter]


class MeasuresView(View):
    """Rewards and punishments, and the rules by which they follow."""

    catalogue_version: str
    measures: list[Measure]
    rules: list[MeasureRule]


class RepairRulesView(View):
    """When and how entries may be repaired, by list type and by the day of the decision."""

    catalogue_version: str
    repair_rules: list[RepairRule]
