"""Files as departments send them: the same rows in every format, and what comes back."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
import xlsxwriter

from app.submissions.processing import dispatch
from tests.support.facts import organisation, push
from tests.support.problems import problem
from tests.support.world import World

View = dict[str, Any]
SUBMISSIONS = "/v1/submissions"
BLACK = "wage_arrears.black"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NDJSON = "application/x-ndjson"
OCTETS = "application/octet-stream"
TABLE: Mapping[str, tuple[str | int, ...]] = {
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
"""The headings that `push` needs, and where in it their cells stand."""


def row(serial: int, **changes: Any) -> dict[str, Any]:
    """The `serial`-th of many sound black entries, each of an organisation of its own."""
    own = {"source_ref": f"HR-{serial}", "case_ref": None, "subject": organisation(serial)}
    return push(**(own | changes))


def rows(count: int, first: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Some of them."""
    return [row(serial, **changes) for serial in range(first, first + count)]


# --- formats --------------------------------------------------------------


def ndjson(bodies: Iterable[Any]) -> bytes:
    """A line each; bytes are taken as they are."""
    lines = (
        each if isinstance(each, bytes) else json.dumps(each, ensure_ascii=False).encode()
        for each in bodies
    )
    return b"".join(line + b"\n" for line in lines)


def array(bodies: Iterable[Any]) -> bytes:
    """One JSON array."""
    return json.dumps([*bodies], ensure_ascii=False, indent=1).encode()


def cells(body: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A push as the cells of a table by heading; changes are by heading too."""
    told = {heading: _at(body, path) for heading, path in TABLE.items()}
    return {heading: value for heading, value in told.items() if value is not None} | changes


def _at(found: Any, path: Sequence[Any]) -> Any:
    for step in path:
        if isinstance(found, list):
            found = found[step] if step < len(found) else None
        elif isinstance(found, dict):
            found = found.get(step)
    return found


def grid(table: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """A header of every heading that is used, and the rows under it."""
    header = list(dict.fromkeys(heading for each in table for heading in each))
    return [header, *([each.get(heading) for heading in header] for each in table)]


def delimited(
    table: Sequence[Mapping[str, Any]], *, encoding: str = "utf-8", delimiter: str = ","
) -> bytes:
    """CSV; None is an empty cell."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(grid(table))
    return text.getvalue().encode(encoding)


def workbook(table: Sequence[Mapping[str, Any]]) -> bytes:
    """XLSX, every cell as its value is."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("数据")
    for number, values in enumerate(grid(table)):
        sheet.write_row(number, 0, values)
    book.close()
    return bytes(made.getvalue())


def form(content: bytes, name: str = "file", *, whole: bool = True) -> tuple[bytes, str]:
    """A form with one file, and its media type; cut off where it is not to be whole."""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="rows"\r\n\r\n'
    body = head.encode() + content + b"\r\n--edge--\r\n"
    return body if whole else body[:-20], "multipart/form-data; boundary=edge"


# --- sending --------------------------------------------------------------


def send(
    api: httpx.Client,
    content: bytes,
    kind: str = OCTETS,
    *,
    digest: str | None = None,
    **query: Any,
) -> httpx.Response:
    """Send a file; the list is that of `push` unless the query says another, or None."""
    asked = {"list_type": BLACK} | query
    params = {name: value for name, value in asked.items() if value is not None}
    headers = {"Content-Type": kind} | ({} if digest is None else {"Content-Digest": digest})
    return api.post(SUBMISSIONS, content=content, params=params, headers=headers)


def submit(api: httpx.Client, content: bytes, kind: str = OCTETS, **query: Any) -> View:
    """Send a file that is to be answered at once; its view."""
    answer = send(api, content, kind, **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def queue(world: World, api: httpx.Client, content: bytes, **query: Any) -> View:
    """Send a file as a large one, work it off as the background does, and show it."""
    answer = send(api, content, **query)
    assert answer.status_code == 202, answer.text
    dispatch.work_off(world.registry)
    return shown(api, answer.json())


def record(api: httpx.Client, body: dict[str, Any]) -> View:
    """Push one entry by itself, as it stands."""
    answer = api.post("/v1/entries", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def shown(api: httpx.Client, submission: View) -> View:
    """A submission as it stands now."""
    answer = api.get(f"{SUBMISSIONS}/{submission['id']}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def results(api: httpx.Client, submission: View, **query: Any) -> list[View]:
    """The streamed answers, of which the trailer must be the last."""
    answer = api.get(f"{SUBMISSIONS}/{submission['id']}/results", params=query)
    assert answer.status_code == 200, answer.text
    *lines, trailer = map(json.loads, answer.text.splitlines())
    assert trailer["trailer"]["rows"] == len(lines)
    return lines


def outcomes(view: View) -> list[tuple[int | None, str]]:
    """What became of each row."""
    return [(each.get("row"), each["outcome"]) for each in view["results"]]


def unreadable(answer: httpx.Response, code: str) -> View:
    """The document of a file that is refused as a whole, which names its submission."""
    assert answer.status_code == 422, answer.text
    document = problem(answer)
    assert document["code"] == code, answer.text
    assert document["submission_id"]
    return document


def reverse(world: World, api: httpx.Client, submission: View, reason: str = "误传") -> View:
    """Have a submission taken back, to its end."""
    answer = api.post(f"{SUBMISSIONS}/{submission['id']}/reversals", json={"reason": reason})
    assert answer.status_code == 200, answer.text
    dispatch.work_off(world.registry)
    return shown(api, submission)


def set_to(world: World, **settings: Any) -> None:
    """Let the registry run with other settings."""
    world.registry.settings = world.registry.settings.model_copy(update=settings)


# --- entries --------------------------------------------------------------

MADE = {
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


def recorded(api: httpx.Client, **query: Any) -> dict[str, View]:
    """The entries that somebody sees, by their reference."""
    answer = api.get("/v1/entries", params={"limit": 200, **query})
    assert answer.status_code == 200, answer.text
    return {each["source_ref"]: each for each in answer.json()["entries"]}


def facts(entry: Mapping[str, Any]) -> View:
    """What an entry says, without what the registry numbers and times."""
    told = {name: value for name, value in entry.items() if name not in MADE}
    subject = {name: value for name, value in entry["subject"].items() if name != "id"}
    return told | {"subject": subject}
