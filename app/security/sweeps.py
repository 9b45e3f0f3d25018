"""The meter of sweeps: it notices a key that searches for personal numbers, over all nodes.

The counters are in the ledger. They are added to in the transaction that records the answer, or,
for a change of the registry, in one before it. No answer leaves before it is counted. Only the
first member of a group stays in the memory of the process. Past a limit the key gets no answer
about natural persons until the window ends (`SweepSuspected`), and an alarm is raised.
Organisations are not counted and always answered.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clock import SHANGHAI
from app.crypto import Secrets
from app.db.engines import Connection
from app.errors import SweepSuspected
from app.registry import Registry
from app.rules.identifiers import Identifier
from app.rules.permissions import Caller
from app.rules.sweeps import (
    MEMBER_LENGTH,
    REFUSED_MEASURES,
    AskedNumber,
    Limits,
    Sighting,
    SweepMeasure,
    compute_window_end,
    find_passed_measure,
    get_alike_part,
    list_distinct_members,
)
from app.rules.text import fold_name
from app.security import store
from app.security.store import SweepCount
from app.settings import Settings

Place = tuple[int, str]
"""The end of a window, and the group that is counted in it."""
DIGEST_PURPOSE = "sweep"
MAX_FIRST_MEMBERS = 50_000
GROUP_LENGTH = 32
MAX_ENDED_PER_TRANSACTION = 500
"""Counters deleted by one transaction: a few milliseconds, for which checks wait."""


class CountedRequest(NamedTuple):
    """The personal numbers of one request, to be counted.

    `operation` is the kind of the request, for the alarm: check, lookup, push, file, own_report.
    """

    caller: Caller
    operation: str
    request_id: str | None
    numbers: Sequence[AskedNumber]


def build_asked_number(
    secrets: Secrets,
    caller: Caller,
    identifier: Identifier,
    blind_index: str,
    name: str,
    *,
    has_other_name: bool,
    is_unmatched: bool,
) -> AskedNumber:
    """Build the sightings of a personal number, with its blind index, under a name.

    `has_other_name` is True if the number is listed, but not under this name.
    """
    folded_name = fold_name(name)
    alike_part = f"{identifier.scheme.value}\0{get_alike_part(identifier)}"
    member = blind_index[:MEMBER_LENGTH]
    name_group = _digest_group(secrets, caller, SweepMeasure.one_name, folded_name)
    alike_group = _digest_group(secrets, caller, SweepMeasure.alike, alike_part)
    sightings = [
        Sighting(SweepMeasure.one_name, name_group, member),
        Sighting(SweepMeasure.alike, alike_group, member),
    ]
    if has_other_name:
        group = _digest_group(secrets, caller, SweepMeasure.other_name, "")
        named_number = f"{blind_index}\0{folded_name}".encode()
        named_member = secrets.digest(DIGEST_PURPOSE, named_number)[:MEMBER_LENGTH]
        sightings.append(Sighting(SweepMeasure.other_name, group, named_member))
    return AskedNumber(sightings, is_unmatched)


def count_numbers(
    registry: Registry, connection: Connection, at: datetime, requests: Sequence[CountedRequest]
) -> list[SweepSuspected | None]:
    """Count the numbers of requests in a transaction of the ledger; return a refusal for each.

    None stands for a request that is no sweep. The caller must not raise the refusal before the
    transaction is committed, because the counts and the alarm would be lost.
    """
    if not any(request.numbers for request in requests):
        return [None] * len(requests)
    counter = _Counter(registry, connection, at)
    counter.add(requests)
    return [counter.find_refusal(request) for request in requests]


class _FirstMembers:
    """The only member so far of each group, in the memory of this process.

    An office asks about most names and birth months once, so a counter is written from the second
    member on. A process that ends, or many processes, lose one member of a group each.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._firsts: LRUCache[Place, str | None] = LRUCache(MAX_FIRST_MEMBERS)

    def select_written(
        self, members_by_place: Mapping[Place, dict[str, None]]
    ) -> dict[Place, dict[str, None]]:
        """Return the groups that have more than one member, with all members to be written."""
        written: dict[Place, dict[str, None]] = {}
        with self._lock:
            for place, members in members_by_place.items():
                if place not in self._firsts and len(members) == 1:
                    [self._firsts[place]] = members
                    continue
                first = self._firsts.get(place)
                if first is not None:
                    if len(members) == 1 and first in members:
                        continue
                    members = {first: None, **members}  # noqa: PLW2901 - the member before them
                self._firsts[place] = None  # written from now on
                written[place] = members
        return written


_memories: WeakKeyDictionary[Registry, _FirstMembers] = WeakKeyDictionary()


def _find_memory(registry: Registry) -> _FirstMembers:
    return _memories.setdefault(registry, _FirstMembers())


