"""Concurrent checks in batches: every caller gets its own answer, and it is recorded."""

import logging
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import orjson
import psycopg
import pytest
from sqlalchemy import select, text

from app.checks import pipeline, receipts, store
from app.checks.pipeline import MAX_BATCH_SIZE, MAX_SUBJECTS_IN_SMALL_CHECK
from app.checks.schemas import MAX_SUBJECTS, NOT_FOUND_NOTE
from app.db.tables import ApiKey
from app.rules.permissions import Role
from app.security.service import create, revoke
from app.security.store import hash_key
from tests.conftest import DATABASES
from tests.support.check_requests import (
    BlockedBatcher,
    count_recorded_results,
    open_second_worker,
    post_check,
    read_api_key,
    read_check_records,
    read_standings,
    run_as_one_batch,
    run_concurrently,
)
from tests.support.investigations import load_basis
from tests.support.numbers import build_uscc
from tests.support.problems import read_server_log, require_refused
from tests.support.request_bodies import build_check, build_question, build_subject
from tests.support.submission_workers import wait_for
from tests.support.world import RegistryTemplates, World, change_tuning

JSON = {"Content-Type": "application/json"}
POSTGRESQL = [name for name in DATABASES if name == "postgresql"]
ONE_DATABASE = DATABASES[:1]
"""For behaviour that is the same on both."""
TOO_LONG = {"basis": "municipal_inquiry", "until": "2030-01-01"}


def one(serial: int, **more: Any) -> dict[str, Any]:
    return build_question(build_uscc(serial), f"公司{serial}", **more)


def many(size: int) -> list[dict[str, Any]]:
    return [one(serial, ref=f"r{serial}") for serial in range(size)]


def listed(world: World, *serials: int) -> None:
    for serial in serials:
        world.record(
            subject=build_subject(build_uscc(serial), f"公司{serial}"), source_ref=f"HR-{serial}"
        )


def ask(client: httpx.Client, body: dict[str, Any], **headers: str) -> httpx.Response:
    return client.post("/v1/checks", content=orjson.dumps(body), headers=JSON | headers)


# --- many at once ----------------------------------------------------------

WRONG = 5
ASKING = 60


def test_concurrent_checks_get_their_own_answer_or_refusal(world: World) -> None:
    listed(world, 0, 4, 8)
    approver, nobody, department = world.api("approver"), world.client(None), world.api()

    def body(number: int, **more: Any) -> dict[str, Any]:
        purpose, case_no = f"purpose {number}", f"CASE-{number}"
        return build_check(
            one(number, ref=f"ref-{number}"), purpose=purpose, case_no=case_no, **more
        )

    def send(number: int) -> httpx.Response:
        mine = {
            "X-Request-ID": f"office-{number}",
            "Accept-Language": "zh-CN" if number % 2 else "en",
        }
        ways: Sequence[Callable[[], httpx.Response]] = (
            partial(ask, approver, body(number) | {"matter": "no_such_matter"}, **mine),
            partial(approver.post, "/v1/checks", content=b"{", headers=JSON | mine),
            partial(ask, nobody, body(number), **mine),
            partial(ask, department, body(number), **mine),
            partial(ask, approver, body(number, investigation=TOO_LONG), **mine),
        )
        return ways[number % WRONG]() if number >= ASKING else ask(approver, body(number), **mine)

    load_basis(world)
    # Unknown matters and delays that are too long are found only within the batch.
    numbers = range(ASKING + WRONG)
    answers = run_as_one_batch(
        world, [partial(send, number) for number in numbers], size=ASKING + 2
    )

    views = {}
    for number, answer in enumerate(answers[:ASKING]):
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Request-ID"] == f"office-{number}"
        view = answer.json()
        [result] = view["results"]
        assert result["ref"] == f"ref-{number}"
        if number in {0, 4, 8}:
            assert (result["standing"], result["subject"]["name"]) == ("black", f"公司{number}")
        else:
            assert result["standing"] == "none"
            assert result["note"] == (NOT_FOUND_NOTE.zh if number % 2 else NOT_FOUND_NOTE.en)
        views[view["check_id"]] = view
    for number, answer in enumerate(answers[ASKING:], ASKING):
        status, code, pointer = [
            (422, "unknown_value", "/matter"),
            (400, "malformed_json", None),
            (401, "unauthenticated", None),
            (403, "forbidden", None),
            (422, "dates_out_of_order", "/investigation/until"),
        ][number % WRONG]
        document = require_refused(answer, status, code, pointer)
        assert document["request_id"] == f"office-{number}"
        assert answer.headers["Content-Language"] == ("zh" if number % 2 else "en")

    kept = read_check_records(world)
    assert kept.keys() == views.keys()
    for number, check_id in enumerate(views):
        row = kept[check_id]
        assert (row.purpose, row.case_no) == (f"purpose {number}", f"CASE-{number}")
        assert (row.request_id, row.actor_name) == (f"office-{number}", "approver finance_bureau")
        assert row.answer == views[check_id]
        read = approver.get(f"/v1/checks/{check_id}").json()
        assert (read["purpose"], read["results"]) == (row.purpose, views[check_id]["results"])
    assert count_recorded_results(world.registry) == {UUID(check_id): 1 for check_id in views}
    trail = world.api("auditor").get("/v1/audit/records", params={"outcome": "refused"}).json()
    assert {(item["request_id"], item["detail"]["code"]) for item in trail["records"]} == {
        ("office-60", "unknown_value"),
        ("office-61", "malformed_json"),
        ("office-63", "forbidden"),
        ("office-64", "dates_out_of_order"),
    }


