"""A server that is killed: acknowledged data is complete, and no data is half recorded."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from app.checks.pipeline import MAX_SUBJECTS_IN_SMALL_CHECK
from app.db.tables import Check
from app.demo.synthetic import build_uscc
from app.registry import Registry
from tests.support.check_requests import count_recorded_results
from tests.support.concurrent_clients import ConcurrentClients, require_consistent_registry
from tests.support.processes import build_push_today, create_key, serve_registry
from tests.support.request_bodies import build_check, build_question
from tests.support.world import RegistryTemplates

PUSHERS = 5
CHECKERS = 2
ENOUGH = 40
"""Acknowledgements before the kill; a few hundred requests are under way around it."""


ASKERS = 8
ENOUGH_CHECKS = 150
"""Answers before the kill, which comes while other requests are under way."""


def test_what_was_acknowledged_survives_a_kill(
    backend: str, templates: RegistryTemplates, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    pusher_key = create_key(settings, "department", "human_resources")
    approver_key = create_key(settings, "approver", "finance_bureau")
    enough = threading.Event()
    corrected: dict[str, int] = {}

    with serve_registry(settings, tmp_path) as served:
        crowd = ConcurrentClients(served.address, pusher_key, approver_key)

        def push_on(number: int) -> None:
            with served.client(pusher_key) as client:
                for turn in range(10_000):
                    facts = build_push_today(
                        build_uscc(number * 10_000 + turn), f"KILL-{number}-{turn}"
                    )
                    view = crowd.push_entry(client, facts).json()
                    change = client.post(
                        f"/v1/entries/{view['id']}/corrections",
                        json={"reason": "更正", "changes": {"remark": "更正后"}},
                        headers={"If-Match": '"1"'},
                    )
                    if change.status_code == httpx.codes.OK:
                        corrected[view["id"]] = change.json()["version"]
                    if len(crowd.recorded) >= ENOUGH and len(crowd.check_ids) >= ENOUGH:
                        enough.set()

        def check_on(number: int) -> None:
            with served.client(approver_key) as client:
                for turn in range(10_000):
                    crowd.check_subject(client, build_uscc(number * 10_000 + turn))

        def until_it_dies(work: Callable[[int], None], number: int) -> None:
            try:
                work(number)
            except httpx.TransportError:
                return

        with ThreadPoolExecutor(PUSHERS + CHECKERS) as pool:
            work = [pool.submit(until_it_dies, push_on, number) for number in range(PUSHERS)]
            work += [pool.submit(until_it_dies, check_on, number) for number in range(CHECKERS)]
            assert enough.wait(60)
            served.kill()
            for item in work:
                item.result(60)
    print(f"acknowledged: {len(crowd.recorded)} entries, {len(crowd.check_ids)} checks")

    with serve_registry(settings, tmp_path) as again, closing(Registry.open(settings)) as registry:
        require_consistent_registry(registry, crowd)
        with again.client(pusher_key) as client:
            for view in crowd.recorded:
                found = read(client, f"/v1/entries/{view['id']}")
                assert found["source_ref"] == view["source_ref"]
                assert found["version"] >= corrected.get(view["id"], 1)
            # The same push again after the restart: recorded once.
            number, turn = crowd.recorded[-1]["source_ref"].split("-")[1:]
            facts = build_push_today(
                build_uscc(int(number) * 10_000 + int(turn)), f"KILL-{number}-{turn}"
            )
            assert client.post("/v1/entries", json=facts).status_code == httpx.codes.OK
        with again.client(approver_key) as client:
            for check_id in crowd.check_ids:
                assert read(client, f"/v1/checks/{check_id}")["check_id"] == check_id
    templates.drop_copy(settings)


def test_every_check_that_was_answered_survives_a_kill(
    backend: str, templates: RegistryTemplates, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    key = create_key(settings, "approver", "finance_bureau")
    enough, guard = threading.Event(), threading.Lock()
    received: dict[str, dict[str, Any]] = {}
    sent = 0

    with serve_registry(settings, tmp_path) as served:

        def ask_on(number: int) -> None:
            nonlocal sent
            with served.client(key) as client, suppress(httpx.TransportError):
                for turn in range(10_000):
                    serial = number * 10_000 + turn
                    # Some have more subjects than fit into a batch.
                    size = MAX_SUBJECTS_IN_SMALL_CHECK + 1 if number == 0 else 1 + turn % 3
                    subjects = [
                        build_question(build_uscc(serial + n), None, ref=str(n))
                        for n in range(size)
                    ]
                    with guard:
                        sent += 1
                    answer = client.post(
                        "/v1/checks", json=build_check(*subjects, case_no=f"K-{serial}")
                    )
                    assert answer.status_code == httpx.codes.OK, answer.text
                    with guard:
                        received[answer.json()["check_id"]] = answer.json()
                        if len(received) >= ENOUGH_CHECKS:
                            enough.set()

        with ThreadPoolExecutor(ASKERS) as pool:
            work = [pool.submit(ask_on, number) for number in range(ASKERS)]
            assert enough.wait(60)
            served.kill()
            for item in work:
                item.result(60)
    print(f"received: {len(received)} checks of {sent}")
    assert len(received) < sent  # it was killed meanwhile

    with serve_registry(settings, tmp_path) as again, closing(Registry.open(settings)) as registry:
        with again.client(key) as client:
            for check_id, view in received.items():
                found = read(client, f"/v1/checks/{check_id}")
                assert found["results"] == view["results"]
            fresh = client.post("/v1/checks", json=build_check(build_question(build_uscc(1), None)))
            assert fresh.status_code == httpx.codes.OK
        # Checks without an answer may be recorded as well, but only completely.
        with registry.database.reading_ledger() as connection:
            kept = dict(connection.execute(select(Check.id, Check.answer)).all())
        assert count_recorded_results(registry) == {
            check_id: len(answer["results"]) for check_id, answer in kept.items()
        }
        assert len(received) < len(kept) <= sent + 1
    templates.drop_copy(settings)


def read(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == httpx.codes.OK, answer.text
    return dict(answer.json())
