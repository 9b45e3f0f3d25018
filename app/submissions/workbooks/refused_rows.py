"""The refused rows of a table, as a workbook that a clerk mends and sends again."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.catalogue.store import read_current_catalogue
from app.errors import Sentence, SubmissionUnderWay
from app.registry import Registry
from app.submissions import store
from app.submissions.formats.source_file import File
from app.submissions.processing.job import file_of
from app.submissions.schemas import FileFormat, RowOutcome
from app.submissions.store import SubmissionRow
from app.submissions.workbooks import templates
from app.submissions.workbooks.templates import MarkedRow

TABLES = frozenset({FileFormat.csv, FileFormat.xlsx})


def refused_rows(registry: Registry, row: SubmissionRow) -> bytes:
    """The workbook.

    Raises:
        SubmissionUnderWay: the file is no table, is not read yet, or is not kept any more.
    """
    with registry.database.reading() as connection:
        kept = store.part(connection, row.id, 0) is not None
        catalogue = read_current_catalogue(registry, connection)
    if row.format not in TABLES or row.finished_at is None or not kept:
        raise SubmissionUnderWay(NO_TABLE, state=row.state)
    file = file_of(registry, row, catalogue)
    marked = _marked(registry, row, file)
    first = next(marked, None)  # the headings are known once the first row was read
    rows = marked if first is None else _behind(first, marked)
    return templates.marked(file.table.header if file.table else (), rows)


def _behind(first: MarkedRow, others: Iterator[MarkedRow]) -> Iterator[MarkedRow]:
    yield first
    yield from others


def _marked(registry: Registry, row: SubmissionRow, file: File) -> Iterator[MarkedRow]:
    refused = (
        result
        for batch in store.all_batches(registry, row.id, refused=True)
        for result in batch.results
        if result["outcome"] == RowOutcome.refused
    )
    rows = file.rows()
    for result in refused:
        for sent in rows:
            if sent.number == result["row"]:
                yield MarkedRow(sent.number, sent.cells, _faults(file, result))
                break


def _faults(file: File, result: Mapping[str, Any]) -> dict[int | None, Sentence]:
    header = file.table.header if file.table else ()
    said: dict[int | None, list[Sentence]] = {}
    for error in result["errors"]:
        place = header.index(error["column"]) if error.get("column") in header else None
        said.setdefault(place, []).append(Sentence(error["sentence_en"], error["sentence"]))
    return {
        place: Sentence("; ".join(item.en for item in items), "；".join(item.zh for item in items))
        for place, items in said.items()
    }


NO_TABLE = Sentence(
    "Only a finished CSV or XLSX submission, whose file is still kept, has a workbook to mend",
    "仅已处理完毕且原文件仍在保存期内的 CSV 或 XLSX 批次可下载退回表",
)
