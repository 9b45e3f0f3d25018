"""The page of an own report for printing: Chinese first with English, A4, self-contained.

Texts of departments are inserted as text, never as markup or links, and the content security policy
of the page lets it load and run nothing except its own style.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.clock import SHANGHAI
from app.errors import Sentence
from app.rules.stored_json import JsonObject

Translations = Mapping[str, Sentence]

# What a code means, by the vocabulary that it belongs to; English first, as in every `Sentence`.
TRANSLATIONS: Mapping[str, Translations] = {
    "subject_kind": {
        "natural_person": Sentence("natural person", "自然人"),
        "legal_person": Sentence("legal person", "法人"),
        "unincorporated_organization": Sentence("unincorporated organisation", "非法人组织"),
        "individual_business": Sentence("individual business", "个体工商户"),
        "organization": Sentence("organisation", "单位"),
    },
    "scheme": {
        "uscc": Sentence("unified social credit code", "统一社会信用代码"),
        "org_code": Sentence("organisation code", "组织机构代码"),
        "registration_no": Sentence("registration number", "工商注册号"),
        "resident_id": Sentence("resident identity number", "公民身份号码"),
        "passport": Sentence("passport", "护照号码"),
        "hk_macao_permit": Sentence("Hong Kong or Macao permit", "港澳居民来往内地通行证"),
        "taiwan_permit": Sentence("Taiwan permit", "台湾居民来往大陆通行证"),
        "foreign_permanent_resident": Sentence(
            "foreign permanent resident", "外国人永久居留身份证"
        ),
    },
    "applicant": {
        "self": Sentence("in person", "本人（本单位）"),
        "delegated": Sentence("by a delegate", "受托人"),
    },
    "list": {
        "red": Sentence("red list", "守信红名单"),
        "black": Sentence("black list", "失信黑名单"),
        "record": Sentence("record", "行政许可、处罚记录"),
    },
    "status": {
        "scheduled": Sentence("scheduled", "尚未生效"),
        "active": Sentence("active", "有效"),
        "suspended": Sentence("suspended", "暂停"),
        "expired": Sentence("expired", "已到期"),
        "removed": Sentence("removed", "已移出"),
    },
    "removal": {
        "revoked": Sentence("revoked", "撤销"),
        "repaired": Sentence("repaired", "信用修复"),
        "exited": Sentence("left the list", "提前移出"),
    },
    "severity": {
        "minor": Sentence("minor", "轻微"),
        "general": Sentence("general", "一般"),
        "serious": Sentence("serious", "严重"),
    },
    "decision": {
        "list_decision": Sentence("list decision", "列入决定"),
        "administrative_penalty": Sentence("administrative penalty", "行政处罚决定"),
        "administrative_licence": Sentence("administrative licence", "行政许可决定"),
        "court_decision": Sentence("court decision", "司法裁判"),
        "honour": Sentence("honour", "表彰奖励"),
        "other": Sentence("other", "其他"),
    },
    "person_role": {
        "legal_representative": Sentence("legal representative", "法定代表人"),
        "person_in_charge": Sentence("person in charge", "主要负责人"),
        "actual_controller": Sentence("actual controller", "实际控制人"),
        "business_owner": Sentence("business owner", "经营者"),
        "directly_responsible": Sentence("directly responsible", "直接责任人员"),
    },
    "disclosure": {
        "public": Sentence("public", "公开"),
        "restricted": Sentence("shared among departments", "政务共享"),
        "exempt": Sentence("exempt from publication", "不予公开"),
    },
    "exemption": {
        "state_secret": Sentence("State secret", "国家秘密"),
        "trade_secret": Sentence("trade secret", "商业秘密"),
        "personal_privacy": Sentence("personal privacy", "个人隐私"),
        "other": Sentence("other", "其他依法不予公开"),
    },
    "channel": {
        "department_site": Sentence("department's website", "部门网站"),
        "credit_china_zaozhuang": Sentence("Credit China (Zaozhuang)", "信用中国（山东枣庄）"),
        "enterprise_publicity_shandong": Sentence(
            "Enterprise Publicity System (Shandong)", "国家企业信用信息公示系统（山东）"
        ),
    },
    "measure_kind": {
        "reward": Sentence("reward", "激励"),
        "punishment": Sentence("punishment", "惩戒"),
    },
    "obligation": {
        "must": Sentence("must", "应当实施"),
        "should": Sentence("should", "一般应实施"),
        "may": Sentence("may", "可以实施"),
    },
    "action": {
        "record": Sentence("recorded", "登记"),
        "correct": Sentence("corrected", "更正"),
        "extend": Sentence("extended", "延长期限"),
        "exit": Sentence("left the list", "提前移出"),
        "revoke": Sentence("revoked", "撤销"),
        "reverse": Sentence("taken back with its submission", "随批次撤回"),
        "repair": Sentence("repaired", "信用修复"),
        "restore": Sentence("restored", "恢复列入"),
        "dispute": Sentence("marked as disputed", "标注异议"),
        "settle": Sentence("dispute settled", "取消异议标注"),
        "publish": Sentence("published", "公示"),
        "withdraw": Sentence("taken down", "撤下公示"),
        "recompute": Sentence("deadline recomputed", "期限重算"),
    },
    "case": {
        "objection": Sentence("objection", "异议"),
        "repair": Sentence("credit repair", "信用修复"),
    },
    "case_state": {
        "received": Sentence("received", "已收到"),
        "accepted": Sentence("accepted", "已受理"),
        "upheld": Sentence("upheld", "异议成立"),
        "rejected": Sentence("rejected", "异议不成立"),
        "declined": Sentence("not accepted", "不予受理"),
        "approved": Sentence("approved", "准予修复"),
        "refused": Sentence("refused", "不予修复"),
        "withdrawn": Sentence("withdrawn", "申请人撤回"),
        "taken_back": Sentence("taken back", "修复已撤销"),
    },
    "step": {
        "assistance": Sentence("another unit asked to help", "请其他单位协助核查"),
        "acceptance": Sentence("acceptance", "受理审查"),
        "prolongation": Sentence("time prolonged", "延长办理期限"),
        "decision": Sentence("decision", "作出决定"),
        "taking_back": Sentence("repair taken back", "撤销修复"),
    },
    "query": {
        "check": Sentence("check", "核查"),
        "lookup": Sentence("look-up", "查询"),
    },
    "standing": {
        "none": Sentence("no list entry in force", "无有效名单信息"),
        "red": Sentence("red list", "红名单"),
        "black": Sentence("black list", "黑名单"),
        "unresolved": Sentence("unresolved", "待人工核实"),
    },
    "done": {
        "applied": Sentence("measures applied", "已采取措施"),
        "not_applied": Sentence("no measure applied", "未采取措施"),
    },
}


def translate_code(code: str | None, vocabulary: str) -> Markup | str:
    """Return a code in both languages; a code without a translation stays as it is."""
    if code is None:
        return ""
    said = TRANSLATIONS[vocabulary].get(code)
    return code if said is None else join_languages({"zh": said.zh, "en": said.en})


def join_languages(said: Mapping[str, str]) -> Markup:
    """Join the Chinese and the English text."""
    return Markup('{} <span class="en" lang="en">{}</span>').format(said["zh"], said["en"])


def format_instant(instant: str) -> str:
    """An instant as clocks in Shandong showed it."""
    return f"{datetime.fromisoformat(instant).astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


_environment = Environment(
    loader=PackageLoader("app.rights"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"word": translate_code, "both": join_languages, "moment": format_instant}
_page = _environment.get_template("own_report.html")
_style = _environment.get_template("own_report.css")


class ReportPage(NamedTuple):
    """A page, and the headers that it is sent with."""

    html: str
    headers: dict[str, str]


def render_page(report: JsonObject) -> ReportPage:
    """Render the page of a report as it was issued."""
    # The foot of every sheet names the report, so the style is each report's own.
    style = _style.render(code=report["verification_code"])
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'; sandbox"
    )
    return ReportPage(
        _page.render(report=report, style=Markup(style)),  # noqa: S704 - our own text and code
        {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"},
    )
