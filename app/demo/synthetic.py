"""Synthetic subjects and decisions, with identifiers that are valid but belong to nobody.

Test data may never accuse a real person or company. Personal numbers are of a county that never
existed, numbers of organisations of a series that was never issued, and names say that they are
examples.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import NamedTuple, TypedDict

from dateutil.relativedelta import relativedelta
from stdnum.iso7064 import mod_11_2, mod_11_10

from app.entries.schemas import (
    DecisionIn,
    DisclosureIn,
    EntryPush,
    IdentifierIn,
    LicenceIn,
    PenaltyIn,
    ResponsiblePersonIn,
    SubjectIn,
)
from app.rules.admission import CAP_YEARS
from app.rules.calendar import add_span
from app.rules.decision import KINDS_WITH_RESPONSIBLE_PERSON, DecisionKind, PenaltyLaw, PersonRole
from app.rules.identifiers import (
    USCC_ALPHABET,
    Scheme,
    compute_org_code_check_character,
    compute_uscc_check_character,
)
from app.rules.law import DisclosureClass, ListKind, ListType, Severity, SubjectKind

UNUSED_REGION = "370499"
"""枣庄 has had the counties 01 to 06, 21 and 81; none was ever 99."""
UNUSED_SERIES = "YY"
"""Organisation codes are given out as MA…, MB… and so on; none beginning so is known."""
SERIAL_LENGTH = 6

MIN_BIRTH_DATE = date(1956, 1, 1)
BIRTH_DATE_COUNT = (
    16_001  # to the end of 1999; a prime, so that a birthday comes again after 16 million
)
BIRTH_DATE_STRIDE = 7919
MAX_SERIALS_PER_BIRTH_DATE = 999
RESPONSIBLE_PERSON_SERIAL_OFFSET = (
    5_000_000  # serials of responsible persons, apart from those of listed persons
)

TRADES = ("建筑", "旅行社", "商贸", "物流", "医药", "科技", "文化传媒", "食品", "环保", "保险代理")
NAME_CHARACTERS = "甲乙丙丁戊己庚辛壬癸"


# --- identifiers and names -----------------------------------------------


def build_org_code(serial: int) -> str:
    """An organisation code; the one inside the USCC of the same serial."""
    digits = ""
    for _ in range(SERIAL_LENGTH):
        serial, value = divmod(serial, len(USCC_ALPHABET))
        digits = USCC_ALPHABET[value] + digits
    body = UNUSED_SERIES + digits
    return body + compute_org_code_check_character(body)


def build_uscc(serial: int, prefix: str = "91370403") -> str:
    """A unified social credit code; another for every serial."""
    body = prefix + build_org_code(serial)
    return body + compute_uscc_check_character(body)


def build_registration_no(serial: int) -> str:
    """A business registration number of 15 digits."""
    body = f"{UNUSED_REGION}{serial:08d}"
    return body + str(mod_11_10.calc_check_digit(body))


def build_resident_id(serial: int, birth_date: date, region: str = UNUSED_REGION) -> str:
    """Build a resident identity number with a birth date."""
    body = f"{region}{birth_date:%Y%m%d}{serial % MAX_SERIALS_PER_BIRTH_DATE + 1:03d}"
    return body + str(mod_11_2.calc_check_digit(body))


def build_birth_date(serial: int) -> date:
    """An adult's day of birth, spread so that serials below 15 million share no number."""
    return MIN_BIRTH_DATE + timedelta(days=serial * BIRTH_DATE_STRIDE % BIRTH_DATE_COUNT)


def build_organization_name(serial: int, trade: str, form: str = "有限公司") -> str:
    """A company's name, evidently an example."""
    return f"枣庄示例{trade}{form}{serial:05d}号"


def build_person_name(serial: int) -> str:
    """A person's name, evidently an example."""
    return f"示例人{NAME_CHARACTERS[serial % len(NAME_CHARACTERS)]}{serial:04d}"


# --- subjects ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSubject:
    """Somebody to record decisions about."""

    serial: int
    kind: SubjectKind
    name: str
    former_name: str
    number_by_scheme: dict[Scheme, str]
    birth_date: date | None = None

    def build_push_subject(self, *, use_former_name: bool = False) -> SubjectIn:
        """Build the subject as a push names it."""
        return SubjectIn(
            kind=self.kind,
            name=self.former_name if use_former_name else self.name,
            identifiers=[
                IdentifierIn(scheme=scheme, number=number)
                for scheme, number in self.number_by_scheme.items()
            ],
            birth_date=self.birth_date,
        )


