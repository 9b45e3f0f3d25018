"""The reference consumer of a fake registry; test_mirror_live uses a real one.

In every case the file contains the state of the registry at one position, or reports that it does
not.
"""

import signal
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import mirror_database
from app.client.http import ClientError, read_key
from app.client.mirror import run_mirror
from tests.support.commands import CommandRunner
from tests.support.fake_feed import (
    ADDRESS,
    CHANGES,
    KEY,
    SNAPSHOT,
    FakeFeed,
    build_problem_response,
    read_entries,
    read_position,
    serve_feed,
    update_mirror,
)
from tests.support.processes import REDBLACK_COMMAND, build_environment

# --- following ---------------------------------------------------------------------


def test_the_first_run_reads_one_snapshot_and_the_feed(feed: FakeFeed, copy: Path) -> None:
    outcome = update_mirror(feed, copy)
    assert outcome == f"5 entries, seq 5, day 2026-11-22, proved sha256 {feed.compute_sha256()}"
    assert feed.pop_requested_paths() == [SNAPSHOT, CHANGES]
    assert read_entries(copy) == feed.entries
    now = read_position(copy)
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
    for path in copy.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_an_empty_registry_is_mirrored_too(copy: Path) -> None:
    feed = FakeFeed()
    assert update_mirror(feed, copy).startswith(
        "0 entries, seq 0, day 2026-11-22, proved sha256 e3b0c442"
    )
    feed.put_entry("e1")
    assert update_mirror(feed, copy).startswith("1 entries, seq 1")


