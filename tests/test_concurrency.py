"""Many clients at once: nothing is lost, nothing hangs, nothing contradicts itself."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from app.catalogue.service import put_list_type_in_force
from app.clock import Clock
from app.demo.synthetic import build_uscc
from app.registry import Registry
from app.rules.permissions import Role
from app.security.service import create
from tests.support.concurrent_clients import ConcurrentClients, require_consistent_registry
from tests.support.processes import build_push_today, serve_registry
from tests.support.request_bodies import build_red_changes
from tests.support.world import RegistryTemplates, World, open_world, with_tuning

CLIENTS = 100
DUELS = 20
SHARED = 5


def red_today(number: str, source_ref: str) -> dict[str, Any]:
    today = Clock().today().isoformat()
    decision = {"number": "枣人社信〔2026〕3号", "kind": "honour", "decided_on": today}
    facts = build_red_changes(
        decision=decision, effective_from=today, disclosure={"class": "public"}
    )
    return build_push_today(number, **facts | {"source_ref": source_ref})


def push_and_check(
    crowd: ConcurrentClients, pusher: httpx.Client, asker: httpx.Client, number: int
) -> None:
    """Push entries of an own subject, of a red and black pair, and of shared subjects."""
    crowd.push_entry(pusher, build_push_today(build_uscc(10_000 + number), f"OWN-{number}"))
    duel = build_uscc(number % DUELS)
    if number % 2 == (number // DUELS) % 2:
        crowd.push_entry(pusher, red_today(duel, f"DUEL-{number}"))
    else:
        crowd.push_entry(pusher, build_push_today(duel, f"DUEL-{number}"))
    verdict = crowd.check_subject(asker, duel)
    assert verdict["results"][0]["standing"] in {"none", "red", "black"}
    shared = build_uscc(20_000 + number % SHARED)
    crowd.push_entry(pusher, build_push_today(shared, f"SHARED-{number}"))
    # Four clients send the same body; a fifth sends another one under the same reference.
    pair = number // 5
    remark = "另一内容" if number % 5 == 4 else None
    facts = build_push_today(build_uscc(30_000 + pair), f"TWICE-{pair}")
    crowd.push_entry(pusher, facts if remark is None else facts | {"remark": remark})
    assert crowd.check_subject(asker, shared)["results"][0]["standing"] == "black"


def crowd_of(registry: Registry, address: str) -> ConcurrentClients:
    pusher = create(registry, name="pusher", role=Role.department, department="human_resources")
    asker = create(registry, name="asker", role=Role.approver, department="finance_bureau")
    return ConcurrentClients(address, pusher, asker)


def require_sense(crowd: ConcurrentClients, registry: Registry, size: int) -> None:
    require_consistent_registry(registry, crowd)
    references = Counter(view["source_ref"] for view in crowd.recorded)
    assert set(references.values()) == {1}
    for view in crowd.replayed:
        [first] = [one for one in crowd.recorded if one["source_ref"] == view["source_ref"]]
        assert view["id"] == first["id"]
    assert set(crowd.refused) <= {"blacklisted_subject", "entry_conflict"}
    # Of the five with a shared reference one is recorded; the others repeat or contradict it.
    twice = sum(reference.startswith("TWICE") for reference in references)
    assert twice == size // 5
    assert len(crowd.replayed) + crowd.refused["entry_conflict"] == size - twice
    assert sum(reference.startswith(("OWN", "SHARED")) for reference in references) == 2 * size
    duels = sum(reference.startswith("DUEL") for reference in references)
    assert duels + crowd.refused["blacklisted_subject"] == size


def require_no_contradiction(api: httpx.Client) -> None:
    """Require that no subject is on a red and on a black list on the same day."""
    active: dict[str, set[str]] = {}
    params: dict[str, Any] = {"status": "active", "limit": 500}
    while True:
        page = api.get("/v1/entries", params=params).json()
        for entry in page["entries"]:
            active.setdefault(entry["subject"]["id"], set()).add(entry["list"])
        if page["next"] is None:
            break
        params["next"] = page["next"]
    assert active
    assert all(kinds in ({"red"}, {"black"}) for kinds in active.values())


def test_a_hundred_clients_at_once_lose_and_contradict_nothing(world: World) -> None:
    world.clock.instant = Clock().now()
    crowd = crowd_of(world.registry, world.address)
    seconds = crowd.run_clients(push_and_check, CLIENTS)
    print(
        f"{sum(crowd.statuses.values())} requests in {seconds:.1f} s:"
        f" {dict(crowd.statuses)}, refused {dict(crowd.refused)}"
    )
    require_sense(crowd, world.registry, CLIENTS)
    require_no_contradiction(world.api("auditor"))


def test_a_full_queue_answers_retry_after_and_all_succeed(
    backend: str, templates: RegistryTemplates, app: FastAPI, address: str
) -> None:
    settings = with_tuning(
        templates.create_copy(backend), write_slots=1, write_queue=3, write_wait_seconds=5
    )
    world = open_world(settings, app, address)
    world.clock.instant = Clock().now()
    crowd = crowd_of(world.registry, world.address)

    def push_on(
        crowd: ConcurrentClients, pusher: httpx.Client, _: httpx.Client, number: int
    ) -> None:
        for turn in range(2):
            crowd.push_entry(pusher, build_push_today(build_uscc(number), f"LINE-{number}-{turn}"))

    crowd.run_clients(push_on, 30)
    print(f"busy {crowd.busy_count} times")
    assert crowd.busy_count > 0
    assert len(crowd.recorded) == 60
    require_consistent_registry(world.registry, crowd)
    world.close()
    templates.drop_copy(settings)


def test_of_many_changes_from_one_version_a_single_one_is_made(world: World) -> None:
    entry = world.record()
    key = world.api().headers["Authorization"].removeprefix("Bearer ")
    clients = [world.client(key) for _ in range(12)]

    def correct(number: int) -> httpx.Response:
        return clients[number].post(
            f"/v1/entries/{entry['id']}/corrections",
            json={"reason": f"更正{number}", "changes": {"reason": f"事由{number}"}},
            headers={"If-Match": '"1"'},
        )

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(correct, range(12)))
    for client in clients:
        client.close()
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 11}
    history = world.api().get(f"/v1/entries/{entry['id']}/history").json()
    assert [version["version"] for version in history["versions"]] == [1, 2]


def test_several_worker_processes_keep_one_line(
    backend: str, templates: RegistryTemplates, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    with (
        serve_registry(settings, tmp_path, workers=2) as served,
        closing(Registry.open(settings)) as registry,
    ):
        crowd = crowd_of(registry, served.address)
        seconds = crowd.run_clients(push_and_check, 30)
        print(f"{sum(crowd.statuses.values())} requests in {seconds:.1f} s: {dict(crowd.statuses)}")
        require_sense(crowd, registry, 30)
        with served.client() as api:
            exposition = api.get("/metrics").text
        log = served.log.read_text()
    # The sum of the counts of all workers is the count of the clients.
    for status, count in crowd.statuses.items():
        assert counted(exposition, str(status)) == count
    assert "database is locked" not in log
    assert "Traceback" not in log
    templates.drop_copy(settings)


def counted(metrics: str, status: str) -> int:
    """Count answers with a status to pushes and checks, over all workers."""
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in metrics.splitlines()
        if line.startswith("redblack_http_requests_total")
        and f'status="{status}"' in line
        and ('route="/v1/entries"' in line or 'route="/v1/checks"' in line)
    )


def test_a_change_of_law_during_pushes_is_never_half_visible(world: World) -> None:
    world.clock.instant = Clock().now()
    crowd = crowd_of(world.registry, world.address)

    def push_on(
        crowd: ConcurrentClients, pusher: httpx.Client, _: httpx.Client, number: int
    ) -> None:
        if number == 0:
            for turn in range(5):
                put_list_type_in_force(world.registry, "charity.black", f"依据{turn}")
            return
        for turn in range(5):
            crowd.push_entry(pusher, build_push_today(build_uscc(number), f"LAW-{number}-{turn}"))

    crowd.run_clients(push_on, 9)
    assert len(crowd.recorded) == 40
    require_consistent_registry(world.registry, crowd)
