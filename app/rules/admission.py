"""May this decision be recorded, and with which term and disclosure? The law applied to facts.

`Case` is what a push (or a corrected entry) says, `examine` either refuses it with a code that says
what would make it acceptable, or returns the `Ruling`: the dates and classes that follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any

from dateutil.relativedelta import relativedelta

from app.errors import (
    Fault,
    InvalidPayload,
    ListTypeNotInForce,
    MinorSubject,
    ProblemCode,
    PublicationNotAllowed,
    SealedRecord,
    Sentence,
    SubjectKindNotAllowed,
    TermNotAllowed,
)
from app.rules.law import DisclosureClass, ListKind, ListType, Severity, Span, SubjectKind
from app.rules.status import Term

ADULT_AGE = 18
MAX_DATE = date(2199, 12, 31)  # the last day that is written or taken (`app/http/schemas.py`)
CAP_YEARS = 5  # 山东省社会信用条例 Art 38
KINDS_WITH_RESPONSIBLE_PERSON = frozenset(
    {SubjectKind.legal_person, SubjectKind.unincorporated_organization}
)


class DecisionKind(StrEnum):
    """What sort of decision an entry rests on."""

    list_decision = "list_decision"
    administrative_penalty = "administrative_penalty"
    administrative_licence = "administrative_licence"
    court_decision = "court_decision"
    honour = "honour"
    other = "other"


class PenaltyLaw(StrEnum):
    """Under which law a penalty was given; public-security ones are sealed."""

    administrative = "administrative"
    public_security = "public_security"
    other = "other"


class PersonRole(StrEnum):
    """What a responsible person is to the organisation."""

    legal_representative = "legal_representative"
    person_in_charge = "person_in_charge"
    actual_controller = "actual_controller"
    business_owner = "business_owner"
    directly_responsible = "directly_responsible"


HEAD_ROLES = frozenset({PersonRole.legal_representative, PersonRole.person_in_charge})


class Unset:
    """A last day that the push left out: the list type's term applies."""


UNSET = Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFacts:
    """The facts of one decision, as far as the law asks for them."""

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
    """True where a later decision lengthened the term."""
    restored_on: date | None = None
    """The day from which the term runs anew, after a repair by false materials."""
    issued_by_police: bool = False
    """True where the issuing body also gives public-security penalties."""

    @classmethod
    def from_facts(
        cls,
        facts: Mapping[str, Any],
        birth_date: date | None,
        *,
        issued_by_police: bool = False,
        restored_on: date | None = None,
    ) -> "DecisionFacts":
        """Read the sealed facts of an entry (`app/entries/recording/proposals.py`)."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the law makes of a case."""

    effective_from: date
    effective_until: date | None
    cap_ends_on: date | None
    severity: Severity | None
    disclosure_class: DisclosureClass

    @property
    def term(self) -> Term:
        """The dates, as the status rule reads them."""
        return Term(
            effective_from=self.effective_from,
            effective_until=self.effective_until,
            cap_ends_on=self.cap_ends_on,
        )


def apply_law(
    facts: DecisionFacts,
    list_type: ListType,
    today: date,
    *,
    is_correction: bool = False,
    conduct_was_continuing: bool = False,
) -> Ruling:
    """Apply the law of one list type to a case.

    A correction is examined like a push, but for the list type's being in force: what was recorded
    lawfully stays correctable after its list type has ended. Conduct that went on when it was
    decided on (`conduct_went_on`) may have ended since, up to today.

    Raises:
        InvalidPayload: faults that the facts alone show.
        Refused: what the law or the list type stands against (see the subclasses).
    """
    if not is_correction:
        require_in_force(list_type, today)
    if facts.penalty_law is PenaltyLaw.public_security:
        raise SealedRecord
    if facts.subject_kind not in list_type.subject_kinds:
        raise SubjectKindNotAllowed(allowed=list(list_type.subject_kinds))
    severity = facts.severity or list_type.severity
    if severity is None and list_type.kind is ListKind.black:
        severity = Severity.serious
    faults = [
        *_find_date_faults(facts, today, conduct_was_continuing=conduct_was_continuing),
        *_find_fact_faults(facts, list_type, severity),
    ]
    if faults:
        raise InvalidPayload(faults=faults)
    _require_adult(facts)
    effective_from = facts.effective_from or facts.decided_on
    return Ruling(
        effective_from=effective_from,
        effective_until=_determine_last_day(facts, list_type, facts.restored_on or effective_from),
        cap_ends_on=_determine_cap_end(facts, list_type),
        severity=severity,
        disclosure_class=determine_disclosure_class(
            facts.subject_kind,
            facts.disclosure_class,
            list_type,
            is_minor_unintentional=facts.unintentional and severity is Severity.minor,
        ),
    )


