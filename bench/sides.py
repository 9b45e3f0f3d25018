"""Measured sides: each is filled once for each size, and up during all rounds of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

import httpx

from bench import request_sets
from bench.databases import CONNECTIONS, Cluster, Database, run_cluster
from bench.exporting import RegistryExport, build_command_export
from bench.filling import FillOrder, fill_pocketbase, fill_registry, fill_tutorial
from bench.load_client import LoadClient, Request
from bench.machine import CoreShare, reserve_one_core, share_all_cores
from bench.measurements import FEW_CONNECTIONS, LoadMeasurement, Measurement, set_cpu_affinity
from bench.paced_checks import build_check_body
from bench.parallel import Task, run_parallel
from bench.peers import applications, pocketbase
from bench.registry import PreparedRegistry, ServedRegistry
from bench.report import print_progress
from bench.rows import build_row_uscc

MAX_PARALLEL_FILLS = 2
SMALL_REGISTRY_SIZE = 10_000
"""Entries of the small registry, from which growth is measured."""
POCKETBASE, TUTORIAL = "PocketBase", "tutorial app"
FASTAPI, ASGI = "bare FastAPI", "bare ASGI"
REGISTRY_NAMES = {"sqlite": "registry, SQLite", "postgresql": "registry, PostgreSQL"}
WORKS = ("check", "growth", "workers", "many", "subject", "export")
SIDES = (
    REGISTRY_NAMES["sqlite"],
    POCKETBASE,
    "sqlite3",
    REGISTRY_NAMES["postgresql"],
    TUTORIAL,
    "psql",
    FASTAPI,
    ASGI,
)
"""The order of measuring: sides that are compared follow each other closely."""
WORKS_WITH_POCKETBASE = frozenset({"check", "many"})
RequestFactory = Callable[[int], Sequence[Request]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkPlan:
    """The plan of a benchmark: its works, databases and sizes."""

    home: Path
    day: date
    works: frozenset[str]
    databases: Sequence[str]
    sizes: Sequence[int]
    seconds: float
    pocketbase: Path

    @property
    def largest(self) -> int:
        """The size on which exports and growth are measured."""
        return max(self.sizes)

    def list_registry_sizes(self) -> list[int]:
        """List the sizes of registries, including that for growth."""
        small = {SMALL_REGISTRY_SIZE} if "growth" in self.works else set()
        return sorted({*self.sizes} | small)

    @property
    def measures_checks(self) -> bool:
        """Return whether checks of one subject are measured, also for a comparison."""
        return bool(self.works & {"check", "growth", "workers"})

    @property
    def uses_pocketbase(self) -> bool:
        """Return whether PocketBase is a side: it is compared with the registry on SQLite."""
        return bool(self.works & WORKS_WITH_POCKETBASE)

    @property
    def uses_tutorial(self) -> bool:
        """Return whether the tutorial's app is a side."""
        return "check" in self.works and "postgresql" in self.databases

    def list_peers(self) -> list[str]:
        """List the sides that have entries of their own."""
        used_by_side = {POCKETBASE: self.uses_pocketbase, TUTORIAL: self.uses_tutorial}
        return [side for side, is_used in used_by_side.items() if is_used]


@dataclass(slots=True)
class FilledSides:
    """Every side with its entries, not served yet."""

    plan: BenchmarkPlan
    server: Cluster | None = None
    registries: dict[str, PreparedRegistry] = field(default_factory=dict)
    tutorials: dict[int, Database] = field(default_factory=dict)

    def fill_all(self) -> None:
        """Fill all sides, two at a time: building the rows is slower than inserting them."""
        plan = self.plan
        if self.server is not None:
            set_cpu_affinity(self.server.pid, share_all_cores().others)
        largest_first = list(reversed(plan.list_registry_sizes()))  # because they take longest
        tasks = [
            self._build_registry_task(name, size)
            for size in largest_first
            for name in plan.databases
        ]
        tasks += [
            self._build_peer_task(side, size) for size in plan.sizes for side in plan.list_peers()
        ]
        for name, result in run_parallel(tasks, MAX_PARALLEL_FILLS):
            print_progress(f"filled: {name}")
            if isinstance(result, PreparedRegistry):
                self.registries[name] = result

    def find_registry(self, database: str, size: int) -> PreparedRegistry:
        """Find the registry of a size."""
        return self.registries[_format_side_name(REGISTRY_NAMES[database], size)]

    def _build_registry_task(self, database: str, size: int) -> Task:
        home, filling = self.build_home_path(database, size), self._build_fill_order(size)
        server_database = (
            self._create_database(f"registry_{size}") if database == "postgresql" else None
        )
        return Task(
            _format_side_name(REGISTRY_NAMES[database], size),
            fill_registry,
            (home, server_database, filling),
        )

    def _build_peer_task(self, side: str, size: int) -> Task:
        home, filling, name = (
            self.build_home_path(side, size),
            self._build_fill_order(size),
            _format_side_name(side, size),
        )
        if side == POCKETBASE:
            return Task(name, fill_pocketbase, (home, self.plan.pocketbase, filling))
        self.tutorials[size] = self._create_database(f"tutorial_{size}")
        return Task(name, fill_tutorial, (home, self.tutorials[size], filling))

    def build_home_path(self, side: str, size: int) -> Path:
        """Build the path of the folder of a side."""
        return self.plan.home / f"{side.replace(' ', '-')}-{size}"

    def _build_fill_order(self, size: int) -> FillOrder:
        return FillOrder(self.plan.day, size, share_all_cores())

    def _create_database(self, name: str) -> Database:
        assert self.server is not None
        return self.server.create_database(name)


