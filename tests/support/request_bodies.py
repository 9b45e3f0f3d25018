"""Facts to push: synthetic, valid, and easy to change."""

from typing import Any

from stdnum.iso7064 import mod_11_2

from app.rules.identifiers import compute_org_code_check_character, compute_uscc_check_character

BUILDER_USCC = "91370403MB000CT75T"
OTHER_USCC = "93370404MA3T000257"
PERSON_RESIDENT_ID = "370402198506120013"
MINOR_RESIDENT_ID = "370406201305050055"


def build_subject(number: str = BUILDER_USCC, name: str = "枣庄某某建筑有限公司") -> dict[str, Any]:
    """Build an organisation with a USCC."""
    return {
        "kind": "legal_person",
        "name": name,
        "identifiers": [{"scheme": "uscc", "number": number}],
    }


def build_organisation(serial: int, prefix: str = "91370403") -> dict[str, Any]:
    """Build one of many organisations; only codes that begin with 9 are of enterprises."""
    return build_subject(
        build_uscc(prefix, f"MB{serial:06d}"), f"枣庄示例建筑有限公司{serial:05d}号"
    )


def build_decision(decided_on: str, **changes: Any) -> dict[str, Any]:
    """Build a list decision of a day."""
    return {
        "number": f"枣人社列〔{decided_on[:4]}〕12号",
        "kind": "list_decision",
        "decided_on": decided_on,
        **changes,
    }


def build_person(number: str = PERSON_RESIDENT_ID, name: str = "张某") -> dict[str, Any]:
    """Build a natural person with a resident id."""
    return {
        "kind": "natural_person",
        "name": name,
        "identifiers": [{"scheme": "resident_id", "number": number}],
    }


def build_push(**changes: Any) -> dict[str, Any]:
    """Build a wage-arrears black entry; a change of None removes the field."""
    facts: dict[str, Any] = {
        "list_type": "wage_arrears.black",
        "source_ref": "HR-2026-000123",
        "case_ref": "HR-C-2026-77",
        "subject": build_subject(),
        "responsible_persons": [
            {
                "role": "legal_representative",
                "name": "张某",
                "identifier": {"scheme": "resident_id", "number": PERSON_RESIDENT_ID},
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


def build_red_changes(**changes: Any) -> dict[str, Any]:
    """Return the changes that turn `build_push` into a wage red entry."""
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


def build_penalty_changes(**changes: Any) -> dict[str, Any]:
    """Return the changes that turn `build_push` into a penalty record."""
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


def build_question(
    number: str = BUILDER_USCC, name: str | None = "枣庄某某建筑有限公司", **members: Any
) -> dict[str, Any]:
    """Build a subject of a check."""
    question = {"ref": "1", "scheme": "uscc", "number": number, "name": name, **members}
    return {key: value for key, value in question.items() if value is not None}


def build_check(
    *subjects: dict[str, Any], matter: str = "bidding", **members: Any
) -> dict[str, Any]:
    """Build a check of subjects before a tender."""
    return {
        "matter": matter,
        "purpose": "tender 2026-118 qualification review",
        "case_no": "ZZ-2026-118",
        "subjects": list(subjects) or [build_question()],
        **members,
    }


def build_resident_id(
    birth_date: str = "19850612", serial: str = "001", region: str = "370402"
) -> str:
    """Build a valid resident id of that day of birth, YYYYMMDD."""
    body = f"{region}{birth_date}{serial}"
    return body + mod_11_2.calc_check_digit(body)


def build_uscc(prefix: str = "91370403", serial: str = "MB000CT7") -> str:
    """Build a valid unified social credit code over an organisation's eight characters."""
    body = f"{prefix}{serial}{compute_org_code_check_character(serial)}"
    return body + compute_uscc_check_character(body)


def build_licence_changes(**changes: Any) -> dict[str, Any]:
    """Return the changes that turn `build_push` into a licence record."""
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


def build_publication(
    published_on: str = "2026-11-21", channel: str = "department_site", url: str | None = None
) -> dict[str, Any]:
    """Build the report of a publication."""
    return {"channel": channel, "published_on": published_on, "url": url}
