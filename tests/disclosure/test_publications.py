"""Reports of publications and withdrawals by departments."""

from datetime import date
from typing import Any

import httpx

from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_decision,
    build_organisation,
    build_publication,
    build_push,
)
from tests.support.world import World

CHANNELS = ("department_site", "credit_china_zaozhuang", "enterprise_publicity_shandong")
SITE, CITY, ENTERPRISE = CHANNELS


def record_publication(
    world: World, entry: dict[str, Any], *, api: httpx.Client | None = None, **sent: Any
) -> httpx.Response:
    headers = {} if (tag := sent.pop("if_match", None)) is None else {"If-Match": tag}
    where = f"/v1/entries/{entry['id']}/disclosures"
    return (api or world.api()).post(where, json=build_publication(**sent), headers=headers)


def record_withdrawal(
    world: World, entry: dict[str, Any], on: str, channel: str = SITE, **headers: str
) -> httpx.Response:
    sent = {"channel": channel, "withdrawn_on": on}
    where = f"/v1/entries/{entry['id']}/withdrawals"
    return world.api().post(where, json=sent, headers=headers)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def end(world: World, entry: dict[str, Any], on: str) -> None:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已足额支付工资,依法提前移出", "exited_on": on},
        headers={"If-Match": f'"{shown(world, entry)["version"]}"'},
    )
    assert answer.status_code == 200, answer.text


def shown(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    return dict(world.api("auditor").get(f"/v1/entries/{entry['id']}").json())


# --- publications --------------------------------------------------------


def test_a_publication_is_a_new_version_and_shown_on_its_channel(world: World) -> None:
    entry = world.record()
    answer = record_publication(
        world, entry, published_on="2026-11-21", url="https://example.org/notice/12"
    )
    assert answer.status_code == 200
    view = answer.json()
    assert (view["version"], view["seq"], answer.headers["ETag"]) == (2, 2, '"2"')
    by_channel = {item["channel"]: item for item in view["disclosure"]["channels"]}
    assert (
        by_channel[SITE].items()
        >= {
            "required": True,
            "published_on": "2026-11-21",
            "url": "https://example.org/notice/12",
            "withdrawn_on": None,
            "state": "on_time",
        }.items()
    )
    assert by_channel[SITE]["recorded_at"].endswith("Z")
    assert by_channel[CITY]["published_on"] is None
    assert view["disclosure"]["state"] == "pending"


def test_the_history_shows_a_publication(world: World) -> None:
    entry = world.record()
    record_publication(world, entry)
    versions = world.api().get(f"/v1/entries/{entry['id']}/history").json()["versions"]
    assert [version["action"] for version in versions] == ["record", "publish"]
    changed = {change["field"] for change in versions[1]["changes"]}
    assert "disclosure.channels.0.published_on" in changed
    assert not any(field.startswith(("decision", "subject", "status")) for field in changed)


def test_the_day_of_publication_lies_between_the_decision_and_today(world: World) -> None:
    entry = world.record()
    for on in ("2026-11-19", "2026-11-23", "2025-11-20"):
        answer = record_publication(world, entry, published_on=on)
        assert answer.status_code == 422
        [fault] = answer.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("/published_on", "dates_out_of_order")
    assert shown(world, entry)["version"] == 1
    for channel, on in zip(CHANNELS, ("2026-11-20", "2026-11-21", "2026-11-22"), strict=True):
        assert record_publication(world, entry, channel=channel, published_on=on).status_code == 200


MALFORMED = [
    ({"channel": "newspaper", "published_on": "2026-11-21"}, "/channel"),
    ({"channel": SITE}, "/published_on"),
    ({"channel": SITE, "published_on": "21.11.2026"}, "/published_on"),
    ({"channel": SITE, "published_on": "2026-11-21", "url": "javascript:x"}, "/url"),
    (
        {
            "channel": SITE,
            "published_on": "2026-11-21",
            "url": f"https://e.org/{PERSON_RESIDENT_ID}",
        },
        "/url",
    ),
    ({"channel": SITE, "published_on": "2026-11-21", "withdrawn_on": None}, "/withdrawn_on"),
]


def test_a_malformed_publication_is_refused_with_a_pointer(world: World) -> None:
    entry = world.record()
    for sent, pointer in MALFORMED:
        answer = world.api().post(f"/v1/entries/{entry['id']}/disclosures", json=sent)
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
        assert PERSON_RESIDENT_ID not in answer.text


def test_the_same_publication_again_is_no_new_version(world: World) -> None:
    entry = world.record()
    first = record_publication(world, entry, url="https://example.org/12")
    record_publication(world, entry, channel=CITY)
    again = record_publication(world, entry, url="https://example.org/12")
    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.json()["version"], again.json()["version"]) == (2, 3)
    assert shown(world, entry)["version"] == 3


