"""The OpenAPI document: committed, complete and correct; its examples are sent unchanged."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI

from app.rules.permissions import PERMISSIONS_BY_ROLE, Permission, Role
from app.security.service import create
from tests.support.commands import CommandRunner
from tests.support.request_bodies import (
    build_decision,
    build_organisation,
    build_penalty_changes,
    build_push,
)
from tests.support.world import World

COMMITTED = Path(__file__).parent.parent / "openapi" / "registry.v1.json"
VERIFICATION = "/v1/verifications/{verification_code}"
PUBLIC = {"/healthz", "/readyz", "/metrics", VERIFICATION}
MAY_COME_ANYWHERE = {"400", "401", "403", "413", "422", "429", "503"}
ASKED_AS = (Role.approver, Role.department, Role.auditor, Role.operator)


class Operation(NamedTuple):
    path: str
    method: str
    described: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def permissions(self) -> list[str]:
        return [scope for way in self.described["security"] for scope in way["key"]]

    @property
    def parameters(self) -> list[dict[str, Any]]:
        return list(self.described.get("parameters", []))


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, described in item.items():
            yield Operation(path, method, described)


def test_the_committed_document_is_what_the_app_generates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("REDBLACK_WRITE_SLOTS", "no number")  # it needs no settings
    monkeypatch.setenv("REDBLACK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    generated = tmp_path / "generated.json"
    done = CommandRunner(monkeypatch, capsys, [])("openapi", "--output", str(generated))
    assert (done.exit_code, done.stderr) == (0, "")
    assert generated.read_text("utf-8") == COMMITTED.read_text("utf-8"), "run: make openapi"


def test_the_committed_document_differs_by_line() -> None:
    text = COMMITTED.read_text("utf-8")
    plain = json.loads(text)
    assert text == json.dumps(plain, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def test_there_are_operations_at_all(document: dict[str, Any]) -> None:
    paths = set(document["paths"])
    assert paths >= PUBLIC
    assert paths >= {"/v1/entries", "/v1/checks", "/v1/exports/entries", "/v1/disclosures"}
    assert document["info"]["title"] == "Redblack Registry"


def test_every_operation_says_what_it_does_under_a_name_of_its_own(
    document: dict[str, Any],
) -> None:
    documented = list(operations(document))
    for one in documented:
        assert one.described["summary"].strip(), one.name
        assert one.described["description"].strip(), one.name
        assert one.described["tags"], one.name
    identifiers = [one.described["operationId"] for one in documented]
    assert len(set(identifiers)) == len(identifiers)


def test_every_operation_names_its_permission_or_is_public(document: dict[str, Any]) -> None:
    for one in operations(document):
        if one.path in PUBLIC:
            assert one.described["security"] == [], one.name
        else:
            [permission] = one.permissions
            assert permission in set(Permission), one.name
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_every_operation_documents_its_refusals(document: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for one in operations(document):
        responses = one.described["responses"]
        refusals = {status for status in responses if int(status) >= 400}
        needed = {"400"} if one.path in PUBLIC else MAY_COME_ANYWHERE
        assert refusals >= needed, one.name
        for status in refusals:
            assert responses[status]["description"].strip(), (one.name, status)
            assert responses[status]["content"] == {"application/problem+json": problem}
        assert any(200 <= int(status) < 300 for status in responses), one.name


def test_nothing_refers_to_what_is_not_there(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    referred = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                referred.add(value["$ref"])
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(document)
    assert referred
    assert referred <= {f"#/components/schemas/{name}" for name in schemas}
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)


# --- examples -------------------------------------------------------------


def body_examples(one: Operation, document: dict[str, Any]) -> list[Any]:
    body = one.described.get("requestBody")
    if body is None:
        return []
    media = body["content"]["application/json"]
    schema = media["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    named = [item["value"] for item in media.get("examples", {}).values()]
    return [*schema.get("examples", []), *named]


def parameter_example(parameter: dict[str, Any]) -> Any:
    named = [item["value"] for item in parameter.get("examples", {}).values()]
    return next(iter([*parameter["schema"].get("examples", []), *named]), None)


def needed(one: Operation, place: str) -> dict[str, Any]:
    """Return examples of the required parameters; If-Match where 428 may come."""
    return {
        parameter["name"]: parameter_example(parameter)
        for parameter in one.parameters
        if parameter["in"] == place
        and (
            parameter.get("required")
            or (parameter["name"] == "If-Match" and "428" in one.described["responses"])
        )
    }


def role_for(one: Operation) -> str:
    [permission] = one.permissions
    return next(role for role in ASKED_AS if Permission(permission) in PERMISSIONS_BY_ROLE[role])


class Stage:
    """Creates the objects that a path needs before its example can be sent."""

    def __init__(self, world: World, document: dict[str, Any]) -> None:
        self.world = world
        self.document = document
        self.serial = itertools.count(1)
        self.persons = {
            name: world.client(
                create(
                    world.registry,
                    name=name,
                    role=Role.department,
                    department="human_resources",
                    person=name,
                )
            )
            for name in ("first", "second")
        }

    def client(self, one: Operation) -> httpx.Client:
        """Return a client with the permission: steps of repair are taken by two persons."""
        if one.path.endswith("/extensions"):
            return self.world.api("department", "court")
        if one.path.endswith("/approvals"):
            return self.persons["second"]
        if Permission.own_report_issue in one.permissions:  # a person of a department issues them
            return self.persons["first"]
        if "{case_id}" in one.path:
            return self.persons["second" if one.path.endswith("decision") else "first"]
        return self.world.api("auditor" if one.path in PUBLIC else role_for(one))

    def places(self, one: Operation) -> dict[str, str]:
        entry = self.entry(one)
        found = {"entry_id": entry["id"], "subject_id": entry["subject"]["id"]}
        place = f"/v1/entries/{entry['id']}"
        if one.path == "/v1/entries/{entry_id}/withdrawals":
            self.example(f"{place}/disclosures", "/v1/entries/{entry_id}/disclosures")
        if "{check_id}" in one.path:
            found["check_id"] = self.example("/v1/checks", "/v1/checks").json()["check_id"]
        if "{submission_id}" in one.path:
            found["submission_id"] = self.submission(one)
        if "{report_id}" in one.path or "{verification_code}" in one.path:
            report = self.example("/v1/own-reports", "/v1/own-reports").json()
            found |= {name: report[name] for name in ("report_id", "verification_code")}
        if "{case_id}" in one.path:
            kind = one.path.split("/")[4]
            opened = self.example(f"{place}/{kind}", f"/v1/entries/{{entry_id}}/{kind}")
            found["case_id"] = opened.json()["id"]
            steps = ("acceptance", "decision", "taking-back") if kind == "repairs" else ()
            now = one.path.rpartition("/")[2]
            for step in steps[: steps.index(now) if now in steps else 1]:
                at = f"repairs/{found['case_id']}/{step}"
                self.example(
                    f"{place}/{at}", f"/v1/entries/{{entry_id}}/repairs/{{case_id}}/{step}"
                )
        for parameter in one.parameters:
            if parameter["in"] == "path" and (value := parameter_example(parameter)) is not None:
                found.setdefault(parameter["name"], value)
        return found

    def submission(self, one: Operation) -> str:
        """Create a submission that allows the operation."""
        api = self.world.api()
        if one.path.endswith("/approvals"):  # a full list that lacks an entry recorded before
            asked = "mode=replace&list_type=wage_arrears.black&reason=full&rows=1"
            body = [
                build_push(source_ref=f"STAGE-{next(self.serial)}", subject=build_organisation(99))
            ]
            answer = api.post(f"/v1/submissions?{asked}", json=body)
        elif one.path.endswith("/refused.xlsx"):
            headings = "CF_XDR_MC,CF_XDR_LB,CF_XDR_SHXYM,CF_WSH,CF_SY,CF_YJ,CF_JDRQ"
            table = f"{headings}\n甲,乙,丙,丁,戊,己,庚\n"
            asked = "list_type=wage_arrears.penalty"
            answer = api.post(f"/v1/submissions?{asked}", content=table.encode())
        else:
            body = [build_push(source_ref=f"STAGE-{next(self.serial)}")]
            answer = api.post("/v1/submissions", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def entry(self, one: Operation) -> dict[str, Any]:
        """Create an entry that allows the operation."""
        changes: dict[str, Any] = {"source_ref": f"STAGE-{next(self.serial)}"}
        if "/repairs" in one.path:  # one entry a subject: a second one would bar the first
            changes |= {
                "subject": build_organisation(next(self.serial)),
                "case_ref": None,
                "decision": build_decision("2026-05-08"),
                "conduct_ended_on": "2026-04-30",
                "effective_from": "2026-05-08",
                "effective_until": "2029-05-08",
            }
        if one.path.endswith("/prolongation"):  # the rule of wage arrears has no extension
            changes = build_penalty_changes(**changes, severity="general")
        if one.path.endswith("/extensions"):
            changes |= {
                "list_type": "judgment_defaulting.black",
                "effective_until": "2028-11-20",
            }
        court = one.path.endswith("/extensions")
        return self.world.record(self.client(one) if court else None, **changes)

    def version(self, entry_id: str) -> str:
        """Return the entry's current version, as If-Match names it."""
        return self.world.api("auditor").get(f"/v1/entries/{entry_id}").headers["ETag"]

    def example(self, path: str, template: str) -> httpx.Response:
        one = Operation(template, "post", self.document["paths"][template]["post"])
        [body, *_] = body_examples(one, self.document)
        headers = {}
        if "If-Match" in needed(one, "header"):
            headers["If-Match"] = self.version(path.split("/")[3])
        answer = self.client(one).post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer


