"""A mirror uses nothing that it cannot verify, and waits for a registry that does not answer."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.client import mirror_database
from app.client.http import ClientError
from app.client.mirror import MirrorNotProved, run_mirror
from tests.support.fake_feed import (
    ADDRESS,
    CHANGES,
    KEY,
    SNAPSHOT,
    FakeFeed,
    ResponseOverride,
    build_chunked_response,
    build_problem_response,
    read_entries,
    read_position,
    update_mirror,
)

BUSY = build_problem_response(
    503, "busy", "Too many writers wait; try again shortly", Retry_After="7"
)


def bend(change: Callable[[dict[str, Any]], None]) -> ResponseOverride:
    """Return the true page with one change."""

    def bent(answer: httpx.Response) -> httpx.Response:
        outcome = orjson.loads(answer.read())
        change(outcome)
        return httpx.Response(200, json=outcome)

    return bent


# --- snapshots that must not be used -----------------------------------------------


def test_a_snapshot_cut_off_anywhere_is_never_used(
    feed: FakeFeed, copy: Path, pauses: list[float]
) -> None:
    whole = feed.build_snapshot()
    ends = {place for place, byte in enumerate(whole) if byte == ord("\n")}
    for length in sorted({*range(0, len(whole), 30), *ends, *(end + 1 for end in ends)}):
        if length == len(whole):
            continue
        feed.overrides = [build_chunked_response(whole[:length])]
        with pytest.raises(ClientError, match="the snapshot broke off"):
            update_mirror(feed, copy, max_wait_seconds=0)
        assert read_entries(copy) == {}
    assert read_position(copy)["epoch"] is None
    feed.overrides = [build_chunked_response(whole[:100]), build_chunked_response(whole[:-1])]
    assert update_mirror(feed, copy).endswith(feed.compute_sha256())
    assert pauses == [1, 2]


def test_a_snapshot_with_another_hash_count_or_order_is_never_used(
    feed: FakeFeed, copy: Path
) -> None:
    lines = feed.build_snapshot().splitlines(keepends=True)
    swapped = [lines[1], lines[0], *lines[2:5]]
    trailer = FakeFeed(epoch=1, seq=5).build_snapshot()
    for spoilt in (
        [lines[0].replace(b"1.5", b"2.5"), *lines[1:]],
        lines[1:],
        [*lines[:5], lines[5].replace(b'"count":5', b'"count":6')],
        [*lines[:5], trailer],
        [*lines[:5], lines[4], lines[5]],
        [*lines, lines[5]],
        [*swapped, lines[5]],
    ):
        feed.overrides = [build_chunked_response(b"".join(spoilt))]
        with pytest.raises(ClientError, match=r"hash|no snapshot|UNIQUE"):
            update_mirror(feed, copy)
        assert read_entries(copy) == {}


def test_lines_in_another_order_are_never_used_though_their_hash_is_right(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FakeFeed()
    for name in ("e1", "e2"):
        feed.put_entry(name)
    monkeypatch.setattr("builtins.sorted", lambda names: list(reversed(list(names))))
    spoilt = feed.build_snapshot()
    monkeypatch.undo()
    feed.overrides = [build_chunked_response(spoilt)]
    with pytest.raises(ClientError, match="not in the order of its ids"):
        update_mirror(feed, copy)
    assert read_entries(copy) == {}


def test_other_content_than_a_snapshot_is_never_used(feed: FakeFeed, copy: Path) -> None:
    for page in (b"<html>\n<p>log in</p>\n</html>\n", b"[]\n[]\n[]\n", b"{}\n{}\n"):
        feed.overrides = [build_chunked_response(page)]
        with pytest.raises(ClientError, match="no snapshot"):
            update_mirror(feed, copy, max_wait_seconds=0)
        assert read_entries(copy) == {}


# --- pages that must not be used ---------------------------------------------------


def test_a_page_of_another_position_changes_nothing(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    before = read_entries(copy)
    for name in ("e5", "e6", "e7", "e8"):
        feed.put_entry(name)
    bends: list[Callable[[dict[str, Any]], None]] = [
        lambda outcome: outcome.update(epoch=2),
        lambda outcome: outcome["changes"].reverse(),
        lambda outcome: outcome["changes"][0].update(seq=5),
        lambda outcome: outcome.update(next_after=7),
        lambda outcome: outcome.update(next_after=5, changes=[]),
        lambda outcome: outcome.update(next_after="9"),
        lambda outcome: outcome.pop("as_of_day"),
        lambda outcome: outcome["changes"][0].update(op="delete"),
        lambda outcome: outcome["changes"][1].update(entry_id="e1"),
        lambda outcome: outcome["changes"][2].update(entry=None),
        lambda outcome: outcome.update(changes=None),
    ]
    for change in bends:
        feed.overrides = [bend(change)]
        with pytest.raises(ClientError, match=r"does not follow on|no page of the feed"):
            update_mirror(feed, copy)
        assert (read_entries(copy), read_position(copy)["after"]) == (before, 5)
    feed.overrides = [httpx.Response(200, text="<html>")]
    with pytest.raises(ClientError, match="no page of the feed"):
        update_mirror(feed, copy)
    assert update_mirror(feed, copy).startswith("9 entries, seq 9")


# --- the proof ---------------------------------------------------------------------


def test_a_mirror_that_differs_is_reported_and_marked(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    feed.entries["e1"] = {"id": "e1", "changed": "and never sent"}
    for _ in range(2):
        with pytest.raises(ClientError, match="THE MIRROR IS NOT WHAT THE REGISTRY SAYS") as failed:
            update_mirror(feed, copy)
        assert failed.value.exit_code == 1
        assert feed.compute_sha256() in str(failed.value)
        now = read_position(copy)
        assert [now[name] for name in now if name.startswith("proved")] == [None] * 4
    assert update_mirror(feed, copy, prove=False) == "5 entries, seq 5, day 2026-11-22, not proved"


def test_foreign_content_of_the_file_does_not_pass(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    for statement in (
        "UPDATE entries SET body = CAST('{\"id\":\"e1\"}' AS BLOB) WHERE id = 'e1'",
        "DELETE FROM entries WHERE id = 'e1'",
    ):
        with closing(sqlite3.connect(copy)) as database, database:
            database.execute(statement)
        with pytest.raises(ClientError, match="NOT WHAT THE REGISTRY SAYS"):
            update_mirror(feed, copy)


def test_a_registry_that_changes_is_followed_and_proved(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    left = 3

    def move() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            feed.put_entry(f"m{left}")

    feed.after_page = move
    assert update_mirror(feed, copy).endswith(f"proved sha256 {feed.compute_sha256()}")
    assert read_entries(copy) == feed.entries


def test_a_registry_that_always_changes_gives_no_verdict(
    feed: FakeFeed, copy: Path, pauses: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    update_mirror(feed, copy)
    feed.after_page = lambda: feed.put_entry(f"m{feed.seq}")
    message = "could not prove: the registry does not stand still"
    with pytest.raises(MirrorNotProved, match=message) as unproved:
        update_mirror(feed, copy)
    assert unproved.value.exit_code == 3
    assert read_position(copy)["proved_seq"] == 5  # a proved position stays proved
    # A follower continues, and reports it.
    kept = run_mirror(
        ADDRESS, copy, KEY, poll_seconds=1, transport=httpx.MockTransport(feed.handle_request)
    )
    assert "last proved at seq 5" in next(kept)
    assert message in capsys.readouterr().err
    feed.after_page = lambda: None
    assert next(kept).endswith(f"proved sha256 {feed.compute_sha256()}")
    kept.close()


# --- a registry that does not answer -----------------------------------------------


def test_it_repeats_requests_and_honours_retry_after(
    feed: FakeFeed, copy: Path, pauses: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    feed.overrides = [
        httpx.ConnectError("refused"),
        BUSY,
        build_problem_response(429, "too_many_attempts", "Wait a minute", Retry_After="2"),
        httpx.Response(502, text="<html>", headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00"}),
        None,  # the snapshot
        httpx.ReadTimeout(""),
        BUSY,
    ]
    assert update_mirror(feed, copy).endswith(feed.compute_sha256())
    assert pauses == [1, 7, 4, 8, 1, 7]  # the longer of its own pause and the requested one
    message = capsys.readouterr().err
    assert "refused; again in 1 s" in message
    assert "503 busy: Too many writers wait; try again shortly; again in 7 s" in message
    assert "502 Bad Gateway; again in 8 s" in message
    assert "ReadTimeout; again in 1 s" in message
    assert KEY not in message


def test_pauses_and_their_sum_are_limited(feed: FakeFeed, copy: Path, pauses: list[float]) -> None:
    feed.overrides = [httpx.ConnectError("refused")] * 50
    with pytest.raises(ClientError, match="does not answer / 平台无应答: refused"):
        update_mirror(feed, copy)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pauses.clear()
    feed.overrides = [build_problem_response(503, "busy", "Wait", Retry_After="3600")]
    with pytest.raises(ClientError, match="does not answer / 平台无应答: 503 busy: Wait"):
        update_mirror(feed, copy)
    assert pauses == []
    assert update_mirror(feed, copy, max_wait_seconds=0).endswith(feed.compute_sha256())


def test_a_broken_snapshot_starts_again(
    feed: FakeFeed, copy: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_database, "BATCH_LINES", 2)

    def breaking() -> Iterator[bytes]:
        yield b"".join(feed.build_snapshot().splitlines(keepends=True)[:4])
        raise httpx.RemoteProtocolError("peer closed connection")

    feed.overrides = [httpx.Response(200, content=breaking())]
    assert update_mirror(feed, copy).endswith(feed.compute_sha256())
    assert (feed.pop_requested_paths(), pauses) == ([SNAPSHOT, SNAPSHOT, CHANGES], [1])


def test_a_refusal_ends_it_at_once_with_its_sentence(
    feed: FakeFeed, copy: Path, pauses: list[float]
) -> None:
    with pytest.raises(ClientError, match="401 unauthenticated: Send a key that is in use"):
        update_mirror(feed, copy, key="rbk_other")
    update_mirror(feed, copy)
    for status, code in ((401, "unauthenticated"), (403, "forbidden"), (422, "x"), (500, "x")):
        feed.overrides = [build_problem_response(status, code, "so it is")]
        with pytest.raises(
            ClientError, match=f"the registry says / 平台答复: {status} {code}: so it is"
        ):
            update_mirror(feed, copy)
    feed.overrides = [httpx.Response(302, headers={"Location": "https://elsewhere.example/"})]
    feed.pop_requested_paths()
    with pytest.raises(ClientError, match="302 Found"):
        update_mirror(feed, copy)
    assert len(feed.pop_requested_paths()) == 1  # the key is not sent to another host
    assert pauses == []
