"""The meter of sweeps: a key that searches for personal numbers is refused, over all nodes."""

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from app.db.tables import AccessRecord, SweepCounter
from app.main import attach_registry
from app.registry import Registry
from app.security import sweeps
from app.security.sweep_queue import SweepQueue
from tests.support.check_requests import run_as_one_batch
from tests.support.numbers import build_resident_id, build_uscc
from tests.support.own_reports import build_person_report_body
from tests.support.problems import count_written_rows, read_problem, require_refused
from tests.support.request_bodies import (
    build_check,
    build_penalty_changes,
    build_person,
    build_push,
    build_question,
)
from tests.support.world import World, create_unbound_app, serve_app

LIMITS = {
    "sweep_other_names_per_hour": 3,
    "sweep_numbers_per_name": 5,
    "sweep_alike_numbers": 8,
    "sweep_unmatched_alarm": 1_000,
}
COMPANY = build_question(build_uscc(1), "公司1", ref="company")


@pytest.fixture
def metered(world: World) -> World:
    """A registry with low limits, so that a test passes them soon."""
    for name, value in LIMITS.items():
        setattr(world.registry.settings, name, value)
    return world


def build_birth_date(serial: int) -> date:
    """Build a day of birth in another month for each serial."""
    return date(1960 + serial // 12, serial % 12 + 1, 15)


def spread(serial: int) -> str:
    """Build a number that is not alike to that of another serial."""
    return build_resident_id(1, build_birth_date(serial))


def ask_person(number: str, name: str, **members: Any) -> dict[str, Any]:
    return build_question(number, name, scheme="resident_id", **members)


def check(client: httpx.Client, *subjects: dict[str, Any], **members: Any) -> httpx.Response:
    return client.post("/v1/checks", json=build_check(*subjects, **members))


def check_persons(
    client: httpx.Client, persons: Iterator[tuple[str, str]] | list[tuple[str, str]]
) -> list[int]:
    return [check(client, ask_person(*person)).status_code for person in persons]


def list_person(world: World, serial: int) -> tuple[str, str]:
    number, name = spread(serial), f"张{serial}"
    world.record(
        subject=build_person(number, name), responsible_persons=None, source_ref=f"HR-P{serial}"
    )
    return number, name


def read_alarms(world: World, role: str = "operator") -> list[dict[str, Any]]:
    answer = world.api(role).get("/v1/audit/alarms")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["alarms"])


class TestMeasures:
    def test_listed_numbers_under_another_name_are_few(self, metered: World) -> None:
        listed = [list_person(metered, serial)[0] for serial in range(6)]
        officer = metered.api("approver")
        wrong = [(number, f"李{place}") for place, number in enumerate(listed)]
        assert check_persons(officer, wrong) == [200, 200, 200, 429, 429, 429]

    def test_many_names_of_one_listed_number_count_each(self, metered: World) -> None:
        number, name = list_person(metered, 1)
        officer = metered.api("approver")
        asked = [(number, f"李{place}") for place in range(5)]
        assert check_persons(officer, asked) == [200, 200, 200, 429, 429]
        # The right name is refused too: an answer would say that this guess was right.
        assert check_persons(officer, [(number, name)]) == [429]

    def test_the_right_names_of_listed_numbers_are_answered(self, metered: World) -> None:
        listed = [list_person(metered, serial) for serial in range(6)]
        assert check_persons(metered.api("approver"), listed) == [200] * 6

    def test_different_numbers_under_one_name_are_few(self, metered: World) -> None:
        officer = metered.api("approver")
        asked = [(spread(serial), "张某") for serial in range(7)]
        assert check_persons(officer, asked) == [200] * 5 + [429] * 2

    def test_names_are_compared_in_their_folded_form(self, metered: World) -> None:
        officer = metered.api("approver")
        names = ["AB", "ab", "ＡＢ", "A B", "aB", "Ab"]
        asked = [(spread(serial), name) for serial, name in enumerate(names)]
        assert check_persons(officer, asked) == [200] * 5 + [429]

    def test_numbers_alike_up_to_the_birth_month_are_few(self, metered: World) -> None:
        officer = metered.api("approver")
        days = [date(1985, 6, 1) + timedelta(serial) for serial in range(10)]
        asked = [(build_resident_id(1, day), f"人{day.day}") for day in days]
        assert check_persons(officer, asked) == [200] * 8 + [429] * 2

    def test_the_same_question_again_counts_once(self, metered: World) -> None:
        number, _ = list_person(metered, 1)
        assert check_persons(metered.api("approver"), [(number, "李某")] * 10) == [200] * 10

    def test_the_shipped_limits_are_those_of_the_law_office(self, world: World) -> None:
        settings = world.registry.settings
        assert settings.sweep_other_names_per_hour == 20
        assert settings.sweep_numbers_per_name == 50
        assert settings.sweep_alike_numbers == 200
        officer = world.api("approver")
        asked = [ask_person(spread(serial), "张某", ref=str(serial)) for serial in range(51)]
        assert check(officer, *asked[:50]).status_code == 200
        assert check(officer, asked[0]).status_code == 200
        assert check(officer, asked[50]).status_code == 429

    def test_invalid_numbers_and_persons_without_a_name_do_not_count(self, metered: World) -> None:
        officer = metered.api("approver")
        for serial in range(10):
            nameless = build_question(spread(serial), None, scheme="resident_id")
            number = spread(serial)
            other_end = "1" if number.endswith("0") else "0"
            invalid = ask_person(number[:17] + other_end, "张某")
            assert check(officer, nameless).status_code == 200
            assert check(officer, invalid).status_code == 200
        assert count_counters(metered) == 0