def test_changes_are_applied_by_page_and_proved_by_a_snapshot(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    feed.pop_requested_paths()
    for number in range(3, 9):
        feed.put_entry(f"e{number}", entry_id="更正后", zeal=2)
    feed.remove_entry("e0")
    feed.remove_entry("e8")
    feed.put_entry("e8", alpha=1)  # seen again
    feed.add_invisible_change()  # invisible for this caller, but the position changes
    outcome = update_mirror(feed, copy)
    assert (
        outcome
        == f"8 entries, seq {feed.seq}, day 2026-11-22, proved sha256 {feed.compute_sha256()}"
    )
    assert feed.pop_requested_paths() == [CHANGES, CHANGES, CHANGES, SNAPSHOT]
    assert read_entries(copy) == feed.entries


def test_a_removal_of_an_unknown_entry_is_harmless(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    feed.put_entry("e9")
    feed.remove_entry("e9")
    feed.changes = feed.changes[-1:]
    assert update_mirror(feed, copy).startswith("5 entries, seq 7")


def test_an_empty_page_changes_the_day(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    feed.as_of_day = "2026-11-23"
    assert update_mirror(feed, copy).startswith("5 entries, seq 5, day 2026-11-23, proved sha256")
    assert read_position(copy)["as_of_day"] == "2026-11-23"


def test_without_proof_it_prints_the_last_proof(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    feed.put_entry("e9")
    feed.pop_requested_paths()
    outcome = update_mirror(feed, copy, prove=False)
    assert outcome == "6 entries, seq 6, day 2026-11-22, last proved at seq 5, day 2026-11-22"
    assert feed.pop_requested_paths() == [CHANGES]


def test_it_follows_and_is_proved_again_after_a_day_change(
    feed: FakeFeed, copy: Path, pauses: list[float]
) -> None:
    kept = run_mirror(
        ADDRESS, copy, KEY, poll_seconds=30, transport=httpx.MockTransport(feed.handle_request)
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


# --- a kill at any moment ----------------------------------------------------------


class Killed(BaseException):
    """Represents a process that was killed."""


def kill_before_statement(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Kill the process before its n-th statement; later ones are not executed."""

    class ConnectionOfKilled(sqlite3.Connection):
        left = before

        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            self._count_down()
            return super().execute(*arguments)

        def executemany(self, *arguments: Any) -> sqlite3.Cursor:
            self._count_down()
            return super().executemany(*arguments)

        def _count_down(self) -> None:
            self.left -= 1
            if self.left <= 0:
                raise Killed

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **b: connect(*a, **b, factory=ConnectionOfKilled)
    )


def change_entries(feed: FakeFeed) -> None:
    for number in range(4, 9):
        feed.put_entry(f"e{number}", entry_id="新")
        feed.remove_entry(f"e{number - 4}")


def begin_epoch(feed: FakeFeed) -> None:
    feed.epoch, feed.changes = 2, []
    feed.put_entry("e7")
    feed.remove_entry("e1")


@pytest.mark.parametrize("alter", [None, change_entries, begin_epoch])
def test_it_continues_after_a_kill_before_any_statement(
    feed: FakeFeed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    alter: Callable[[FakeFeed], None] | None,
) -> None:
    monkeypatch.setattr(mirror_database, "BATCH_LINES", 2)
    kept = tmp_path / "kept.sqlite"
    if alter is not None:
        update_mirror(feed, kept)
        before = dict(feed.entries)
        alter(feed)

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

    kills = 0
    while True:
        copy = tmp_path / f"{kills}.sqlite"
        if alter is not None:
            copy.write_bytes(kept.read_bytes())
        with monkeypatch.context() as patched:
            kill_before_statement(patched, kills + 1)
            try:
                update_mirror(feed, copy)
                break
            except Killed:
                kills += 1
        if alter is not None:  # the content is that of the registry at this position
            now = read_position(copy)
            assert read_entries(copy) == entries_at(now["epoch"], now["after"])
        assert update_mirror(feed, copy).endswith(f"proved sha256 {feed.compute_sha256()}")
        assert read_entries(copy) == feed.entries
    assert kills > 20


# --- a feed that cannot be continued -----------------------------------------------


@pytest.mark.parametrize("reason", ["epoch", "restored", "too old"])
def test_a_snapshot_replaces_everything_if_the_feed_is_gone(
    feed: FakeFeed, copy: Path, reason: str
) -> None:
    update_mirror(feed, copy)
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
    assert update_mirror(feed, copy).endswith(feed.compute_sha256())
    assert feed.pop_requested_paths() == [CHANGES, SNAPSHOT, CHANGES]
    assert read_entries(copy) == feed.entries


def test_readers_see_old_entries_until_the_snapshot_is_complete(feed: FakeFeed, copy: Path) -> None:
    update_mirror(feed, copy)
    old = dict(feed.entries)
    begin_epoch(feed)
    with closing(sqlite3.connect(copy, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM entries"
        assert reader.execute(count).fetchone() == (5,)
        feed.overrides = [None, lambda answer: httpx.Response(200, content=answer.read()[:-9])]
        with pytest.raises(ClientError, match="broke off"):
            update_mirror(feed, copy, max_wait_seconds=0)
        assert read_entries(copy) == old
        update_mirror(feed, copy)
        assert reader.execute(count).fetchone() == (5,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM entries WHERE id = 'e7'").fetchone() == (1,)


def test_a_feed_that_is_always_gone_ends_the_run(feed: FakeFeed, copy: Path) -> None:
    feed.oldest_seq = 10**6
    with pytest.raises(ClientError, match="no snapshot leads on: 410 feed_gone: The feed does"):
        update_mirror(feed, copy)


# --- files, addresses and keys -----------------------------------------------------


def test_a_mirror_of_another_registry_is_refused_unless_it_is_empty(
    feed: FakeFeed, copy: Path
) -> None:
    feed.overrides = [build_problem_response(403, "forbidden", "no")]
    with pytest.raises(ClientError, match="403"):
        update_mirror(feed, copy, url="https://typo.example")
    update_mirror(feed, copy)
    assert read_position(copy)["url"] == ADDRESS
    with pytest.raises(ClientError, match=f"is a mirror of {ADDRESS}; name another file"):
        update_mirror(feed, copy, url="https://other.example")
    update_mirror(feed, copy, url=f"{ADDRESS}/")


def test_files_of_others_are_refused_and_left_as_they_are(feed: FakeFeed, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE entries (id TEXT, body BLOB)")
    text = tmp_path / "text"
    text.write_text("somebody's work\n" * 99)
    for path, message in ((other, "something else"), (text, "not a database")):
        before = path.read_bytes()
        with pytest.raises(ClientError, match=message):
            update_mirror(feed, path)
        assert path.read_bytes() == before
    assert feed.requests == []
    (tmp_path / "empty").touch()
    update_mirror(feed, tmp_path / "empty")


def test_a_file_has_one_mirror_at_a_time(feed: FakeFeed, copy: Path, pauses: list[float]) -> None:
    kept = run_mirror(
        ADDRESS, copy, KEY, poll_seconds=1, transport=httpx.MockTransport(feed.handle_request)
    )
    next(kept)
    with pytest.raises(ClientError, match="another process keeps"):
        update_mirror(feed, copy)
    feed.put_entry("e9")
    assert next(kept).startswith("6 entries")
    kept.close()
    update_mirror(feed, copy)


def test_an_address_that_would_carry_a_secret_is_refused(feed: FakeFeed, copy: Path) -> None:
    for url in ("registry.example", "ftp://registry.example", "https://", "file:///etc"):
        with pytest.raises(ClientError, match="begins with https"):
            update_mirror(feed, copy, url=url)
    for url in ("https://me:secret@registry.example", f"{ADDRESS}/?key=secret", f"{ADDRESS}/#s"):
        with pytest.raises(ClientError, match="the key goes another way") as refused:
            update_mirror(feed, copy, url=url)
        assert "secret" not in str(refused.value)
    assert not copy.exists()


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
    copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = CommandRunner(monkeypatch, capsys, [])
    monkeypatch.setenv("REDBLACK_KEY", KEY)
    with serve_feed(feed) as address:
        arguments = ("mirror", address, "--into", str(copy))
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
        missing = command(*arguments, "--key-file", str(copy.with_name("nowhere")))
        assert missing.exit_code == 1
        assert "Traceback" not in missing.stderr
    done = command("mirror", "http://127.0.0.1:1", "--into", str(copy))
    assert done.exit_code == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_follower_stops_cleanly_on_a_signal(
    feed: FakeFeed, copy: Path, sent: signal.Signals
) -> None:
    with serve_feed(feed) as address:
        arguments = [REDBLACK_COMMAND, "mirror", address, "--into", copy, "--follow", "0.1"]
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
    assert read_entries(copy) == feed.entries
