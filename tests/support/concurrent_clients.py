"""A hundred clients at once, and the conditions that the registry must then satisfy."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import func, select

from app.db.tables import (
    AuditRecord,
    Check,
    Entry,
    EntryStatusChange,
    EntryVersion,
    RegistryState,
    Subject,
    SubjectIdentifier,
)
from app.registry import Registry
from app.rules.law import ListKind
from tests.support.request_bodies import build_check, build_question

TIMEOUT_SECONDS = 60


@dataclass
class ConcurrentClients:
    """Requests and answers of all clients."""

    address: str
    department_key: str
    approver_key: str
    statuses: Counter[int] = field(default_factory=Counter)
    recorded: list[dict[str, Any]] = field(default_factory=list)
    replayed: list[dict[str, Any]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    check_ids: list[str] = field(default_factory=list)
    busy_count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run_clients(
        self,
        work: Callable[["ConcurrentClients", httpx.Client, httpx.Client, int], None],
        client_count: int,
    ) -> float:
        """Start `size` clients at one moment; return the seconds until the last is done."""
        start = threading.Barrier(client_count)

        def run_client(number: int) -> None:
            with (
                self._open_client(self.department_key) as pusher,
                self._open_client(self.approver_key) as asker,
            ):
                start.wait(TIMEOUT_SECONDS)
                work(self, pusher, asker, number)

        started = time.perf_counter()
        with ThreadPoolExecutor(client_count) as pool:
            for future in [pool.submit(run_client, number) for number in range(client_count)]:
                future.result(TIMEOUT_SECONDS)
        return time.perf_counter() - started

    def push_entry(self, client: httpx.Client, facts: dict[str, Any]) -> httpx.Response:
        """Push, and repeat while the registry answers that it is busy."""
        answer = self._post_until_answered(client, "/v1/entries", facts)
        with self._lock:
            if answer.status_code == httpx.codes.CREATED:
                self.recorded.append(answer.json())
            elif answer.status_code == httpx.codes.OK:
                self.replayed.append(answer.json())
            else:
                self.refused[answer.json()["code"]] += 1
        return answer

    def check_subject(self, client: httpx.Client, number: str) -> dict[str, Any]:
        """Check one subject."""
        answer = self._post_until_answered(
            client, "/v1/checks", build_check(build_question(number, None))
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        body: dict[str, Any] = answer.json()
        with self._lock:
            self.check_ids.append(body["check_id"])
        return body

    def _post_until_answered(
        self, client: httpx.Client, path: str, body: dict[str, Any]
    ) -> httpx.Response:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            answer = client.post(path, json=body)
            with self._lock:
                self.statuses[answer.status_code] += 1
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                assert answer.status_code < 500, answer.text
                return answer
            assert time.monotonic() < deadline, "busy for too long"
            retry_after = int(answer.headers["Retry-After"])
            assert 1 <= retry_after <= 5
            with self._lock:
                self.busy_count += 1
            time.sleep(retry_after * random.uniform(0.2, 0.5))  # tests have less time than clients

    def _open_client(self, key: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=False,  # plain HTTP; a hundred clients need no certificates
        )


def require_consistent_registry(registry: Registry, clients: ConcurrentClients) -> None:
    """Require a consistent registry, for every order of the clients."""
    with registry.database.reading() as connection:
        versions = connection.execute(
            select(
                EntryVersion.entry_id,
                EntryVersion.version,
                EntryVersion.seq,
                EntryVersion.superseded_seq,
                EntryVersion.recorded_at,
                EntryVersion.subject_id,
                EntryVersion.kind,
            ).order_by(EntryVersion.seq)
        ).all()
        entries = set(connection.scalars(select(Entry.id)))
        audit_records = connection.execute(
            select(AuditRecord.seq, AuditRecord.target).where(AuditRecord.seq.is_not(None))
        ).all()
        status_change_seqs = connection.scalars(select(EntryStatusChange.seq)).all()
        last_seq = connection.scalar(select(RegistryState.seq))
        subjects = set(connection.scalars(select(Subject.id)))
        identifier_counts = connection.execute(
            select(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, func.count()).group_by(
                SubjectIdentifier.scheme, SubjectIdentifier.lookup_key
            )
        ).all()
        identified_subjects = set(connection.scalars(select(SubjectIdentifier.subject_id)))
    with registry.database.reading_ledger() as connection:
        check_ids = {str(check_id) for check_id in connection.scalars(select(Check.id))}

    # Nothing is lost or incomplete.
    assert {view["id"] for view in clients.recorded} <= {str(entry) for entry in entries}
    assert {row.entry_id for row in versions} == entries
    assert set(clients.check_ids) <= check_ids
    # One sequence without gaps, in the order of time, and recorded one by one.
    seqs = [row.seq for row in versions]
    assert seqs == sorted(seqs)
    assert sorted([*seqs, *status_change_seqs]) == list(range(1, last_seq + 1))
    instants = [row.recorded_at for row in versions]
    assert instants == sorted(instants)
    assert sorted((row.seq, row.target) for row in audit_records) == [
        (row.seq, str(row.entry_id)) for row in versions
    ]
    # One subject for each number, and no subject without one.
    assert all(count == 1 for _, _, count in identifier_counts)
    assert subjects == identified_subjects
    # No red entry was accepted on a subject that was already on a black list.
    first_black: dict[Any, int] = {}
    for row in versions:
        if row.kind == ListKind.black:
            first_black.setdefault(row.subject_id, row.seq)
        elif row.kind == ListKind.red and row.version == 1:
            assert row.subject_id not in first_black