class TestRefusal:
    def test_it_is_a_problem_document_with_the_time_to_wait(self, metered: World) -> None:
        officer = metered.api("approver")
        check_persons(officer, [(spread(serial), "张某") for serial in range(5)])
        answer = check(officer, ask_person(spread(9), "张某"))
        document = require_refused(answer, 429, "sweep_suspected")
        assert "Organisations are still answered" in document["detail"]
        # Until midnight in Shanghai; it is ten in the morning.
        assert 13 * 3600 < int(answer.headers["Retry-After"]) <= 14 * 3600 + 1
        assert spread(9) not in answer.text
        headers = {"Accept-Language": "zh"}
        answer = officer.post(
            "/v1/checks", json=build_check(ask_person(spread(9), "张某")), headers=headers
        )
        assert "单位的查询和报送照常办理" in read_problem(answer)["detail"]

    def test_organisations_of_the_same_check_are_answered(self, metered: World) -> None:
        metered.record()
        officer = metered.api("approver")
        check_persons(officer, [(spread(serial), "张某") for serial in range(6)])
        mixed = check(officer, ask_person(spread(1), "张某", ref="p"), build_question(ref="c"))
        assert mixed.status_code == 200, mixed.text
        person, company = mixed.json()["results"]
        assert person["error"]["code"] == "sweep_suspected"
        assert (person["standing"], person["entries"]) == ("unresolved", [])
        assert (company["standing"], company["error"]) == ("black", None)
        assert check(officer, build_question()).json()["results"][0]["standing"] == "black"
        # On record as it was sent.
        stored = officer.get(f"/v1/checks/{mixed.json()['check_id']}").json()
        assert stored["results"] == mixed.json()["results"]

    def test_a_check_past_the_limit_answers_none_of_its_persons(self, metered: World) -> None:
        number, _ = list_person(metered, 1)
        officer = metered.api("approver")
        many = [ask_person(spread(serial), "张某", ref=str(serial)) for serial in range(2, 30)]
        answer = check(officer, *many, ask_person(number, "张1", ref="listed"), COMPANY)
        assert answer.status_code == 200
        codes = [result["error"] and result["error"]["code"] for result in answer.json()["results"]]
        assert codes == ["sweep_suspected"] * 29 + [None]
        assert "张1" not in answer.text
        assert check(officer, *many).status_code == 429

    def test_a_refused_check_has_no_receipt(self, metered: World) -> None:
        officer = metered.api("approver")
        check_persons(officer, [(spread(serial), "张某") for serial in range(7)])
        records = metered.api("auditor").get("/v1/audit/records?action=check_answered").json()
        assert len(records["records"]) == 5
        records = metered.api("auditor").get("/v1/audit/records?outcome=refused").json()["records"]
        assert [record["action"] for record in records].count("POST /v1/checks") == 2

    def test_other_keys_are_not_concerned(self, metered: World) -> None:
        asked = [(spread(serial), "张某") for serial in range(6)]
        assert check_persons(metered.api("approver"), asked)[-1] == 429
        other = metered.api("approver", "market_regulation")
        assert check_persons(other, asked[:5]) == [200] * 5

    def test_it_ends_with_its_window(self, metered: World) -> None:
        listed = [list_person(metered, serial)[0] for serial in range(4)]
        officer = metered.api("approver")
        wrong = [(number, "李某") for number in listed]
        assert check_persons(officer, wrong) == [200, 200, 200, 429]
        metered.clock.instant += timedelta(minutes=59)
        assert check_persons(officer, wrong[:1]) == [429]
        metered.clock.instant += timedelta(minutes=1)
        assert check_persons(officer, wrong[:1]) == [200]
        # A day's measure goes on over the hour.
        asked = [(spread(serial), "王某") for serial in range(20, 26)]
        assert check_persons(officer, asked) == [200] * 5 + [429]
        metered.clock.instant += timedelta(hours=2)
        assert check_persons(officer, asked[:1]) == [429]
        metered.clock.set_day(date(2026, 11, 23))
        assert check_persons(officer, asked) == [200] * 5 + [429]

    def test_an_investigation_does_not_hide_from_the_meter(self, metered: World) -> None:
        from tests.support.investigations import load_basis

        investigation = {"basis": load_basis(metered), "until": "2026-12-31"}
        officer = metered.api("approver")
        statuses = [
            check(officer, ask_person(spread(serial), "张某"), investigation=investigation)
            for serial in range(6)
        ]
        assert [answer.status_code for answer in statuses] == [200] * 5 + [429]