def build_subject(
    serial: int, kind: SubjectKind, *, has_identifier: bool = True
) -> SyntheticSubject:
    """The subject of a serial; without `numbered` an organisation that has only its name."""
    if kind is SubjectKind.natural_person:
        return _build_person(serial)
    trade = TRADES[serial % len(TRADES)]
    numbers, form = _build_organization_numbers(serial, kind)
    return SyntheticSubject(
        serial=serial,
        kind=kind,
        name=build_organization_name(serial, trade, form),
        former_name=build_organization_name(serial, f"{trade}(原)", form),
        number_by_scheme=numbers if has_identifier else {},
    )


def _build_person(serial: int) -> SyntheticSubject:
    name, birth_date = build_person_name(serial), build_birth_date(serial)
    foreign_numbers = {
        1: {Scheme.passport: f"DEMO{serial:07d}"},
        2: {Scheme.hk_macao_permit: f"H9{serial:07d}"},
        3: {Scheme.taiwan_permit: f"9{serial:07d}"},
    }
    numbers = foreign_numbers.get(
        serial % 40, {Scheme.resident_id: build_resident_id(serial, birth_date)}
    )
    sent_birth_date = None if Scheme.resident_id in numbers else birth_date
    return SyntheticSubject(
        serial=serial,
        kind=SubjectKind.natural_person,
        name=name,
        former_name=name,
        number_by_scheme=numbers,
        birth_date=sent_birth_date,
    )


def _build_organization_numbers(serial: int, kind: SubjectKind) -> tuple[dict[Scheme, str], str]:
    """The numbers of an organisation or business, and what form its name ends with."""
    if kind is SubjectKind.individual_business:
        numbers = {Scheme.registration_no: build_registration_no(serial)}
        if serial % 10 != 3:  # noqa: PLR2004 - one in ten never changed its old licence
            numbers[Scheme.uscc] = build_uscc(serial, "92370402")
        return numbers, "商店"
    if kind is SubjectKind.unincorporated_organization:
        return {Scheme.uscc: build_uscc(serial)}, "合伙企业"
    other_kinds = {
        7: ({Scheme.uscc: build_uscc(serial, "51370400")}, "协会"),
        13: ({Scheme.uscc: build_uscc(serial, "12370400")}, "服务中心"),
        17: ({Scheme.org_code: build_org_code(serial)}, "有限公司"),
    }
    return other_kinds.get(serial % 20, ({Scheme.uscc: build_uscc(serial)}, "有限公司"))


# --- decisions -----------------------------------------------------------

DECISION_KIND_BY_SUFFIX = {
    "licence": DecisionKind.administrative_licence,
    "red": DecisionKind.honour,
}
COURT_DOMAIN = "judgment_defaulting"
SEVERITY_WEIGHTS = {  # minor, general, serious: few serious penalties, few minor black entries
    ListKind.record: (40, 50, 10),
    ListKind.black: (5, 15, 80),
}
EXEMPT_DISCLOSURE = DisclosureIn.model_validate(
    {"class": DisclosureClass.exempt, "exemption": "trade_secret", "basis": "示例:涉及商业秘密"}
)
RESTRICTED_DISCLOSURE = DisclosureIn.model_validate({"class": DisclosureClass.restricted})


class GivenTerm(TypedDict, total=False):
    """The dates of the term that a decision gives; null is not the same as a missing date."""

    effective_from: date
    effective_until: date


class Conduct(NamedTuple):
    """The conduct that a decision punishes, and the persons responsible for it."""

    severity: Severity | None = None
    case_ref: str | None = None
    ended_on: date | None = None
    continues: bool = False
    responsible_persons: list[ResponsiblePersonIn] = []