def test_every_body_and_every_needed_parameter_has_an_example(document: dict[str, Any]) -> None:
    for one in operations(document):
        if "requestBody" in one.described:
            assert body_examples(one, document), one.name
        for parameter in one.parameters:
            made_here = parameter["in"] == "path" and parameter["name"].endswith("_id")
            if parameter.get("required") and not made_here:
                assert parameter_example(parameter) is not None, (one.name, parameter["name"])


def test_every_example_is_accepted_unchanged(world: World, document: dict[str, Any]) -> None:
    stage = Stage(world, document)
    sent = 0
    for one in operations(document):
        for body in body_examples(one, document) or [None]:
            places = stage.places(one)
            headers = needed(one, "header")
            if "If-Match" in headers:
                headers["If-Match"] = stage.version(places["entry_id"])
            answer = stage.client(one).request(
                one.method,
                one.path.format(**places),
                params=needed(one, "query"),
                headers=headers,
                json=body,
            )
            assert answer.is_success, (one.name, answer.status_code, answer.text)
            assert str(answer.status_code) in one.described["responses"], one.name
            media = answer.headers["Content-Type"].partition(";")[0]
            documented = one.described["responses"][str(answer.status_code)]["content"]
            assert media in {kind.partition(";")[0] for kind in documented}, one.name
            sent += 1
    assert sent >= len(list(operations(document)))


def test_who_may_not_is_refused_before_anything_else(
    world: World, document: dict[str, Any]
) -> None:
    subscriber = world.api("subscriber")
    with world.client(None) as nobody:
        for one in operations(document):
            path = one.path.replace("{", "").replace("}", "")  # no id at all
            unknown = nobody.request(one.method, path)
            if one.path in PUBLIC:
                found = 404 if one.path == VERIFICATION else 200
                assert unknown.status_code == found, one.name
                continue
            assert (unknown.status_code, unknown.json()["code"]) == (401, "unauthenticated")
            assert unknown.headers["WWW-Authenticate"] == "Bearer"
            known = subscriber.request(one.method, path)
            [permission] = one.permissions
            if Permission(permission) not in PERMISSIONS_BY_ROLE[Role.subscriber]:
                assert (known.status_code, known.json()["code"]) == (403, "forbidden"), one.name
