"""The reference consumer of a real registry: applying the feed gives the snapshot."""

import hashlib
import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.calendar.notices import read_calendar_notice
from app.client.mirror import run_mirror
from app.epoch.service import start_epoch
from app.notices.service import load_calendar_notice
from tests.support.processes import REDBLACK_COMMAND, build_environment
from tests.support.random_department import RandomDepartment
from tests.support.request_bodies import build_red_changes
from tests.support.world import World

ROLES = ("subscriber", "auditor")
NOTICE = """
year: 2027
off_days: [2027-01-01, 2027-01-04, 2027-10-01]
working_days: []
source: 测试
"""


def key_of(world: World, role: str) -> str:
    return str(world.api(role).headers["Authorization"].removeprefix("Bearer "))


def mirrored(world: World, home: Path) -> dict[str, str]:
    """Update a mirror for each role; each proves itself. Return their last lines."""
    return {
        role: list(run_mirror(world.address, home / f"{role}.sqlite", key_of(world, role)))[-1]
        for role in ROLES
    }


def held(home: Path, role: str) -> dict[str, Any]:
    with closing(sqlite3.connect(home / f"{role}.sqlite")) as database:
        rows = database.execute("SELECT id, body FROM entries").fetchall()
    return {name: orjson.loads(body) for name, body in rows}


def order(world: World, entry: dict[str, Any], name: str, **body: Any) -> dict[str, Any]:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/{name}",
        json=body,
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_entry_comes_and_goes_as_its_reader_may_see_it(world: World, tmp_path: Path) -> None:
    mirrored(world, tmp_path)
    entry = world.record()
    hidden = world.record(source_ref="R", disclosure={"class": "restricted"})
    mirrored(world, tmp_path)
    assert held(tmp_path, "subscriber").keys() == {entry["id"]}
    assert held(tmp_path, "auditor").keys() == {entry["id"], hidden["id"]}
    gone = {"reason": "错列", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}
    order(world, entry, "revocations", **gone)
    mirrored(world, tmp_path)
    assert held(tmp_path, "subscriber") == {}
    assert held(tmp_path, "auditor")[entry["id"]]["void"] is True


# --- days without a read of the feed ----------------------------------------------


BACKDATED = {
    "corrections": {"reason": "更正", "changes": {"effective_until": "2026-11-21"}},
    "revocations": {"reason": "错列", "reason_code": "wrong_subject", "revoked_on": "2026-12-02"},
}


@pytest.mark.parametrize("name", BACKDATED)
def test_a_change_after_midnight_before_the_first_read(
    world: World, tmp_path: Path, name: str
) -> None:
    honoured = world.record(**build_red_changes(effective_until="2027-06-01"))
    entry = world.record(effective_until="2026-11-30")
    mirrored(world, tmp_path)
    assert held(tmp_path, "auditor")[honoured["id"]]["status"] == "suspended"
    world.clock.set_day(
        date(2026, 12, 2)
    )  # the black entry has ended, and no follower has read it yet
    order(world, entry, name, **BACKDATED[name])
    mirrored(world, tmp_path)
    assert held(tmp_path, "auditor")[honoured["id"]]["status"] == "active"


def test_a_node_with_a_slow_clock_does_not_send_yesterday(world: World, tmp_path: Path) -> None:
    entry = world.record(effective_until="2026-11-22")
    mirrored(world, tmp_path)
    world.clock.set_day(date(2026, 11, 23))
    mirrored(world, tmp_path)
    assert held(tmp_path, "auditor")[entry["id"]]["status"] == "expired"
    world.clock.set_day(date(2026, 11, 22))  # the next answer comes from that node
    mirrored(world, tmp_path)
    order(world, entry, "corrections", reason="更正", changes={"remark": "更正后"})
    mirrored(world, tmp_path)
    world.clock.set_day(date(2026, 11, 23))
    mirrored(world, tmp_path)
    assert held(tmp_path, "auditor")[entry["id"]]["status"] == "expired"
    assert held(tmp_path, "subscriber") == {}


