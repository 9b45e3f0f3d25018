"""Own reports, requested as departments do, and read as their holder does."""

import hashlib
import json
from typing import Any

import httpx

from tests.support.redress_cases import create_official_client
from tests.support.request_bodies import BUILDER_USCC, PERSON_RESIDENT_ID
from tests.support.world import World

BUILDER_NAME = "枣庄某某建筑有限公司"


def open_counter(
    world: World, department: str = "human_resources", person: str = "赵某"
) -> httpx.Client:
    """Open a client with a key of a person of a department, as the person at a counter has."""
    return create_official_client(world, person, department)


def build_own_report_body(**changes: Any) -> dict[str, Any]:
    """Build a request; a change of None removes the field."""
    body: dict[str, Any] = {
        "scheme": "uscc",
        "number": BUILDER_USCC,
        "name": BUILDER_NAME,
        "applicant": {"kind": "delegated", "name": "王某", "proof_ref": "授权书 2026-17"},
        "case_no": "XY-2026-31",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def build_person_report_body(
    number: str = PERSON_RESIDENT_ID, name: str = "张某", **changes: Any
) -> dict[str, Any]:
    """Build a request for a person at the counter."""
    applicant = {"kind": "self", "name": name, "proof_ref": "核验登记 2026-9"}
    return build_own_report_body(
        **{"scheme": "resident_id", "number": number, "name": name, "applicant": applicant}
        | changes
    )


def issue_report(
    world: World, body: dict[str, Any] | None = None, api: httpx.Client | None = None
) -> dict[str, Any]:
    """Issue a report, by the credit office if no client is given; it must succeed."""
    api = api or world.api("operator")
    answer = api.post("/v1/own-reports", json=body or build_own_report_body())
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def read_report_page(world: World, report: dict[str, Any], api: httpx.Client | None = None) -> str:
    """Read the page of a report, by the credit office if no client is given."""
    answer = (api or world.api("operator")).get(f"/v1/own-reports/{report['report_id']}/page")
    assert answer.status_code == 200, answer.text
    return answer.text


def compute_report_digest(report: dict[str, Any]) -> str:
    """Compute `sha256` as a holder of the JSON does, without this software."""
    hashed_members = {
        name: value for name, value in report.items() if name not in {"sha256", "verification_code"}
    }
    text = json.dumps(hashed_members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
