"""Concurrent reads of subjects: each reader gets its own, and every read is recorded."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.numbers import build_uscc
from tests.support.request_bodies import build_subject
from tests.support.world import World


def test_concurrent_reads_each_get_the_requested_subject(world: World) -> None:
    for serial in range(1, 6):
        world.record(
            subject=build_subject(build_uscc(serial), f"公司{serial}"), source_ref=f"HR-{serial}"
        )
    approver = world.api("approver")

    def look(turn: int) -> Any:
        serial = turn % 7  # 0 and 6 are not on file
        answer = approver.get(
            f"/v1/subjects/uscc/{build_uscc(serial)}", headers={"X-Request-ID": f"look-{turn}"}
        )
        assert answer.headers["X-Request-ID"] == f"look-{turn}"
        return serial, answer

    with ThreadPoolExecutor(16) as pool:
        looks = list(pool.map(look, range(70)))
    for serial, answer in looks:
        if serial in {0, 6}:
            assert (answer.status_code, answer.json()["code"]) == (404, "subject_not_found")
        else:
            shown = answer.json()
            assert (shown["name"], shown["standing"]) == (f"公司{serial}", "black")
            assert {"scheme": "uscc", "number": build_uscc(serial)} in shown["identifiers"]
    seen = {answer.headers["X-Request-ID"] for serial, answer in looks if serial not in {0, 6}}
    trail = world.api("auditor").get(
        "/v1/audit/records", params={"action": "subject_read", "limit": 200}
    )
    assert {record["request_id"] for record in trail.json()["records"]} == seen
