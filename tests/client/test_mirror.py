"""The reference consumer of a registry that misbehaves; test_mirror_live uses a real one.

In every case the file contains the state of the registry at one position, or reports that it does
not.
"""

import signal
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.client import mirror_database
from app.client.http import ClientError, read_key
from app.client.mirror import MirrorNotProved, run_mirror
from tests.support.commands import CommandRunner
from tests.support.fake_feed import (
    ADDRESS,
    CHANGES,
    KEY,
    SNAPSHOT,
    FakeFeed,
    ResponseOverride,
    build_chunked_response,
    build_problem_response,
    serve_feed,
)
from tests.support.pauses import replace_pauses
from tests.support.processes import REDBLACK_COMMAND, build_environment

BUSY = build_problem_response(
    503, "busy", "Too many writers wait; try again shortly", Retry_After="7"
)


@pytest.fixture
def feed() -> FakeFeed:
    """A feed of five entries; one name contains characters that some readers take for line ends."""
    made = FakeFeed()
    for number in range(5):
        made.put_entry(f"e{number}", entry_id=f"企业\u2028{number}", zeal=1, alpha=[1.5, None])
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "copy.sqlite"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were requested; none is made."""
    asked: list[float] = []
    replace_pauses(monkeypatch, asked.append)
    return asked


def run(feed: FakeFeed, file: Path, key: str = KEY, url: str = ADDRESS, **options: Any) -> str:
    """Update the mirror; return its last line."""
    transport = httpx.MockTransport(feed.handle_request)
    return list(run_mirror(url, file, key, transport=transport, **options))[-1]


def held(file: Path) -> dict[str, Any]:
    """Read the content of the file without the mirror."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT id, body FROM entries").fetchall()
    return {name: orjson.loads(body) for name, body in rows}


