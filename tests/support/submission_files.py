"""Files as departments send them: the same rows in every format, and their results."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
import xlsxwriter

from app.jobs.worker import run_waiting_jobs
from app.submissions.processing import queue
from tests.support.problems import read_problem
from tests.support.request_bodies import build_organisation, build_push
from tests.support.world import World

View = dict[str, Any]
SUBMISSIONS = "/v1/submissions"
BLACK_LIST_TYPE = "wage_arrears.black"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NDJSON = "application/x-ndjson"
OCTET_STREAM = "application/octet-stream"
CELL_PATHS: Mapping[str, tuple[str | int, ...]] = {
    "来源编号": ("source_ref",),
    "案件编号": ("case_ref",),
    "主体类别": ("subject", "kind"),
    "主体名称": ("subject", "name"),
    "统一社会信用代码": ("subject", "identifiers", 0, "number"),
    "法定代表人": ("responsible_persons", 0, "name"),
    "法定代表人证件类型": ("responsible_persons", 0, "identifier", "scheme"),
    "法定代表人证件号码": ("responsible_persons", 0, "identifier", "number"),
    "决定文号": ("decision", "number"),
    "决定类型": ("decision", "kind"),
    "决定日期": ("decision", "decided_on"),
    "列入事由": ("reason",),
    "认定依据": ("legal_basis",),
    "失信程度": ("severity",),
    "行为终了日期": ("conduct_ended_on",),
    "有效期起": ("effective_from",),
    "有效期止": ("effective_until",),
    "公开类型": ("disclosure", "class"),
}
"""The headings that `build_push` needs, and the place of their cells in it."""


def build_row(serial: int, **changes: Any) -> dict[str, Any]:
    """Build the `serial`-th of many valid black entries, each of its own organisation."""
    row_facts = {
        "source_ref": f"HR-{serial}",
        "case_ref": None,
        "subject": build_organisation(serial),
    }
    return build_push(**(row_facts | changes))


def build_rows(count: int, first_serial: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Build several of them."""
    return [build_row(serial, **changes) for serial in range(first_serial, first_serial + count)]


# --- formats --------------------------------------------------------------


def format_ndjson(bodies: Iterable[Any]) -> bytes:
    """Format one line for each row; bytes are taken as they are."""
    lines = (
        body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        for body in bodies
    )
    return b"".join(line + b"\n" for line in lines)


def format_json_array(bodies: Iterable[Any]) -> bytes:
    """Format one JSON array."""
    return json.dumps([*bodies], ensure_ascii=False, indent=1).encode()


