"""Decisions to import: a new organisation and its head in each row, all of them synthetic.

A row is a body of `POST /v1/entries`. Numbers are valid, from ranges that were never given out
(`app.demo.synthetic`); no serial is used twice, so that every row is a new subject and a new
person.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from dateutil.relativedelta import relativedelta

from app.demo.synthetic import (
    build_birth_date,
    build_organization_name,
    build_person_name,
    build_resident_id,
    build_uscc,
)

LIST_TYPE = "wage_arrears.black"
LEGAL_REPRESENTATIVE_SERIAL_OFFSET = (
    5_000_000  # serials of the heads, separate from those of organisations
)
DECIDED_OVER_DAYS = 60
TRADES = ("建筑工程", "装饰装修", "建筑劳务", "市政工程", "园林绿化", "机电安装")
ENTRY_TERM = relativedelta(years=3)
CONDUCT_TO_DECISION = timedelta(days=20)
REASON = "示例数据:拖欠农民工工资,经责令限期支付逾期未支付"
LEGAL_BASIS = "拖欠农民工工资失信联合惩戒对象名单管理暂行办法第五条"
SHANGHAI_OFFSET = timedelta(hours=8)


def compute_today() -> date:
    """Return the civil day in Shanghai, by which the registry counts."""
    return (datetime.now(UTC) + SHANGHAI_OFFSET).date()


def build_row_uscc(serial: int) -> str:
    """Build the unified social credit code of a row."""
    return build_uscc(serial)


def build_row_name(serial: int) -> str:
    """Build the organisation name of a row."""
    return build_organization_name(serial, TRADES[serial % len(TRADES)])


def build_row(serial: int, day: date) -> dict[str, Any]:
    """Build one decision, at most 60 days old on that day."""
    decided_on = day - timedelta(days=serial % DECIDED_OVER_DAYS)
    representative_serial = LEGAL_REPRESENTATIVE_SERIAL_OFFSET + serial
    return {
        "list_type": LIST_TYPE,
        "source_ref": f"BENCH-{serial:08d}",
        "case_ref": f"BENCH-C-{serial:08d}",
        "subject": {
            "kind": "legal_person",
            "name": build_row_name(serial),
            "identifiers": [{"scheme": "uscc", "number": build_row_uscc(serial)}],
        },
        "responsible_persons": [
            {
                "role": "legal_representative",
                "name": build_person_name(representative_serial),
                "identifier": {
                    "scheme": "resident_id",
                    "number": build_resident_id(
                        representative_serial, build_birth_date(representative_serial)
                    ),
                },
            }
        ],
        "decision": {
            "number": f"枣示例人社列〔{decided_on.year}〕{serial:06d}号",
            "kind": "list_decision",
            "decided_on": decided_on,
        },
        "reason": REASON,
        "legal_basis": LEGAL_BASIS,
        "severity": "serious",
        "conduct_ended_on": decided_on - CONDUCT_TO_DECISION,
        "effective_from": decided_on,
        "effective_until": _compute_last_day(decided_on),
        "disclosure": {"class": "public"},
    }


@cache
def _compute_last_day(decided_on: date) -> date:
    # Computed once for each of the few days: it takes as long as a third of a row.
    return decided_on + ENTRY_TERM


def write_rows(file: Path, first_serial: int, count: int) -> Path:
    """Write rows as NDJSON, from one serial on."""
    day = compute_today()
    with file.open("wb") as lines:
        for serial in range(first_serial, first_serial + count):
            lines.write(orjson.dumps(build_row(serial, day), option=orjson.OPT_APPEND_NEWLINE))
    return file


def read_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a file of `write_rows`."""
    with file.open("rb") as lines:
        yield from map(orjson.loads, lines)