def test_callers_who_are_answered_together_are_not_mixed_up(world: World) -> None:
    offices = ["finance_bureau", "tax", "human_resources", "market_regulation"]
    clients = {office: world.api("approver", office) for office in offices}
    crowd = [(office, number) for number in range(8) for office in offices]
    asks = [partial(post_check, clients[office], one(number)) for office, number in crowd]
    answers = run_as_one_batch(world, asks)
    kept = read_check_records(world)
    for (office, _), answer in zip(crowd, answers, strict=True):
        assert kept[answer["check_id"]].department == office
        others = offices[(offices.index(office) + 1) % len(offices)]
        assert clients[office].get(f"/v1/checks/{answer['check_id']}").status_code == 200
        assert clients[others].get(f"/v1/checks/{answer['check_id']}").status_code == 404


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_more_than_go_together_are_all_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    plain = pipeline.execute_checks
    monkeypatch.setattr(
        pipeline, "execute_checks", lambda *both: (sizes.append(len(both[1])), plain(*both))[1]
    )
    approver = world.api("approver")
    crowd = MAX_BATCH_SIZE + 16
    answers = run_as_one_batch(world, [partial(post_check, approver, one(n)) for n in range(crowd)])
    assert sizes == [MAX_BATCH_SIZE, crowd - MAX_BATCH_SIZE]
    assert len({answer["check_id"] for answer in answers}) == crowd
    assert read_check_records(world).keys() == {answer["check_id"] for answer in answers}


def test_a_re_examination_in_a_batch_is_not_a_check(world: World) -> None:
    listed(world, 1)
    approver, auditor = world.api("approver"), world.api("auditor")
    past = partial(post_check, auditor, one(1), known_seq=0)
    asks = [partial(post_check, approver, one(1)), past, partial(post_check, approver, one(1))]
    first, before, last = run_as_one_batch(world, asks, size=2)
    assert (read_standings(first), read_standings(before), read_standings(last)) == (
        ["black"],
        ["none"],
        ["black"],
    )
    assert before["check_id"] is None
    assert read_check_records(world).keys() == {first["check_id"], last["check_id"]}


# --- one fails -------------------------------------------------------------


