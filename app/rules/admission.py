"""Admission: whether a decision may be recorded, and its term and disclosure by law.

`apply_law` refuses the facts of a decision with a code that tells how to make them acceptable, or
returns the `Ruling` with the dates and classes that follow.
"""

from dataclasses import dataclass
from datetime import date

from app.errors import (
    InvalidPayload,
    ListTypeNotInForce,
    MinorSubject,
    PublicationNotAllowed,
    SealedRecord,
    Sentence,
    SubjectKindNotAllowed,
    TermNotAllowed,
)
from app.rules.calendar import MAX_DATE, add_span, add_years
from app.rules.decision import DecisionFacts, PenaltyLaw, Unset, find_date_faults, find_fact_faults
from app.rules.law import DisclosureClass, ListType, Severity, Span, SubjectKind
from app.rules.list_effects import LIST_EFFECTS
from app.rules.status import Term

ADULT_AGE = 18
CAP_YEARS = 5  # 山东省社会信用条例 Art 38


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The dates and classes of an entry by law."""

    effective_from: date
    effective_until: date | None
    cap_ends_on: date | None
    severity: Severity | None
    disclosure_class: DisclosureClass

    @property
    def term(self) -> Term:
        """The dates that decide the status."""
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
    """Apply the law of one list type to the facts of a decision.

    A correction passes the same rules, but its list type may have ended: lawful entries stay
    correctable. `conduct_was_continuing`: see `find_date_faults`.

    Raises:
        InvalidPayload: faults that the facts alone show.
        Refused: the law or the list type does not allow the entry (see the subclasses).
    """
    if not is_correction:
        require_in_force(list_type, today)
    if facts.penalty_law is PenaltyLaw.public_security:
        raise SealedRecord
    if facts.subject_kind not in list_type.subject_kinds:
        raise SubjectKindNotAllowed(allowed=list(list_type.subject_kinds))
    severity = facts.severity or list_type.severity
    if severity is None:
        severity = LIST_EFFECTS[list_type.kind].default_severity
    faults = [
        *find_date_faults(facts, today, conduct_was_continuing=conduct_was_continuing),
        *find_fact_faults(facts, list_type, severity),
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


def require_in_force(list_type: ListType, today: date) -> None:
    """Raise unless the list type has a legal basis on the day.

    Raises:
        ListTypeNotInForce: the list type is not in force.
    """
    if not list_type.is_in_force_on(today):
        raise ListTypeNotInForce(list_type=list_type.code)


def _require_adult(facts: DecisionFacts) -> None:
    if facts.birth_date is None:
        return
    conduct_day = facts.conduct_ended_on or facts.decided_on
    if add_years(facts.birth_date, ADULT_AGE) > conduct_day:
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
    term_is_maximum = LIST_EFFECTS[list_type.kind].term_is_maximum
    max_term = list_type.maximum_term or (list_type.term if term_is_maximum else None)
    latest_day = add_span(term_start, max_term) if max_term is not None else None
    if latest_day is not None and facts.extended and list_type.maximum_term is None:
        # An extension applies only where the list type has no explicit maximum.
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
    has_cap = LIST_EFFECTS[list_type.kind].has_five_year_cap
    if not has_cap or list_type.cap_exempt or facts.conduct_continues:
        return None
    # Without a given end the conduct ended by the decision day: every entry gets an end.
    return add_years(facts.conduct_ended_on or facts.decided_on, CAP_YEARS)


def determine_disclosure_class(
    kind: SubjectKind,
    requested_class: DisclosureClass | None,
    list_type: ListType,
    *,
    is_minor_unintentional: bool = False,
) -> DisclosureClass:
    """Return the requested disclosure class, or the default of the list type.

    Minor unintentional conduct is restricted unless the department requests otherwise
    (国办发〔2025〕22号: 轻微 is not published in principle; 枣文明委〔2019〕2号 四.1).

    Raises:
        PublicationNotAllowed: the list type does not publish natural persons.
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