def _format_side_name(side: str, size: int) -> str:
    return f"{side}, {size:,} entries"


@contextmanager
def fill_sides(plan: BenchmarkPlan) -> Iterator[FilledSides]:
    """Fill every side; the server of the databases runs until the block ends."""
    with ExitStack() as stack:
        sides = FilledSides(plan)
        if "postgresql" in plan.databases:
            home = plan.home / "databases"
            home.mkdir(mode=0o755)
            sides.server = stack.enter_context(
                run_cluster(home, reserve_one_core(), connections=CONNECTIONS)
            )
        sides.fill_all()
        yield sides


# --- up ------------------------------------------------------------------


@contextmanager
def serve_sides(sides: FilledSides, client: LoadClient, size: int) -> Iterator[list[Measurement]]:
    """Serve every side of a size until the block ends; yield the measurements of a round."""
    with ExitStack() as stack:
        yield _ServedSides(sides, client, size, reserve_one_core(), stack).build_measurements()


@dataclass(slots=True)
class _ServedSides:
    """The served sides of one size."""

    sides: FilledSides
    client: LoadClient
    size: int
    share: CoreShare
    stack: ExitStack
    measurements: list[Measurement] = field(default_factory=list)

    def build_measurements(self) -> list[Measurement]:
        plan = self.sides.plan
        works, served = plan.works, {}
        for database in plan.databases:
            registry = self._serve(database, self.size)
            served[database] = registry
            self._add_registry(database, registry)
            if "export" in works and self.size == plan.largest:
                self._add_exports(database, registry)
            if "growth" in works and self.size == plan.largest:
                small = (
                    registry
                    if self.size == SMALL_REGISTRY_SIZE
                    else self._serve(database, SMALL_REGISTRY_SIZE)
                )
                requests = partial(
                    request_sets.build_checks, small.approver_key, SMALL_REGISTRY_SIZE
                )
                self._add_load(
                    "growth", REGISTRY_NAMES[database], small, requests, database=database
                )
        if plan.uses_pocketbase:
            self._add_pocketbase()
        if plan.uses_tutorial:
            self._add_tutorial()
        if works & {"check", "subject"}:
            self._add_baselines(next(iter(served.values())))
        if "workers" in works and "postgresql" in plan.databases:
            self._add_two_workers()
        return sorted(
            self.measurements, key=lambda turn: (WORKS.index(turn.work), SIDES.index(turn.side))
        )

    def _serve(self, database: str, size: int) -> ServedRegistry:
        registry = self.sides.find_registry(database, size)
        return self.stack.enter_context(registry.serve(self.share.server))

    def _add_registry(self, database: str, registry: ServedRegistry) -> None:
        plan, side = self.sides.plan, REGISTRY_NAMES[database]
        key = registry.approver_key
        if plan.measures_checks:
            self._add_load(
                "check",
                side,
                registry,
                self._bind_requests(request_sets.build_checks, key),
                database=database,
            )
        if "many" in plan.works:
            requests = self._bind_requests(request_sets.build_large_checks, key)
            self._add_load("many", side, registry, requests, database=database, large=True)
        if "subject" in plan.works:
            requests = self._bind_requests(request_sets.build_subject_reads, key)
            self._add_load("subject", side, registry, requests, database=database)

    def _add_exports(self, database: str, registry: ServedRegistry) -> None:
        """Add the export of everything, and the same by the database's command if there is one."""
        registry_export = RegistryExport(
            side=REGISTRY_NAMES[database],
            registry=registry,
            size=self.size,
            share=self.share,
            database_pid=self._find_database_pid(database),
        )
        command_export = build_command_export(
            database, self.sides.find_registry(database, self.size), registry_export
        )
        self.measurements.append(registry_export)
        if command_export is None:
            print_progress(
                f"not measured: no command beside the export of {REGISTRY_NAMES[database]}"
            )
        else:
            self.measurements.append(command_export)

    def _find_database_pid(self, database: str) -> int | None:
        server = self.sides.server
        return server.pid if database == "postgresql" and server is not None else None

    def _add_pocketbase(self) -> None:
        home = self.sides.build_home_path(POCKETBASE, self.size)
        command = self.sides.plan.pocketbase
        served = self.stack.enter_context(
            pocketbase.serve_existing(home, command, self.share.server)
        )
        requests = partial(request_sets.build_pocketbase_lookups, self.size)
        self._add_load("check", POCKETBASE, served, requests)

    def _add_tutorial(self) -> None:
        home = self.sides.build_home_path(TUTORIAL, self.size)
        served = self.stack.enter_context(
            applications.serve_tutorial(home, self.sides.tutorials[self.size], self.share.server)
        )
        requests = partial(request_sets.build_tutorial_checks, self.size)
        self._add_load("check", TUTORIAL, served, requests, database="postgresql")

    def _add_baselines(self, registry: ServedRegistry) -> None:
        """Add the floors: the same requests, answered with bytes that the registry sent once."""
        works, home = self.sides.plan.works, self.sides.plan.home
        key = registry.approver_key
        check, subject = _read_answers(registry)
        for side, application_name in ((FASTAPI, "fastapi_app"), (ASGI, "asgi_app")):
            served = self.stack.enter_context(
                applications.serve_baseline(
                    home / f"{application_name}-{self.size}",
                    application_name,
                    check,
                    subject,
                    self.share.server,
                )
            )
            if "check" in works:
                self._add_load(
                    "check",
                    side,
                    served,
                    self._bind_baseline_requests(request_sets.build_checks, key, check),
                )
            if "subject" in works and side == FASTAPI:
                self._add_load(
                    "subject",
                    side,
                    served,
                    self._bind_baseline_requests(request_sets.build_subject_reads, key, subject),
                )

    def _add_two_workers(self) -> None:
        share = share_all_cores()
        registry = self.stack.enter_context(
            self.sides.find_registry("postgresql", self.size).serve(share.server, workers=2)
        )
        requests = self._bind_requests(request_sets.build_checks, registry.approver_key)
        self._add_load(
            "workers",
            REGISTRY_NAMES["postgresql"],
            registry,
            requests,
            database="postgresql",
            share=share,
        )

    def _bind_requests(
        self, build_requests: Callable[[str, int, int], list[Request]], key: str
    ) -> RequestFactory:
        return partial(build_requests, key, self.size)

    def _bind_baseline_requests(
        self, build_requests: Callable[[str, int, int], list[Request]], key: str, answer: bytes
    ) -> RequestFactory:
        return lambda seed: request_sets.replace_expected_answer(
            build_requests(key, self.size, seed), answer
        )

    def _add_load(
        self,
        work: str,
        side: str,
        server: ServedRegistry | pocketbase.ServedPocketbase | applications.Application,
        requests: RequestFactory,
        *,
        database: str = "",
        large: bool = False,
        share: CoreShare | None = None,
    ) -> None:
        measurement = LoadMeasurement(
            work=work,
            side=side,
            client=self.client,
            seconds=self.sides.plan.seconds,
            address=server.address,
            pid=server.pid,
            database_pid=self._find_database_pid(database),
            requests=requests,
            share=share or self.share,
        )
        if large:
            measurement = replace(
                measurement,
                connections=FEW_CONNECTIONS,
                subjects_per_answer=request_sets.LARGE_CHECK_SUBJECTS,
            )
        self.measurements.append(measurement)


def _read_answers(registry: ServedRegistry) -> tuple[bytes, bytes]:
    """Read the bytes of a check and of a subject, both of a listed one."""
    headers = {"Authorization": f"Bearer {registry.approver_key}", "Accept-Encoding": "identity"}
    with httpx.Client(base_url=registry.address, headers=headers, trust_env=False) as client:
        check = client.post("/v1/checks", json=build_check_body(1)).raise_for_status()
        subject = client.get(f"/v1/subjects/uscc/{build_row_uscc(1)}").raise_for_status()
    return check.content, subject.content
