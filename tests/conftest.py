"""Fixtures of all tests. The behavioural suite uses `world` and runs on both databases.

REDBLACK_TEST_DATABASES picks one (`sqlite` or `postgresql`); both by default.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings

from tests.support import postgres, scratch
from tests.support.world import RegistryTemplates, World, create_unbound_app, serve_app

SCRATCH = scratch.choose()

# No example fails because the machine was busy while it ran.
hypothesis_settings.register_profile("suite", deadline=None)
hypothesis_settings.load_profile("suite")

DATABASES = os.environ.get("REDBLACK_TEST_DATABASES", "sqlite,postgresql").split(",")


def pytest_configure() -> None:
    """Let child processes hear SIGINT also where a shell started the tests in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Name the file system of the databases: a slow run is then easy to explain."""
    return f"databases: {', '.join(DATABASES)} in {SCRATCH}"


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryTemplates]:
    """Migrated, empty registries to copy from."""
    home: Path = tmp_path_factory.mktemp("registries")
    if "postgresql" in DATABASES:
        with postgres.run_server() as address:
            made = RegistryTemplates(home, address)
            yield made
            made.close()
    else:
        made = RegistryTemplates(home, None)
        yield made
        made.close()


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """The one app of the session; each test puts its own registry behind it."""
    return create_unbound_app()


@pytest.fixture(scope="session")
def address(app: FastAPI) -> Iterator[str]:
    """The address of the served app."""
    with serve_app(app) as where:
        yield where


@pytest.fixture(params=DATABASES)
def backend(request: pytest.FixtureRequest) -> str:
    """The database of this run of a test."""
    return str(request.param)


@pytest.fixture
def world(
    backend: str, templates: RegistryTemplates, app: FastAPI, address: str
) -> Iterator[World]:
    """A registry for one test, on the database of this run."""
    with templates.lend(backend, app, address) as opened:
        yield opened
