"""Concurrent writes: one subject, one entry, no gap in the sequence."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
from sqlalchemy import func, select

from app.db.tables import EntryVersion, Subject
from tests.support.problems import count_written_rows
from tests.support.request_bodies import build_push, build_red_changes, build_subject, build_uscc
from tests.support.world import World


def at_once(*sends: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Send all of them as nearly at once as threads can."""
    barrier = Barrier(len(sends))

    def run(send: Callable[[], httpx.Response]) -> httpx.Response:
        barrier.wait()
        return send()

    with ThreadPoolExecutor(len(sends)) as pool:
        return list(pool.map(run, sends))


def pushing(world: World, **facts: Any) -> Callable[[], httpx.Response]:
    api = world.api()
    return lambda: api.post("/v1/entries", json=build_push(**facts))


def numbers(world: World) -> list[int]:
    with world.registry.database.reading() as connection:
        return list(connection.scalars(select(EntryVersion.seq).order_by(EntryVersion.seq)))


def subjects(world: World) -> int:
    with world.registry.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(Subject)) or 0


def test_a_new_subject_pushed_many_times_at_once_is_one_subject(world: World) -> None:
    for turn in range(3):
        whom = build_subject(build_uscc(serial=f"MA00000{turn}"), f"第{turn}公司")
        refs = [f"{turn}-{number}" for number in range(6)]
        answers = at_once(*(pushing(world, source_ref=ref, subject=whom) for ref in refs))
        assert [answer.status_code for answer in answers] == [201] * 6
        assert len({answer.json()["subject"]["id"] for answer in answers}) == 1
        assert subjects(world) == turn + 1
    assert numbers(world) == list(range(1, 19))


def test_the_same_push_many_times_at_once_is_one_entry(world: World) -> None:
    # On a new subject, and on one that is known already.
    for turn in range(4):
        ref = f"S-{turn}"
        answers = at_once(*[pushing(world, source_ref=ref)] * 6)
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
    assert numbers(world) == [1, 2, 3, 4]


def test_one_reference_for_two_subjects_at_once_is_taken_by_one(world: World) -> None:
    for turn in range(3):
        whom = [
            build_subject(build_uscc(serial=f"MA0000{turn}{each}"), f"{each}公司")
            for each in range(2)
        ]
        answers = at_once(*(pushing(world, source_ref=f"R-{turn}", subject=each) for each in whom))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        [refusal] = [answer for answer in answers if answer.status_code == 409]
        assert refusal.json()["code"] == "entry_conflict"
    assert numbers(world) == [1, 2, 3]


def test_a_red_and_a_black_entry_at_once_never_both_start_active(world: World) -> None:
    for turn in range(4):
        whom = build_subject(build_uscc(serial=f"MA00000{turn}"), f"第{turn}公司")
        facts = {"subject": whom, "source_ref": f"red-{turn}"}
        rewarded, listed = at_once(
            pushing(world, **build_red_changes(**facts)),
            pushing(world, subject=whom, source_ref=f"black-{turn}"),
        )
        assert listed.status_code == 201
        if rewarded.status_code == 201:
            path = f"/v1/entries/{rewarded.json()['id']}"
            assert world.api().get(path).json()["status"] == "suspended"
            assert rewarded.json()["seq"] < listed.json()["seq"]
        else:
            assert rewarded.json()["code"] == "blacklisted_subject"


def test_two_corrections_of_one_version_at_once_make_one_new_version(world: World) -> None:
    entry, api = world.record(), world.api()

    def correcting(reason: str) -> Callable[[], httpx.Response]:
        body = {"reason": "更正", "changes": {"reason": reason}}
        path = f"/v1/entries/{entry['id']}/corrections"
        return lambda: api.post(path, json=body, headers={"If-Match": '"1"'})

    answers = at_once(*(correcting(f"说法{number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 4
    same = at_once(*[correcting("再更正")] * 3)
    assert {answer.status_code for answer in same} == {412}
    assert count_written_rows(world)[1] == 2
    assert numbers(world) == [1, 2]
