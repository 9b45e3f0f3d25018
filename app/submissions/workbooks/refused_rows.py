"""Refused rows of a submission, read again from its file with their results."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.catalogue.queries import read_current_catalogue
from app.errors import Sentence, SubmissionUnderWay
from app.registry import Registry
from app.submissions.mapping.source_file import SourceFile
from app.submissions.processing.job import open_source_file
from app.submissions.schemas import FileFormat, RowOutcome
from app.submissions.store import submissions
from app.submissions.store.submissions import SubmissionRow
from app.submissions.workbooks.refused_sheet import RefusedRow, build_refused_rows_workbook

TABLE_FORMATS = frozenset({FileFormat.csv, FileFormat.xlsx})


def build_workbook(registry: Registry, row: SubmissionRow) -> bytes:
    """Build the workbook of the refused rows of a submission.

    Raises:
        SubmissionUnderWay: the file is no table, is not processed yet, or is no longer stored.
    """
    with registry.database.reading() as connection:
        is_file_kept = submissions.read_part(connection, row.id, 0) is not None
        catalogue = read_current_catalogue(registry, connection)
    if row.format not in TABLE_FORMATS or row.finished_at is None or not is_file_kept:
        raise SubmissionUnderWay(NO_REFUSED_ROWS_WORKBOOK, state=row.state)
    file = open_source_file(registry, row, catalogue)
    refused = _iterate_refused_rows(registry, row, file)
    first = next(refused, None)  # the header is known after the first row
    rows = refused if first is None else _prepend(first, refused)
    return build_refused_rows_workbook(file.table.header if file.table else (), rows)


def _prepend(first: RefusedRow, following: Iterator[RefusedRow]) -> Iterator[RefusedRow]:
    yield first
    yield from following


def _iterate_refused_rows(
    registry: Registry, row: SubmissionRow, file: SourceFile
) -> Iterator[RefusedRow]:
    refused_results = (
        result
        for batch in submissions.read_all_batches(registry, row.id, refused_only=True)
        for result in batch.results
        if result["outcome"] == RowOutcome.refused
    )
    rows = file.read_rows()
    for result in refused_results:
        for source_row in rows:
            if source_row.number == result["row"]:
                yield RefusedRow(source_row.number, source_row.cells, _group_faults(file, result))
                break


def _group_faults(file: SourceFile, result: Mapping[str, Any]) -> dict[int | None, Sentence]:
    header = file.table.header if file.table else ()
    sentences_by_column: dict[int | None, list[Sentence]] = {}
    for error in result["errors"]:
        column_index = header.index(error["column"]) if error.get("column") in header else None
        sentences_by_column.setdefault(column_index, []).append(
            Sentence(error["sentence_en"], error["sentence"])
        )
    return {
        place: Sentence("; ".join(item.en for item in items), "；".join(item.zh for item in items))
        for place, items in sentences_by_column.items()
    }


NO_REFUSED_ROWS_WORKBOOK = Sentence(
    "Only a finished CSV or XLSX submission, whose file is still kept, has a workbook to mend",
    "仅已处理完毕且原文件仍在保存期内的 CSV 或 XLSX 批次可下载退回表",
)
