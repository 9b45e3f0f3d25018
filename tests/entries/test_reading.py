"""Reads of entries: single, by page and filter, as of a day or a state of the registry."""

from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.db.tables import EntryPerson, SubjectIdentifier
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    OTHER_USCC,
    PERSON_RESIDENT_ID,
    build_penalty_changes,
    build_person,
    build_push,
    build_red_changes,
    build_subject,
)
from tests.support.world import World


def listed(api: httpx.Client, **query: Any) -> list[str]:
    answer = api.get("/v1/entries", params=query)
    assert answer.status_code == 200, answer.text
    return [entry["source_ref"] for entry in answer.json()["entries"]]


def corrected(world: World, entry: dict[str, Any], version: int, **changes: Any) -> dict[str, Any]:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "更正", "changes": changes},
        headers={"If-Match": f'"{version}"'},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_department_and_oversight_read_an_entry(world: World) -> None:
    entry = world.record()
    path = f"/v1/entries/{entry['id']}"
    for api in (world.api(), world.api("operator"), world.api("auditor")):
        answer = api.get(path)
        assert answer.status_code == 200
        assert answer.headers["ETag"] == '"1"'
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json() == entry
    require_refused(world.api("department", "tax").get(path), 404, "entry_not_found")
    for role in ("approver", "subscriber"):
        require_refused(world.api(role).get(path), 403, "forbidden")
        require_refused(world.api(role).get("/v1/entries"), 403, "forbidden")
    with world.client(None) as nobody:
        answer = nobody.get(path)
    require_refused(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_pages_follow_each_other_without_a_gap(world: World) -> None:
    for number in range(7):
        world.record(source_ref=f"P-{number}")
    found, cursor, pages = [], None, 0
    while True:
        query = {"limit": 3} | ({"next": cursor} if cursor else {})
        page = world.api().get("/v1/entries", params=query).json()
        found += [entry["source_ref"] for entry in page["entries"]]
        pages, cursor = pages + 1, page["next"]
        if cursor is None:
            break
    assert found == [f"P-{number}" for number in range(7)]
    assert pages == 3


def test_filters_narrow_and_join(world: World) -> None:
    world.record(source_ref="A")
    world.record(
        **build_penalty_changes(source_ref="B", subject=build_subject(OTHER_USCC, "某合作社"))
    )
    world.record(
        **build_red_changes(
            source_ref="C", effective_from="2026-11-02", effective_until="2026-11-19"
        )
    )
    tax = world.api("department", "tax")
    world.record(tax, **build_penalty_changes(source_ref="D", list_type="tax_fraud.penalty"))
    operator = world.api("operator")
    assert listed(operator) == ["A", "B", "C", "D"]
    assert listed(world.api()) == ["A", "B", "C"]
    assert listed(tax) == ["D"]
    assert listed(operator, source_ref="B") == ["B"]
    assert listed(operator, list_type="wage_arrears.penalty") == ["B"]
    assert listed(operator, domain="wage_arrears") == ["A", "B", "C"]
    assert listed(operator, department="tax") == ["D"]
    assert listed(world.api(), department="tax") == []
    assert listed(operator, status="expired") == ["C"]
    assert listed(operator, status="active", domain="wage_arrears") == ["A", "B"]
    subject_id = operator.get("/v1/entries", params={"source_ref": "B"}).json()["entries"][0]
    assert listed(operator, subject_id=subject_id["subject"]["id"]) == ["B"]
    assert listed(operator, domain="nothing") == []
    assert listed(operator, source_ref="%") == []


def test_the_status_filter_agrees_with_the_view(world: World) -> None:
    world.record(**build_red_changes(source_ref="suspended"))
    world.record(source_ref="active", effective_until="2026-12-31")
    world.record(source_ref="scheduled", effective_from="2027-01-01", effective_until="2028-01-01")
    over = world.record(source_ref="removed")
    world.api().post(
        f"/v1/entries/{over['id']}/exits",
        json={"reason": "移出", "exited_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    world.record(
        **build_penalty_changes(
            source_ref="expired", effective_from="2026-11-16", effective_until="2026-11-20"
        )
    )
    for day in (None, date(2027, 1, 1), date(2028, 1, 2)):
        if day is not None:
            world.clock.set_day(day)
        entries = world.api().get("/v1/entries").json()["entries"]
        for status in ("scheduled", "active", "suspended", "expired", "removed"):
            expected = [entry["source_ref"] for entry in entries if entry["status"] == status]
            assert listed(world.api(), status=status) == expected
            if day is None:
                assert expected == [status]


def test_an_auditor_sees_the_entry_as_it_was_known(world: World) -> None:
    first = world.record()
    second = corrected(world, first, 1, reason="第二种说法")
    path = f"/v1/entries/{first['id']}"
    for api in (world.api("auditor"), world.api("operator")):
        then = api.get(path, params={"known_seq": first["seq"]})
        assert then.json() == first
        assert then.headers["ETag"] == '"1"'
        assert api.get(path, params={"known_seq": second["seq"]}).json() == second
        assert api.get(path, params={"known_seq": 10**6}).json() == second
        require_refused(api.get(path, params={"known_seq": 0}), 404, "entry_not_found")
        assert api.get(path, params={"known_at": first["recorded_at"]}).json() == first
        assert api.get(path, params={"known_at": second["recorded_at"]}).json() == second
        before = {"known_at": "2026-11-22T09:59:59+08:00"}
        require_refused(api.get(path, params=before), 404, "entry_not_found")


def test_state_of_knowledge_and_day_are_independent(world: World) -> None:
    first = world.record(effective_until="2028-11-20")
    corrected(world, first, 1, effective_until="2027-01-31")
    auditor, path = world.api("auditor"), f"/v1/entries/{first['id']}"
    march = {"on": "2027-03-01"}
    assert auditor.get(path, params=march).json()["status"] == "expired"
    known = auditor.get(path, params=march | {"known_seq": 1}).json()
    assert (known["status"], known["on"], known["version"]) == ("active", "2027-03-01", 1)
    assert auditor.get(path, params={"on": "2026-11-19"}).json()["status"] == "scheduled"


def test_the_first_and_the_last_day_can_be_asked_for(world: World) -> None:
    path = f"/v1/entries/{world.record()['id']}"
    for day, status in (("1949-10-01", "scheduled"), ("2199-12-31", "expired")):
        answer = world.api("auditor").get(path, params={"on": day})
        assert (answer.status_code, answer.json()["status"]) == (200, status)


def test_a_department_may_not_ask_for_the_past(world: World) -> None:
    entry = world.record()
    for query in ({"on": "2026-11-20"}, {"known_seq": 1}, {"known_at": "2026-11-22T08:00:00Z"}):
        answer = world.api().get(f"/v1/entries/{entry['id']}", params=query)
        require_refused(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"on": "20261122"}, "invalid_date"),
        ({"on": "2026-02-30"}, "invalid_date"),
        ({"on": "1900-01-01"}, "date_out_of_range"),
        ({"known_at": "2026-11-22T08:00:00"}, "no_zone"),
        ({"known_at": "1700000000"}, "invalid_instant"),
        ({"known_at": "yesterday"}, "invalid_instant"),
        ({"known_at": "2026-13-22T08:00:00Z"}, "wrong_type"),
        ({"known_at": "9999-12-31T23:59:59-12:00"}, "date_out_of_range"),
        ({"known_at": "0001-01-01T00:00:00+14:00"}, "date_out_of_range"),
        ({"known_seq": "-1"}, "too_small"),
        ({"known_seq": str(2**63)}, "too_large"),
        ({"known_seq": "x"}, "wrong_type"),
    ],
    ids=str,
)
def test_an_impossible_past_is_refused(world: World, query: dict[str, str], code: str) -> None:
    entry = world.record()
    answer = world.api("auditor").get(f"/v1/entries/{entry['id']}", params=query)
    require_refused(answer, 422, code, f"?{next(iter(query))}")


