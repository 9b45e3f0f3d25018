"""A hundred thousand entries: bounded memory, a correct trailer, and the same bytes each time."""

import hashlib
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
import psutil
import pytest
from sqlalchemy import Connection, insert, literal_column, select, update

from app.db.tables import Entry, EntryVersion, RegistryState
from app.demo.synthetic import build_uscc
from app.entries.recording.batch import record_entries
from app.entries.schemas import EntryPush
from app.registry import Registry
from app.rules.permissions import Caller, Role
from app.security.service import create
from app.settings import Settings
from tests.conftest import DATABASES
from tests.support.processes import ServerProcess, build_push_today, serve_registry
from tests.support.request_bodies import build_subject
from tests.support.world import RegistryTemplates

pytestmark = pytest.mark.skipif("sqlite" not in DATABASES, reason="SQLite is not to be tested")

RECORDED = 1_000
COPIES = 40
ENTRIES = RECORDED * COPIES
MAX_GROWTH_BYTES = 32 * 2**20
ADDRESS = "/v1/exports/entries"
PLAIN = {"Accept-Encoding": "identity"}


class ReadExport(NamedTuple):
    """The result of a reader that reads at the speed of the stream."""

    size: int
    count: int
    sha256: str
    trailer: dict[str, object]


@pytest.fixture(scope="module")
def settings(templates: RegistryTemplates) -> Iterator[Settings]:
    """A registry with a hundred thousand entries on SQLite."""
    made = templates.create_copy("sqlite")
    with closing(Registry.open(made)) as registry:
        department = Caller(None, "loader", Role.department, "human_resources")
        pushes = [
            EntryPush.model_validate(
                build_push_today(
                    build_uscc(serial),
                    f"L-{serial}",
                    subject=build_subject(build_uscc(serial), f"企业{serial}"),
                )
            )
            for serial in range(RECORDED)
        ]
        assert not any(
            isinstance(one, Exception) for one in record_entries(registry, department, pushes)
        )
        registry.write(copy_entries)
    yield made
    templates.drop_copy(made)


def copy_entries(connection: Connection) -> None:
    """Copy every entry, so that there are a hundred of each; recording them all takes a minute."""
    originals = select(EntryVersion.entry_id).where(EntryVersion.seq <= RECORDED)
    for copy in range(1, COPIES):
        # An id of version 8 (those of the app have version 7), numbered at its end.
        own = {
            name: f"substr({name}, 1, 12) || '8' || substr({name}, 14, 15) || '{copy:04x}'"
            for name in ("id", "entry_id")
        }
        own |= {"seq": f"seq + {copy * RECORDED}", "source_ref": f"source_ref || '-{copy}'"}
        for table, key in ((Entry, Entry.id), (EntryVersion, EntryVersion.entry_id)):
            columns = list(table.__table__.columns)
            copied = [
                literal_column(own.get(column.name, f'"{column.name}"')) for column in columns
            ]
            copies = select(*copied).select_from(table).where(key.in_(originals))
            connection.execute(insert(table).from_select(columns, copies))
    connection.execute(update(RegistryState).values(seq=ENTRIES))


def read_export(api: httpx.Client, **asked: str) -> ReadExport:
    """Read line by line, as a client that cannot hold the file in memory does."""
    digest, size, count, rest = hashlib.sha256(), 0, 0, b""
    with api.stream("GET", ADDRESS, params=asked, headers=PLAIN) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            size += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b'{"trailer":'):
                    return ReadExport(
                        size, count, digest.hexdigest(), orjson.loads(line)["trailer"]
                    )
                digest.update(line + b"\n")
                count += 1
    raise AssertionError("the export has no trailer")


def resident_bytes(served: ServerProcess) -> int:
    return int(psutil.Process(served.process.pid).memory_info().rss)


def test_memory_stays_bounded_and_a_second_reading_agrees(
    settings: Settings, tmp_path: Path
) -> None:
    with serve_registry(settings, tmp_path) as served, closing(Registry.open(settings)) as registry:
        key = create(registry, name="auditor", role=Role.auditor)
        with served.client(key) as api:
            assert read_export(api, list="red").count == 0  # warm-up
            read_export(api, status="active", domain="tax_fraud")
            before = resident_bytes(served)
            highest = before
            started = time.perf_counter()
            first = read_export(api)
            seconds = time.perf_counter() - started
            highest = max(highest, resident_bytes(served))
            second = read_export(api, scope="all")
            highest = max(highest, resident_bytes(served))
    print(
        f"{first.count / seconds:,.0f} rows/s, {first.size / seconds / 1e6:.0f} MB/s,"
        f" RSS {before / 2**20:.0f} MiB and {(highest - before) / 2**20:.1f} MiB more"
    )
    assert first.count == first.trailer["count"] == ENTRIES
    assert first.trailer["seq"] == ENTRIES
    assert first.sha256 == first.trailer["sha256"]
    assert (second.count, second.sha256) == (first.count, first.sha256)
    assert highest - before < MAX_GROWTH_BYTES


def test_a_reader_who_stalls_is_let_go_and_the_server_goes_on(
    settings: Settings, tmp_path: Path
) -> None:
    with (
        serve_registry(settings, tmp_path, REDBLACK_STALLED_CLIENT_SECONDS="0.5") as served,
        closing(Registry.open(settings)) as registry,
    ):
        key = create(registry, name="stalled", role=Role.auditor)
        host, port = served.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as stalled:
            asked = (f"GET {ADDRESS} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}")
            stalled.sendall("\r\n".join([*asked, "", ""]).encode())
            assert stalled.recv(100).startswith(b"HTTP/1.1 200")
            time.sleep(2)  # the buffers are full by now, and the timeout is over
            received = b""
            while True:
                try:
                    chunk = stalled.recv(1 << 20)
                except ConnectionResetError:
                    break
                if not chunk:
                    break
                received = received[-200:] + chunk
        assert b'"trailer"' not in received
        assert "an export ended: its reader took nothing for 0.5s" in served.log.read_text()
        assert "Traceback" not in served.log.read_text()
        with served.client(key) as api:
            trail = api.get("/v1/audit/records").json()["records"]
            actions = {record["action"] for record in trail if record["actor_name"] == "stalled"}
            assert actions == {"export_started"}
            assert read_export(api, list="red").count == 0
