"""The change feed: the content for each follower, its 410 answers, and no gap."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import select

from app.db.tables import EntryStatusChange
from app.exports import feed, queries, service
from app.registry import Registry
from tests.support.commands import CommandRunner, build_command_runner
from tests.support.export_readers import ExportContent, parse_ndjson
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_organisation,
    build_push,
    build_red_changes,
)
from tests.support.world import World

FOLLOWERS = ("subscriber", "auditor")
CHANGES, SNAPSHOT = "/v1/changes", "/v1/changes/snapshot"
TODAY = date(2026, 11, 22)


@pytest.fixture
def command(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandRunner]:
    made = build_command_runner(world.registry.settings, monkeypatch, capsys)
    yield made
    made.close()


def read_page(world: World, role: str = "auditor", **asked: Any) -> dict[str, Any]:
    answer = world.api(role).get(CHANGES, params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read_changes(world: World, role: str = "auditor", **asked: Any) -> list[tuple[int, str, str]]:
    return [
        (change["seq"], change["op"], change["entry_id"])
        for change in read_page(world, role, **asked)["changes"]
    ]


def read_snapshot(world: World, role: str = "auditor") -> ExportContent:
    answer = world.api(role).get(SNAPSHOT)
    assert answer.status_code == 200, answer.text
    read = parse_ndjson(answer.content)
    read.require_matching_trailer()
    return read


def post_change(world: World, entry: dict[str, Any], name: str, **body: Any) -> dict[str, Any]:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/{name}",
        json={"reason": "依法处理", **body},
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def change_disclosure_class(world: World, entry: dict[str, Any], class_: str) -> dict[str, Any]:
    return post_change(world, entry, "corrections", changes={"disclosure": {"class": class_}})


def record_entry(world: World, serial: int, **facts: Any) -> dict[str, Any]:
    return world.record(source_ref=f"F-{serial}", subject=build_organisation(serial), **facts)


def read_status_changes(world: World) -> list[tuple[int, str]]:
    with world.registry.database.reading() as connection:
        rows = connection.execute(
            select(EntryStatusChange.seq, EntryStatusChange.status).order_by(EntryStatusChange.seq)
        ).all()
    return [(row.seq, row.status) for row in rows]


def read_audit_records(world: World, action: str) -> list[dict[str, Any]]:
    answer = world.api("auditor").get("/v1/audit/records", params={"action": action})
    return list(answer.json()["records"])


# --- content of the feed ---------------------------------------------------------


def test_an_empty_registry_has_an_empty_feed(world: World) -> None:
    for role in FOLLOWERS:
        assert read_page(world, role) == {
            "changes": [],
            "next_after": 0,
            "head_seq": 0,
            "epoch": 1,
            "as_of_day": "2026-11-22",
        }
        read = read_snapshot(world, role)
        assert (read.rows, read.trailer["count"], read.trailer["seq"]) == ([], 0, 0)


def test_an_entry_that_is_no_longer_public_is_removed(world: World) -> None:
    entry = world.record()
    name = entry["id"]
    assert read_changes(world, "subscriber") == [(1, "upsert", name)]
    entry = change_disclosure_class(world, entry, "restricted")
    # Every number gives the same content: the entry as it is now.
    assert read_changes(world, "subscriber") == [(1, "remove", name), (2, "remove", name)]
    assert read_changes(world) == [(1, "upsert", name), (2, "upsert", name)]
    assert read_snapshot(world, "subscriber").rows == []
    change_disclosure_class(world, entry, "public")
    assert read_changes(world, "subscriber", after=2) == [(3, "upsert", name)]


def test_what_was_never_public_is_never_mentioned_to_subscribers(world: World) -> None:
    exempt = {"class": "exempt", "exemption": "trade_secret", "basis": "反不正当竞争法第九条"}
    hidden = [
        record_entry(world, 1, disclosure={"class": "restricted"}),
        record_entry(world, 2, disclosure=exempt),
    ]
    post_change(world, hidden[0], "exits", exited_on="2026-11-22")
    post_change(
        world, hidden[1], "revocations", reason_code="wrong_subject", revoked_on="2026-11-22"
    )
    answer_page = world.api("subscriber").get(CHANGES)
    assert answer_page.json()["changes"] == []
    assert answer_page.json()["next_after"] == answer_page.json()["head_seq"] == 4
    assert not any(entry["id"] in answer_page.text for entry in hidden)
    assert [op for _, op, _ in read_changes(world)] == ["upsert"] * 4
    assert {row["void"] for row in read_snapshot(world).rows} == {True, False}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("exits", {"exited_on": "2026-11-22"}),
        ("revocations", {"reason_code": "decision_revoked", "revoked_on": "2026-11-22"}),
        ("revocations", {"reason_code": "wrong_subject", "revoked_on": "2026-11-22"}),
    ],
)
def test_what_has_ended_is_taken_from_subscribers(
    world: World, name: str, body: dict[str, Any]
) -> None:
    entry = world.record()
    post_change(world, entry, name, **body)
    assert read_changes(world, "subscriber", after=1) == [(2, "remove", entry["id"])]
    [change] = read_page(world, after=1)["changes"]
    assert change["op"] == "upsert"
    assert change["entry"]["status"] == "removed"


def test_subscribers_get_what_the_public_may_read_and_auditors_the_whole(world: World) -> None:
    world.record()
    public, whole = (world.api(role).get(CHANGES) for role in FOLLOWERS)
    [entry] = [change["entry"] for change in public.json()["changes"]]
    assert entry["status"] == "active"
    assert entry["responsible_persons"] == [{"role": "legal_representative", "name": "张某"}]
    for private in ("source_ref", "case_ref", "remark", "disclosure", "received_at", "HR-2026"):
        assert private not in public.text
    for answer_page in (public.text, whole.text):
        assert PERSON_RESIDENT_ID not in answer_page
    [entry] = [change["entry"] for change in whole.json()["changes"]]
    assert entry["source_ref"] == "HR-2026-000123"
    # Only the status changes with the day.
    assert "state" not in entry["disclosure"]
    assert "on" not in entry


# --- changes by the day ----------------------------------------------------------


def test_a_day_is_announced_once_however_many_ask_at_the_same_time(world: World) -> None:
    entry = world.record(effective_until="2026-11-25")
    honoured = world.record(
        **build_red_changes(subject=build_organisation(5), effective_until="2026-11-30")
    )
    suspending = record_entry(world, 6, effective_from="2026-11-27")
    looks: list[Callable[[], httpx.Response]] = [
        lambda: world.api("auditor").get(CHANGES),
        lambda: world.api("subscriber").get(CHANGES),
        lambda: world.api("subscriber").get(SNAPSHOT),
        lambda: world.api("auditor").get("/v1/exports/entries"),
        lambda: world.api().get(f"/v1/entries/{entry['id']}/history"),
    ]
    for look in looks:
        look()  # so that every key is created before the day
    assert read_status_changes(world) == []
    world.clock.set_day(date(2026, 11, 28))
    start = threading.Barrier(2 * len(looks))

    def one(number: int) -> int:
        start.wait(10)
        return looks[number % len(looks)]().status_code

    with ThreadPoolExecutor(2 * len(looks)) as pool:
        assert set(pool.map(one, range(2 * len(looks)))) == {200}
    assert read_status_changes(world) == [(4, "expired"), (5, "active")]
    assert read_changes(world, after=3) == [
        (4, "upsert", entry["id"]),
        (5, "upsert", suspending["id"]),
    ]
    assert read_changes(world, "subscriber", after=3) == [
        (4, "remove", entry["id"]),
        (5, "upsert", suspending["id"]),
    ]
    world.clock.set_day(date(2026, 12, 3))
    for look in looks:
        look()
    assert read_status_changes(world)[2:] == [(6, "expired")]
    assert read_changes(world, after=5) == [(6, "upsert", honoured["id"])]


def test_a_red_entry_returns_when_a_black_term_ends(world: World) -> None:
    honoured = world.record(**build_red_changes(effective_until="2027-11-01"))
    world.record(effective_until="2026-11-30")
    assert [op for _, op, _ in read_changes(world, "subscriber")] == ["upsert"] * 3
    world.clock.set_day(date(2026, 12, 1))
    answer_page = read_page(world, "subscriber", after=3)
    assert answer_page["as_of_day"] == "2026-12-01"
    by_entry = {change["entry_id"]: change for change in answer_page["changes"]}
    assert by_entry[honoured["id"]]["entry"]["status"] == "active"
    assert sorted(change["op"] for change in answer_page["changes"]) == ["remove", "upsert"]
    assert [row["id"] for row in read_snapshot(world, "subscriber").rows] == [honoured["id"]]


def test_a_day_that_changes_nothing_takes_no_number(world: World) -> None:
    world.record()
    world.clock.set_day(date(2026, 11, 23))
    assert read_page(world)["head_seq"] == 1
    assert read_page(world)["as_of_day"] == "2026-11-23"


def test_a_node_with_a_slow_clock_does_not_go_back_a_day(world: World) -> None:
    world.record(effective_until="2026-11-22")
    assert read_page(world, "subscriber")["next_after"] == 1
    world.clock.set_day(date(2026, 11, 23))
    assert read_page(world)["head_seq"] == 2  # another node, where it is past midnight
    world.clock.set_day(TODAY)
    answer_page = read_page(world, "subscriber", after=1)
    ops = [change["op"] for change in answer_page["changes"]]
    # It has either received the new day, or not reached that number yet.
    assert (answer_page["next_after"], ops) in [(2, ["remove"]), (1, [])]


@pytest.mark.parametrize("path", [CHANGES, SNAPSHOT])
def test_midnight_on_another_node_while_one_answers_leaves_no_copy_behind(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    ending = world.record(effective_until="2026-11-22")
    read_page(world, "subscriber")
    record_until_today = service.record_status_changes_until_today

    def record_while_another_node_begins_the_next_day(registry: Registry) -> date:
        day = record_until_today(registry)
        world.clock.set_day(date(2026, 11, 23))
        record_until_today(registry)  # on the other node
        world.clock.set_day(TODAY)
        return day

    with monkeypatch.context() as patched:
        for module in (queries, service):
            patched.setattr(
                module,
                "record_status_changes_until_today",
                record_while_another_node_begins_the_next_day,
            )
        if path == CHANGES:
            answer_page = read_page(world, "subscriber")
            after = answer_page["next_after"]
            copy = {
                change["entry_id"] for change in answer_page["changes"] if change["op"] == "upsert"
            }
        else:
            read = read_snapshot(world, "subscriber")
            after, copy = read.trailer["seq"], {row["id"] for row in read.rows}
    assert copy <= {ending["id"]}
    world.clock.set_day(date(2026, 11, 23))
    for _, op, name in read_changes(world, "subscriber", after=after):
        assert op == "remove"
        copy.discard(name)
    assert copy == {row["id"] for row in read_snapshot(world, "subscriber").rows} == set()


# --- pages -----------------------------------------------------------------------


def test_one_goes_on_from_next_after_until_it_is_the_head(world: World) -> None:
    for serial in range(5):
        record_entry(world, serial)
    first = read_page(world, limit=2)
    assert ([change["seq"] for change in first["changes"]], first["next_after"]) == ([1, 2], 2)
    last = read_page(world, after=4, limit=1)
    assert ([change["seq"] for change in last["changes"]], last["next_after"]) == ([5], 5)
    assert last["head_seq"] == 5
    end = read_page(world, after=5)
    assert (end["changes"], end["next_after"], end["head_seq"]) == ([], 5, 5)


def test_next_after_moves_over_what_is_not_shown(world: World) -> None:
    for serial in range(4):
        record_entry(world, serial, disclosure={"class": "restricted" if serial < 3 else "public"})
    after, shown = 0, []
    for expected in (1, 2, 3, 4):
        answer_page = read_page(world, "subscriber", after=after, limit=1)
        after = answer_page["next_after"]
        shown.append(len(answer_page["changes"]))
        assert (after, answer_page["head_seq"]) == (expected, 4)
    assert shown == [0, 0, 0, 1]


def test_what_is_no_number_is_refused(world: World) -> None:
    for name, value in (
        ("after", "-1"),
        ("after", "x"),
        ("after", str(2**63)),
        ("limit", "0"),
        ("limit", "1001"),
        ("epoch", "0"),
    ):
        answer = world.api("auditor").get(CHANGES, params={name: value})
        assert answer.status_code == 422, (name, value)
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"?{name}"]


def test_pages_of_one_miss_nothing_while_others_write(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAGE_ROWS", 3)
    keys = [world.api().headers["Authorization"][7:] for _ in range(3)]
    followers = {role: world.api(role) for role in FOLLOWERS}
    copies: dict[str, dict[str, Any]] = {role: {} for role in FOLLOWERS}
    numbers: dict[str, list[int]] = {role: [] for role in FOLLOWERS}
    writing = threading.Event()

    def write(number: int) -> None:
        with world.client(keys[number]) as api:
            for turn in range(8):
                serial = number * 100 + turn
                shown = {"class": ("public", "restricted")[turn % 2]}
                facts = build_push(
                    source_ref=f"W-{serial}", subject=build_organisation(serial), disclosure=shown
                )
                answer = api.post("/v1/entries", json=facts)
                assert answer.status_code == 201, answer.text
                entry = answer.json()
                other = {"class": ("restricted", "public")[turn % 2]}
                if turn % 3 == 0:
                    answer = api.post(
                        f"/v1/entries/{entry['id']}/corrections",
                        json={"reason": "更正", "changes": {"disclosure": other}},
                        headers={"If-Match": '"1"'},
                    )
                    assert answer.status_code == 200, answer.text

    def follow(role: str, after: int) -> int:
        while True:
            asked = {"after": after, "limit": 1, "epoch": 1}
            answer_page = orjson.loads(followers[role].get(CHANGES, params=asked).content)
            for change in answer_page["changes"]:
                numbers[role].append(change["seq"])
                if change["op"] == "upsert":
                    copies[role][change["entry_id"]] = change["entry"]
                else:
                    copies[role].pop(change["entry_id"], None)
            after = int(answer_page["next_after"])
            if after == answer_page["head_seq"] and writing.is_set():
                return after

    with ThreadPoolExecutor(5) as pool:
        followed = [pool.submit(follow, role, 0) for role in FOLLOWERS]
        for done in [pool.submit(write, number) for number in range(3)]:
            done.result(60)
        writing.set()
        ends = [done.result(60) for done in followed]
    # A reader that reached the end before the last write reads once more.
    for role, end in zip(FOLLOWERS, ends, strict=True):
        follow(role, end)
        read = read_snapshot(world, role)
        lines = [orjson.dumps(copies[role][name]) for name in sorted(copies[role])]
        assert [orjson.dumps(row) for row in read.rows] == lines
        assert numbers[role] == sorted(set(numbers[role]))
    assert numbers["auditor"] == list(range(1, 3 * (8 + 3) + 1))


# --- 410 -------------------------------------------------------------------------


def test_an_unusable_position_gets_a_link_to_the_snapshot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for serial in range(5):
        record_entry(world, serial)
    monkeypatch.setattr(world.registry.settings, "feed_reach", 3)
    for role in FOLLOWERS:
        for asked in (
            {"after": 1},
            {"after": 6},
            {"after": 2**62},
            {"after": 5, "epoch": 2},
            {"after": 5, "epoch": 99},
        ):
            document = require_refused(world.api(role).get(CHANGES, params=asked), 410, "feed_gone")
            way = {name: document[name] for name in ("epoch", "head_seq", "snapshot")}
            assert way == {"epoch": 1, "head_seq": 5, "snapshot": SNAPSHOT}
        # At the oldest allowed number, and at the head, it continues.
        assert read_page(world, role, after=2, epoch=1)["next_after"] == 5
        assert read_page(world, role, after=5)["changes"] == []
    assert {record["outcome"] for record in read_audit_records(world, "changes_read")} == {
        "answered"
    }


def test_after_a_new_epoch_the_snapshot_leads_on(world: World, command: CommandRunner) -> None:
    entry = world.record()
    assert read_page(world, "subscriber", epoch=1)["next_after"] == 1
    assert command("db", "new-epoch") == (0, "epoch 2\n", "")
    for role in FOLLOWERS:
        asked = {"after": 1, "epoch": 1}
        document = require_refused(world.api(role).get(CHANGES, params=asked), 410, "feed_gone")
        assert (document["epoch"], document["head_seq"]) == (2, 1)
        read = read_snapshot(world, role)
        assert [row["id"] for row in read.rows] == [entry["id"]]
        answer_page = read_page(world, role, after=read.trailer["seq"], epoch=read.trailer["epoch"])
        assert (answer_page["changes"], answer_page["epoch"]) == ([], 2)
    [started] = read_audit_records(world, "epoch_started")
    assert (started["target"], started["actor_name"]) == ("epoch/2", "command line")


# --- permissions and audit -------------------------------------------------------


@pytest.mark.parametrize("path", [CHANGES, SNAPSHOT])
def test_subscribers_and_auditors_alone_follow(world: World, path: str) -> None:
    for role in ("department", "approver", "operator"):
        require_refused(world.api(role).get(path), 403, "forbidden")
    with world.client(None) as nobody:
        require_refused(nobody.get(path), 401, "unauthenticated")
    for role in FOLLOWERS:
        answer = world.api(role).get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"


def test_who_followed_is_on_record(world: World) -> None:
    world.record()
    record_entry(world, 1, disclosure={"class": "restricted"})
    read_page(world, "subscriber", after=0)
    read_page(world, after=1)
    read_snapshot(world, "subscriber")
    by_auditor, by_subscriber = read_audit_records(world, "changes_read")
    assert by_auditor["role"] == "auditor"
    assert by_auditor["detail"] == {"after": 1, "changes": 1}
    assert by_subscriber["role"] == "subscriber"
    assert by_subscriber["detail"] == {"after": 0, "changes": 1}
    [started] = read_audit_records(world, "snapshot_started")
    assert (started["role"], started["outcome"]) == ("subscriber", "answered")
    assert started["detail"] == {"seq": 2, "on": "2026-11-22"}


def test_a_snapshot_of_many_pages_proves_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAGE_ROWS", 2)
    made = [record_entry(world, serial)["id"] for serial in range(5)]
    for role in FOLLOWERS:
        answer = world.api(role).get(SNAPSHOT)
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert answer.headers["Content-Disposition"] == (
            'attachment; filename="snapshot-1-5-2026-11-22.ndjson"'
        )
        read = parse_ndjson(answer.content)
        read.require_matching_trailer()
        assert [row["id"] for row in read.rows] == made
        pinned = {"count": 5, "epoch": 1, "seq": 5, "on": "2026-11-22"}
        assert read.trailer == pinned | {"sha256": read.sha256}
    assert read.rows == [change["entry"] for change in read_page(world)["changes"]]


def test_a_page_that_ends_at_its_last_row_is_no_shorter_proof(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAGE_ROWS", 2)
    for serial in range(4):
        record_entry(world, serial, effective_until=(TODAY + timedelta(30)).isoformat())
    assert read_snapshot(world).trailer["count"] == 4