def test_a_different_publication_on_a_channel_is_a_conflict(world: World) -> None:
    entry = world.record()
    first = {"url": "https://example.org/12"}
    record_publication(world, entry, **first)
    for other in ({"published_on": "2026-11-22"}, {"url": "https://example.org/13"}, {"url": None}):
        answer = record_publication(world, entry, **(first | other))
        assert refused(answer) == (409, "already_published")
    assert shown(world, entry)["version"] == 2


# --- who and which version -----------------------------------------------


def test_an_entry_of_another_department_is_not_found(world: World) -> None:
    entry = world.record()
    other = world.api("department", "tax")
    assert refused(record_publication(world, entry, api=other)) == (404, "entry_not_found")
    answer = other.post(
        f"/v1/entries/{entry['id']}/withdrawals",
        json={"channel": SITE, "withdrawn_on": "2026-11-22"},
    )
    assert refused(answer) == (404, "entry_not_found")
    assert shown(world, entry)["version"] == 1


def test_an_unknown_entry_is_not_found(world: World) -> None:
    nobody = {"id": "0192a3b4-c5d6-7e8f-9a0b-1c2d3e4f5a6b"}
    assert refused(record_publication(world, nobody)) == (404, "entry_not_found")


def test_the_credit_office_may_publish_for_every_department(world: World) -> None:
    entry = world.record()
    assert record_publication(world, entry, api=world.api("operator")).status_code == 200


def test_a_role_without_write_permission_is_refused(world: World) -> None:
    entry = world.record()
    for role in ("approver", "auditor", "subscriber"):
        assert refused(record_publication(world, entry, api=world.api(role))) == (403, "forbidden")


def test_a_version_may_be_named_and_is_then_honoured(world: World) -> None:
    entry = world.record()
    assert record_publication(world, entry, if_match='"1"').status_code == 200
    stale = record_publication(world, entry, channel=CITY, if_match='"1"')
    assert refused(stale) == (412, "stale_version")
    assert stale.json()["current_version"] == 2
    assert record_publication(world, entry, channel=CITY, if_match='"2"').status_code == 200
    assert record_withdrawal(world, entry, "2026-11-22", **{"If-Match": '"2"'}).status_code == 412
    assert record_withdrawal(world, entry, "2026-11-22", **{"If-Match": '"3"'}).status_code == 200


def test_a_retry_that_names_the_version_it_was_made_from_is_answered(world: World) -> None:
    entry = world.record()
    first = record_publication(world, entry, if_match='"1"')
    again = record_publication(world, entry, if_match='"1"')
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["version"] == 2


def test_a_malformed_version_tag_is_refused(world: World) -> None:
    entry = world.record()
    for tag in ("1", 'W/"1"', '"one"', "*"):
        assert refused(record_publication(world, entry, if_match=tag)) == (400, "bad_version_tag")


# --- withdrawals ---------------------------------------------------------


