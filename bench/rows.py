"""Decisions to import: a new organisation and its head in each row, all of them synthetic.

A row is what `POST /v1/entries` takes. Numbers are valid and stand where nothing was given out
(`app.demo.synthetic`); serials never meet, so that every row is a new subject and a new person.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from dateutil.relativedelta import relativedelta

from app.demo.synthetic import birthday, organization_name, person_name, resident_id, uscc

LIST_TYPE = "wage_arrears.black"
HEADS = 5_000_000  # serials of the heads, apart from every organisation's
DECIDED_OVER_DAYS = 60
TRADES = ("建筑工程", "装饰装修", "建筑劳务", "市政工程", "园林绿化", "机电安装")
TERM = relativedelta(years=3)
CONDUCT_BEFORE = timedelta(days=20)
REASON = "示例数据:拖欠农民工工资,经责令限期支付逾期未支付"
BASIS = "拖欠农民工工资失信联合惩戒对象名单管理暂行办法第五条"
SHANGHAI = timedelta(hours=8)


def today() -> date:
    """The civil day in Shanghai, by which the registry counts."""
    return (datetime.now(UTC) + SHANGHAI).date()


def number(serial: int) -> str:
    """The unified social credit code of a row."""
    return uscc(serial)


def name(serial: int) -> str:
    """The organisation of a row."""
    return organization_name(serial, TRADES[serial % len(TRADES)])


def row(serial: int, on: date) -> dict[str, Any]:
    """One decision, at most 60 days old on that day."""
    decided_on = on - timedelta(days=serial % DECIDED_OVER_DAYS)
    head = HEADS + serial
    return {
        "list_type": LIST_TYPE,
        "source_ref": f"BENCH-{serial:08d}",
        "case_ref": f"BENCH-C-{serial:08d}",
        "subject": {
            "kind": "legal_person",
            "name": name(serial),
            "identifiers": [{"scheme": "uscc", "number": number(serial)}],
        },
        "responsible_persons": [
            {
                "role": "legal_representative",
                "name": person_name(head),
                "identifier": {
                    "scheme": "resident_id",
                    "number": resident_id(head, birthday(head)),
                },
            }
        ],
        "decision": {
            "number": f"枣示例人社列〔{decided_on.year}〕{serial:06d}号",
            "kind": "list_decision",
            "decided_on": decided_on,
        },
        "reason": REASON,
        "legal_basis": BASIS,
        "severity": "serious",
        "conduct_ended_on": decided_on - CONDUCT_BEFORE,
        "effective_from": decided_on,
        "effective_until": _end_of(decided_on),
        "disclosure": {"class": "public"},
    }


@cache
def _end_of(decided_on: date) -> date:
    # Worked out once for each of the few days: it takes as long as a third of a row.
    return decided_on + TERM


def write(file: Path, first: int, count: int) -> Path:
    """Write rows as NDJSON, from one serial on."""
    on = today()
    with file.open("wb") as lines:
        for serial in range(first, first + count):
            lines.write(orjson.dumps(row(serial, on), option=orjson.OPT_APPEND_NEWLINE))
    return file


def read(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that `write` wrote."""
    with file.open("rb") as lines:
        yield from map(orjson.loads, lines)