def build_cells(body: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Build the cells of a push by heading; changes are by heading too."""
    cell_by_heading = {heading: _read_path(body, path) for heading, path in CELL_PATHS.items()}
    return {
        heading: value for heading, value in cell_by_heading.items() if value is not None
    } | changes


def _read_path(value: Any, path: Sequence[Any]) -> Any:
    for step in path:
        if isinstance(value, list):
            value = value[step] if step < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
    return value


def build_grid(table: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Build a header of every used heading, and the rows under it."""
    header = list(dict.fromkeys(heading for row_cells in table for heading in row_cells))
    return [header, *([each.get(heading) for heading in header] for each in table)]


def format_csv(
    table: Sequence[Mapping[str, Any]], *, encoding: str = "utf-8", delimiter: str = ","
) -> bytes:
    """Format CSV; None is an empty cell."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(build_grid(table))
    return text.getvalue().encode(encoding)


def build_workbook(table: Sequence[Mapping[str, Any]]) -> bytes:
    """Build XLSX; every cell keeps the type of its value."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("数据")
    for number, values in enumerate(build_grid(table)):
        sheet.write_row(number, 0, values)
    book.close()
    return bytes(buffer.getvalue())


def build_form(
    content: bytes, name: str = "file", *, is_complete: bool = True
) -> tuple[bytes, str]:
    """Build a form with one file; return it with its media type, cut off unless complete."""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="rows"\r\n\r\n'
    body = head.encode() + content + b"\r\n--edge--\r\n"
    return body if is_complete else body[:-20], "multipart/form-data; boundary=edge"


# --- sending --------------------------------------------------------------


def send_file(
    api: httpx.Client,
    content: bytes,
    media_type: str = OCTET_STREAM,
    *,
    digest: str | None = None,
    **query: Any,
) -> httpx.Response:
    """Send a file; the list type is that of `build_push` unless the query changes it."""
    parameters = {"list_type": BLACK_LIST_TYPE} | query
    params = {name: value for name, value in parameters.items() if value is not None}
    headers = {"Content-Type": media_type} | ({} if digest is None else {"Content-Digest": digest})
    return api.post(SUBMISSIONS, content=content, params=params, headers=headers)


def submit_file(
    api: httpx.Client, content: bytes, media_type: str = OCTET_STREAM, **query: Any
) -> View:
    """Send a file that is answered at once; return its view."""
    answer = send_file(api, content, media_type, **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def submit_in_background(world: World, api: httpx.Client, content: bytes, **query: Any) -> View:
    """Send a file as a large one, process it as the background does, and return its view."""
    answer = send_file(api, content, **query)
    assert answer.status_code == 202, answer.text
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    return read_submission(api, answer.json())


def record_entry(api: httpx.Client, body: dict[str, Any]) -> View:
    """Push one entry by itself."""
    answer = api.post("/v1/entries", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def read_submission(api: httpx.Client, submission: View) -> View:
    """Read the current state of a submission."""
    answer = api.get(f"{SUBMISSIONS}/{submission['id']}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read_results(api: httpx.Client, submission: View, **query: Any) -> list[View]:
    """Read the streamed answers; the trailer must be the last."""
    answer = api.get(f"{SUBMISSIONS}/{submission['id']}/results", params=query)
    assert answer.status_code == 200, answer.text
    *lines, trailer = map(json.loads, answer.text.splitlines())
    assert trailer["trailer"]["rows"] == len(lines)
    return lines


def read_outcomes(view: View) -> list[tuple[int | None, str]]:
    """Read the outcome of each row."""
    return [(row_result.get("row"), row_result["outcome"]) for row_result in view["results"]]


def require_unreadable(answer: httpx.Response, code: str) -> View:
    """Require that a file is refused as a whole; the document names its submission."""
    assert answer.status_code == 422, answer.text
    document = read_problem(answer)
    assert document["code"] == code, answer.text
    assert document["submission_id"]
    return document


def reverse_submission(
    world: World, api: httpx.Client, submission: View, reason: str = "误传"
) -> View:
    """Reverse a submission, to its end."""
    answer = api.post(f"{SUBMISSIONS}/{submission['id']}/reversals", json={"reason": reason})
    assert answer.status_code == 200, answer.text
    run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
    return read_submission(api, submission)


def change_settings(world: World, **settings: Any) -> None:
    """Change settings of the registry."""
    world.registry.settings = world.registry.settings.model_copy(update=settings)


# --- entries --------------------------------------------------------------

GENERATED_FIELDS = {
    "id",
    "version",
    "seq",
    "received_at",
    "recorded_at",
    "replaces",
    "on",
    "effects",
    "removal",
}


def read_entries(api: httpx.Client, **query: Any) -> dict[str, View]:
    """Read the entries that a client sees, by their reference."""
    answer = api.get("/v1/entries", params={"limit": 200, **query})
    assert answer.status_code == 200, answer.text
    return {entry["source_ref"]: entry for entry in answer.json()["entries"]}


def remove_generated_fields(entry: Mapping[str, Any]) -> View:
    """Return an entry without the numbers and times that the registry gave it."""
    entry_facts = {name: value for name, value in entry.items() if name not in GENERATED_FIELDS}
    subject = {name: value for name, value in entry["subject"].items() if name != "id"}
    return entry_facts | {"subject": subject}