def test_a_withdrawn_active_entry_is_due_again(world: World) -> None:
    entry = world.record(subject=build_organisation(1, "12370400"))
    record_publication(world, entry)
    record_publication(world, entry, channel=CITY)
    assert shown(world, entry)["disclosure"]["state"] == "on_time"
    answer = record_withdrawal(world, entry, "2026-11-22")
    assert answer.status_code == 200
    view = answer.json()
    assert view["version"] == 4
    assert view["disclosure"]["state"] == "pending"
    [site, city, _] = view["disclosure"]["channels"]
    assert (site["withdrawn_on"], site["state"]) == ("2026-11-22", "pending")
    assert (city["withdrawn_on"], city["state"]) == (None, "on_time")
    world.clock.set_day(date(2026, 12, 2))
    assert shown(world, entry)["disclosure"]["state"] == "overdue"


def test_a_withdrawn_entry_may_be_published_again(world: World) -> None:
    entry = world.record(subject=build_organisation(1, "12370400"))
    for channel in (SITE, CITY):
        record_publication(world, entry, channel=channel)
    record_withdrawal(world, entry, "2026-11-22")
    # On the day of the withdrawal or later; an earlier day is a retry of the first report.
    again = record_publication(world, entry, published_on="2026-11-22")
    assert again.status_code == 200
    site = again.json()["disclosure"]["channels"][0]
    assert (site["published_on"], site["withdrawn_on"]) == ("2026-11-22", None)
    assert again.json()["disclosure"]["state"] == "on_time"
    down_again = record_withdrawal(world, entry, "2026-11-22")
    assert down_again.json()["version"] == again.json()["version"] + 1
    assert down_again.json()["disclosure"]["state"] == "pending"


def test_the_same_withdrawal_again_is_no_new_version(world: World) -> None:
    entry = world.record()
    record_publication(world, entry)
    first = record_withdrawal(world, entry, "2026-11-22")
    record_publication(world, entry, channel=CITY)
    again = record_withdrawal(world, entry, "2026-11-22")
    assert (first.json()["version"], again.json()["version"]) == (3, 4)


def test_an_unpublished_entry_cannot_be_withdrawn(world: World) -> None:
    entry = world.record()
    assert refused(record_withdrawal(world, entry, "2026-11-22")) == (409, "not_published")
    record_publication(world, entry)
    assert refused(record_withdrawal(world, entry, "2026-11-22", CITY)) == (409, "not_published")
    record_withdrawal(world, entry, "2026-11-22")
    assert refused(record_withdrawal(world, entry, "2026-11-21")) == (409, "not_published")


def test_a_withdrawal_lies_between_the_publication_and_today(world: World) -> None:
    entry = world.record()
    record_publication(world, entry, published_on="2026-11-21")
    for on in ("2026-11-20", "2026-11-23"):
        answer = record_withdrawal(world, entry, on)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/withdrawn_on"
    assert record_withdrawal(world, entry, "2026-11-21").status_code == 200


# --- after the end -------------------------------------------------------


def test_an_ended_entry_cannot_be_published(world: World) -> None:
    entry = world.record()
    end(world, entry, "2026-11-22")
    world.clock.set_day(date(2026, 11, 25))
    answer = record_publication(world, entry, published_on="2026-11-23")
    assert refused(answer) == (409, "transition_refused")
    assert answer.json()["entry_status"] == "removed"
    assert refused(record_publication(world, entry, published_on="2026-11-22")) == (
        409,
        "transition_refused",
    )


def test_an_earlier_publication_may_be_reported_after_the_end(world: World) -> None:
    entry = world.record(subject=build_organisation(1, "12370400"))
    end(world, entry, "2026-11-22")
    world.clock.set_day(date(2026, 12, 20))
    assert record_publication(world, entry, published_on="2026-11-21").status_code == 200
    view = record_publication(world, entry, published_on="2026-11-20", channel=CITY).json()
    assert view["disclosure"]["state"] == "on_time"
    assert view["status"] == "removed"