class TestEveryWay:
    """All requests of one key that answer a question about a number count together."""

    def test_lookups(self, metered: World) -> None:
        officer = metered.api("approver")

        def look_up(serial: int) -> int:
            body = {"scheme": "resident_id", "number": spread(serial), "name": "张某"}
            body |= {"purpose": "受理前查询", "case_no": "RS-1"}
            return officer.post("/v1/subjects/lookup", json=body).status_code

        assert [look_up(serial) for serial in range(4)] == [200] * 4
        assert check_persons(officer, [(spread(4), "张某"), (spread(5), "张某")]) == [200, 429]
        assert look_up(0) == 429
        company = {"scheme": "uscc", "number": build_uscc(1), "purpose": "受理前查询"}
        assert officer.post("/v1/subjects/lookup", json=company).status_code == 200

    def test_pushes(self, metered: World) -> None:
        listed = [list_person(metered, serial)[0] for serial in range(4)]
        before = count_written_rows(metered)

        def push(place: int, number: str) -> httpx.Response:
            changes = build_penalty_changes(
                subject=build_person(number, f"李{place}"), disclosure={"class": "restricted"}
            )
            changes["source_ref"] = f"HR-W{place}"
            return metered.api("department", "human_resources").post(
                "/v1/entries", json=build_push(**changes)
            )

        answers = [push(place, number) for place, number in enumerate(listed)]
        assert [answer.status_code for answer in answers[:3]] == [201] * 3, answers[0].text
        written = count_written_rows(metered)
        assert written != before
        require_refused(push(3, listed[3]), 429, "sweep_suspected")
        assert count_written_rows(metered) == written
        metered.record(source_ref="HR-COMPANY")

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_files_and_dry_runs(self, metered: World, *, dry_run: bool) -> None:
        rows = [
            build_push(
                subject=build_person(spread(serial), "张某"),
                responsible_persons=None,
                source_ref=f"HR-F{serial}",
            )
            for serial in range(7)
        ]
        rows.append(build_push(source_ref="HR-FC"))
        answer = metered.api().post(
            "/v1/submissions",
            params={"dry_run": "true"} if dry_run else {},
            json=rows,
        )
        assert answer.status_code < 300, answer.text
        view = answer.json()
        lines = metered.api().get(f"/v1/submissions/{view['id']}/results").text.splitlines()
        results = [item for line in lines if "outcome" in (item := json.loads(line))]
        assert [result["outcome"] for result in results] == [
            *["accepted"] * 5,
            *["refused"] * 2,
            "accepted",
        ]
        assert {error["code"] for result in results[5:7] for error in result["errors"]} == {
            "sweep_suspected"
        }

    def test_own_reports(self, metered: World) -> None:
        operator = metered.api("operator")

        def issue(serial: int) -> httpx.Response:
            body = build_person_report_body(number=spread(serial), name="张某")
            return operator.post("/v1/own-reports", json=body)

        assert [issue(serial).status_code for serial in range(5)] == [201] * 5
        require_refused(issue(5), 429, "sweep_suspected")
        [record] = (
            metered.api("auditor")
            .get("/v1/audit/records?action=own_report_issued&outcome=refused")
            .json()["records"]
        )
        assert len(record["detail"]["asked"]) == 64
        assert spread(5) not in str(record)

    def test_re_examinations(self, metered: World) -> None:
        auditor = metered.api("auditor")

        def ask(serial: int, *others: dict[str, Any]) -> httpx.Response:
            return check(auditor, ask_person(spread(serial), "张某"), *others, on="2026-11-21")

        assert [ask(serial).status_code for serial in range(5)] == [200] * 5
        require_refused(ask(5), 429, "sweep_suspected")
        mixed = ask(5, COMPANY)
        assert mixed.status_code == 200
        assert [bool(result["error"]) for result in mixed.json()["results"]] == [True, False]