class _Counter:
    """The counts of some requests at one instant, after they were added."""

    def __init__(self, registry: Registry, connection: Connection, at: datetime) -> None:
        self._secrets = registry.secrets
        self._limits = read_limits(registry.settings)
        self._memory = _find_memory(registry)
        self._connection = connection
        self._at = at
        self._ends = {
            measure: int(compute_window_end(measure, at, SHANGHAI).timestamp())
            for measure in SweepMeasure
        }
        self._members_by_group: dict[str, str] = {}
        self._unmatched_by_key: dict[str, int] = {}
        self._blocked_until_by_key: dict[str, int] = {}

    def add(self, requests: Sequence[CountedRequest]) -> None:
        """Add the numbers of all requests to the counters with one statement."""
        key_counts: dict[str, int] = {}
        members_by_group: dict[Place, dict[str, None]] = {}
        for request in _list_metered(requests):
            key = self._digest_key(request.caller)
            unmatched = sum(number.is_unmatched for number in request.numbers)
            key_counts[key] = key_counts.get(key, 0) + unmatched
            for number in request.numbers:
                for measure, group, member in number.sightings:
                    place = self._ends[measure], group
                    members_by_group.setdefault(place, {})[member] = None
        if not key_counts:
            return
        self._members_by_group = {
            group: "".join(members) for (_, group), members in members_by_group.items()
        }
        members_by_group = self._memory.select_written(members_by_group)
        # The rows of the keys first, each kind in its order: nodes that lock them one after the
        # other cannot wait for each other in a circle.
        day_end = self._ends[SweepMeasure.unmatched]
        counts = [SweepCount(day_end, key, "", key_counts[key]) for key in sorted(key_counts)]
        counts += [
            SweepCount(end, group, "".join(members_by_group[end, group]), 0)
            for end, group in sorted(members_by_group)
        ]
        for state in store.add_sweep_counts(self._connection, counts):
            if state.group in key_counts:
                # From the count before the addition: each request adds its own part again.
                self._unmatched_by_key[state.group] = state.unmatched - key_counts[state.group]
                self._blocked_until_by_key[state.group] = state.blocked_until
            else:
                self._members_by_group[state.group] = state.members
        self._shorten(members_by_group)

    def _shorten(self, places: Iterable[Place]) -> None:
        """Shorten long counters: repeated members, and the ones far beyond the limit."""
        longest = max(self._limits[measure] for measure in REFUSED_MEASURES) + 1
        for window_ends, group in places:
            members = self._members_by_group[group]
            if len(members) > 2 * longest * MEMBER_LENGTH:
                distinct = "".join(list_distinct_members(members)[:longest])
                store.replace_sweep_members(self._connection, window_ends, group, distinct)

    def find_refusal(self, request: CountedRequest) -> SweepSuspected | None:
        """Return the refusal of one request, and raise an alarm if it is the first past a limit."""
        if request.caller.id is None or not request.numbers:
            return None
        key = self._digest_key(request.caller)
        self._count_unmatched(request, key)
        now = self._at.timestamp()
        if self._blocked_until_by_key[key] <= now:
            measure = find_passed_measure(request.numbers, self._members_by_group, self._limits)
            if measure is None:
                return None
            until = self._ends[measure]
            self._blocked_until_by_key[key] = until
            store.block_key(self._connection, self._ends[SweepMeasure.unmatched], key, until)
            self._raise_alarm(request, measure, until)
        return SweepSuspected(retry_after=int(self._blocked_until_by_key[key] - now) + 1)

    def _count_unmatched(self, request: CountedRequest, key: str) -> None:
        limit = self._limits[SweepMeasure.unmatched]
        before = self._unmatched_by_key[key]
        after = before + sum(number.is_unmatched for number in request.numbers)
        self._unmatched_by_key[key] = after
        if before <= limit < after:
            self._raise_alarm(request, SweepMeasure.unmatched, None)

    def _raise_alarm(
        self, request: CountedRequest, measure: SweepMeasure, until: int | None
    ) -> None:
        record = audit.build_record(
            request.caller,
            self._at,
            AuditAction.sweep_suspected,
            "answered" if until is None else "refused",
            measure=measure.value,
            limit=self._limits[measure],
            operation=request.operation,
            refused_until=until and datetime.fromtimestamp(until, UTC).isoformat(),
        )
        audit.raise_alarm(self._connection, {**record, "request_id": request.request_id})

    def _digest_key(self, caller: Caller) -> str:
        return _digest_group(self._secrets, caller, SweepMeasure.unmatched, "")


def _list_metered(requests: Iterable[CountedRequest]) -> list[CountedRequest]:
    """Return the requests that are counted; a person at the command line has the database."""
    return [request for request in requests if request.numbers and request.caller.id is not None]


def read_limits(settings: Settings) -> Limits:
    """Return the limits of the settings."""
    limits: Mapping[SweepMeasure, int] = {
        SweepMeasure.other_name: settings.sweep_other_names_per_hour,
        SweepMeasure.one_name: settings.sweep_numbers_per_name,
        SweepMeasure.alike: settings.sweep_alike_numbers,
        SweepMeasure.unmatched: settings.sweep_unmatched_alarm,
    }
    return limits


def delete_ended_counters(registry: Registry) -> None:
    """Delete the counters of windows that have ended, some per transaction."""
    now = int(registry.clock.now().timestamp())
    with registry.database.reading_ledger() as connection:
        has_ended = store.has_ended_sweep_counters(connection, now)
    while has_ended:
        with registry.database.ledger() as connection:
            deleted = store.delete_ended_sweep_counters(connection, now, MAX_ENDED_PER_TRANSACTION)
        has_ended = deleted == MAX_ENDED_PER_TRANSACTION


def _digest_group(secrets: Secrets, caller: Caller, measure: SweepMeasure, value: str) -> str:
    key_id = b"" if caller.id is None else caller.id.bytes  # its text takes longer than the digest
    content = b"%b\0%b\0%b" % (key_id, measure.encode(), value.encode())
    return secrets.digest(DIGEST_PURPOSE, content)[:GROUP_LENGTH]