def test_a_withdrawal_after_the_end_keeps_the_duty_fulfilled(world: World) -> None:
    entry = world.record(subject=build_organisation(1, "12370400"))
    for channel in (SITE, CITY):
        record_publication(world, entry, channel=channel)
    end(world, entry, "2026-11-22")
    world.clock.set_day(date(2026, 11, 24))
    for channel in (SITE, CITY):
        answer = record_withdrawal(world, entry, "2026-11-24", channel)
        assert answer.status_code == 200
    view = answer.json()
    assert view["disclosure"]["state"] == "on_time"
    assert [item["withdrawn_on"] for item in view["disclosure"]["channels"]] == [
        "2026-11-24",
        "2026-11-24",
        None,
    ]


def test_a_withdrawal_before_a_late_exit_keeps_the_duty_fulfilled(world: World) -> None:
    entry = world.record(subject=build_organisation(1, "12370400"))
    for channel in (SITE, CITY):
        record_publication(world, entry, channel=channel)
    world.clock.set_day(date(2026, 11, 24))
    record_withdrawal(world, entry, "2026-11-24")
    assert shown(world, entry)["disclosure"]["state"] == "pending"
    end(world, entry, "2026-11-23")
    assert shown(world, entry)["disclosure"]["state"] == "on_time"


def test_an_entry_that_ended_before_its_deadline_is_no_longer_due(world: World) -> None:
    entry = world.record()
    end(world, entry, "2026-11-22")
    world.clock.set_day(date(2026, 12, 20))
    assert shown(world, entry)["disclosure"]["state"] == "not_required"


def test_an_entry_that_ended_after_its_deadline_stays_overdue(world: World) -> None:
    entry = world.record()
    world.clock.set_day(date(2026, 12, 20))
    end(world, entry, "2026-12-10")
    view = shown(world, entry)
    assert (view["status"], view["disclosure"]["state"]) == ("removed", "overdue")


def test_the_last_day_in_force_is_still_a_day_of_publication(world: World) -> None:
    entry = world.record(
        decision=build_decision("2026-11-18"), effective_from=None, effective_until="2026-11-20"
    )
    assert record_publication(world, entry, published_on="2026-11-20").status_code == 200
    assert refused(record_publication(world, entry, published_on="2026-11-21", channel=CITY)) == (
        409,
        "transition_refused",
    )


def test_a_scheduled_entry_may_be_published_before_it_begins(world: World) -> None:
    entry = world.record(effective_from="2026-12-01", effective_until=None)
    assert entry["status"] == "scheduled"
    assert record_publication(world, entry).status_code == 200


def test_an_entry_on_the_wrong_subject_is_sealed_against_its_department_too(world: World) -> None:
    entry = world.record()
    record_publication(world, entry)
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/revocations",
        json={"reason": "主体错误", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"},
        headers={"If-Match": '"2"'},
    )
    assert answer.status_code == 200
    assert refused(record_publication(world, entry, channel=CITY)) == (404, "entry_not_found")


def test_a_push_again_shows_what_was_published_since(world: World) -> None:
    entry = world.record()
    record_publication(world, entry)
    again = world.api().post("/v1/entries", json=build_push())
    assert again.status_code == 200
    assert again.json()["version"] == 2
    assert again.json()["disclosure"]["channels"][0]["published_on"] == "2026-11-21"


def test_a_retry_after_the_withdrawal_does_not_publish_again(world: World) -> None:
    entry = world.record()
    record_publication(world, entry, published_on="2026-11-20")
    record_withdrawal(world, entry, "2026-11-21")
    again = record_publication(world, entry, published_on="2026-11-20")
    assert again.status_code == 200
    assert again.json()["disclosure"]["channels"][0]["withdrawn_on"] == "2026-11-21"
    earlier = record_publication(
        world, entry, published_on="2026-11-20", url="https://example.org/other"
    )
    assert refused(earlier) == (409, "already_published")
