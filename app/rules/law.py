"""The law as data: the types of the catalogue.

Rows have a legal reference and days of validity. These classes are also the schema of catalogue
files (`app/catalogue/sections.py` builds them with Pydantic), so files with other fields are
refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import ClassVar

POLICE_FUNCTION = "public_security"
FORBID_UNKNOWN_FIELDS: dict[str, str] = {"extra": "forbid"}


class ListKind(StrEnum):
    """The kind of a list; a record (licence, penalty) has no effect on its subject."""

    red = "red"
    black = "black"
    record = "record"


class SubjectKind(StrEnum):
    """The four kinds of credit subject (domain of the 双公示 exchange fields, CF_XDR_LB)."""

    natural_person = "natural_person"
    legal_person = "legal_person"
    unincorporated_organization = "unincorporated_organization"
    individual_business = "individual_business"


class DisclosureClass(StrEnum):
    """Readers of an entry: everybody, departments, or (exempt) nobody beyond its effect."""

    public = "public"
    restricted = "restricted"
    exempt = "exempt"


class Severity(StrEnum):
    """The three classes of dishonesty of 国办发〔2025〕22号: 轻微, 一般, 严重."""

    minor = "minor"
    general = "general"
    serious = "serious"


class NamesakeField(StrEnum):
    """A field that tells natural persons of one name apart."""

    sex = "sex"
    age = "age"


class Obligation(StrEnum):
    """The duty of an office to apply a measure."""

    must = "must"
    should = "should"
    may = "may"


class MeasureKind(StrEnum):
    """A reward for subjects on a red list, a punishment for subjects on a black list."""

    reward = "reward"
    punishment = "punishment"


class Level(StrEnum):
    """The level of government of a department."""

    county = "county"
    city = "city"
    province = "province"
    nation = "nation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """Days on which a row of the catalogue applies; both ends count, None is open."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    valid_from: date | None = None
    valid_until: date | None = None

    def is_valid_on(self, day: date) -> bool:
        """Return True where the row applies on `day`."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )

    @property
    def first_valid_day(self) -> date:
        """The first day; the earliest possible date where the start is open."""
        return self.valid_from or date.min

    @property
    def last_valid_day(self) -> date:
        """The last day; the latest possible date where the end is open."""
        return self.valid_until or date.max

    def has_common_day(self, other: "Validity") -> bool:
        """Return True where both rows apply on at least one day."""
        return (
            self.first_valid_day <= other.last_valid_day
            and other.first_valid_day <= self.last_valid_day
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Department(Validity):
    """A department that issues entries or checks subjects.

    `functions` are its responsibilities, in the words of issuers of list types (for instance
    `human_resources`); a district bureau has the functions of its city parent. `aliases` are other
    names of the same department in the plan and in exchange files.
    """

    code: str
    name: str
    aliases: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    level: Level = Level.city
    parent: str | None = None
    place: str | None = None
    successor: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A district, county-level city or zone, by its GB/T 2260 code where it has one."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBody:
    """A department of one domain, in the spelling of the plan."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    department: str
    named: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One of the 18 governance domains of the plan (枣文明委〔2019〕2号, part 二)."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    code: str
    number: int
    name: str
    leads: tuple[PlannedBody, ...]
    participants: tuple[PlannedBody, ...] = ()
    participants_open: bool = False
    """True where the list of the plan ends with 等."""
    legal_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Departments that may issue entries of a list: a function and the levels of government."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    function: str
    levels: tuple[Level, ...] = (Level.county, Level.city)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A length of time in years and months, counted as 民法典 202 counts them."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    years: int = 0
    months: int = 0


class Means(StrEnum):
    """The four means of repair that the plan names (枣文明委〔2019〕2号 四.1)."""

    correction = "correction"
    removal_of_effect = "removal_of_effect"
    training = "training"
    public_welfare = "public_welfare"


class CountedFrom(StrEnum):
    """The start of the minimum period before repair."""

    publication = "publication"
    decision = "decision"
    correction = "correction"