def build_push(
    rng: Random,
    list_type: ListType,
    subject: SyntheticSubject,
    serial: int,
    decided_on: date,
    department: str,
    *,
    use_former_name: bool = False,
) -> EntryPush:
    """Build a decision as its department pushes it."""
    code_suffix = list_type.code.partition(".")[2]
    is_penalty = code_suffix == "penalty"
    term = _build_term(rng, list_type, decided_on)
    disclosure = _build_disclosure(rng, subject.kind)
    penalty = (
        PenaltyIn.model_validate(
            {"categories": ["罚款"], "fine": f"{rng.randint(1, 500) / 100:.2f}"}
        )
        if is_penalty
        else None
    )
    conduct = (
        _build_conduct(rng, list_type, subject, decided_on)
        if code_suffix in {"penalty", "black"}
        else Conduct()
    )
    return EntryPush(
        list_type=list_type.code,
        source_ref=f"DEMO-{serial:07d}",
        department=department,
        subject=subject.build_push_subject(use_former_name=use_former_name),
        decision=DecisionIn(
            number=f"枣示例〔{decided_on.year}〕{serial:06d}号",
            kind=_determine_decision_kind(list_type, code_suffix),
            decided_on=decided_on,
            penalty_law=PenaltyLaw.administrative if is_penalty else None,
        ),
        reason=f"示例数据,并非真实案件:{list_type.name}",
        legal_basis=list_type.legal_reference,
        case_ref=conduct.case_ref,
        responsible_persons=conduct.responsible_persons,
        severity=conduct.severity,
        conduct_ended_on=conduct.ended_on,
        conduct_continues=conduct.continues,
        disclosure=disclosure,
        penalty=penalty,
        licence=LicenceIn(category="普通", content="示例许可内容")
        if code_suffix == "licence"
        else None,
        **term,
    )


def _determine_decision_kind(list_type: ListType, code_suffix: str) -> DecisionKind:
    if code_suffix == "penalty":
        return DecisionKind.administrative_penalty
    if code_suffix == "black":
        is_court_list = list_type.domain == COURT_DOMAIN
        return DecisionKind.court_decision if is_court_list else DecisionKind.list_decision
    return DECISION_KIND_BY_SUFFIX[code_suffix]


def _build_term(rng: Random, list_type: ListType, decided_on: date) -> GivenTerm:
    """Mostly the list type's own term; some are short, so that they are over by now."""
    roll = rng.random()
    if roll > 0.14 and (list_type.term is not None or list_type.open_term):  # noqa: PLR2004
        is_scheduled = roll > 0.95  # noqa: PLR2004 - decided, not yet in force
        return {"effective_from": decided_on + timedelta(days=60)} if is_scheduled else {}
    maximum_term = list_type.maximum_term or list_type.term
    last_day = decided_on + timedelta(days=rng.randint(90, 300))
    return {
        "effective_until": min(last_day, add_span(decided_on, maximum_term))
        if maximum_term
        else last_day
    }


def _build_disclosure(rng: Random, kind: SubjectKind) -> DisclosureIn | None:
    roll = rng.random()
    if roll < 0.02:  # noqa: PLR2004 - shares of the data
        return EXEMPT_DISCLOSURE
    if roll < (0.3 if kind is SubjectKind.natural_person else 0.05):
        return RESTRICTED_DISCLOSURE
    return None


def _build_conduct(
    rng: Random, list_type: ListType, subject: SyntheticSubject, decided_on: date
) -> Conduct:
    """Build severity, end of conduct and responsible persons of a decision."""
    [severity] = rng.choices(list(Severity), SEVERITY_WEIGHTS[list_type.kind])
    is_black = list_type.kind is ListKind.black
    ended_on: date | None = None
    roll = rng.random()
    continues = roll < 0.05 and is_black  # noqa: PLR2004 - shares of the data
    if not continues and roll < 0.1:  # noqa: PLR2004 - long ago: the cap ends it soon
        remaining_time = timedelta(days=rng.randint(120, 400))
        ended_on = decided_on - relativedelta(years=CAP_YEARS) + remaining_time
    elif not continues:
        ended_on = decided_on - timedelta(days=rng.randint(10, 300))
    has_persons = severity is Severity.serious and subject.kind in KINDS_WITH_RESPONSIBLE_PERSON
    return Conduct(
        severity=severity,
        case_ref=f"DEMO-C-{subject.serial:07d}" if is_black else None,
        ended_on=ended_on,
        continues=continues,
        responsible_persons=_build_responsible_persons(rng, subject.serial) if has_persons else [],
    )


def _build_responsible_persons(rng: Random, serial: int) -> list[ResponsiblePersonIn]:
    """Build the head of an organisation, and sometimes another person known by name alone."""
    person_serial = RESPONSIBLE_PERSON_SERIAL_OFFSET + serial
    head = ResponsiblePersonIn(
        role=PersonRole.legal_representative,
        name=build_person_name(person_serial),
        identifier=IdentifierIn(
            scheme=Scheme.resident_id,
            number=build_resident_id(person_serial, build_birth_date(person_serial)),
        ),
    )
    if rng.random() < 0.8:  # noqa: PLR2004 - shares of the data
        return [head]
    other = ResponsiblePersonIn(
        role=PersonRole.directly_responsible, name=build_person_name(person_serial + 1)
    )
    return [head, other]
