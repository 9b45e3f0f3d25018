"""Reading the catalogue."""

from typing import Any

from app.rules.permissions import Role
from tests.support.request_bodies import build_push, build_red_changes
from tests.support.world import World

# code, name, lead departments: the plan's own words (枣文明委〔2019〕2号, part 二)
PLAN = [
    ("telecom_fraud", "电信网络诈骗", ["市工业和信息化局", "市公安局"]),
    ("online_misinformation", "互联网虚假信息、造谣传谣", ["市委网信办"]),
    (
        "finance",
        "涉金融领域失信和互联网金融风险",
        ["市发展改革委", "市地方金融监管局", "市人民银行"],
    ),
    ("environment", "生态环境保护失信", ["市发展改革委", "市生态环境局", "市行政审批局"]),
    ("poverty_relief", "扶贫脱贫失信", ["市扶贫开发办"]),
    ("illegal_medical_practice", "无证行医、非法医疗", ["市卫生健康委"]),
    ("counterfeit_drugs", "假药", ["市市场监管局"]),
    ("wage_arrears", "拖欠工资", ["市人力资源和社会保障局"]),
    ("low_price_tours", "“不合理低价游”", ["市文化和旅游局"]),
    ("tax_fraud", "逃税骗税和“假发票”", ["市税务局"]),
    ("judgment_defaulting", "法院判决不执行", ["市法院", "市发展改革委"]),
    ("transport", "交通领域失信", ["市交通运输局"]),
    (
        "academic_misconduct",
        "论文造假、学术不端、考试作弊、职称评审造假",
        ["市教育局", "市科技局", "市人力资源和社会保障局", "市发展改革委"],
    ),
    ("insurance_fraud", "骗取保险待遇", ["枣庄银保监分局"]),
    ("illegal_social_organizations", "非法社会组织", ["市民政局"]),
    ("charity", "慈善捐助失信", ["市民政局", "市发展改革委"]),
    ("performance_market", "营业性演出市场虚假宣传及炒票", ["市文化和旅游局"]),
    ("fake_lottery", "“假彩票”", ["市民政局", "市体育局"]),
]
IN_FORCE = {
    *("wage_arrears.black", "tax_fraud.black", "judgment_defaulting.black"),
    *("telecom_fraud.black", "low_price_tours.black", "performance_market.black"),
    *("wage_arrears.red", "tax_fraud.red"),
    *(f"{code}.{kind}" for code, *_ in PLAN for kind in ("licence", "penalty")),
}


