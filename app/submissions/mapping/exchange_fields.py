"""The exchange fields of 双公示 (CF_*: penalties, XK_*: licences) and our columns for them.

Two editions are in use, often mixed in one table: 2016 (CF_CFMC, CF_CFLB1/2, CF_JG, CF_XZJG, CF_ZT,
…) and 2018/2019 (CF_XDR_LB, CF_FRDB, CF_NR_FK, CF_CFJG, …). A field without a column of ours goes
into the remark with its label. Only SJC is ignored, the time when the sender last changed its row:
it is no part of the decision, and with it the same decision sent again would differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

NOTE_PREFIX = "note:"
"""Prefix of the keys of fields that go into the remark; the label follows."""


ANY_ORGANISATION = "organization"
"""Subject kind 法人及非法人组织: the exchange has one kind for both."""


class ExchangeKind(StrEnum):
    """Kind of the records of an exchange table; the codes of its list types end with it."""

    penalty = "penalty"
    licence = "licence"


class StandardEdition(StrEnum):
    """Edition of the standard that a heading belongs to."""

    old = "2016"
    new = "2018"


EXCHANGE_KIND_BY_PREFIX: Mapping[str, ExchangeKind] = {
    "CF_": ExchangeKind.penalty,
    "XK_": ExchangeKind.licence,
}


@dataclass(frozen=True, slots=True)
class ExchangeField:
    """Headings of one meaning; `key` names a column of ours, or `settlement` resolves it."""

    key: str
    codes: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    exchange_kind: ExchangeKind | None = None


def _add_both_prefixes(*suffixes: str) -> tuple[str, ...]:
    return tuple(prefix + suffix for suffix in suffixes for prefix in EXCHANGE_KIND_BY_PREFIX)


# The codes come from tables of real exchange systems. CF_JG is 处罚结果; the organ is CF_XZJG or
# CF_CFJG.
FIELDS: tuple[ExchangeField, ...] = (
    ExchangeField("name", _add_both_prefixes("XDR_MC", "XDR"), ("行政相对人名称",)),
    ExchangeField("kind", _add_both_prefixes("XDR_LB"), ("行政相对人类别",)),
    # The editions number the codes differently, so a heading needs the name in brackets too.
    ExchangeField(
        "uscc",
        _add_both_prefixes("XDR_SHXYM"),
        ("行政相对人代码_1", "行政相对人代码_1(统一社会信用代码)", "行政相对人统一社会信用代码"),
    ),
    ExchangeField(
        "registration_no",
        _add_both_prefixes("XDR_GSZC", "XDR_GSDJ"),
        ("行政相对人代码_2(工商注册号)", "行政相对人代码_3(工商登记码)", "工商登记码"),
    ),
    ExchangeField(
        "org_code",
        _add_both_prefixes("XDR_ZZJG", "XDR_ZDM"),
        ("行政相对人代码_3(组织机构代码)", "行政相对人代码_2(组织机构代码)"),
    ),
    ExchangeField(
        "resident_id",
        _add_both_prefixes("XDR_SFZ"),
        ("行政相对人代码_5(居民身份证号)", "行政相对人身份证号"),
    ),
    ExchangeField(
        NOTE_PREFIX + "税务登记号",
        _add_both_prefixes("XDR_SWDJ"),
        ("行政相对人代码_4(税务登记号)", "税务登记号", "纳税人识别号"),
    ),
    ExchangeField(
        NOTE_PREFIX + "事业单位证书号",
        _add_both_prefixes("XDR_SYDW"),
        ("行政相对人代码_5(事业单位证书号)", "事业单位证书号"),
    ),
    ExchangeField(
        NOTE_PREFIX + "社会组织登记证号",
        _add_both_prefixes("XDR_SHZZ"),
        ("行政相对人代码_6(社会组织登记证号)", "社会组织登记证号"),
    ),
    ExchangeField("legal_representative", _add_both_prefixes("FRDB", "FR"), ("法定代表人姓名",)),
    ExchangeField("legal_representative_scheme", _add_both_prefixes("FR_ZJLX")),
    ExchangeField("legal_representative_number", _add_both_prefixes("FR_ZJHM")),
    ExchangeField(
        "legal_representative_resident_id", _add_both_prefixes("FR_SFZH"), ("法定代表人身份证号",)
    ),
    ExchangeField("identifier_scheme", _add_both_prefixes("XDR_ZJLX"), ("自然人证件类型",)),
    ExchangeField("identifier_number", _add_both_prefixes("XDR_ZJHM"), ("自然人证件号码",)),
    ExchangeField(
        "decision_number",
        ("CF_WSH",),
        ("行政处罚决定书文号", "处罚决定书文号"),
        ExchangeKind.penalty,
    ),
    ExchangeField(
        "decision_number",
        ("XK_WSH",),
        ("行政许可决定书文号", "行政许可决定文书号"),
        ExchangeKind.licence,
    ),
    ExchangeField("decided_on", ("CF_JDRQ",), ("处罚决定日期",), ExchangeKind.penalty),
    ExchangeField("decided_on", ("XK_JDRQ",), ("许可决定日期",), ExchangeKind.licence),
    ExchangeField("penalty_conduct", ("CF_WFXW",), (), ExchangeKind.penalty),
    ExchangeField("reason", ("CF_SY",), ("违法事实", "处罚事由"), ExchangeKind.penalty),
    ExchangeField("legal_basis", ("CF_YJ",), ("处罚依据",), ExchangeKind.penalty),
    ExchangeField(
        "penalty_categories",
        ("CF_CFLB", "CF_CFLB1", "CF_CFLB2"),
        ("处罚类别1", "处罚类别2"),
        ExchangeKind.penalty,
    ),
    ExchangeField("penalty_content", ("CF_NR",), (), ExchangeKind.penalty),
    ExchangeField("penalty_result", ("CF_JG",), ("处罚结果",), ExchangeKind.penalty),
    ExchangeField("penalty_fine", ("CF_NR_FK",), (), ExchangeKind.penalty),
    ExchangeField("penalty_confiscated", ("CF_NR_WFFF",), (), ExchangeKind.penalty),
    ExchangeField("penalty_permit", ("CF_NR_ZKDX",), (), ExchangeKind.penalty),
    ExchangeField("effective_from", ("CF_SXQ",), ("处罚生效期",), ExchangeKind.penalty),
    ExchangeField(
        "effective_until", ("CF_YXQ", "CF_JZQ"), ("处罚有效期", "处罚截止期"), ExchangeKind.penalty
    ),
    ExchangeField(
        "licence_document_name", ("XK_XKWS",), ("行政许可决定文书名称",), ExchangeKind.licence
    ),
    ExchangeField("licence_category", ("XK_XKLB", "XK_SPLB"), ("审批类别",), ExchangeKind.licence),
    ExchangeField("licence_certificate_name", ("XK_XKZS",), (), ExchangeKind.licence),
    ExchangeField("licence_certificate_number", ("XK_XKBH",), (), ExchangeKind.licence),
    ExchangeField("licence_content", ("XK_NR",), (), ExchangeKind.licence),
    ExchangeField("effective_from", ("XK_YXQZ",), (), ExchangeKind.licence),
    ExchangeField("effective_until", ("XK_YXQZI", "XK_JZQ"), ("许可截止期",), ExchangeKind.licence),
    ExchangeField("organ", ("CF_CFJG", "CF_XZJG"), ("处罚机关",), ExchangeKind.penalty),
    ExchangeField("organ", ("XK_XKJG", "XK_XZJG"), ("许可机关",), ExchangeKind.licence),
    ExchangeField(
        NOTE_PREFIX + "处罚机关统一社会信用代码",
        ("CF_CFJGDM",),
        ("处罚机关统一社会信用代码",),
        ExchangeKind.penalty,
    ),
    ExchangeField(
        NOTE_PREFIX + "许可机关统一社会信用代码",
        ("XK_XKJGDM",),
        ("许可机关统一社会信用代码",),
        ExchangeKind.licence,
    ),
    ExchangeField(NOTE_PREFIX + "数据来源单位", ("CF_SJLY", "XK_LYDW"), ("数据来源单位",)),
    ExchangeField(
        NOTE_PREFIX + "数据来源单位统一社会信用代码",
        ("CF_SJLYDM", "XK_LYDWDM"),
        ("数据来源单位统一社会信用代码",),
    ),
    ExchangeField(
        NOTE_PREFIX + "公示截止期", _add_both_prefixes("GSJZQ"), ("公示截止期", "公示截止日期")
    ),
    ExchangeField(NOTE_PREFIX + "处罚名称", ("CF_CFMC",), ("处罚名称",), ExchangeKind.penalty),
    ExchangeField(NOTE_PREFIX + "案件名称", ("CF_AJMC",), ("案件名称",), ExchangeKind.penalty),
    ExchangeField(
        NOTE_PREFIX + "项目名称", ("XK_XMMC",), ("项目名称", "许可项目名称"), ExchangeKind.licence
    ),
    ExchangeField(NOTE_PREFIX + "权力编码", _add_both_prefixes("BM"), ("权力编码",)),
    ExchangeField(NOTE_PREFIX + "地方编码", ("DFBM",), ("地方编码",)),
    ExchangeField("state", _add_both_prefixes("ZT"), ("当前状态",)),
    ExchangeField("scope", _add_both_prefixes("SYFW"), ("信息使用范围",)),
    ExchangeField("degree", _add_both_prefixes("SXYZCD"), ("失信严重程度",)),
    ExchangeField("remark", ("BZ",), ()),
    ExchangeField("ignored", ("SJC",), ("数据更新时间戳",)),
)

EXCHANGE_ONLY_HEADINGS = frozenset(
    {"行政相对人名称", "行政相对人类别", "行政处罚决定书文号", "行政许可决定书文号"}
)
"""Chinese headings that occur in exchange tables only."""

OLD_CODE_SUFFIXES = {
    "XDR",
    "XDR_ZDM",
    "XDR_GSDJ",
    "XDR_SFZ",
    "FR",
    "XMMC",
    "SPLB",
    "JZQ",
    "XZJG",
    "SYFW",
}
NEW_CODE_SUFFIXES = {
    "XDR_LB",
    "XDR_GSZC",
    "XDR_ZZJG",
    "XDR_SYDW",
    "XDR_SHZZ",
    "FRDB",
    "FR_ZJLX",
    "FR_ZJHM",
} | {
    *("FR_SFZH", "XDR_ZJLX", "XDR_ZJHM", "XKWS", "XKLB", "XKZS", "XKBH", "YXQZ", "YXQZI"),
    *("XKJG", "XKJGDM", "LYDW", "LYDWDM"),
}


def find_exchange_kind(code: str) -> ExchangeKind | None:
    """Find the kind of table that has the code; None for BZ, DFBM and SJC (both kinds)."""
    return EXCHANGE_KIND_BY_PREFIX.get(code[:3])


def find_edition(code: str) -> StandardEdition | None:
    """Find the only edition that has the code; None if both have it."""
    suffix = code[3:]
    if suffix in OLD_CODE_SUFFIXES or code == "DFBM":
        return StandardEdition.old
    return StandardEdition.new if suffix in NEW_CODE_SUFFIXES else None
