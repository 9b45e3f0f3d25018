"""The shipped catalogue: the 18 domains of the plan, and the legal basis of each row."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from app.rules.law import (
    Bar,
    Catalogue,
    CountedFrom,
    Department,
    Domain,
    InvestigationBasis,
    Level,
    ListKind,
    ListType,
    Matter,
    Means,
    Measure,
    MeasureKind,
    MeasureRule,
    Obligation,
    Place,
    RepairRule,
    Severity,
    Span,
    SubjectKind,
)

DATA = Path(__file__).parents[2] / "app" / "catalogue" / "data"
TODAY = datetime.now(tz=ZoneInfo("Asia/Shanghai")).date()


def section(file: str, key: str) -> list[dict[str, Any]]:
    return yaml.safe_load((DATA / file).read_text(encoding="utf-8"))[key]


PLACES = TypeAdapter(tuple[Place, ...]).validate_python(section("places.yaml", "places"))
DEPARTMENTS = TypeAdapter(tuple[Department, ...]).validate_python(
    section("departments.yaml", "departments")
)
DOMAINS = TypeAdapter(tuple[Domain, ...]).validate_python(section("domains.yaml", "domains"))
LIST_TYPES = TypeAdapter(tuple[ListType, ...]).validate_python(
    section("list_types.yaml", "list_types")
)
BASES = TypeAdapter(tuple[InvestigationBasis, ...]).validate_python(
    section("investigation_bases.yaml", "investigation_bases")
)
MATTERS = TypeAdapter(tuple[Matter, ...]).validate_python(section("measures.yaml", "matters"))
MEASURES = TypeAdapter(tuple[Measure, ...]).validate_python(section("measures.yaml", "measures"))
RULES = TypeAdapter(tuple[MeasureRule, ...]).validate_python(
    section("measures.yaml", "measure_rules")
)
REPAIR_RULES = TypeAdapter(tuple[RepairRule, ...]).validate_python(
    section("repair_rules.yaml", "repair_rules")
)

DEPARTMENT = {department.code: department for department in DEPARTMENTS}
LIST_TYPE = {list_type.code: list_type for list_type in LIST_TYPES}
MEASURE = {measure.code: measure for measure in MEASURES}
REPAIR_RULE = {rule.code: rule for rule in REPAIR_RULES}
LAW = Catalogue(list_types=LIST_TYPE, repair_rules=REPAIR_RULE)
RECORDS = [list_type for list_type in LIST_TYPES if list_type.kind is ListKind.record]
LISTS = [list_type for list_type in LIST_TYPES if list_type.kind is not ListKind.record]

# code, lead bodies, participating bodies: the plan's own words (枣文明委〔2019〕2号, part 二)
PLAN = [
    (
        "telecom_fraud",
        "市工业和信息化局、市公安局",
        "市委网信办、市法院、市人民银行、枣庄银保监分局",
    ),
    ("online_misinformation", "市委网信办", "市法院、市工业和信息化局、市公安局"),
    (
        "finance",
        "市发展改革委、市地方金融监管局、市人民银行",
        "市公安局、市委网信办、市工业和信息化局、市市场监管局、枣庄银保监分局",
    ),
    ("environment", "市发展改革委、市生态环境局、市行政审批局", "市财政局、枣庄银保监分局"),
    ("poverty_relief", "市扶贫开发办", ""),
    ("illegal_medical_practice", "市卫生健康委", "市委网信办、市法院、市公安局、市市场监管局"),
    ("counterfeit_drugs", "市市场监管局", "市法院、市公安局、市卫生健康委、市医疗保障局"),
    ("wage_arrears", "市人力资源和社会保障局", "市法院、市公安局、市财政局"),
    (
        "low_price_tours",
        "市文化和旅游局",
        "市委网信办、市发展改革委、市工业和信息化局、市公安局、市市场监管局",
    ),
    ("tax_fraud", "市税务局", "市法院、市公安局"),
    (
        "judgment_defaulting",
        "市法院、市发展改革委",
        "市公安局、市自然资源和规划局、市住房城乡建设局、市人民银行、枣庄银保监分局",
    ),
    ("transport", "市交通运输局", "市委网信办、市工业和信息化局、市公安局、市市场监管局"),
    ("academic_misconduct", "市教育局、市科技局、市人力资源和社会保障局、市发展改革委", ""),
    (
        "insurance_fraud",
        "枣庄银保监分局",
        "市医疗保障局、市法院、市公安、市人力资源和社会保障局",
    ),
    ("illegal_social_organizations", "市民政局", "市公安局"),
    ("charity", "市民政局、市发展改革委", "市公安局、市税务局"),
    (
        "performance_market",
        "市文化和旅游局",
        "市委网信办、市工业和信息化局、市公安局、市市场监管局",
    ),
    (
        "fake_lottery",
        "市民政局、市体育局",
        "市委网信办、市工业和信息化局、市公安局、市财政局、市人民银行、市市场监管局",
    ),
]

BLACK_IN_FORCE = {
    "wage_arrears.black",
    "tax_fraud.black",
    "judgment_defaulting.black",
    "telecom_fraud.black",
    "low_price_tours.black",
    "performance_market.black",
}
RED_IN_FORCE = {"wage_arrears.red", "tax_fraud.red"}


def find_list_types(rule: MeasureRule) -> set[str]:
    """Return the list types of a rule, or all list types of the kind of its measure."""
    if rule.list_types:
        return set(rule.list_types)
    reward = MEASURE[rule.measure].kind is MeasureKind.reward
    kind = ListKind.red if reward else ListKind.black
    return {list_type.code for list_type in LIST_TYPES if list_type.kind is kind}


def names(department: Department) -> set[str]:
    return {department.name, *department.aliases}


def functions_in_force() -> set[str]:
    return {
        function
        for department in DEPARTMENTS
        if department.is_valid_on(TODAY)
        for function in department.functions
    }


@pytest.mark.parametrize(
    "row", [Place, Department, Domain, ListType, Matter, Measure, MeasureRule, RepairRule, Span]
)
def test_an_unknown_field_is_refused(row: type) -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(row).validate_python({"unheard_of": 1})
    assert ("unheard_of",) in [fault["loc"] for fault in refusal.value.errors()]


def test_each_file_has_only_known_sections() -> None:
    sections = {
        path.name: set(yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in DATA.glob("*.yaml")
    }
    assert sections == {
        "places.yaml": {"places"},
        "departments.yaml": {"departments"},
        "domains.yaml": {"domains"},
        "list_types.yaml": {"list_types"},
        "measures.yaml": {"matters", "measures", "measure_rules"},
        "repair_rules.yaml": {"repair_rules"},
        "investigation_bases.yaml": {"investigation_bases"},
    }


@pytest.mark.parametrize(
    "rows",
    [PLACES, DEPARTMENTS, DOMAINS, LIST_TYPES, MATTERS, MEASURES, RULES, REPAIR_RULES, BASES],
)
def test_codes_are_unique(rows: Iterable[Any]) -> None:
    assert [code for code, count in Counter(row.code for row in rows).items() if count > 1] == []


def test_no_row_has_a_key_twice() -> None:
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{node.start_mark}: {keys}"
            return super().construct_mapping(node, deep)

    for path in DATA.glob("*.yaml"):
        yaml.load(path.read_text(encoding="utf-8"), Loader=Strict)


def test_the_places_are_the_city_its_five_districts_tengzhou_and_the_zone() -> None:
    assert {place.code: place.name for place in PLACES} == {
        "370400": "枣庄市",
        "370402": "市中区",
        "370403": "薛城区",
        "370404": "峄城区",
        "370405": "台儿庄区",
        "370406": "山亭区",
        "370481": "滕州市",
        "zaozhuang_hitech": "枣庄高新区",
    }


def test_there_are_18_domains_in_the_order_of_the_plan() -> None:
    assert [domain.code for domain in DOMAINS] == [code for code, _, _ in PLAN]
    assert [domain.number for domain in DOMAINS] == list(range(1, 19))
    assert [domain.legal_reference for domain in DOMAINS] == [
        f"枣文明委〔2019〕2号 二.{number}" for number in range(1, 19)
    ]


def test_leads_and_participants_have_the_spelling_of_the_plan() -> None:
    assert [
        (
            domain.code,
            "、".join(body.named for body in domain.leads),
            "、".join(body.named for body in domain.participants),
        )
        for domain in DOMAINS
    ] == PLAN


def test_only_the_first_two_enumerations_are_open() -> None:
    assert [domain.number for domain in DOMAINS if domain.participants_open] == [1, 2]


def test_every_spelling_of_the_plan_is_a_name_of_its_department() -> None:
    assert [
        (domain.code, body.named)
        for domain in DOMAINS
        for body in (*domain.leads, *domain.participants)
        if body.named not in names(DEPARTMENT[body.department])
    ] == []


def test_no_two_departments_share_a_name() -> None:
    spelled = Counter(name for department in DEPARTMENTS for name in names(department))
    assert [name for name, count in spelled.items() if count > 1] == []


def test_the_shipped_departments_are_of_the_city() -> None:
    places = {place.code for place in PLACES}
    assert {department.level for department in DEPARTMENTS} == {Level.city}
    assert {department.place for department in DEPARTMENTS} <= places
    assert [department.code for department in DEPARTMENTS if department.parent] == []


def test_a_successor_exists_and_does_the_same_work() -> None:
    for department in DEPARTMENTS:
        if department.successor is not None:
            assert set(department.functions) <= set(DEPARTMENT[department.successor].functions)


def test_an_ended_department_has_a_successor_without_a_gap() -> None:
    ended = [department for department in DEPARTMENTS if department.valid_until is not None]
    assert {department.code for department in ended} == {"peoples_bank", "financial_regulator"}
    for department in ended:
        assert department.successor is not None
        assert department.valid_until is not None
        assert DEPARTMENT[department.successor].is_valid_on(department.valid_until)
        assert DEPARTMENT[department.successor].is_valid_on(TODAY)


def test_chains_of_successors_end() -> None:
    for department in DEPARTMENTS:
        seen = {department.code}
        following = department.successor
        while following is not None:
            assert following not in seen
            seen.add(following)
            following = DEPARTMENT[following].successor


def test_an_unconfirmed_change_ends_no_department() -> None:
    unsure = {
        "local_financial_supervision",
        "party_financial_office",
        "poverty_relief_office",
        "rural_revitalization",
        "agriculture_rural_affairs",
    }
    for code in unsure:
        assert (DEPARTMENT[code].note or "").startswith("unconfirmed:")
        assert DEPARTMENT[code].valid_until is None


def test_there_are_72_list_types_four_to_a_domain() -> None:
    assert [list_type.code for list_type in LIST_TYPES] == [
        f"{domain.code}.{part}"
        for domain in DOMAINS
        for part in ("red", "black", "licence", "penalty")
    ]
    for list_type in LIST_TYPES:
        domain, part = list_type.code.split(".")
        assert list_type.domain == domain
        assert list_type.kind == {"red": "red", "black": "black"}.get(part, "record")


def test_the_list_types_in_force_are_these() -> None:
    records = {list_type.code for list_type in RECORDS}
    assert {list_type.code for list_type in LIST_TYPES if list_type.in_force} == (
        BLACK_IN_FORCE | RED_IN_FORCE | records
    )
    assert {code for code in LIST_TYPE if LIST_TYPE[code].is_in_force_on(TODAY)} == (
        BLACK_IN_FORCE | RED_IN_FORCE | records
    )


def test_exactly_the_list_types_in_force_have_a_legal_reference() -> None:
    assert [
        list_type.code
        for list_type in LIST_TYPES
        if list_type.in_force != bool(list_type.legal_reference)
    ] == []


def test_list_types_without_a_basis_have_a_note() -> None:
    for list_type in LIST_TYPES:
        if not list_type.in_force:
            assert "国办发〔2020〕49号" in (list_type.note or ""), list_type.code


@pytest.mark.parametrize("rows", [LIST_TYPES, MEASURES, RULES, REPAIR_RULES])
def test_every_unconfirmed_row_has_a_note(
    rows: tuple[ListType | Measure | MeasureRule | RepairRule, ...],
) -> None:
    for row in rows:
        if row.confirmed:
            continue
        assert row.note is not None, row.code
        assert any(mark in row.note for mark in ("recalled", "unconfirmed")), row.code


def test_a_confirmed_row_has_no_unconfirmed_part() -> None:
    assert [
        row.code
        for rows in (LIST_TYPES, MEASURES, RULES, REPAIR_RULES)
        for row in rows
        if row.confirmed and row.note and ("recalled" in row.note or "unconfirmed" in row.note)
    ] == []


def test_every_issuer_function_has_a_department_in_force_today() -> None:
    issuing = {issuer.function for list_type in LIST_TYPES for issuer in list_type.issuers}
    assert issuing - functions_in_force() == set()


def test_every_list_type_can_be_issued_by_a_department_in_force_today() -> None:
    for list_type in LIST_TYPES:
        assert any(
            issuer.function in department.functions and department.level in issuer.levels
            for department in DEPARTMENTS
            if department.is_valid_on(TODAY)
            for issuer in list_type.issuers
        ), list_type.code


def test_no_list_type_names_an_issuer_twice() -> None:
    for list_type in LIST_TYPES:
        functions = [issuer.function for issuer in list_type.issuers]
        assert len(functions) == len(set(functions)), list_type.code


def test_every_domains_records_have_an_issuer_among_its_leads() -> None:
    for domain in DOMAINS:
        leading = {
            function for body in domain.leads for function in DEPARTMENT[body.department].functions
        }
        for part in ("licence", "penalty"):
            issuing = {issuer.function for issuer in LIST_TYPE[f"{domain.code}.{part}"].issuers}
            assert issuing & leading, domain.code


def test_a_court_issues_its_own_list_and_no_record() -> None:
    assert {
        list_type.code
        for list_type in LIST_TYPES
        if list_type.in_force and "court" in {issuer.function for issuer in list_type.issuers}
    } == {"judgment_defaulting.black"}


def test_telecom_fraud_is_listed_from_the_city_upwards() -> None:
    [issuer] = LIST_TYPE["telecom_fraud.black"].issuers
    assert issuer.function == "public_security"
    assert Level.county not in issuer.levels


def test_natural_persons_are_published_only_where_the_state_provides() -> None:
    assert {code for code in LIST_TYPE if LIST_TYPE[code].publishes_natural_persons} == {
        "wage_arrears.black",
        "judgment_defaulting.black",
    }


def test_only_illegal_social_organisations_need_no_number() -> None:
    assert {code for code in LIST_TYPE if not LIST_TYPE[code].requires_identifier} == {
        "illegal_social_organizations.black",
        "illegal_social_organizations.penalty",
    }


def test_records_take_all_four_kinds_of_subject_and_open_terms() -> None:
    for record in RECORDS:
        assert set(record.subject_kinds) == set(SubjectKind), record.code
        assert record.open_term
        assert record.term is None


def test_only_the_court_list_exceeds_the_five_years() -> None:
    assert {
        code
        for code, list_type in LIST_TYPE.items()
        if list_type.cap_exempt and (list_type.kind is ListKind.black or code.endswith(".penalty"))
    } == {"judgment_defaulting.black"}


def test_honours_and_licences_are_not_graded_or_repaired() -> None:
    for code, list_type in LIST_TYPE.items():
        dishonesty = list_type.kind is ListKind.black or code.endswith(".penalty")
        assert list_type.repairable == dishonesty, code
        assert (list_type.severity is not None) == dishonesty, code


def test_the_wage_arrears_list_has_three_years() -> None:
    wage = LIST_TYPE["wage_arrears.black"]
    assert wage.term == Span(years=3)
    assert wage.minimum_publication == Span(months=6)
    assert wage.confirmed


def test_the_court_list_allows_open_terms() -> None:
    court = LIST_TYPE["judgment_defaulting.black"]
    assert (court.term, court.open_term, court.maximum_term) == (None, True, Span(years=5))


def test_only_these_lists_have_extension_or_consecutive_cap() -> None:
    assert {code: row.extension for code, row in LIST_TYPE.items() if row.extension} == {
        "judgment_defaulting.black": Span(years=3)
    }
    assert {
        code: row.consecutive_cap for code, row in LIST_TYPE.items() if row.consecutive_cap
    } == {"telecom_fraud.black": Span(years=5)}


def months(span: Span) -> int:
    return span.years * 12 + span.months


def test_spans_of_one_list_type_do_not_contradict_each_other() -> None:
    for code, row in LIST_TYPE.items():
        if row.minimum_publication and row.maximum_publication:
            assert months(row.minimum_publication) <= months(row.maximum_publication), code
        if row.consecutive_cap and row.maximum_term:
            assert months(row.maximum_term) <= months(row.consecutive_cap), code
        if row.extension:
            assert row.maximum_term, code
            assert months(row.extension) < months(row.maximum_term), code


def test_no_term_is_longer_than_the_maximum_term() -> None:
    for list_type in LIST_TYPES:
        if list_type.term is not None and list_type.maximum_term is not None:
            term, longest = list_type.term, list_type.maximum_term
            assert term.years * 12 + term.months <= longest.years * 12 + longest.months


def test_lists_that_are_not_in_force_have_no_term_of_their_own() -> None:
    for list_type in LISTS:
        if not list_type.in_force:
            assert (list_type.term, list_type.maximum_term) == (None, None), list_type.code


def test_the_six_measures_have_the_words_of_the_plan() -> None:
    six = {
        "green_channel": ("绿色通道", MeasureKind.reward),
        "tolerant_acceptance": ("容缺受理", MeasureKind.reward),
        "reduced_inspection": ("减少日常监管频次", MeasureKind.reward),
        "restrict_bidding": ("限制参与招标投标", MeasureKind.punishment),
        "restrict_public_funds": ("限制申请政府性资金", MeasureKind.punishment),
        "strict_permit_review": ("从严审核许可事项", MeasureKind.punishment),
    }
    assert {code: (MEASURE[code].name, MEASURE[code].kind) for code in six} == six


def test_the_matters_of_the_contract_exist() -> None:
    assert {
        "bidding",
        "public_funds",
        "permit_review",
        "service_acceptance",
        "inspection_planning",
        "honours",
    } <= {matter.code for matter in MATTERS}


def test_every_reference_of_a_measure_rule_resolves() -> None:
    matters = {matter.code for matter in MATTERS}
    for rule in RULES:
        assert rule.measure in MEASURE, rule.code
        assert rule.matters, rule.code
        assert set(rule.matters) <= matters, rule.code
        assert set(rule.list_types) <= set(LIST_TYPE), rule.code


def test_every_measure_and_every_matter_is_used_by_a_rule() -> None:
    assert {rule.measure for rule in RULES} == set(MEASURE)
    assert {matter for rule in RULES for matter in rule.matters} == {
        matter.code for matter in MATTERS
    }


def test_records_never_bring_a_measure() -> None:
    records = {list_type.code for list_type in RECORDS}
    assert [rule.code for rule in RULES if find_list_types(rule) & records] == []


def test_rewards_follow_from_red_lists_and_punishments_from_black_ones() -> None:
    for rule in RULES:
        reward = MEASURE[rule.measure].kind is MeasureKind.reward
        kind = ListKind.red if reward else ListKind.black
        assert {LIST_TYPE[code].kind for code in find_list_types(rule)} == {kind}, rule.code


def test_no_two_rules_give_one_measure_for_one_matter_from_one_list() -> None:
    given = Counter(
        (rule.measure, matter, code)
        for rule in RULES
        for matter in rule.matters
        for code in find_list_types(rule)
    )
    assert [key for key, count in given.items() if count > 1] == []


def test_measures_by_article_30_alone_need_serious_dishonesty() -> None:
    for rule in RULES:
        if "第三十条" in rule.legal_reference and "第二十八条" not in rule.legal_reference:
            assert rule.severities == (Severity.serious,), rule.code
        else:
            assert rule.severities == (), rule.code


@pytest.mark.parametrize(
    ("measure", "matter", "obligation"),
    [
        ("restrict_bidding", "bidding", Obligation.must),
        ("restrict_bidding", "government_procurement", Obligation.must),
        ("restrict_public_funds", "public_funds", Obligation.must),
        ("strict_permit_review", "permit_review", Obligation.should),
        ("raised_inspection", "inspection_planning", Obligation.should),
    ],
)
def test_wage_arrears_bring_these_punishments(
    measure: str, matter: str, obligation: Obligation
) -> None:
    assert [
        rule.obligation
        for rule in RULES
        if rule.measure == measure
        and matter in rule.matters
        and "wage_arrears.black" in find_list_types(rule)
    ] == [obligation]


@pytest.mark.parametrize("code", sorted(BLACK_IN_FORCE))
@pytest.mark.parametrize(
    ("measure", "matter"),
    [
        ("restrict_bidding", "bidding"),
        ("restrict_public_funds", "public_funds"),
        ("strict_permit_review", "permit_review"),
    ],
)
def test_every_black_list_in_force_brings_the_three_punishments_of_the_plan(
    code: str, measure: str, matter: str
) -> None:
    assert any(
        rule.measure == measure and matter in rule.matters and code in find_list_types(rule)
        for rule in RULES
    )


@pytest.mark.parametrize("code", sorted(RED_IN_FORCE))
@pytest.mark.parametrize(
    ("measure", "matter"),
    [
        ("green_channel", "service_acceptance"),
        ("green_channel", "permit_review"),
        ("tolerant_acceptance", "service_acceptance"),
        ("tolerant_acceptance", "permit_review"),
        ("reduced_inspection", "inspection_planning"),
    ],
)
def test_every_red_list_in_force_brings_the_three_rewards_of_the_plan(
    code: str, measure: str, matter: str
) -> None:
    assert any(
        rule.measure == measure and matter in rule.matters and code in find_list_types(rule)
        for rule in RULES
    )


def test_rules_that_exclude_the_wage_arrears_list_name_every_other_black_list() -> None:
    black = {list_type.code for list_type in LIST_TYPES if list_type.kind is ListKind.black}
    for rule in RULES:
        if MEASURE[rule.measure].kind is MeasureKind.punishment and len(rule.list_types) > 1:
            assert set(rule.list_types) == black - {"wage_arrears.black"}, rule.code


# --- repair ---------------------------------------------------------------

# code: list types, months before repair (minor, general, serious), counted from, means,
# working days (acceptance, decision, extension), first and last day, confirmed
CLOCKS = (3, 10, 10)
REPAIR: dict[str, tuple[Any, ...]] = {
    "general_ndrc_36": ("", (0, 3, 12), "publication", "correction", CLOCKS, "2026-04-01", None),
    "general_ndrc_58": ("", (0, 3, 12), "decision", "correction", CLOCKS, None, "2026-03-31"),
    "drug_penalties_ndrc_58": (
        "counterfeit_drugs.penalty",
        (0, 12, 12),
        "decision",
        "correction",
        CLOCKS,
        None,
        "2026-03-31",
    ),
    "wage_arrears": (
        "wage_arrears.black",
        (6, 6, 6),
        "correction",
        "correction",
        (3, 15, 0),
        "2022-01-01",
        None,
    ),
    "culture_tourism": (
        "low_price_tours.black performance_market.black",
        (0, 3, 12),
        "publication",
        "correction training",
        CLOCKS,
        "2022-01-01",
        None,
    ),
    "tax_fraud": (
        "tax_fraud.black",
        (6, 6, 6),
        "publication",
        "correction",
        CLOCKS,
        "2022-02-01",
        None,
    ),
    "judgment_defaulting": (
        "judgment_defaulting.black",
        (0, 0, 0),
        "correction",
        "correction",
        (1, 2, 0),
        None,
        None,
    ),
}


def format_day(day: date | None) -> str | None:
    return day and day.isoformat()


def test_the_repair_rules_are_these() -> None:
    assert {
        rule.code: (
            " ".join(rule.list_types),
            tuple(months(rule.minimum[severity]) for severity in Severity),
            rule.counted_from.value,
            " ".join(rule.means),
            (
                rule.acceptance_working_days,
                rule.decision_working_days,
                rule.extension_working_days,
            ),
            format_day(rule.valid_from),
            format_day(rule.valid_until),
        )
        for rule in REPAIR_RULES
    } == REPAIR


def test_only_the_wage_arrears_rule_has_bars() -> None:
    wage = REPAIR_RULE["wage_arrears"]
    assert wage.barred == (Bar.repeated, Bar.criminal_case)
    assert (wage.together, wage.confirmed, wage.counted_from) == (
        True,
        True,
        CountedFrom.correction,
    )
    for rule in REPAIR_RULES:
        if rule.code != "wage_arrears":
            assert (rule.barred, rule.together, rule.confirmed) == ((), False, False), rule.code


def test_every_rule_requires_correction() -> None:
    assert all(Means.correction in rule.means for rule in REPAIR_RULES)


def test_the_court_decides_within_three_working_days() -> None:
    court = REPAIR_RULE["judgment_defaulting"]
    assert court.acceptance_working_days + court.decision_working_days == 3
    assert court.extension_working_days == 0


def test_special_repair_rules_are_for_list_types_that_can_be_repaired() -> None:
    for rule in REPAIR_RULES:
        for code in rule.list_types:
            assert LIST_TYPE[code].repairable, (rule.code, code)


@pytest.mark.parametrize(
    ("code", "decided_on", "rule"),
    [
        ("transport.black", "2026-03-31", "general_ndrc_58"),
        ("transport.black", "2026-04-01", "general_ndrc_36"),
        ("transport.penalty", "2026-03-31", "general_ndrc_58"),
        ("transport.penalty", "2026-04-01", "general_ndrc_36"),
        ("transport.penalty", "2019-03-06", "general_ndrc_58"),
        ("telecom_fraud.black", "2026-03-31", "general_ndrc_58"),
        ("telecom_fraud.black", "2026-04-01", "general_ndrc_36"),
        ("counterfeit_drugs.black", "2026-11-22", "general_ndrc_36"),
        ("counterfeit_drugs.penalty", "2026-03-31", "drug_penalties_ndrc_58"),
        ("counterfeit_drugs.penalty", "2026-04-01", "general_ndrc_36"),
        ("wage_arrears.penalty", "2026-11-22", "general_ndrc_36"),
        ("wage_arrears.black", "2021-12-31", "general_ndrc_58"),
        ("wage_arrears.black", "2022-01-01", "wage_arrears"),
        ("wage_arrears.black", "2026-03-31", "wage_arrears"),
        ("wage_arrears.black", "2026-04-01", "wage_arrears"),
        ("tax_fraud.black", "2022-01-31", "general_ndrc_58"),
        ("tax_fraud.black", "2022-02-01", "tax_fraud"),
        ("low_price_tours.black", "2026-04-01", "culture_tourism"),
        ("performance_market.black", "2021-12-31", "general_ndrc_58"),
        ("performance_market.black", "2022-01-01", "culture_tourism"),
        ("judgment_defaulting.black", "2013-10-01", "judgment_defaulting"),
        ("judgment_defaulting.black", "2026-11-22", "judgment_defaulting"),
    ],
)
def test_the_special_rule_takes_precedence(code: str, decided_on: str, rule: str) -> None:
    found = LAW.find_repair_rule(code, date.fromisoformat(decided_on))
    assert found is not None
    assert found.code == rule


def test_the_order_of_rules_does_not_matter() -> None:
    turned = Catalogue(repair_rules=dict(reversed(REPAIR_RULE.items())))
    for day in (date(2019, 3, 6), date(2026, 3, 31), date(2026, 4, 1)):
        for code in LIST_TYPE:
            found = LAW.find_repair_rule(code, day)
            assert found is not None, (code, day)
            assert turned.find_repair_rule(code, day) == found, (code, day)


def test_without_rules_nothing_is_found() -> None:
    assert Catalogue().find_repair_rule("wage_arrears.black", date(2026, 11, 22)) is None
    bare = Catalogue(repair_rules={"wage_arrears": REPAIR_RULE["wage_arrears"]})
    assert bare.find_repair_rule("tax_fraud.black", date(2026, 11, 22)) is None


def test_every_repairable_list_type_has_a_rule_for_its_class() -> None:
    for code, list_type in LIST_TYPE.items():
        if list_type.repairable:
            for day in (date(2026, 3, 31), date(2026, 4, 1)):
                rule = LAW.find_repair_rule(code, day)
                assert rule is not None
                assert list_type.severity in rule.minimum
