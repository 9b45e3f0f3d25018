"""Who is measured: every side filled once for each size, and up at once for all rounds of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

import httpx

from bench import questions
from bench.asking import question
from bench.databases import CONNECTIONS, Cluster, Database, cluster
from bench.exporting import RegistryExport, by_command
from bench.filling import Filling, fill_pocketbase, fill_registry, fill_tutorial
from bench.loading import Client, Request
from bench.machine import Share, every_core, one_core
from bench.peers import applications, pocketbase
from bench.registry import Founded, Served
from bench.report import say
from bench.rows import number
from bench.together import Piece, together
from bench.turns import FEW_CONNECTIONS, Asked, Turn, move

AT_ONCE = 2
SMALL = 10_000
"""Entries of the registry that growth is counted from."""
POCKETBASE, TUTORIAL = "PocketBase", "tutorial app"
FASTAPI, ASGI = "bare FastAPI", "bare ASGI"
NAMES = {"sqlite": "registry, SQLite", "postgresql": "registry, PostgreSQL"}
WORKS = ("check", "growth", "workers", "many", "subject", "export")
SIDES = (
    NAMES["sqlite"],
    POCKETBASE,
    "sqlite3",
    NAMES["postgresql"],
    TUTORIAL,
    "psql",
    FASTAPI,
    ASGI,
)
"""In this order they are measured: what is held against each other comes close together."""
ASKS_POCKETBASE = frozenset({"check", "many"})
Requests = Callable[[int], Sequence[Request]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be measured, on what."""

    home: Path
    on: date
    works: frozenset[str]
    databases: Sequence[str]
    sizes: Sequence[int]
    seconds: float
    pocketbase: Path

    @property
    def largest(self) -> int:
        """Exports and growth are measured on this size."""
        return max(self.sizes)

    def registry_sizes(self) -> list[int]:
        """The sizes of registries, that for growth among them."""
        small = {SMALL} if "growth" in self.works else set()
        return sorted({*self.sizes} | small)

    @property
    def checks(self) -> bool:
        """Whether checks of one subject are measured: for themselves, or to compare with."""
        return bool(self.works & {"check", "growth", "workers"})

    @property
    def asks_pocketbase(self) -> bool:
        """Whether PocketBase is a side: the registry on SQLite is held against it."""
        return bool(self.works & ASKS_POCKETBASE)

    @property
    def asks_tutorial(self) -> bool:
        """Whether the tutorial's app is a side."""
        return "check" in self.works and "postgresql" in self.databases

    def peers(self) -> list[str]:
        """The sides that have entries of their own."""
        asked = {POCKETBASE: self.asks_pocketbase, TUTORIAL: self.asks_tutorial}
        return [side for side, is_asked in asked.items() if is_asked]


@dataclass(slots=True)
class Filled:
    """Every side with its entries in it, not served yet."""

    wanted: Wanted
    server: Cluster | None = None
    registries: dict[str, Founded] = field(default_factory=dict)
    tutorials: dict[int, Database] = field(default_factory=dict)

    def fill(self) -> None:
        """Fill all of them, two at a time: what makes the rows is slower than what takes them."""
        wanted = self.wanted
        if self.server is not None:
            move(self.server.pid, every_core().others)
        largest_first = list(reversed(wanted.registry_sizes()))  # for they take longest
        pieces = [self._registry(name, size) for size in largest_first for name in wanted.databases]
        pieces += [self._peer(side, size) for size in wanted.sizes for side in wanted.peers()]
        for name, result in together(pieces, AT_ONCE):
            say(f"filled: {name}")
            if isinstance(result, Founded):
                self.registries[name] = result

    def registry(self, database: str, size: int) -> Founded:
        """The registry of a size."""
        return self.registries[_called(NAMES[database], size)]

    def _registry(self, database: str, size: int) -> Piece:
        home, filling = self.home_of(database, size), self._filling(size)
        kept = self._database(f"registry_{size}") if database == "postgresql" else None
        return Piece(_called(NAMES[database], size), fill_registry, (home, kept, filling))

    def _peer(self, side: str, size: int) -> Piece:
        home, filling, name = self.home_of(side, size), self._filling(size), _called(side, size)
        if side == POCKETBASE:
            return Piece(name, fill_pocketbase, (home, self.wanted.pocketbase, filling))
        self.tutorials[size] = self._database(f"tutorial_{size}")
        return Piece(name, fill_tutorial, (home, self.tutorials[size], filling))

    def home_of(self, side: str, size: int) -> Path:
        """The folder of a side."""
        return self.wanted.home / f"{side.replace(' ', '-')}-{size}"

    def _filling(self, size: int) -> Filling:
        return Filling(self.wanted.on, size, every_core())

    def _database(self, name: str) -> Database:
        assert self.server is not None
        return self.server.create(name)


def _called(side: str, size: int) -> str:
    return f"{side}, {size:,} entries"


@contextmanager
def filled(wanted: Wanted) -> Iterator[Filled]:
    """Fill every side; the server of the databases runs until the block ends."""
    with ExitStack() as stack:
        found = Filled(wanted)
        if "postgresql" in wanted.databases:
            home = wanted.home / "databases"
            home.mkdir(mode=0o755)
            found.server = stack.enter_context(cluster(home, one_core(), connections=CONNECTIONS))
        found.fill()
        yield found


# --- up ------------------------------------------------------------------


@contextmanager
def turns_of(found: Filled, client: Client, size: int) -> Iterator[list[Turn]]:
    """Serve every side of a size until the block ends: what is measured of them in a round."""
    with ExitStack() as stack:
        yield _Up(found, client, size, one_core(), stack).turns()