class Bar(StrEnum):
    """A circumstance that excludes repair by a rule; the department declares it."""

    repeated = "repeated"
    criminal_case = "criminal_case"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRule(Validity):
    """The conditions of repair.

    The day of an entry's decision selects the rule, so an entry keeps the rule of its time.

    Attributes:
        list_types: the list types that the rule is for. Empty for the general rule; a rule for the
            list type takes precedence over it.
        minimum: the minimum period before repair, by class; other classes cannot be repaired.
        counted_from: the start of that period; the decision where nothing was published.
        means: the means that an application must prove, all of them; minor unintentional conduct
            needs only one.
        barred: circumstances that exclude repair.
        acceptance_working_days / decision_working_days / extension_working_days: the time limits of
            the recognising department, from the application, from the acceptance, and for one
            extension in a complex case (0: no extension).
        together: repair ends other entries of the same case, too.
    """

    code: str
    list_types: tuple[str, ...] = ()
    minimum: Mapping[Severity, Span]
    counted_from: CountedFrom
    means: tuple[Means, ...] = (Means.correction,)
    barred: tuple[Bar, ...] = ()
    acceptance_working_days: int = 3
    decision_working_days: int = 10
    extension_working_days: int = 10
    together: bool = False
    legal_reference: str
    confirmed: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListType(Validity):
    """A red or black list, or a kind of record, of one domain.

    Attributes:
        term: the period from `effective_from` where a push gives no last day.
        maximum_term: the longest period that a push may give; without one, the term is the maximum
            of a black list, and a red list has no maximum.
        open_term: an entry without a last day is allowed.
        extension: the maximum extension of a running term, allowed once.
        consecutive_cap: the maximum length of consecutive terms of one subject.
        minimum_publication / maximum_publication: the period of public disclosure.
        publishes_natural_persons: True only by a State rule, as an exception to
            山东省社会信用条例 Art 20.
        namesake_fields: the fields that entries of natural persons show to tell namesakes apart.
        namesake_reference: the law that publishes these fields; without one they are not shown.
        requires_identifier: False allows subjects without a number.
        cap_exempt: the law of the list type allows more than the 5 years of Art 38.
        severity: the class of an entry where a push gives none.
        legal_reference: the legal basis; without one the list type is never in force.
        confirmed: the reference was read in public material, not only remembered.
        in_force: pushes are accepted and, for red and black, measures follow.
    """

    code: str
    domain: str
    kind: ListKind
    name: str
    issuers: tuple[Issuer, ...]
    subject_kinds: tuple[SubjectKind, ...]
    term: Span | None = None
    maximum_term: Span | None = None
    open_term: bool = False
    extension: Span | None = None
    consecutive_cap: Span | None = None
    minimum_publication: Span | None = None
    maximum_publication: Span | None = None
    default_disclosure: DisclosureClass = DisclosureClass.public
    publishes_natural_persons: bool = False
    namesake_fields: tuple[NamesakeField, ...] = ()
    namesake_reference: str | None = None
    requires_identifier: bool = True
    cap_exempt: bool = False
    repairable: bool = True
    severity: Severity | None = None
    legal_reference: str | None = None
    confirmed: bool = False
    in_force: bool = False
    note: str | None = None

    def is_in_force_on(self, day: date) -> bool:
        """Return True where pushes are accepted and effects follow on `day`."""
        return self.in_force and self.legal_reference is not None and self.is_valid_on(day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """The subject matter of an office's decision (山东省社会信用条例 Art 22)."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    code: str
    name: str
    legal_reference: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Validity):
    """A reward or a punishment that may follow from an entry."""

    code: str
    name: str
    kind: MeasureKind
    legal_reference: str
    confirmed: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRule(Validity):
    """The conditions of a measure: matters, list types and severities.

    An empty tuple means "any". Only black entries have severities.
    """

    code: str
    measure: str
    obligation: Obligation
    matters: tuple[str, ...] = ()
    list_types: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    legal_reference: str
    confirmed: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvestigationBasis(Validity):
    """A law that lets a department hide a question from its subject while it investigates.

    Attributes:
        functions: the functions of the departments that may use it (`Department.functions`).
        confirmed: the reference was read in public material, not only remembered.
        in_force: departments may use it; shipped rows are not in force.
    """

    code: str
    name: str
    functions: tuple[str, ...]
    legal_reference: str
    confirmed: bool = False
    in_force: bool = False
    note: str | None = None

    def is_in_force_on(self, day: date) -> bool:
        """Return True where departments may use it on `day`."""
        return self.in_force and self.is_valid_on(day)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """The whole law of the registry at one version; compared by identity."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    version: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)
    departments: Mapping[str, Department] = field(default_factory=dict)
    domains: Mapping[str, Domain] = field(default_factory=dict)
    list_types: Mapping[str, ListType] = field(default_factory=dict)
    matters: Mapping[str, Matter] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=dict)
    measure_rules: Mapping[str, MeasureRule] = field(default_factory=dict)
    repair_rules: Mapping[str, RepairRule] = field(default_factory=dict)
    investigation_bases: Mapping[str, InvestigationBasis] = field(default_factory=dict)

    def find_repair_rule(self, list_type: str, decided_on: date) -> RepairRule | None:
        """Return the repair rule for a decision of that day; a special rule before the general."""
        rules = [
            rule
            for rule in self.repair_rules.values()
            if rule.is_valid_on(decided_on)
            and (not rule.list_types or list_type in rule.list_types)
        ]
        return min(rules, key=lambda rule: not rule.list_types, default=None)

    def find_department(self, name_or_code: str) -> Department | None:
        """Return the department with that code, name or alias; None if there is none."""
        if name_or_code in self.departments:
            return self.departments[name_or_code]
        return next(
            (
                department
                for department in self.departments.values()
                if name_or_code == department.name or name_or_code in department.aliases
            ),
            None,
        )

    def is_police_department(self, department: str) -> bool:
        """Return True for a department that also gives public-security penalties (sealed)."""
        body = self.departments.get(department)
        return body is not None and POLICE_FUNCTION in body.functions

    def may_use_basis(self, department: str | None, basis: InvestigationBasis) -> bool:
        """Return True where the department has one of the functions that the basis names."""
        body = None if department is None else self.departments.get(department)
        return body is not None and not set(body.functions).isdisjoint(basis.functions)

    def is_issuer(self, department: Department, list_type: ListType) -> bool:
        """Return True where function and level make the department an issuer of the list type."""
        return any(
            issuer.function in department.functions and department.level in issuer.levels
            for issuer in list_type.issuers
        )
