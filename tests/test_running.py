"""Health, metrics and documentation, as orchestrators, monitors and readers see them."""

import gzip
import re
import shutil
from contextlib import closing
from pathlib import Path

import psycopg
from fastapi import FastAPI

from app.crypto import Secrets
from app.demo.synthetic import build_uscc
from app.main import attach_registry
from app.registry import Registry
from tests.support.processes import build_push_today, create_key, serve_registry
from tests.support.request_bodies import PERSON_RESIDENT_ID, build_push
from tests.support.world import RegistryTemplates, World, open_world


def test_alive_and_ready_without_a_key(world: World) -> None:
    with world.client(None) as nobody:
        assert nobody.get("/healthz").json() == {"status": "alive"}
        assert nobody.get("/readyz").json() == {"status": "ready"}


def test_without_its_database_it_lives_answers_503_and_comes_back(
    backend: str, templates: RegistryTemplates, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    approver = create_key(settings, "approver", "finance_bureau")
    department = create_key(settings, "department", "human_resources")
    check = {
        "matter": "bidding",
        "purpose": "投标资格审查",
        "case_no": "ZZ-1",
        "subjects": [{"scheme": "uscc", "number": build_uscc(1)}],
    }
    with (
        serve_registry(settings, tmp_path) as served,
        served.client(approver) as asker,
        served.client(department) as pusher,
    ):
        assert (
            pusher.post("/v1/entries", json=build_push_today(build_uscc(1), "AWAY")).status_code
            == 201
        )
        assert asker.post("/v1/checks", json=check).json()["results"][0]["standing"] == "black"
        with away(backend, templates, settings.data_dir, str(settings.url.database)):
            answer = asker.get("/readyz")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert int(answer.headers["Retry-After"]) >= 1
            assert asker.get("/healthz").json() == {"status": "alive"}
            # Closed on failure: an error, never "no entries".
            for answer in (
                asker.post("/v1/checks", json=check),
                pusher.post("/v1/entries", json=build_push_today(build_uscc(2), "LOST")),
                pusher.get("/v1/entries"),
            ):
                assert answer.status_code == 503, answer.text
                assert "Retry-After" in answer.headers
                assert "none" not in answer.text
        assert asker.get("/readyz").status_code == 200
        assert asker.post("/v1/checks", json=check).json()["results"][0]["standing"] == "black"
    templates.drop_copy(settings)


class away:  # noqa: N801 - reads as a word in `with`
    """Make the database unreachable while the block runs."""

    def __init__(
        self, backend: str, templates: RegistryTemplates, directory: Path, name: str
    ) -> None:
        self.backend, self.templates = backend, templates
        self.directory, self.name = directory, name
        self.hidden = directory.with_name(f"{directory.name}-away")

    def __enter__(self) -> None:
        if self.backend == "sqlite":
            self.directory.rename(self.hidden)
        else:
            self._allow("false")

    def __exit__(self, *_: object) -> None:
        if self.backend == "sqlite":
            shutil.rmtree(self.directory, ignore_errors=True)
            self.hidden.rename(self.directory)
        else:
            self._allow("true")

    def _allow(self, allowed: str) -> None:
        with psycopg.connect(
            self.templates._build_address("postgres"), autocommit=True
        ) as connection:
            connection.execute(f'ALTER DATABASE "{self.name}" WITH ALLOW_CONNECTIONS {allowed}')
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (self.name,),
            )


def test_metrics_count_by_route_and_name_no_caller(world: World) -> None:
    department = world.api()
    entry = world.record()
    department.get(f"/v1/entries/{entry['id']}")
    department.get("/v1/entries", params={"source_ref": "HR-2026-000123"})
    department.get(f"/v1/subjects/uscc/{PERSON_RESIDENT_ID}")
    department.get("/v1/nothing/of/ours")
    answer = department.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    metrics = answer.text
    line = r'redblack_http_requests_total{method="GET",route="%s",status="%s"} [1-9]'
    assert re.search(line % (re.escape("/v1/entries/{entry_id}"), 200), metrics)
    assert re.search(line % ("/v1/entries", 200), metrics)
    assert re.search(line % ("unrouted", "40[04]"), metrics)
    for secret in (entry["id"], PERSON_RESIDENT_ID, "HR-2026", "nothing/of"):
        assert secret not in metrics


