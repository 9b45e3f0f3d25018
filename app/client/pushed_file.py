"""The file that a push sends."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.client.http import ClientError
from app.client.progress_display import ProgressDisplay

MEDIA_TYPES = {
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".json": "application/json",
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
DEFAULT_MEDIA_TYPE = "application/octet-stream"
"""For any other suffix: the registry detects the format."""
CHUNK_BYTES = 256 * 1024


class PushedFile:
    """The file on disk: read once for its hash, and again from its start with every attempt."""

    def __init__(self, source: BinaryIO, file: Path, display: ProgressDisplay) -> None:
        self._source = source
        self._file = file
        self._stamp = self._read_stamp()
        self.size = self._stamp[0]
        self.media_type = MEDIA_TYPES.get(file.suffix.lower(), DEFAULT_MEDIA_TYPE)
        digest = hashlib.sha256()
        with display.show_bar("reading 读取"):
            for chunk in self.read_chunks(display):
                digest.update(chunk)
        self.sha256 = digest.digest()

    def read_chunks(self, display: ProgressDisplay) -> Iterator[bytes]:
        """Yield the whole file in small parts.

        Raises:
            ClientError: the file was changed since it was opened.
        """
        self._source.seek(0)
        sent_bytes = 0
        while chunk := self._source.read(CHUNK_BYTES):
            self._require_unchanged()
            sent_bytes += len(chunk)
            share = sent_bytes / self.size if self.size else None
            display.update(share, f"{sent_bytes / 1e6:,.1f} / {self.size / 1e6:,.1f} MB")
            yield chunk
        self._require_unchanged()

    def _read_stamp(self) -> tuple[int, int]:
        stat = os.fstat(self._source.fileno())
        return stat.st_size, stat.st_mtime_ns

    def _require_unchanged(self) -> None:
        # The hashed bytes and the sent bytes must be the same, otherwise the registry refuses them.
        if self._read_stamp() != self._stamp:
            raise ClientError(
                f"{self._file} is being changed; send it when it is finished / 文件正在被修改"
            )