def position(file: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return dict(database.execute("SELECT * FROM position").fetchone())


def bend(change: Callable[[dict[str, Any]], None]) -> ResponseOverride:
    """Return the true page with one change."""

    def bent(answer: httpx.Response) -> httpx.Response:
        outcome = orjson.loads(answer.read())
        change(outcome)
        return httpx.Response(200, json=outcome)

    return bent


# --- following -------------------------------------------------------------


def test_the_first_run_reads_one_snapshot_and_the_feed(feed: FakeFeed, file: Path) -> None:
    outcome = run(feed, file)
    assert outcome == f"5 entries, seq 5, day 2026-11-22, proved sha256 {feed.compute_sha256()}"
    assert feed.pop_requested_paths() == [SNAPSHOT, CHANGES]
    assert held(file) == feed.entries
    now = position(file)
    assert (now["url"], now["epoch"], now["after"], now["as_of_day"]) == (
        ADDRESS,
        1,
        5,
        feed.as_of_day,
    )
    assert (now["proved_seq"], now["proved_on"], now["proved_sha256"]) == (
        5,
        feed.as_of_day,
        outcome[-64:],
    )
    assert now["proved_at"].endswith("Z")
    for path in file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_an_empty_registry_is_mirrored_too(file: Path) -> None:
    feed = FakeFeed()
    assert run(feed, file).startswith("0 entries, seq 0, day 2026-11-22, proved sha256 e3b0c442")
    feed.put_entry("e1")
    assert run(feed, file).startswith("1 entries, seq 1")


def test_changes_are_folded_page_by_page_and_proved_by_a_snapshot(
    feed: FakeFeed, file: Path
) -> None:
    run(feed, file)
    feed.pop_requested_paths()
    for number in range(3, 9):
        feed.put_entry(f"e{number}", entry_id="更正后", zeal=2)
    feed.remove_entry("e0")
    feed.remove_entry("e8")
    feed.put_entry("e8", alpha=1)  # seen again
    feed.add_invisible_change()  # invisible for this caller, but the position changes
    outcome = run(feed, file)
    assert (
        outcome
        == f"8 entries, seq {feed.seq}, day 2026-11-22, proved sha256 {feed.compute_sha256()}"
    )
    assert feed.pop_requested_paths() == [CHANGES, CHANGES, CHANGES, SNAPSHOT]
    assert held(file) == feed.entries


def test_an_entry_that_goes_and_was_never_seen_is_no_matter(feed: FakeFeed, file: Path) -> None:
    run(feed, file)
    feed.put_entry("e9")
    feed.remove_entry("e9")
    feed.changes = feed.changes[-1:]
    assert run(feed, file).startswith("5 entries, seq 7")


def test_an_empty_page_moves_the_day(feed: FakeFeed, file: Path) -> None:
    run(feed, file)
    feed.as_of_day = "2026-11-23"
    assert run(feed, file).startswith("5 entries, seq 5, day 2026-11-23, proved sha256")
    assert position(file)["as_of_day"] == "2026-11-23"


def test_without_proof_it_says_when_it_was_proved_last(feed: FakeFeed, file: Path) -> None:
    run(feed, file)
    feed.put_entry("e9")
    feed.pop_requested_paths()
    outcome = run(feed, file, prove=False)
    assert outcome == "6 entries, seq 6, day 2026-11-22, last proved at seq 5, day 2026-11-22"
    assert feed.pop_requested_paths() == [CHANGES]


def test_it_follows_and_is_proved_again_when_the_day_turns(
    feed: FakeFeed, file: Path, pauses: list[float]
) -> None:
    kept = run_mirror(
        ADDRESS, file, KEY, poll_seconds=30, transport=httpx.MockTransport(feed.handle_request)
    )
    assert next(kept).startswith("5 entries, seq 5, day 2026-11-22, proved")
    feed.put_entry("e9")
    assert next(kept).endswith("last proved at seq 5, day 2026-11-22")
    feed.pop_requested_paths()
    feed.as_of_day = "2026-11-23"
    assert next(kept).startswith("6 entries, seq 6, day 2026-11-23, proved")
    assert feed.pop_requested_paths() == [CHANGES, SNAPSHOT]
    assert set(pauses) == {30}
    kept.close()


# --- a kill at any moment ----------------------------------------------------


class Died(BaseException):
    """Represents a process that was killed."""


def dying(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Kill the process before its n-th statement; later ones are not executed."""

    class Mortal(sqlite3.Connection):
        left = before

        def execute(self, *asked: Any) -> sqlite3.Cursor:
            self._live()
            return super().execute(*asked)

        def executemany(self, *asked: Any) -> sqlite3.Cursor:
            self._live()
            return super().executemany(*asked)

        def _live(self) -> None:
            self.left -= 1
            if self.left <= 0:
                raise Died

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **b: connect(*a, **b, factory=Mortal))


def a_fold(feed: FakeFeed) -> None:
    for number in range(4, 9):
        feed.put_entry(f"e{number}", entry_id="新")
        feed.remove_entry(f"e{number - 4}")


def a_new_epoch(feed: FakeFeed) -> None:
    feed.epoch, feed.changes = 2, []
    feed.put_entry("e7")
    feed.remove_entry("e1")


@pytest.mark.parametrize("happens", [None, a_fold, a_new_epoch])
def test_it_may_die_before_any_statement_and_goes_on(
    feed: FakeFeed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[FakeFeed], None] | None,
) -> None:
    monkeypatch.setattr(mirror_database, "BATCH_LINES", 2)
    kept = tmp_path / "kept.sqlite"
    if happens is not None:
        run(feed, kept)
        before = dict(feed.entries)
        happens(feed)

    def entries_at(epoch: int, seq: int) -> dict[str, Any]:
        if epoch == 2:
            return feed.entries
        entries = dict(before)
        for change in feed.changes if feed.epoch == 1 else ():
            if 5 < change["seq"] <= seq:
                entries.pop(change["entry_id"], None)
                if change["entry"]:
                    entries[change["entry_id"]] = change["entry"]
        return entries

    deaths = 0
    while True:
        file = tmp_path / f"{deaths}.sqlite"
        if happens is not None:
            file.write_bytes(kept.read_bytes())
        with monkeypatch.context() as patched:
            dying(patched, deaths + 1)
            try:
                run(feed, file)
                break
            except Died:
                deaths += 1
        if happens is not None:  # the content is that of the registry at this position
            now = position(file)
            assert held(file) == entries_at(now["epoch"], now["after"])
        assert run(feed, file).endswith(f"proved sha256 {feed.compute_sha256()}")
        assert held(file) == feed.entries
    assert deaths > 20


# --- a feed that cannot be continued -----------------------------------------


@pytest.mark.parametrize("reason", ["epoch", "restored", "too old"])
def test_where_the_feed_is_gone_a_snapshot_replaces_everything(
    feed: FakeFeed, file: Path, reason: str
) -> None:
    run(feed, file)
    feed.put_entry("e6")
    feed.remove_entry("e2")
    feed.changes.clear()
    match reason:
        case "epoch":
            feed.epoch = 2
        case "restored":
            feed.seq = 3
        case "too old":
            feed.oldest_seq = 6
    feed.pop_requested_paths()
    assert run(feed, file).endswith(feed.compute_sha256())
    assert feed.pop_requested_paths() == [CHANGES, SNAPSHOT, CHANGES]
    assert held(file) == feed.entries


def test_a_reader_sees_the_old_entries_until_the_new_ones_are_whole(
    feed: FakeFeed, file: Path
) -> None:
    run(feed, file)
    old = dict(feed.entries)
    a_new_epoch(feed)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM entries"
        assert reader.execute(count).fetchone() == (5,)
        feed.overrides = [None, lambda answer: httpx.Response(200, content=answer.read()[:-9])]
        with pytest.raises(ClientError, match="broke off"):
            run(feed, file, max_wait_seconds=0)
        assert held(file) == old
        run(feed, file)
        assert reader.execute(count).fetchone() == (5,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM entries WHERE id = 'e7'").fetchone() == (1,)


def test_a_feed_that_is_always_gone_ends_the_run(feed: FakeFeed, file: Path) -> None:
    feed.oldest_seq = 10**6
    with pytest.raises(ClientError, match="no snapshot leads on: 410 feed_gone: The feed does"):
        run(feed, file)


# --- snapshots that must not be used -------------------------------------------


def test_a_snapshot_cut_off_anywhere_is_never_used(
    feed: FakeFeed, file: Path, pauses: list[float]
) -> None:
    whole = feed.build_snapshot()
    ends = {place for place, byte in enumerate(whole) if byte == ord("\n")}
    for length in sorted({*range(0, len(whole), 30), *ends, *(end + 1 for end in ends)}):
        if length == len(whole):
            continue
        feed.overrides = [build_chunked_response(whole[:length])]
        with pytest.raises(ClientError, match="the snapshot broke off"):
            run(feed, file, max_wait_seconds=0)
        assert held(file) == {}
    assert position(file)["epoch"] is None
    feed.overrides = [build_chunked_response(whole[:100]), build_chunked_response(whole[:-1])]
    assert run(feed, file).endswith(feed.compute_sha256())
    assert pauses == [1, 2]


def test_a_snapshot_with_another_hash_count_or_order_is_never_used(
    feed: FakeFeed, file: Path
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
            run(feed, file)
        assert held(file) == {}


def test_lines_in_another_order_are_never_used_though_their_hash_is_right(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FakeFeed()
    for name in ("e1", "e2"):
        feed.put_entry(name)
    monkeypatch.setattr("builtins.sorted", lambda names: list(reversed(list(names))))
    spoilt = feed.build_snapshot()
    monkeypatch.undo()
    feed.overrides = [build_chunked_response(spoilt)]
    with pytest.raises(ClientError, match="not in the order of its ids"):
        run(feed, file)
    assert held(file) == {}


def test_what_is_no_snapshot_at_all_is_never_used(feed: FakeFeed, file: Path) -> None:
    for page in (b"<html>\n<p>log in</p>\n</html>\n", b"[]\n[]\n[]\n", b"{}\n{}\n"):
        feed.overrides = [build_chunked_response(page)]
        with pytest.raises(ClientError, match="no snapshot"):
            run(feed, file, max_wait_seconds=0)
        assert held(file) == {}


# --- pages that must not be used -----------------------------------------------


def test_a_page_that_does_not_follow_on_changes_nothing(feed: FakeFeed, file: Path) -> None:
    run(feed, file)
    before = held(file)
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
            run(feed, file)
        assert (held(file), position(file)["after"]) == (before, 5)
    feed.overrides = [httpx.Response(200, text="<html>")]
    with pytest.raises(ClientError, match="no page of the feed"):
        run(feed, file)
    assert run(feed, file).startswith("9 entries, seq 9")


# --- the proof -------------------------------------------------------------------


def test_a_mirror_that_differs_is_reported_and_marked(feed: FakeFeed, file: Path) -> None:
    run(feed, file)
    feed.entries["e1"] = {"id": "e1", "changed": "and never sent"}
    for _ in range(2):
        with pytest.raises(ClientError, match="THE MIRROR IS NOT WHAT THE REGISTRY SAYS") as failed:
            run(feed, file)
        assert failed.value.exit_code == 1
        assert feed.compute_sha256() in str(failed.value)
        now = position(file)
        assert [now[name] for name in now if name.startswith("proved")] == [None] * 4
    assert run(feed, file, prove=False) == "5 entries, seq 5, day 2026-11-22, not proved"


def test_foreign_content_of_the_file_does_not_pass(feed: FakeFeed, file: Path) -> None:
    run(feed, file)
    for statement in (
        "UPDATE entries SET body = CAST('{\"id\":\"e1\"}' AS BLOB) WHERE id = 'e1'",
        "DELETE FROM entries WHERE id = 'e1'",
    ):
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(statement)
        with pytest.raises(ClientError, match="NOT WHAT THE REGISTRY SAYS"):
            run(feed, file)


def test_a_registry_that_moves_is_folded_and_asked_again(feed: FakeFeed, file: Path) -> None:
    run(feed, file)
    left = 3

    def move() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            feed.put_entry(f"m{left}")

    feed.after_page = move
    assert run(feed, file).endswith(f"proved sha256 {feed.compute_sha256()}")
    assert held(file) == feed.entries


def test_a_registry_that_always_changes_gives_no_verdict(
    feed: FakeFeed, file: Path, pauses: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    run(feed, file)
    feed.after_page = lambda: feed.put_entry(f"m{feed.seq}")
    message = "could not prove: the registry does not stand still"
    with pytest.raises(MirrorNotProved, match=message) as unproved:
        run(feed, file)
    assert unproved.value.exit_code == 3
    assert position(file)["proved_seq"] == 5  # a proved position stays proved
    # A follower continues, and reports it.
    kept = run_mirror(
        ADDRESS, file, KEY, poll_seconds=1, transport=httpx.MockTransport(feed.handle_request)
    )
    assert "last proved at seq 5" in next(kept)
    assert message in capsys.readouterr().err
    feed.after_page = lambda: None
    assert next(kept).endswith(f"proved sha256 {feed.compute_sha256()}")
    kept.close()


# --- a registry that does not answer ----------------------------------------------


def test_it_asks_again_while_that_may_help_and_honours_retry_after(
    feed: FakeFeed, file: Path, pauses: list[float], capsys: pytest.CaptureFixture[str]
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
    assert run(feed, file).endswith(feed.compute_sha256())
    assert pauses == [1, 7, 4, 8, 1, 7]  # the longer of its own pause and the requested one
    message = capsys.readouterr().err
    assert "refused; again in 1 s" in message
    assert "503 busy: Too many writers wait; try again shortly; again in 7 s" in message
    assert "502 Bad Gateway; again in 8 s" in message
    assert "ReadTimeout; again in 1 s" in message
    assert KEY not in message


def test_its_patience_has_an_end_and_its_pauses_a_length(
    feed: FakeFeed, file: Path, pauses: list[float]
) -> None:
    feed.overrides = [httpx.ConnectError("refused")] * 50
    with pytest.raises(ClientError, match="does not answer / 平台无应答: refused"):
        run(feed, file)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pauses.clear()
    feed.overrides = [build_problem_response(503, "busy", "Wait", Retry_After="3600")]
    with pytest.raises(ClientError, match="does not answer / 平台无应答: 503 busy: Wait"):
        run(feed, file)
    assert pauses == []
    assert run(feed, file, max_wait_seconds=0).endswith(feed.compute_sha256())


def test_a_broken_snapshot_starts_again(
    feed: FakeFeed, file: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_database, "BATCH_LINES", 2)

    def breaking() -> Iterator[bytes]:
        yield b"".join(feed.build_snapshot().splitlines(keepends=True)[:4])
        raise httpx.RemoteProtocolError("peer closed connection")

    feed.overrides = [httpx.Response(200, content=breaking())]
    assert run(feed, file).endswith(feed.compute_sha256())
    assert (feed.pop_requested_paths(), pauses) == ([SNAPSHOT, SNAPSHOT, CHANGES], [1])


def test_a_refusal_ends_it_at_once_with_the_registry_s_sentence(
    feed: FakeFeed, file: Path, pauses: list[float]
) -> None:
    with pytest.raises(ClientError, match="401 unauthenticated: Send a key that is in use"):
        run(feed, file, key="rbk_other")
    run(feed, file)
    for status, code in ((401, "unauthenticated"), (403, "forbidden"), (422, "x"), (500, "x")):
        feed.overrides = [build_problem_response(status, code, "so it is")]
        with pytest.raises(
            ClientError, match=f"the registry says / 平台答复: {status} {code}: so it is"
        ):
            run(feed, file)
    feed.overrides = [httpx.Response(302, headers={"Location": "https://elsewhere.example/"})]
    feed.pop_requested_paths()
    with pytest.raises(ClientError, match="302 Found"):
        run(feed, file)
    assert len(feed.pop_requested_paths()) == 1  # the key is not sent to another host
    assert pauses == []


# --- files, addresses and keys -------------------------------------------------------


def test_a_mirror_of_another_registry_is_refused_unless_it_is_empty(
    feed: FakeFeed, file: Path
) -> None:
    feed.overrides = [build_problem_response(403, "forbidden", "no")]
    with pytest.raises(ClientError, match="403"):
        run(feed, file, url="https://typo.example")
    run(feed, file)
    assert position(file)["url"] == ADDRESS
    with pytest.raises(ClientError, match=f"is a mirror of {ADDRESS}; name another file"):
        run(feed, file, url="https://other.example")
    run(feed, file, url=f"{ADDRESS}/")


def test_files_of_others_are_refused_and_left_as_they_are(feed: FakeFeed, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE entries (id TEXT, body BLOB)")
    text = tmp_path / "text"
    text.write_text("somebody's work\n" * 99)
    for path, message in ((other, "something else"), (text, "not a database")):
        before = path.read_bytes()
        with pytest.raises(ClientError, match=message):
            run(feed, path)
        assert path.read_bytes() == before
    assert feed.requests == []
    (tmp_path / "empty").touch()
    run(feed, tmp_path / "empty")


def test_a_file_has_one_mirror_at_a_time(feed: FakeFeed, file: Path, pauses: list[float]) -> None:
    kept = run_mirror(
        ADDRESS, file, KEY, poll_seconds=1, transport=httpx.MockTransport(feed.handle_request)
    )
    next(kept)
    with pytest.raises(ClientError, match="another process keeps"):
        run(feed, file)
    feed.put_entry("e9")
    assert next(kept).startswith("6 entries")
    kept.close()
    run(feed, file)


def test_an_address_that_would_carry_a_secret_is_refused(feed: FakeFeed, file: Path) -> None:
    for url in ("registry.example", "ftp://registry.example", "https://", "file:///etc"):
        with pytest.raises(ClientError, match="begins with https"):
            run(feed, file, url=url)
    for url in ("https://me:secret@registry.example", f"{ADDRESS}/?key=secret", f"{ADDRESS}/#s"):
        with pytest.raises(ClientError, match="the key goes another way") as refused:
            run(feed, file, url=url)
        assert "secret" not in str(refused.value)
    assert not file.exists()


def test_the_key_is_read_from_a_private_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDBLACK_KEY", raising=False)
    with pytest.raises(ClientError, match="--key-file, or set REDBLACK_KEY"):
        read_key(None)
    monkeypatch.setenv("REDBLACK_KEY", f" {KEY}\n")
    assert read_key(None) == KEY
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text("rbk_file\n")
    assert read_key(key_file) == "rbk_file"
    for text in ("", "two words", "钥匙", "a\nb", "{\n}"):
        key_file.write_text(text)
        with pytest.raises(ClientError, match="no key") as refused:
            read_key(key_file)
        assert not text or text not in str(refused.value)
    key_file.write_text(KEY)
    key_file.chmod(0o640)
    with pytest.raises(ClientError, match="can be read by others"):
        read_key(key_file)


# --- the command -------------------------------------------------------------------


def test_the_command_prints_one_line_and_ends_with_its_code(
    feed: FakeFeed,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = CommandRunner(monkeypatch, capsys, [])
    monkeypatch.setenv("REDBLACK_KEY", KEY)
    with serve_feed(feed) as address:
        arguments = ("mirror", address, "--into", str(file))
        done = command(*arguments)
        assert (done.exit_code, done.stderr) == (0, "")
        assert (
            done.stdout
            == f"5 entries, seq 5, day 2026-11-22, proved sha256 {feed.compute_sha256()}\n"
        )
        feed.after_page = lambda: feed.put_entry(f"m{feed.seq}")
        done = command(*arguments)
        assert (done.exit_code, done.stdout) == (3, "")
        assert done.stderr == "redblack: could not prove: the registry does not stand still\n"
        assert command(*arguments, "--no-prove").exit_code == 0
        feed.after_page = lambda: None
        feed.entries.pop("e1")
        done = command(*arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.startswith("redblack: THE MIRROR IS NOT")
        monkeypatch.delenv("REDBLACK_KEY")
        assert command(*arguments).stderr.startswith("redblack: no key")
        missing = command(*arguments, "--key-file", str(file.with_name("nowhere")))
        assert missing.exit_code == 1
        assert "Traceback" not in missing.stderr
    done = command("mirror", "http://127.0.0.1:1", "--into", str(file))
    assert done.exit_code == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_follower_stops_cleanly_on_a_signal(
    feed: FakeFeed, file: Path, sent: signal.Signals
) -> None:
    with serve_feed(feed) as address:
        arguments = [REDBLACK_COMMAND, "mirror", address, "--into", file, "--follow", "0.1"]
        process = subprocess.Popen(
            arguments,
            env=build_environment(REDBLACK_KEY=KEY),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith("5 entries, seq 5")
        feed.put_entry("e9")
        assert process.stdout.readline().startswith("6 entries, seq 6")
        process.send_signal(sent)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert held(file) == feed.entries
