"""Limits of a workbook, of the process that reads it, and of a sheet."""

import resource
from dataclasses import dataclass

MEBIBYTE = 1 << 20
MAX_ROWS, MAX_COLUMNS = 1 << 20, 1 << 14
"""Rows and columns of a sheet (ECMA-376)."""
MAX_INDEX_BYTES = 16 * MEBIBYTE
"""Bytes of a part that only lists other parts."""
MAX_PREVIEW_COLUMNS, MAX_PREVIEW_CHARACTERS = 1_000, 500


@dataclass(frozen=True, slots=True)
class WorkbookLimits:
    """Limits of one workbook.

    Attributes:
        unpacked_bytes: bytes of all parts together, as the file declares them.
        compression_ratio: maximum of unpacked to packed size of a part of more than
            `ratio_min_bytes`; a table of very similar rows reaches about fifty.
        parts: number of files in the package.
        memory_bytes: address space of the child; enough for some 15 million cells.
        cpu_seconds: CPU time of the child.
        wait_seconds: total time for which the parent waits; its own work does not count.
        line_bytes: bytes of one row in the protocol between child and parent.
    """

    unpacked_bytes: int = 1024 * MEBIBYTE
    compression_ratio: int = 200
    ratio_min_bytes: int = 10 * MEBIBYTE
    parts: int = 5_000
    memory_bytes: int = 1536 * MEBIBYTE
    cpu_seconds: int = 120
    wait_seconds: float = 300
    line_bytes: int = 8 * MEBIBYTE


DEFAULT_LIMITS = WorkbookLimits()


def set_resource_limits(limits: WorkbookLimits) -> None:
    """Limit memory and CPU time of this process; it cannot write a file of any size either."""
    for resource_id, limit in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        hard = resource.getrlimit(resource_id)[1]
        new_limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource_id, (new_limit, new_limit))