def test_a_check_that_cannot_be_put_on_record_fails_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = receipts._build_check_row

    def breaking(answer: Any, *more: Any) -> dict[str, Any]:
        row = plain(answer, *more)
        return row | {"actor_name": None} if answer.reason.case_no == "BREAKS" else row

    monkeypatch.setattr(receipts, "_build_check_row", breaking)
    approver = world.api("approver")
    cases = ["A", "BREAKS", "B", "C", "BREAKS", "D"]
    answers = run_as_one_batch(
        world, [partial(ask, approver, build_check(one(1), case_no=case)) for case in cases]
    )
    for case, answer in zip(cases, answers, strict=True):
        if case == "BREAKS":
            require_refused(answer, 500, "internal_error")
            assert "standing" not in answer.text
        else:
            assert answer.status_code == 200, answer.text
    kept = read_check_records(world)
    assert Counter(row.case_no for row in kept.values()) == {"A": 1, "B": 1, "C": 1, "D": 1}
    assert kept.keys() == {
        answer.json()["check_id"] for answer in answers if answer.status_code == 200
    }
    assert count_recorded_results(world.registry) == dict.fromkeys(map(UUID, kept), 1)


def test_a_check_without_its_results_is_not_on_record_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "compute_question_digest", lambda *_: None)
    require_refused(ask(world.api("approver"), build_check(one(1))), 500, "internal_error")
    assert read_check_records(world) == {}
    assert count_recorded_results(world.registry) == {}
    monkeypatch.undo()
    again = post_check(world.api("approver"), one(1))
    assert read_check_records(world).keys() == {again["check_id"]}


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_an_unexpected_error_fails_one_check_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pipeline.parse_questions

    def failing(registry: Any, request: Any, today: Any) -> Any:
        if request.case_no == "FAILS":
            raise RuntimeError(request.subjects[0].number)
        return plain(registry, request, today)

    monkeypatch.setattr(pipeline, "parse_questions", failing)
    approver = world.api("approver")
    cases = ["A", "FAILS", "B"]
    answers = run_as_one_batch(
        world, [partial(ask, approver, build_check(one(1), case_no=case)) for case in cases]
    )
    assert [answer.status_code for answer in answers] == [200, 500, 200]
    assert build_uscc(1) not in answers[1].text
    assert {row.case_no for row in read_check_records(world).values()} == {"A", "B"}


# --- the database is unreachable -----------------------------------------------


