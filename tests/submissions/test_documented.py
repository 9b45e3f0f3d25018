"""docs/columns.md lists the columns that a table may have; this test writes it.

After a change of the columns: REDBLACK_WRITE_DOCS=1 pytest tests/submissions/test_documented.py
"""

import os
from collections.abc import Iterator
from pathlib import Path

from app.submissions.mapping.columns import COLUMNS
from app.submissions.mapping.exchange_fields import FIELDS, NOTE_PREFIX

DOCUMENT = Path(__file__).parents[2] / "docs" / "columns.md"
ABOUT = """\
# Columns of a table / 表格列说明

What `POST /v1/submissions`, `redblack import` and `redblack push` understand in CSV and XLSX. A
heading may be written in English or Chinese; capitals, blanks, full width and marks such as `*`
do not matter, amounts name their unit in the heading (万元 or 元).
`GET /v1/submissions/template.xlsx` gives a workbook to fill in, with explanations and drop-downs.
Days are written 2026-11-20, 2026/11/20 or 2026年11月20日.
"""
OURS = """
## Our own columns / 本系统列

| English | 中文 | also / 其他写法 | needed / 必填 | values / 可选值 |
|---|---|---|---|---|
"""
EXCHANGE = """
## 双公示 exchange fields / 双公示字段

Both generations are taken, also mixed in one table. They become penalty (`CF_…`) and licence
(`XK_…`) records of the domain whose list type the request names, never red or black entries.
2099/12/31 is an open term; amounts are in 万元; several categories are joined by `;`. What an
entry has no field for goes into its remark (备注) with its label; `SJC` is left out, for it is no
part of the decision.

| fields / 字段 | headings / 中文列名 | becomes / 对应 |
|---|---|---|
"""


def build_document() -> str:
    return ABOUT + OURS + "".join(our_columns()) + EXCHANGE + "".join(exchange_fields())


def our_columns() -> Iterator[str]:
    for column in COLUMNS:
        also = "、".join(column.aliases)
        choices = " / ".join(column.choices)
        needed = "✓" if column.required else ""
        yield f"| `{column.key}` | {column.heading} | {also} | {needed} | {choices} |\n"


def exchange_fields() -> Iterator[str]:
    for field in FIELDS:
        codes = " ".join(f"`{code}`" for code in field.codes)
        becomes = (
            f"备注：{field.key.removeprefix(NOTE_PREFIX)}"
            if NOTE_PREFIX in field.key
            else f"`{field.key}`"
        )
        yield f"| {codes} | {'、'.join(field.headings)} | {becomes} |\n"


def test_the_columns_are_documented_as_they_are() -> None:
    if os.environ.get("REDBLACK_WRITE_DOCS"):
        DOCUMENT.write_text(build_document(), "utf-8")
    assert DOCUMENT.read_text("utf-8") == build_document()