@pytest.mark.parametrize("seed", range(4))
def test_random_histories_on_random_days_fold_to_the_snapshot(
    world: World, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    office = RandomDepartment(world.api(), chance, world.clock.today)
    notice = tmp_path / "notice.yaml"
    notice.write_text(NOTICE)
    looks = 0
    for turn in range(100):
        office.do_random_action()
        if chance.random() < 0.15:
            days = chance.choice([1, 1, 2, 7, 30])
            world.clock.set_day(world.clock.today() + timedelta(days))
        if turn == 60:
            load_calendar_notice(world.registry, read_calendar_notice(notice))
        if chance.random() < 0.02:
            start_epoch(world.registry)
        if chance.random() < 0.15:
            mirrored(world, tmp_path)
            looks += 1
    last_lines = mirrored(world, tmp_path)
    print(looks, last_lines, sorted(office.response_counts.items()))
    done = {deed for (deed, status) in office.response_counts if status < 300}
    assert {"push black", "push red", "push penalty", "corrections", "exits"} <= done


# --- kill -9 -----------------------------------------------------------------------


KILLS = 5


def test_a_killed_mirror_continues_and_equals_the_snapshot(world: World, tmp_path: Path) -> None:
    chance = random.Random(11)
    office = RandomDepartment(world.api(), chance, world.clock.today, subject_count=60)
    for _ in range(120):
        office.do_random_action()
    enough, failures = threading.Event(), []

    def work() -> None:
        try:
            while not enough.is_set():
                office.do_random_action()
                if chance.random() < 0.01:
                    world.clock.set_day(world.clock.today() + timedelta(1))
                time.sleep(0.005)
        except (AssertionError, httpx.HTTPError) as failed:
            failures.append(failed)

    worker = threading.Thread(target=work)
    worker.start()
    fates: Counter[str] = Counter()
    try:
        for round_ in range(KILLS):
            if round_ % 3 == 2:
                start_epoch(world.registry)  # so that complete snapshots are loaded meanwhile
            with running_mirrors(world, tmp_path) as mirrors:
                for process in mirrors:
                    time.sleep(chance.uniform(0, 0.3))
                    assert process.poll() is None, process.communicate()
                    process.kill()
            for role in ROLES:
                position = position_of(tmp_path, role)
                fates["begun" if position is None else "under way"] += 1
    finally:
        enough.set()
        worker.join(30)
    assert failures == []
    for role in ROLES:
        done = subprocess.run(
            [REDBLACK_COMMAND, "mirror", world.address, "--into", tmp_path / f"{role}.sqlite"],
            env=build_environment(REDBLACK_KEY=key_of(world, role)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        snapshot = world.api(role).get("/v1/changes/snapshot").content
        start = snapshot.rfind(b"\n", 0, -1) + 1
        assert done.stdout.endswith(
            f"proved sha256 {hashlib.sha256(snapshot[:start]).hexdigest()}\n"
        )
        entries = [orjson.loads(line) for line in snapshot[:start].splitlines()]
        assert held(tmp_path, role) == {entry["id"]: entry for entry in entries}
        print(role, done.stdout.strip())
    print(dict(fates), sorted(office.response_counts.items()))
    assert fates["under way"] > 0


@contextmanager
def running_mirrors(world: World, home: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start a mirror that follows for each role; all are dead when the block ends."""
    mirrors: list[subprocess.Popen[str]] = []
    try:
        for role in ROLES:
            # A mirror opens its lock file first, so the file shows that this mirror has begun.
            # A lock taken here to find out would be in the way of the mirror.
            (home / f"{role}.sqlite-lock").unlink(missing_ok=True)
            mirrors.append(start_mirror(world, home, role))
        wait_for_files([home / f"{role}.sqlite-lock" for role in ROLES], mirrors)
        yield mirrors
    finally:
        for process in mirrors:
            process.kill()
            process.communicate(timeout=10)


def start_mirror(world: World, home: Path, role: str) -> subprocess.Popen[str]:
    """Start a mirror that follows."""
    return subprocess.Popen(
        [
            REDBLACK_COMMAND,
            "mirror",
            world.address,
            "--into",
            home / f"{role}.sqlite",
            "--follow",
            "0.1",
        ],
        env=build_environment(REDBLACK_KEY=key_of(world, role)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_files(files: list[Path], mirrors: list[subprocess.Popen[str]]) -> None:
    """Wait until all files exist: an earlier kill proves nothing."""
    give_up = time.monotonic() + 30
    while not all(file.exists() for file in files):
        for process in mirrors:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up, "the mirrors do not begin"
        time.sleep(0.005)


def position_of(home: Path, role: str) -> int | None:
    """Return the position of a mirror; None if it was killed before it had one."""
    with closing(sqlite3.connect(home / f"{role}.sqlite")) as database:
        try:
            row = database.execute("SELECT after FROM position").fetchone()
        except sqlite3.OperationalError:  # the table does not exist yet
            return None
    return None if row is None else row[0]