class TestAlarms:
    def test_a_sweep_raises_one_alarm(self, metered: World) -> None:
        officer = metered.api("approver")
        check_persons(officer, [(spread(serial), "张某") for serial in range(9)])
        [alarm] = read_alarms(metered)
        assert read_alarms(metered, "auditor") == [alarm]
        assert alarm["alarm"] == "sweep_suspected"
        assert (alarm["role"], alarm["department"]) == ("approver", "finance_bureau")
        assert alarm["detail"] == {
            "measure": "one_name",
            "limit": 5,
            "operation": "check",
            "refused_until": "2026-11-22T16:00:00+00:00",
        }
        where = "/v1/audit/records?action=sweep_suspected"
        [record] = metered.api("auditor").get(where).json()["records"]
        assert (record["id"], record["outcome"]) == (alarm["id"], "refused")
        assert record["request_id"] == alarm["request_id"]
        assert alarm["request_id"]

    @pytest.mark.parametrize("role", ["approver", "department", "subscriber"])
    def test_only_operators_and_auditors_read_them(self, world: World, role: str) -> None:
        require_refused(world.api(role).get("/v1/audit/alarms"), 403, "forbidden")

    def test_they_are_listed_newest_first_in_pages(self, metered: World) -> None:
        for department in ("finance_bureau", "market_regulation", "tax_bureau"):
            officer = metered.api("approver", department)
            check_persons(officer, [(spread(serial), "张某") for serial in range(6)])
        operator = metered.api("operator")
        first = operator.get("/v1/audit/alarms?limit=2").json()
        departments = [alarm["department"] for alarm in first["alarms"]]
        assert departments == ["tax_bureau", "market_regulation"]
        rest = operator.get("/v1/audit/alarms", params={"next": first["next"]}).json()
        assert [alarm["department"] for alarm in rest["alarms"]] == ["finance_bureau"]
        assert rest["next"] is None
        mine = operator.get("/v1/audit/alarms?department=market_regulation").json()["alarms"]
        assert [alarm["department"] for alarm in mine] == ["market_regulation"]
        require_refused(operator.get("/v1/audit/alarms?next=x"), 400, "bad_cursor")

    def test_numbers_that_match_nobody_are_answered_and_raise_an_alarm(
        self, metered: World
    ) -> None:
        metered.registry.settings.sweep_unmatched_alarm = 10
        list_person(metered, 100)
        officer = metered.api("approver")
        asked = [(spread(serial), f"人{serial}") for serial in range(12)]
        assert check_persons(officer, [(spread(100), "张100")] * 5) == [200] * 5
        assert check_persons(officer, asked[:10]) == [200] * 10
        assert read_alarms(metered) == []
        assert check_persons(officer, asked[10:]) == [200] * 2
        [alarm] = read_alarms(metered)
        assert alarm["detail"]["measure"] == "unmatched"
        assert alarm["detail"]["refused_until"] is None
        assert check_persons(officer, asked) == [200] * 12
        assert len(read_alarms(metered)) == 1


def count_counters(world: World) -> int:
    with world.registry.database.reading_ledger() as connection:
        return int(connection.scalar(select(func.count()).select_from(SweepCounter)) or 0)


