"""Pushing entries, as a department's system does it."""

from datetime import timedelta

from tests.support.request_bodies import build_push
from tests.support.world import World


def test_a_push_is_recorded_and_answered_with_its_view(world: World) -> None:
    answer = world.api().post("/v1/entries", json=build_push())
    assert answer.status_code == 201
    view = answer.json()
    assert answer.headers["Location"] == f"/v1/entries/{view['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert view["status"] == "active"
    assert view["seq"] == 1
    assert view["disclosure"]["deadline"] == "2026-12-01"
    assert view["subject"]["identifiers"] == [{"scheme": "uscc", "number": "91370403MB000CT75T"}]
    person = view["responsible_persons"][0]
    assert person["identifier"] == {"scheme": "resident_id", "masked": "*" * 18}


def test_the_same_body_again_is_the_same_entry(world: World) -> None:
    first = world.api().post("/v1/entries", json=build_push())
    again = world.api().post("/v1/entries", json=build_push())
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]


def test_a_later_number_is_never_recorded_at_an_earlier_instant(world: World) -> None:
    first = world.record(source_ref="ONE")
    world.clock.instant -= timedelta(hours=1)  # another node's clock is behind
    second = world.record(source_ref="TWO")
    assert second["seq"] == first["seq"] + 1
    assert second["recorded_at"] >= first["recorded_at"]
