"""The law as data: what the catalogue says, in the shapes that the rules read.

Every row carries its legal reference and its days of validity. These classes are also the schema
that a catalogue file is checked against (`app/catalogue/store.py` builds them with Pydantic), so a
field that is not named here is refused there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import ClassVar

POLICE_FUNCTION = "public_security"
FORBID_UNKNOWN_FIELDS: dict[str, str] = {"extra": "forbid"}


class ListKind(StrEnum):
    """What a list type does to those on it; a record (licence, penalty) does nothing."""

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
    """Who may read an entry: everybody, departments, or (exempt) only its effect."""

    public = "public"
    restricted = "restricted"
    exempt = "exempt"


class Severity(StrEnum):
    """The three classes of dishonesty of 国办发〔2025〕22号: 轻微, 一般, 严重."""

    minor = "minor"
    general = "general"
    serious = "serious"


class Obligation(StrEnum):
    """Whether an office must, should or may apply a measure."""

    must = "must"
    should = "should"
    may = "may"


class MeasureKind(StrEnum):
    """A reward for those on a red list, a punishment for those on a black one."""

    reward = "reward"
    punishment = "punishment"


class Level(StrEnum):
    """The level of government at which a body stands."""

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
        """Tell whether the row applies on `day`."""
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
    """A body that issues entries or asks for them.

    `functions` says what it is responsible for, in words that list types name as issuers
    (for instance `human_resources`); a district bureau has the same function as its city parent.
    `aliases` are other names that stand for the same body in the plan and in exchange files.
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
    """A department as the plan names it within one domain, the plan's own spelling kept."""

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
    """True where the plan ends its enumeration with 等."""
    legal_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who may put a subject on a list: a function of government, from a level upwards."""

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
    """The day from which a minimum period before repair is counted."""

    publication = "publication"
    decision = "decision"
    correction = "correction"


class Bar(StrEnum):
    """What keeps a subject from repair where the rule says so; its department declares it."""

    repeated = "repeated"
    criminal_case = "criminal_case"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRule(Validity):
    """When and how an entry may be repaired.

    Valid by the day of the entry's decision: a record keeps the rule under which it was made.

    Attributes:
        list_types: those that it is for; empty is the general rule, which a special one outweighs.
        minimum: how long an entry of each class stands before repair; a class that is not named
            cannot be repaired by this rule.
        counted_from: from when; a publication that never was counts from the decision.
        means: what an application must prove, every one; minor unintentional conduct needs any one.
        barred: circumstances that shut the way.
        acceptance_working_days / decision_working_days / extension_working_days: the clocks of the
            recognising department, from the application, from the acceptance, and once more in a
            complex case (0: never).
        together: entries of the same case end with it.
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
        term: the list period from `effective_from` where a push leaves the last day out.
        maximum_term: the longest period that a push may name; where there is none, the term is the
            longest of a black list, and nothing bounds a red one.
        open_term: an entry without a last day is allowed.
        extension: by how much a decision may lengthen a running term, at most and once.
        consecutive_cap: how long a subject stays on the list at most, over entries that follow each
            other without a day between them.
        minimum_publication / maximum_publication: how long an entry is on public view.
        publishes_natural_persons: only where the State provides otherwise than
            山东省社会信用条例 Art 20.
        requires_identifier: False allows subjects that are known by name alone.
        cap_exempt: the list type cites a law that outlasts the 5 years of Art 38.
        severity: the class that an entry has when the push names none.
        legal_reference: the law it rests on; a list type without one is never in force.
        confirmed: the reference was read in public material, not only recalled.
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
    requires_identifier: bool = True
    cap_exempt: bool = False
    repairable: bool = True
    severity: Severity | None = None
    legal_reference: str | None = None
    confirmed: bool = False
    in_force: bool = False
    note: str | None = None

    def is_in_force_on(self, day: date) -> bool:
        """Tell whether pushes are taken and effects follow on `day`."""
        return self.in_force and self.legal_reference is not None and self.is_valid_on(day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What an office decides when it asks (山东省社会信用条例 Art 22)."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN_FIELDS
    code: str
    name: str
    legal_reference: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Validity):
    """A reward or a punishment that a list entry may bring."""

    code: str
    name: str
    kind: MeasureKind
    legal_reference: str
    confirmed: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRule(Validity):
    """When a measure follows: for which matters, from which list types or kinds.

    An empty tuple means "any". `severities` applies to black entries alone.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """All of the law that the registry works by, at one version; each is equal to itself alone."""

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

    def find_repair_rule(self, list_type: str, decided_on: date) -> RepairRule | None:
        """The rule of repair for an entry of that day; a special one before the general."""
        rules = [
            rule
            for rule in self.repair_rules.values()
            if rule.is_valid_on(decided_on)
            and (not rule.list_types or list_type in rule.list_types)
        ]
        return min(rules, key=lambda rule: not rule.list_types, default=None)

    def find_department(self, name_or_code: str) -> Department | None:
        """The department of that code, name or alias; the plan itself spells some in two ways."""
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
        """Tell whether a body also gives public-security penalties, which are sealed by law."""
        body = self.departments.get(department)
        return body is not None and POLICE_FUNCTION in body.functions

    def is_issuer(self, department: Department, list_type: ListType) -> bool:
        """Tell whether the department's function and level make it an issuer of the list type."""
        return any(
            issuer.function in department.functions and department.level in issuer.levels
            for issuer in list_type.issuers
        )
