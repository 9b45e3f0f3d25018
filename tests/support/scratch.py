"""The directory for databases and files of tests: a memory file system where there is one."""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
MIN_FREE_BYTES = 4 * 1024**3


def choose() -> str:
    """Set the temporary directory of this process and of its children; return its description.

    CREATE DATABASE and DROP DATABASE force checkpoints, so on a disk the tests of PostgreSQL wait
    for it two thirds of their time. `TMPDIR` in the environment overrides the choice.
    """
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # read the environment again
    return tempfile.gettempdir()


def _has_room(directory: Path) -> bool:
    usable = directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)
    return usable and shutil.disk_usage(directory).free >= MIN_FREE_BYTES
