"""Settings and tuning: read from the environment (`REDBLACK_…`) and a `.env` file."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

Network = IPv4Network | IPv6Network


class Synchronous(StrEnum):
    """Durability of a commit on SQLite (PRAGMA synchronous)."""

    normal = "normal"
    full = "full"


class Environment(BaseSettings):
    """Values that are read from the environment (`REDBLACK_…`) and a `.env` file."""

    model_config = SettingsConfigDict(env_prefix="REDBLACK_", env_file=".env", extra="ignore")


class Tuning(Environment, frozen=True):
    """Sizes and waits that operators rarely change; tests do, to reach a limit soon."""

    write_slots: int = Field(
        default=8, ge=1, le=32, description="Concurrent writers in one process"
    )
    write_queue: int = Field(
        default=256, ge=0, description="Writers that may wait; above it 503 with Retry-After"
    )
    write_wait_seconds: float = Field(
        default=20, gt=0, description="Longest wait for a write slot before 503"
    )
    read_pool: int = Field(
        default=16, ge=1, description="Database connections for reading in one process"
    )
    key_cache_seconds: float = Field(
        default=1.0, ge=0, le=2, description="How long a revoked key may still work"
    )
    stalled_client_seconds: float = Field(
        default=60, gt=0, description="An export ends if its reader takes no data for this time"
    )
    submission_lease_seconds: float = Field(
        default=30,
        gt=0,
        description="Another worker continues a file after this time without a step",
    )
    head_seconds: float = Field(
        default=15, gt=0, description="Time for the head of a request before 408"
    )
    body_idle_seconds: float = Field(
        default=30, gt=0, description="Time without a byte of a body before 408"
    )
    body_bytes_per_second: int = Field(
        default=1_000, ge=0, description="Lowest rate of a body before 408"
    )
    upload_lease_seconds: float = Field(
        default=40,
        gt=0,
        description="A file that is arriving is given up after this time without a sign of its"
        " server",
    )
    lock_wait_seconds: float = Field(
        default=30,
        gt=0,
        description="Longest wait for the write lock of the database before 503 and not ready",
    )
    inspection_seconds: float = Field(
        default=1, gt=0, description="Pause between two inspections of the database by a process"
    )


class Settings(Environment):
    """The settings of operators; docs/reference.md explains each field."""

    data_dir: Path = Field(
        default=Path("var"), description="Where the embedded database and the key file live"
    )
    database_url: str = Field(
        default="",
        description="`postgresql://…` in production; empty: SQLite in the data directory",
    )
    secret_key_file: Path | None = Field(
        default=None,
        description="The secret key file; on SQLite made in the data directory when left out",
    )
    body_limit_bytes: int = Field(
        default=2_000_000, ge=1_000, description="Largest request body that is taken"
    )
    connection_limit: int = Field(
        default=2_000, ge=2, description="Open connections of one process; above it 503"
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of proxies in front, separated by commas: only their"
        " `X-Forwarded-For` counts, and only they may hold more than half of the connections",
    )
    attempts_per_minute: int = Field(
        default=60, ge=1, description="Failed key attempts of one source before 429"
    )
    sweep_other_names_per_hour: int = Field(
        default=20,
        ge=0,
        description="Listed personal numbers that one key may ask under another name in an hour",
    )
    sweep_numbers_per_name: int = Field(
        default=50,
        ge=1,
        description="Different personal numbers that one key may ask under one name in a day",
    )
    sweep_alike_numbers: int = Field(
        default=200,
        ge=1,
        description="Personal numbers alike up to the month of birth that one key may ask in a day",
    )
    sweep_unmatched_alarm: int = Field(
        default=5_000,
        ge=1,
        description="Personal numbers of one key in a day that match nobody before an alarm; they"
        " are never refused",
    )
    ledger_synchronous: Synchronous = Field(
        default=Synchronous.normal,
        description="`full` keeps answered checks through a power cut on SQLite; `normal` through"
        " the death of a process",
    )
    feed_reach: int = Field(
        default=1_000_000,
        ge=1,
        description="How many changes back the feed goes; from before, the snapshot is the way",
    )
    submission_limit_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1_000, description="Largest file that a submission takes"
    )
    submission_at_once_bytes: int = Field(
        default=1_000_000,
        ge=0,
        description="Files up to this size are answered at once, larger ones in the background",
    )
    submission_held_rows: int = Field(
        default=10_000,
        ge=1,
        description="Most rows of a file that is looked at as a whole: `dry_run`,"
        " `all_or_nothing`, `mode=replace`",
    )
    submission_workers: int = Field(
        default=1,
        ge=0,
        le=8,
        description="Background processes for large files beside one server process; 0: none here",
    )
    submission_keep_days: int = Field(
        default=30, ge=1, description="How long the sealed file stays for the answer about it"
    )
    replace_brake_entries: int = Field(
        default=20,
        ge=0,
        description="A full replace that would remove more entries waits for a second person",
    )
    replace_brake_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Likewise where it would remove a larger share of the list",
    )
    replace_hold_hours: float = Field(
        default=72, gt=0, description="A full replace that nobody approves by then lapses"
    )
    clock_gap_days: int = Field(
        default=45,
        ge=1,
        le=36_500,
        description="A clock that is further after the last run waits for a person at a start",
    )
    min_free_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=0,
        description="Not ready if the disk of the embedded database has less room",
    )
    log_level: str = Field(default="INFO", description="Level of the log on standard error")
    tuning: Tuning = Field(default_factory=Tuning)

    def to_environment(self) -> dict[str, str]:
        """Return the variables that give another process these settings."""
        values = self.model_dump(mode="json", exclude={"tuning"})
        values |= self.tuning.model_dump(mode="json")
        prefix = self.model_config["env_prefix"]
        return {
            f"{prefix}{name.upper()}": str(value)
            for name, value in values.items()
            if value is not None
        }

    @field_validator("trusted_proxies")
    @classmethod
    def validate_proxies(cls, text: str) -> str:
        """Refuse a proxy that is no address and no network."""
        parse_networks(text)
        return text

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks of the trusted proxies."""
        return parse_networks(self.trusted_proxies)

    @property
    def embedded(self) -> bool:
        """True on the embedded SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def url(self) -> URL:
        """The database address with the driver that the registry uses."""
        if not self.database_url:
            return URL.create("sqlite", database=str(self.data_dir / "registry.sqlite3"))
        url = make_url(self.database_url)
        if url.get_backend_name() in {"postgresql", "postgres"}:
            return url.set(drivername="postgresql+psycopg")
        return url

    @property
    def ledger_path(self) -> Path:
        """The second SQLite file: checks and the audit of reads (see `app/db/engines.py`)."""
        main = Path(str(self.url.database))
        return main.with_name(f"{main.stem}.ledger{main.suffix}")

    @property
    def key_path(self) -> Path:
        """Return the path of the secret key file.

        Raises:
            ValueError: no file is set on PostgreSQL, where all nodes must share one.
        """
        if self.secret_key_file is not None:
            return self.secret_key_file
        if not self.embedded:
            raise ValueError("REDBLACK_SECRET_KEY_FILE is required on PostgreSQL")
        return self.data_dir / "secret.key"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse addresses and networks that are separated by commas.

    Raises:
        ValueError: a part is neither.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