@dataclass(slots=True)
class _Up:
    """The sides of one size, served."""

    found: Filled
    client: Client
    size: int
    share: Share
    stack: ExitStack
    made: list[Turn] = field(default_factory=list)

    def turns(self) -> list[Turn]:
        wanted = self.found.wanted
        works, served = wanted.works, {}
        for database in wanted.databases:
            registry = self._serve(database, self.size)
            served[database] = registry
            self._ask_registry(database, registry)
            if "export" in works and self.size == wanted.largest:
                self._export(database, registry)
            if "growth" in works and self.size == wanted.largest:
                small = registry if self.size == SMALL else self._serve(database, SMALL)
                requests = partial(questions.checks, small.approver_key, SMALL)
                self._ask("growth", NAMES[database], small, requests, database=database)
        if wanted.asks_pocketbase:
            self._ask_pocketbase()
        if wanted.asks_tutorial:
            self._ask_tutorial()
        if works & {"check", "subject"}:
            self._ask_floors(next(iter(served.values())))
        if "workers" in works and "postgresql" in wanted.databases:
            self._ask_two_workers()
        return sorted(self.made, key=lambda turn: (WORKS.index(turn.work), SIDES.index(turn.side)))

    def _serve(self, database: str, size: int) -> Served:
        registry = self.found.registry(database, size)
        return self.stack.enter_context(registry.serving(self.share.server))

    def _ask_registry(self, database: str, registry: Served) -> None:
        wanted, side = self.found.wanted, NAMES[database]
        key = registry.approver_key
        if wanted.checks:
            self._ask("check", side, registry, self._of(questions.checks, key), database=database)
        if "many" in wanted.works:
            requests = self._of(questions.large_checks, key)
            self._ask("many", side, registry, requests, database=database, large=True)
        if "subject" in wanted.works:
            requests = self._of(questions.subjects, key)
            self._ask("subject", side, registry, requests, database=database)

    def _export(self, database: str, registry: Served) -> None:
        """Export all of it, and the same by the database's own command where there is one."""
        own = RegistryExport(
            side=NAMES[database],
            registry=registry,
            size=self.size,
            share=self.share,
            database_pid=self._pid(database),
        )
        command = by_command(database, self.found.registry(database, self.size), own)
        self.made.append(own)
        if command is None:
            say(f"not measured: no command beside the export of {NAMES[database]}")
        else:
            self.made.append(command)

    def _pid(self, database: str) -> int | None:
        server = self.found.server
        return server.pid if database == "postgresql" and server is not None else None

    def _ask_pocketbase(self) -> None:
        home = self.found.home_of(POCKETBASE, self.size)
        command = self.found.wanted.pocketbase
        served = self.stack.enter_context(
            pocketbase.serving_again(home, command, self.share.server)
        )
        requests = partial(questions.pocketbase_lookups, self.size)
        self._ask("check", POCKETBASE, served, requests)

    def _ask_tutorial(self) -> None:
        home = self.found.home_of(TUTORIAL, self.size)
        served = self.stack.enter_context(
            applications.tutorial(home, self.found.tutorials[self.size], self.share.server)
        )
        requests = partial(questions.tutorial_checks, self.size)
        self._ask("check", TUTORIAL, served, requests, database="postgresql")

    def _ask_floors(self, registry: Served) -> None:
        """Ask the floors the very same, for the bytes that the registry answered once."""
        works, home = self.found.wanted.works, self.found.wanted.home
        key = registry.approver_key
        check, subject = _answers(registry)
        for side, named in ((FASTAPI, "fastapi_app"), (ASGI, "asgi_app")):
            served = self.stack.enter_context(
                applications.floor(
                    home / f"{named}-{self.size}", named, check, subject, self.share.server
                )
            )
            if "check" in works:
                self._ask("check", side, served, self._same(questions.checks, key, check))
            if "subject" in works and side == FASTAPI:
                self._ask("subject", side, served, self._same(questions.subjects, key, subject))

    def _ask_two_workers(self) -> None:
        share = every_core()
        registry = self.stack.enter_context(
            self.found.registry("postgresql", self.size).serving(share.server, workers=2)
        )
        requests = self._of(questions.checks, registry.approver_key)
        self._ask(
            "workers", NAMES["postgresql"], registry, requests, database="postgresql", share=share
        )

    def _of(self, made: Callable[[str, int, int], list[Request]], key: str) -> Requests:
        return partial(made, key, self.size)

    def _same(
        self, made: Callable[[str, int, int], list[Request]], key: str, answer: bytes
    ) -> Requests:
        return lambda seed: questions.the_same(made(key, self.size, seed), answer)

    def _ask(
        self,
        work: str,
        side: str,
        server: Served | pocketbase.Served | applications.Application,
        requests: Requests,
        *,
        database: str = "",
        large: bool = False,
        share: Share | None = None,
    ) -> None:
        asked = Asked(
            work=work,
            side=side,
            client=self.client,
            seconds=self.found.wanted.seconds,
            address=server.address,
            pid=server.pid,
            database_pid=self._pid(database),
            requests=requests,
            share=share or self.share,
        )
        if large:
            asked = replace(asked, connections=FEW_CONNECTIONS, each=questions.SUBJECTS)
        self.made.append(asked)


def _answers(registry: Served) -> tuple[bytes, bytes]:
    """The bytes of a check and of a subject, both of a listed one."""
    headers = {"Authorization": f"Bearer {registry.approver_key}", "Accept-Encoding": "identity"}
    with httpx.Client(base_url=registry.address, headers=headers, trust_env=False) as client:
        check = client.post("/v1/checks", json=question(1)).raise_for_status()
        subject = client.get(f"/v1/subjects/uscc/{number(1)}").raise_for_status()
    return check.content, subject.content