def read(world: World, section: str) -> dict[str, Any]:
    answer = world.api().get(f"/v1/{section}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_domains_have_the_order_and_names_of_the_plan(world: World) -> None:
    domains = read(world, "domains")["domains"]
    assert [domain["number"] for domain in domains] == list(range(1, 19))
    found = [
        (domain["code"], domain["name"], [lead["name"] for lead in domain["leads"]])
        for domain in domains
    ]
    assert found == PLAN


def test_departments_have_the_names_of_the_plan(world: World) -> None:
    domains = {domain["code"]: domain for domain in read(world, "domains")["domains"]}
    known = {item["code"]: item for item in read(world, "departments")["departments"]}
    fraud = {body["code"]: body["name"] for body in domains["insurance_fraud"]["participants"]}
    assert fraud["public_security"] == "市公安"
    telecom = {body["code"]: body["name"] for body in domains["telecom_fraud"]["leads"]}
    assert telecom["public_security"] == "市公安局"
    assert [body["name"] for body in domains["wage_arrears"]["participants"]] == [
        "市法院",
        "市公安局",
        "市财政局",
    ]
    named = [
        (body["code"], body["name"])
        for domain in domains.values()
        for body in (*domain["leads"], *domain["participants"])
    ]
    assert named
    for code, name in named:
        assert name in {known[code]["name"], *known[code]["aliases"]}, (code, name)


def test_every_domain_has_its_four_list_types(world: World) -> None:
    list_types = {item["code"]: item for item in read(world, "list-types")["list_types"]}
    for domain in read(world, "domains")["domains"]:
        summary = {item["code"]: item for item in domain["list_types"]}
        assert list(summary) == [
            f"{domain['code']}.{kind}" for kind in ("red", "black", "licence", "penalty")
        ]
        for code, item in summary.items():
            ending = code.partition(".")[2]
            assert item["kind"] == (ending if ending in {"red", "black"} else "record")
            assert item["in_force"] is list_types[code]["in_force"]


def test_items_in_force_have_a_legal_reference(world: World) -> None:
    list_types = {item["code"]: item for item in read(world, "list-types")["list_types"]}
    in_force = {code for code, item in list_types.items() if item["in_force"]}
    assert in_force >= IN_FORCE
    assert all(list_types[code]["legal_reference"] for code in in_force)
    for section, rows in (("matters", ["matters"]), ("measures", ["measures", "rules"])):
        body = read(world, section)
        assert all(item["legal_reference"] for name in rows for item in body[name])


def test_measures_and_matters_of_the_contract_exist(world: World) -> None:
    measures = {item["code"]: item["name"] for item in read(world, "measures")["measures"]}
    assert (
        measures.items()
        >= {
            "green_channel": "绿色通道",
            "tolerant_acceptance": "容缺受理",
            "reduced_inspection": "减少日常监管频次",
            "restrict_bidding": "限制参与招标投标",
            "restrict_public_funds": "限制申请政府性资金",
            "strict_permit_review": "从严审核许可事项",
        }.items()
    )
    matters = {item["code"] for item in read(world, "matters")["matters"]}
    assert matters >= {
        *("bidding", "public_funds", "permit_review"),
        *("service_acceptance", "inspection_planning", "honours"),
    }


def test_departments_read_the_repair_rules(world: World) -> None:
    rules = {item["code"]: item for item in read(world, "repair-rules")["repair_rules"]}
    assert (
        rules["wage_arrears"].items()
        >= {
            "list_types": ["wage_arrears.black"],
            "minimum": {
                severity: {"years": 0, "months": 6} for severity in ("minor", "general", "serious")
            },
            "counted_from": "correction",
            "means": ["correction"],
            "barred": ["repeated", "criminal_case"],
            "acceptance_working_days": 3,
            "decision_working_days": 15,
            "extension_working_days": 0,
            "together": True,
            "valid_from": "2022-01-01",
            "valid_until": None,
            "confirmed": True,
        }.items()
    )
    assert [code for code, item in rules.items() if not item["list_types"]] == [
        "general_ndrc_36",
        "general_ndrc_58",
    ]
    assert all(item["legal_reference"] for item in rules.values())


def test_list_types_show_extension_and_consecutive_cap(
    world: World,
) -> None:
    list_types = {item["code"]: item for item in read(world, "list-types")["list_types"]}
    court, telecom = list_types["judgment_defaulting.black"], list_types["telecom_fraud.black"]
    assert court["extension"] == {"years": 3, "months": 0}
    assert telecom["consecutive_cap"] == {"years": 5, "months": 0}
    assert (court["consecutive_cap"], telecom["extension"]) == (None, None)


def test_every_key_reads_the_law(world: World) -> None:
    sections = ("domains", "departments", "list-types", "matters", "measures", "repair-rules")
    for section in sections:
        for role in Role:
            answer = world.api(role.value).get(f"/v1/{section}")
            assert answer.status_code == 200
            assert answer.json()["catalogue_version"] == "1"
            assert answer.headers["Cache-Control"] == "no-store"
        with world.client(None) as anonymous:
            assert anonymous.get(f"/v1/{section}").status_code == 401


def test_a_list_type_without_a_law_accepts_no_push(world: World) -> None:
    api = world.api("department", "poverty_relief_office")
    for kind, facts in (("red", build_push(**build_red_changes())), ("black", build_push())):
        code = f"poverty_relief.{kind}"
        answer = api.post("/v1/entries", json=facts | {"list_type": code})
        assert (answer.status_code, answer.json()["code"]) == (409, "list_type_not_in_force")
        assert answer.json()["list_type"] == code