def add_span(day: date, span: Span) -> date:
    """The corresponding day a span later; the month's last where there is none (民法典 202)."""
    return _add_years_and_months(day, span.years, span.months)


# The decisions of a file share their days.
@lru_cache(maxsize=4096)
def _add_years_and_months(day: date, years: int, months: int = 0) -> date:
    return day + relativedelta(years=years, months=months)


def _convert_optional(convert: Any, value: Any) -> Any:  # noqa: ANN401 - any constructor and its argument
    return None if value is None else convert(value)


def require_in_force(list_type: ListType, today: date) -> None:
    """Refuse a list type that has no legal basis on the day.

    Raises:
        ListTypeNotInForce: names the list type.
    """
    if not list_type.is_in_force_on(today):
        raise ListTypeNotInForce(list_type=list_type.code)


def _find_date_faults(
    facts: DecisionFacts, today: date, *, conduct_was_continuing: bool
) -> list[Fault]:
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


def _find_fact_faults(
    facts: DecisionFacts, list_type: ListType, severity: Severity | None
) -> list[Fault]:
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
                    "The identifier does not show the birth date; send it, for minors are never"
                    " listed",
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
    if list_type.kind is ListKind.black:
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


def _require_adult(facts: DecisionFacts) -> None:
    if facts.birth_date is None:
        return
    conduct_day = facts.conduct_ended_on or facts.decided_on
    if _add_years_and_months(facts.birth_date, ADULT_AGE) > conduct_day:
        raise MinorSubject


def _determine_last_day(facts: DecisionFacts, list_type: ListType, term_start: date) -> date | None:
    if isinstance(facts.effective_until, Unset):
        if list_type.term is not None:
            last_day = add_span(term_start, list_type.term)
            _require_supported_date(last_day)
            return last_day
        _require_open_term_allowed(list_type)
        return None
    if facts.effective_until is None:
        _require_open_term_allowed(list_type)
        return None
    is_black = list_type.kind is ListKind.black
    max_term = list_type.maximum_term or (list_type.term if is_black else None)
    latest_day = add_span(term_start, max_term) if max_term is not None else None
    if latest_day is not None and facts.extended and list_type.maximum_term is None:
        # An extension lengthens the term, but never beyond the longest that the list type knows.
        latest_day = add_span(latest_day, list_type.extension or Span())
    if latest_day is not None and facts.effective_until > latest_day:
        latest = latest_day.isoformat()
        raise TermNotAllowed(
            Sentence(
                f"The last day in force may be {latest} at the latest",
                f"有效期止最晚为 {latest}",
            ),
            latest=latest,
        )
    return facts.effective_until


def _require_supported_date(last_day: date) -> None:
    if last_day > MAX_DATE:
        raise TermNotAllowed(
            Sentence(
                f"The term would run beyond {MAX_DATE}, the last day that can be written",
                f"有效期止将晚于可填写的最后日期 {MAX_DATE}",
            )
        )


def _require_open_term_allowed(list_type: ListType) -> None:
    if not list_type.open_term:
        raise TermNotAllowed(
            Sentence(
                "This list type needs a last day in force (effective_until)",
                "该名单类型须填写有效期止（effective_until）",
            )
        )


def _determine_cap_end(facts: DecisionFacts, list_type: ListType) -> date | None:
    is_red = list_type.kind is ListKind.red
    if is_red or list_type.cap_exempt or facts.conduct_continues:
        return None
    # Conduct whose end is not told had ended when it was decided on: nothing stays for ever.
    return _add_years_and_months(facts.conduct_ended_on or facts.decided_on, CAP_YEARS)


def determine_disclosure_class(
    kind: SubjectKind,
    requested_class: DisclosureClass | None,
    list_type: ListType,
    *,
    is_minor_unintentional: bool = False,
) -> DisclosureClass:
    """Who may read an entry about such a subject: what its department wants, or the list type's.

    `gentle` is for minor conduct that was not intended: unless its department wants otherwise it is
    not published (国办发〔2025〕22号: 轻微 in principle not; 枣文明委〔2019〕2号 四.1).

    Raises:
        PublicationNotAllowed: natural persons are not published by this list type.
    """
    is_publication_barred = (
        kind is SubjectKind.natural_person and not list_type.publishes_natural_persons
    )
    if requested_class is DisclosureClass.public and is_publication_barred:
        raise PublicationNotAllowed(
            Sentence(
                "Public credit information of natural persons is not published unless the State"
                " provides otherwise (Shandong Art 20); use restricted",
                "自然人公共信用信息不得公开公示，国家另有规定的除外"
                "（山东省社会信用条例第二十条）；请使用 restricted",
            )
        )
    if requested_class is not None:
        return requested_class
    if (
        is_publication_barred or is_minor_unintentional
    ) and list_type.default_disclosure is DisclosureClass.public:
        return DisclosureClass.restricted
    return list_type.default_disclosure