@contextmanager
def no_record(world: World, templates: RegistryTemplates) -> Iterator[None]:
    """Fail every attempt to record while the block runs."""
    if world.registry.database.embedded:
        with world.registry.database.ledger() as connection:
            connection.execute(text("PRAGMA busy_timeout = 50"))  # of the connection that writes
        other = sqlite3.connect(world.registry.settings.ledger_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    name = world.registry.settings.url.database
    with psycopg.connect(templates._build_address("postgres"), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        yield
        connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')


def test_no_check_is_answered_while_nothing_can_be_recorded(
    world: World, templates: RegistryTemplates
) -> None:
    listed(world, 1)
    approver = world.api("approver")
    before = post_check(approver, one(1))
    change_tuning(world.registry.settings, key_cache_seconds=60)  # the caller is known
    post_check(approver, one(1))
    known = read_check_records(world).keys()
    with no_record(world, templates):
        asks = [partial(ask, approver, build_check(one(1))) for _ in range(12)]
        asks.append(partial(ask, approver, build_check(*many(MAX_SUBJECTS_IN_SMALL_CHECK + 1))))
        for answer in run_as_one_batch(world, asks, size=12):
            assert require_refused(answer, 503, "unavailable")["detail"]
            assert int(answer.headers["Retry-After"]) >= 1
            assert "standing" not in answer.text
    assert read_check_records(world).keys() == known
    after = post_check(approver, one(1))
    assert after["results"] == before["results"]
    assert read_check_records(world).keys() == known | {after["check_id"]}


@pytest.mark.parametrize("backend", POSTGRESQL)
@pytest.mark.parametrize("writing", [False, True], ids=["while it reads", "while it writes"])
def test_a_lost_connection_costs_one_answer_and_no_more(
    world: World, templates: RegistryTemplates, monkeypatch: pytest.MonkeyPatch, *, writing: bool
) -> None:
    approver = world.api("approver")
    first = post_check(approver, one(1))
    lost = []

    def lose(connection: Any) -> None:
        if not lost:
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            with psycopg.connect(templates._build_address("postgres"), autocommit=True) as other:
                lost.append(other.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone())

    if writing:
        plain_add = store.insert_many

        def add(connection: Any, table: Any, rows: Any) -> None:
            lose(connection)
            plain_add(connection, table, rows)

        monkeypatch.setattr(store, "insert_many", add)
    else:
        plain_all = pipeline.evaluate_questions

        def answer_all(connection: Any, *more: Any) -> Any:
            lose(connection)
            return plain_all(connection, *more)

        monkeypatch.setattr(pipeline, "evaluate_questions", answer_all)
    answers = run_as_one_batch(world, [partial(ask, approver, build_check(one(1)))] * 3)
    assert lost == [(True,)]
    for answer in answers:
        require_refused(answer, 503, "unavailable")
    again = post_check(approver, one(1))
    assert read_check_records(world).keys() == {first["check_id"], again["check_id"]}


# --- clients that disconnect --------------------------------------------------


def sent_by_hand(world: World, body: dict[str, Any], declared: int | None = None) -> socket.socket:
    """Send a check over a raw connection."""
    where = urlsplit(world.address)
    assert where.hostname is not None
    content = orjson.dumps(body)
    head = (
        "POST /v1/checks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {read_api_key(world.api('approver'))}\r\nX-Request-ID: by-hand\r\n"
        f"Content-Length: {declared or len(content)}\r\n\r\n"
    )
    connection = socket.create_connection((where.hostname, where.port), timeout=10)
    connection.sendall(head.encode() + content)
    return connection


def test_who_hangs_up_leaves_the_check_on_record_and_the_others_answered(world: World) -> None:
    approver = world.api("approver")
    with ThreadPoolExecutor(1) as pool:
        with BlockedBatcher(world) as held:
            gone = sent_by_hand(world, build_check(one(1), case_no="GONE"))
            held.wait_for_waiting_checks(1)
            stays = pool.submit(post_check, approver, one(2), case_no="STAYS")
            held.wait_for_waiting_checks(2)
            # With a reset: the server notices it at once.
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            gone.close()
            time.sleep(0.05)
        stayed = stays.result(20)
    kept = read_check_records(world)
    assert {row.case_no for row in kept.values()} == {"GONE", "STAYS"}
    [left] = [check_id for check_id, row in kept.items() if row.case_no == "GONE"]
    assert kept[left].request_id == "by-hand"
    assert approver.get(f"/v1/checks/{left}").json()["results"][0]["standing"] == "none"
    assert stayed["check_id"] in kept


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_a_client_that_disconnects_early_is_neither_recorded_nor_an_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = build_check(one(1))
    sent_by_hand(world, body, declared=len(orjson.dumps(body)) + 100).close()
    wait_for(lambda: "by-hand" in read_server_log(caplog), "the line of the request")
    assert "unexpected" not in read_server_log(caplog)
    assert [item.levelname for item in caplog.records if item.levelno >= logging.ERROR] == []
    trail = world.api("auditor").get("/v1/audit/records", params={"outcome": "refused"}).json()
    assert [item["detail"]["code"] for item in trail["records"]] in ([], ["malformed"])
    assert read_check_records(world) == {}


# --- large checks --------------------------------------------------------------


def test_large_and_small_checks_together_are_all_correct(world: World) -> None:
    listed(world, 3, 49, 60, 900)
    approver = world.api("approver")
    sizes = [
        1,
        MAX_SUBJECTS,
        4,
        MAX_SUBJECTS_IN_SMALL_CHECK,
        MAX_SUBJECTS_IN_SMALL_CHECK + 1,
        1,
        300,
        5,
        2,
        61,
    ]
    start = threading.Barrier(len(sizes))

    def send(size: int) -> dict[str, Any]:
        start.wait(20)
        return post_check(approver, *many(size))

    with ThreadPoolExecutor(len(sizes)) as pool:
        answers = list(pool.map(send, sizes))
    for size, answer in zip(sizes, answers, strict=True):
        assert [result["ref"] for result in answer["results"]] == [f"r{n}" for n in range(size)]
        black = [place for place, found in enumerate(read_standings(answer)) if found == "black"]
        assert black == [serial for serial in (3, 49, 60, 900) if serial < size]
        assert read_standings(answer).count("none") == size - len(black)
    assert count_recorded_results(world.registry) == {
        UUID(answer["check_id"]): size for answer, size in zip(answers, sizes, strict=True)
    }
    stored = approver.get(f"/v1/checks/{answers[1]['check_id']}").json()
    assert stored["results"] == answers[1]["results"]


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_a_large_check_is_refused_as_a_small_one_is(world: World) -> None:
    approver, large = world.api("approver"), many(MAX_SUBJECTS_IN_SMALL_CHECK + 1)
    require_refused(
        ask(approver, build_check(*large, matter="nothing")), 422, "unknown_value", "/matter"
    )
    load_basis(world)
    answer = ask(approver, build_check(*large, investigation=TOO_LONG))
    require_refused(answer, 422, "dates_out_of_order", "/investigation/until")
    require_refused(
        ask(approver, build_check(*many(MAX_SUBJECTS + 1))), 422, "too_many", "/subjects"
    )
    assert read_check_records(world) == {}


# --- every worker ----------------------------------------------------------------


def test_the_next_check_on_every_worker_sees_a_change(world: World) -> None:
    with open_second_worker(world) as other:
        workers = [world, other]
        pushers = [world.api(), other.client(read_api_key(world.api()))]
        askers = [world.api("approver"), other.client(read_api_key(world.api("approver")))]

        def seen(serial: int) -> list[list[str]]:
            return [read_standings(post_check(asker, one(serial))) for asker in askers]

        def change(pusher: httpx.Client, entry: dict[str, Any], what: str, **body: Any) -> None:
            answer = pusher.post(
                f"/v1/entries/{entry['id']}/{what}", json=body, headers={"If-Match": '"1"'}
            )
            assert answer.status_code == 200, answer.text

        for turn in range(4):
            here, there = pushers[turn % 2], pushers[1 - turn % 2]
            worker = workers[turn % 2]
            assert seen(turn) == [["none"]] * 2
            whom = build_subject(build_uscc(turn), f"公司{turn}")
            entry = worker.record(here, subject=whom, source_ref=f"HR-{turn}")
            assert seen(turn) == [["black"]] * 2
            if turn < 2:
                left = {"reason": "已履行", "exited_on": "2026-11-22"}
                change(there, entry, "exits", **left)
            else:
                wrong = {"reason": "撤销", "reason_code": "decision_revoked"}
                change(there, entry, "revocations", **wrong, revoked_on="2026-11-22")
            assert seen(turn) == [["none"]] * 2
        assert {row.seq for row in read_check_records(world).values()} == set(range(9))


def test_checks_at_once_on_two_workers_are_all_on_record(world: World) -> None:
    with open_second_worker(world) as other:
        askers = [world.api("approver"), other.client(read_api_key(world.api("approver")))]
        body = build_check(one(1))
        answers = run_concurrently([partial(ask, askers[number % 2], body) for number in range(40)])
        assert {answer.status_code for answer in answers} == {200}
        assert read_check_records(world).keys() == {answer.json()["check_id"] for answer in answers}


def test_a_revoked_key_asks_nothing_more_within_two_seconds_on_every_worker(world: World) -> None:
    key = create(world.registry, name="审批系统", role=Role.approver, department="tax")
    with world.registry.database.reading() as connection:
        key_id = connection.scalar(select(ApiKey.id).where(ApiKey.key_hash == hash_key(key)))
    assert key_id is not None
    with open_second_worker(world, key_cache_seconds=1.0) as other:  # the default
        here, there = world.client(key), other.client(key)
        for client in (here, there):
            post_check(client, one(1))
        revoke(world.registry, key_id)
        revoked = time.monotonic()
        for client in (here, there):
            while (answer := ask(client, build_check(one(1)))).status_code == 200:
                assert time.monotonic() - revoked < 2
                time.sleep(0.02)
            require_refused(answer, 401, "unauthenticated")
        kept = read_check_records(world).keys()
        for client in (here, there):
            require_refused(ask(client, build_check(one(1))), 401, "unauthenticated")
        assert read_check_records(world).keys() == kept
