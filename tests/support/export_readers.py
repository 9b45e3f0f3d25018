"""Reading of an export as its user does, without code of the app."""

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any


@dataclass
class ExportContent:
    """The trailer of a file, and its real content."""

    rows: list[dict[str, Any]]
    trailer: dict[str, Any]
    sha256: str
    meta: dict[str, Any] | None = None

    def require_matching_trailer(self) -> None:
        """Compare the file with its own trailer."""
        assert self.trailer["sha256"] == self.sha256
        assert self.trailer["count"] == len(self.rows)


def parse_ndjson(body: bytes) -> ExportContent:
    """Parse NDJSON: the last line is the trailer; the hash is over all bytes before that line."""
    assert body.endswith(b"\n")
    start = body.rfind(b"\n", 0, -1) + 1
    trailer = json.loads(body[start:])["trailer"]
    rows = [json.loads(line) for line in body[:start].splitlines()]
    return ExportContent(rows, trailer, hashlib.sha256(body[:start]).hexdigest())


def parse_json(body: bytes) -> ExportContent:
    """Parse JSON: the hash is over the bytes of the `entries` array, from `[` to `]`."""
    document = json.loads(body)
    opening = body.index(b'"entries":') + len(b'"entries":')
    closing = body.rindex(b',"trailer":')
    array = body[opening:closing]
    assert json.loads(array) == document["entries"]
    assert list(document) == ["meta", "entries", "trailer"]
    return ExportContent(
        document["entries"],
        document["trailer"],
        hashlib.sha256(array).hexdigest(),
        document["meta"],
    )


def parse_csv(body: bytes) -> ExportContent:
    """Parse CSV: the last line is `#trailer,count,seq,sha256`; the hash is over all before it."""
    assert body.endswith(b"\n")
    start = body.rfind(b"\n", 0, -1) + 1
    word, count, seq, sha256 = body[start:].decode().strip().split(",")
    assert word == "#trailer"
    rows = list(csv.DictReader(io.StringIO(body[:start].decode(), newline="")))
    trailer = {"count": int(count), "seq": int(seq), "sha256": sha256}
    return ExportContent(rows, trailer, hashlib.sha256(body[:start]).hexdigest())


EXPORT_PARSERS = {"ndjson": parse_ndjson, "json": parse_json, "csv": parse_csv}