def test_neither_keys_nor_sealed_numbers_leave_the_registry(world: World) -> None:
    entries = [
        world.record(),
        world.record(source_ref="B", subject=build_person(), responsible_persons=None),
        world.record(
            **build_penalty_changes(source_ref="C", subject=build_person(), disclosure=None)
        ),
    ]
    corrected(world, entries[0], 1, responsible_persons=build_push()["responsible_persons"] * 2)
    with world.registry.database.reading() as connection:
        personal = [
            *connection.execute(
                select(SubjectIdentifier.lookup_key, SubjectIdentifier.ciphertext).where(
                    SubjectIdentifier.ciphertext.is_not(None)
                )
            ),
            *connection.execute(select(EntryPerson.lookup_key, EntryPerson.ciphertext)),
        ]
    assert len(personal) >= 2
    for api in (world.api(), world.api("operator"), world.api("auditor")):
        answers = [api.get("/v1/entries").text]
        for entry in entries:
            path = f"/v1/entries/{entry['id']}"
            answers += [api.get(path).text, api.get(f"{path}/history").text]
        text = "".join(answers)
        assert '"key"' not in text
        assert '"birth_date"' not in text
        assert PERSON_RESIDENT_ID not in text
        for key, ciphertext in personal:
            assert key not in text
            assert ciphertext.hex() not in text