class TestCounters:
    def test_nodes_count_together(self, metered: World) -> None:
        """Two processes on one database, as behind a balancer."""
        app = create_unbound_app()
        second = Registry.open(metered.registry.settings, metered.clock)
        attach_registry(app, second)
        assert second.verify() is None
        with serve_app(app) as address:
            key = metered.api("approver").headers["Authorization"]
            other = httpx.Client(base_url=address, headers={"Authorization": key}, trust_env=False)
            nodes = [metered.api("approver"), other]
            statuses = [
                check(nodes[serial % 2], ask_person(spread(serial), "张某")).status_code
                for serial in range(8)
            ]
            # The node that did not refuse yet refuses every person as well.
            assert check(other, ask_person(spread(99), "李某")).status_code == 429
            other.close()
        app.state.check_service.close()
        second.close()
        assert statuses == [200] * 5 + [429] * 3
        assert len(read_alarms(metered)) == 1

    def test_one_batch_answers_exactly_to_the_limit(self, metered: World) -> None:
        officer = metered.api("approver")

        def ask(serial: int) -> Callable[[], httpx.Response]:
            return lambda: check(officer, ask_person(spread(serial), "张某"))

        answers = run_as_one_batch(metered, [ask(serial) for serial in range(12)])
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] * 5 + [429] * 7
        assert len(read_alarms(metered)) == 1

    def test_they_hold_no_number_no_name_and_no_key(self, metered: World) -> None:
        (number, name), (other, _) = list_person(metered, 1), list_person(metered, 2)
        check_persons(metered.api("approver"), [(number, "李某"), (other, "李某")])
        with metered.registry.database.reading_ledger() as connection:
            rows = [tuple(row) for row in connection.execute(select(SweepCounter.__table__))]
            key_id = connection.scalar(select(AccessRecord.actor_id).limit(1))
        assert len(rows) >= 4
        text = str(rows)
        for secret in (
            number,
            other,
            number[:12],
            name,
            "李某",
            str(key_id),
            getattr(key_id, "hex", "?"),
        ):
            assert secret not in text

    def test_the_first_member_of_a_group_writes_none(self, metered: World) -> None:
        officer = metered.api("approver")
        check_persons(officer, [(spread(serial), f"人{serial}") for serial in range(3)])
        check_persons(officer, [(spread(serial), f"人{serial}") for serial in range(3)])
        assert count_counters(metered) == 1  # of the key
        check_persons(officer, [(spread(7), "人1")])
        assert count_counters(metered) == 2

    def test_they_are_removed_when_their_window_ends(self, metered: World) -> None:
        listed = [list_person(metered, serial)[0] for serial in range(3)]
        check_persons(metered.api("approver"), [(number, "李某") for number in listed])
        count = count_counters(metered)
        SweepQueue().clean_up(metered.registry)
        assert count_counters(metered) == count
        metered.clock.instant += timedelta(hours=1)
        SweepQueue().clean_up(metered.registry)
        assert count_counters(metered) == count - 1
        metered.clock.set_day(date(2026, 11, 23))
        SweepQueue().clean_up(metered.registry)
        assert count_counters(metered) == 0

    def test_the_dispatcher_removes_them(self, metered: World) -> None:
        app = create_unbound_app()
        attach_registry(app, metered.registry)
        assert "sweeps" in [queue.name for queue in app.state.dispatcher._queues]
        app.state.check_service.close()

    def test_a_large_number_of_ended_ones_is_removed_in_parts(
        self, metered: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweeps, "MAX_ENDED_PER_TRANSACTION", 50)
        officer = metered.api("approver")
        for start in (0, 600):
            many = [
                ask_person(spread(start + serial), f"人{serial}", ref=str(serial))
                for serial in range(600)
            ]
            assert check(officer, *many).status_code == 200
        assert count_counters(metered) > 2 * sweeps.MAX_ENDED_PER_TRANSACTION
        metered.clock.set_day(date(2026, 11, 23))
        SweepQueue().clean_up(metered.registry)
        assert count_counters(metered) == 0

    def test_repeated_members_do_not_make_them_grow(self, metered: World) -> None:
        officer = metered.api("approver")
        pair = [ask_person(spread(serial), "张某", ref=str(serial)) for serial in range(5)]
        for first in range(5):
            for second in range(5):
                if first != second:
                    check(officer, pair[first], pair[second])
        many = [ask_person(spread(serial), "张某", ref=str(serial)) for serial in range(300)]
        for start in range(0, 300, 50):
            assert check(officer, *many[start : start + 50]).status_code in {200, 429}
        with metered.registry.database.reading_ledger() as connection:
            longest = connection.scalar(select(func.max(func.length(SweepCounter.members))))
        assert longest <= 2 * 9 * 12 + 50 * 12

    def test_a_check_that_fails_to_be_recorded_counts_nothing(
        self, metered: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from app.checks import store

        def fail(*_: object) -> None:
            raise RuntimeError

        with monkeypatch.context() as patched:
            patched.setattr(store, "add_checks", fail)
            assert check(metered.api("approver"), ask_person(spread(1), "张某")).status_code == 500
        assert count_counters(metered) == 0

    def test_the_block_of_a_key_is_read_from_its_row(self, metered: World) -> None:
        officer = metered.api("approver")
        asked = [(spread(serial), "张某") for serial in range(6)]
        check_persons(officer, asked)
        with metered.registry.database.ledger() as connection:
            connection.execute(update(SweepCounter).values(blocked_until=0, members=""))
        assert check_persons(officer, asked[:1]) == [200]
