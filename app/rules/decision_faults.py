"""Faults of a decision that its facts alone show, each with the field that has to change."""

from datetime import date

from app.errors import Fault, ProblemCode, Sentence
from app.rules.decision import DecisionFacts, DecisionKind, PersonRole
from app.rules.law import DisclosureClass, ListType, Severity, SubjectKind
from app.rules.list_effects import LIST_EFFECTS

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
