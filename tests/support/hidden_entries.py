"""Entries of a court about the person of the own reports, which a department may not see."""

from typing import Any

from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_decision,
    build_person,
)
from tests.support.world import World

VOLATILE = {"report_id", "issued_at", "seq", "verification_code", "sha256"}
OLD_TERM = {
    "decision": build_decision("2025-03-03"),
    "effective_from": "2025-03-03",
    "effective_until": "2026-03-02",
    "conduct_ended_on": "2025-01-31",
}
"""The term of an entry that ended before today."""


def build_defaulter(**changes: Any) -> dict[str, Any]:
    """Return the changes that make a push of the court about the person."""
    return {
        "list_type": "judgment_defaulting.black",
        "source_ref": "FY-1",
        "case_ref": None,
        "subject": build_person(),
        "responsible_persons": None,
        "decision": build_decision("2026-11-20", kind="court_decision"),
        "effective_until": None,
        **changes,
    }


def record_by_court(world: World, **changes: Any) -> dict[str, Any]:
    """Record an entry of the court about the person."""
    return world.record(world.api("department", "court"), **build_defaulter(**changes))


def leave(world: World, entry: dict[str, Any], department: str) -> None:
    """Let an entry end today."""
    answer = world.api("department", department).post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已履行", "exited_on": "2026-11-22"},
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.is_success, answer.text


def remove_volatile_fields(report: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a report without the fields that differ in every report."""
    return {name: value for name, value in report.items() if name not in VOLATILE | set(names)}


def hide_expired(world: World, reference: str) -> None:
    """Record an expired entry with a former name and a passport."""
    former = build_person(name="张旧名")
    former["identifiers"].append({"scheme": "passport", "number": "E12345678"})
    record_by_court(world, source_ref=reference, subject=former, **OLD_TERM)


def hide_removed(world: World, reference: str) -> None:
    """Record an entry that ends today."""
    term = {
        "decision": build_decision("2026-01-05", kind="court_decision"),
        "effective_from": "2026-01-05",
        "conduct_ended_on": "2025-12-31",
    }
    leave(world, record_by_court(world, source_ref=reference, **term), "court")


def hide_void(world: World, reference: str) -> None:
    """Record an entry on the wrong subject."""
    entry = record_by_court(world, source_ref=reference)
    answer = world.api("department", "court").post(
        f"/v1/entries/{entry['id']}/revocations",
        json={"reason": "错列", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert answer.is_success, answer.text


def hide_naming(world: World, reference: str) -> None:
    """Record an entry on an organisation that names the person."""
    person = {
        "role": "legal_representative",
        "name": "张某",
        "identifier": {"scheme": "resident_id", "number": PERSON_RESIDENT_ID},
    }
    entry = build_defaulter(source_ref=reference, responsible_persons=[person])
    del entry["subject"]  # the organisation of `build_push`
    world.record(world.api("department", "court"), **entry)


HIDDEN_ENTRIES = [hide_expired, hide_removed, hide_void, hide_naming]
"""Entries of the court that a check of 张某 does not show."""
