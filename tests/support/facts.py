"""Facts to push: synthetic, valid, and easy to bend."""

from typing import Any

from stdnum.iso7064 import mod_11_2

from app.rules.identifiers import compute_org_code_check_character, compute_uscc_check_character

BUILDER = "91370403MB000CT75T"
OTHER = "93370404MA3T000257"
PERSON = "370402198506120013"
MINOR = "370406201305050055"


def subject(number: str = BUILDER, name: str = "枣庄某某建筑有限公司") -> dict[str, Any]:
    """An organisation with a USCC."""
    return {
        "kind": "legal_person",
        "name": name,
        "identifiers": [{"scheme": "uscc", "number": number}],
    }


def organisation(serial: int, prefix: str = "91370403") -> dict[str, Any]:
    """One of many organisations; a prefix that does not begin with 9 is no enterprise's."""
    return subject(uscc(prefix, f"MB{serial:06d}"), f"枣庄示例建筑有限公司{serial:05d}号")


def decision(on: str, **changes: Any) -> dict[str, Any]:
    """A list decision of a day."""
    return {
        "number": f"枣人社列〔{on[:4]}〕12号",
        "kind": "list_decision",
        "decided_on": on,
        **changes,
    }


def person(number: str = PERSON, name: str = "张某") -> dict[str, Any]:
    """A natural person with a resident id."""
    return {
        "kind": "natural_person",
        "name": name,
        "identifiers": [{"scheme": "resident_id", "number": number}],
    }


def push(**changes: Any) -> dict[str, Any]:
    """A wage-arrears black entry; a change of None takes the field out."""
    facts: dict[str, Any] = {
        "list_type": "wage_arrears.black",
        "source_ref": "HR-2026-000123",
        "case_ref": "HR-C-2026-77",
        "subject": subject(),
        "responsible_persons": [
            {
                "role": "legal_representative",
                "name": "张某",
                "identifier": {"scheme": "resident_id", "number": PERSON},
            }
        ],
        "decision": {
            "number": "枣人社列〔2026〕12号",
            "kind": "list_decision",
            "decided_on": "2026-11-20",
        },
        "reason": "拖欠农民工工资,经责令限期支付逾期未支付",
        "legal_basis": "拖欠农民工工资失信联合惩戒对象名单管理暂行办法第五条",
        "severity": "serious",
        "conduct_ended_on": "2026-10-31",
        "effective_from": "2026-11-20",
        "effective_until": "2029-11-20",
        "disclosure": {"class": "public"},
    }
    facts.update(changes)
    return {name: value for name, value in facts.items() if value is not None}


def red(**changes: Any) -> dict[str, Any]:
    """What turns `push` into a wage red entry."""
    return {
        "list_type": "wage_arrears.red",
        "source_ref": "HR-RED-1",
        "case_ref": None,
        "responsible_persons": None,
        "decision": {
            "number": "枣人社信〔2026〕3号",
            "kind": "honour",
            "decided_on": "2026-11-02",
        },
        "reason": "劳动保障守法诚信等级 A 级",
        "legal_basis": "企业劳动保障守法诚信等级评价办法",
        "severity": None,
        "conduct_ended_on": None,
        "effective_from": "2026-11-02",
        "effective_until": None,
        **changes,
    }


def penalty(**changes: Any) -> dict[str, Any]:
    """What turns `push` into a penalty record."""
    return {
        "list_type": "wage_arrears.penalty",
        "source_ref": "HR-PEN-1",
        "case_ref": None,
        "responsible_persons": None,
        "decision": {
            "number": "枣人社罚〔2026〕5号",
            "kind": "administrative_penalty",
            "decided_on": "2026-11-16",
            "penalty_law": "administrative",
        },
        "reason": "未按规定支付工资",
        "legal_basis": "劳动保障监察条例第三十条",
        "severity": "general",
        "effective_from": None,
        "effective_until": None,
        "penalty": {"categories": ["罚款"], "fine": "0.2", "content": "罚款两千元"},
        **changes,
    }


def asked(
    number: str = BUILDER, name: str | None = "枣庄某某建筑有限公司", **more: Any
) -> dict[str, Any]:
    """A subject of a check."""
    found = {"ref": "1", "scheme": "uscc", "number": number, "name": name, **more}
    return {key: value for key, value in found.items() if value is not None}


def check(*subjects: dict[str, Any], matter: str = "bidding", **more: Any) -> dict[str, Any]:
    """A check of subjects before a tender."""
    return {
        "matter": matter,
        "purpose": "tender 2026-118 qualification review",
        "case_no": "ZZ-2026-118",
        "subjects": list(subjects) or [asked()],
        **more,
    }


def resident_id(born: str = "19850612", serial: str = "001", region: str = "370402") -> str:
    """A valid resident id of that day of birth, YYYYMMDD."""
    body = f"{region}{born}{serial}"
    return body + mod_11_2.calc_check_digit(body)


def uscc(prefix: str = "91370403", serial: str = "MB000CT7") -> str:
    """A valid unified social credit code over an organisation's eight characters."""
    body = f"{prefix}{serial}{compute_org_code_check_character(serial)}"
    return body + compute_uscc_check_character(body)


def licence(**changes: Any) -> dict[str, Any]:
    """What turns `push` into a licence record."""
    return {
        "list_type": "wage_arrears.licence",
        "source_ref": "HR-LIC-1",
        "case_ref": None,
        "responsible_persons": None,
        "decision": {
            "number": "枣人社许〔2026〕8号",
            "kind": "administrative_licence",
            "decided_on": "2026-11-16",
        },
        "reason": "准予许可",
        "legal_basis": "行政许可法第四十条",
        "severity": None,
        "conduct_ended_on": None,
        "effective_from": None,
        "effective_until": None,
        "licence": {"document_name": "准予行政许可决定书", "category": "普通", "content": "准予"},
        **changes,
    }


def publication(
    on: str = "2026-11-21", channel: str = "department_site", url: str | None = None
) -> dict[str, Any]:
    """What a department tells of a publication."""
    return {"channel": channel, "published_on": on, "url": url}