def test_the_docs_page_needs_nothing_from_elsewhere(world: World) -> None:
    with world.client(None) as nobody:
        page = nobody.get("/docs")
        assert page.status_code == 200
        assert not re.findall(r"(?:https?:)?//[a-z0-9]", page.text)
        parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(parts) >= 2
        for part in [*parts, "/openapi.json"]:
            assert nobody.get(part).status_code == 200, part


def test_a_request_id_is_kept_or_made(world: World) -> None:
    department = world.api()
    kept = department.get("/v1/domains", headers={"X-Request-ID": "office-42.a_b"})
    assert kept.headers["X-Request-ID"] == "office-42.a_b"
    made = department.get("/v1/domains").headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made)
    assert made != department.get("/v1/domains").headers["X-Request-ID"]
    for unusable in ("with blank", "x" * 65, "<script>", PERSON_RESIDENT_ID, "名"):
        sent = {"X-Request-ID": unusable.encode()}
        answer = department.get("/v1/domains", headers=sent)
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["X-Request-ID"])
    refused = department.get("/v1/checks/nothing", headers={"X-Request-ID": "office-43"})
    assert refused.json()["request_id"] == refused.headers["X-Request-ID"] == "office-43"


def test_the_request_id_is_on_record(world: World) -> None:
    world.api().post("/v1/entries", json=build_push(), headers={"X-Request-ID": "office-44"})
    trail = world.api("auditor").get("/v1/audit/records", params={"action": "entry_recorded"})
    assert [record["request_id"] for record in trail.json()["records"]] == ["office-44"]


def test_nothing_of_the_registry_is_cached(world: World) -> None:
    entry = world.record()
    for path in (
        "/v1/domains",
        "/v1/entries",
        f"/v1/entries/{entry['id']}",
        "/v1/nothing",
        "/v1/entries/no-id",
    ):
        assert world.api().get(path).headers["Cache-Control"] == "no-store", path
    with world.client(None) as nobody:
        answer = nobody.get("/v1/entries")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (401, "no-store")


def test_long_answers_are_packed_where_asked(world: World) -> None:
    department = world.api()
    plain = department.get("/v1/list-types", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    with department.stream("GET", "/v1/list-types", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert len(raw) < len(plain.content) / 3
    assert gzip.decompress(raw) == plain.content


def test_a_key_file_of_another_registry_makes_it_unready(
    backend: str, templates: RegistryTemplates, app: FastAPI, address: str, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    world = open_world(settings, app, address)
    key = world.api("auditor").headers["Authorization"].removeprefix("Bearer ")
    Secrets.make(tmp_path / "other.key")
    wrong = settings.model_copy(update={"secret_key_file": tmp_path / "other.key"})
    with closing(Registry.open(wrong, world.clock)) as registry:
        attach_registry(app, registry)
        with world.client(key) as client:
            for path in ("/readyz", "/v1/entries", "/v1/exports/entries"):
                answer = client.get(path)
                assert (answer.status_code, answer.json()["code"]) == (503, "secret_key_mismatch")
                assert "Retry-After" in answer.headers
            assert client.get("/healthz").status_code == 200
    world.close()
    templates.drop_copy(settings)


def test_an_address_with_a_slash_at_its_end_is_never_redirected(world: World) -> None:
    operator = world.api("operator")
    document = operator.get("/openapi.json").json()
    for path in ("/v1/checks", *(path for path in document["paths"] if "{" not in path)):
        for method in ("GET", "POST"):
            answer = operator.request(method, f"{path}/", headers={"Host": "evil.example"})
            assert (answer.status_code, answer.json()["code"]) == (404, "no_such_address"), path
            assert "Location" not in answer.headers
            assert "evil" not in answer.text
