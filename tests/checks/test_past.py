"""Re-examination: the answer that an approval officer would have got on another day."""

from datetime import date, timedelta
from typing import Any

import pytest

from app.catalogue.service import put_list_type_in_force
from app.db.tables import Check
from tests.support.numbers import build_org_code, build_resident_id, build_uscc
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_question,
    build_red_changes,
    build_subject,
)
from tests.support.world import World

EXIT = {"reason": "已足额支付工资", "exited_on": "2026-11-24"}


def examined(world: World, *subjects: dict[str, Any], role: str = "auditor", **more: Any) -> Any:
    answer = world.api(role).post("/v1/checks", json=build_check(*subjects, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def check_now(world: World, *subjects: dict[str, Any]) -> Any:
    """Check as an approval officer now."""
    answer = world.api("approver").post("/v1/checks", json=build_check(*subjects))
    assert answer.status_code == 200, answer.text
    return answer.json()


def next_instant(world: World) -> str:
    """Return this instant, and move the clock by a second."""
    now = world.clock.instant.isoformat()
    world.clock.instant += timedelta(seconds=1)
    return now


@pytest.fixture
def exited(world: World) -> dict[str, Any]:
    """An entry of the 22nd that exited on the 24th, seen from the 26th."""
    entry = world.record()
    world.clock.set_day(date(2026, 11, 24))
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/exits", json=EXIT, headers={"If-Match": '"1"'}
    )
    assert answer.status_code == 200
    world.clock.set_day(date(2026, 11, 26))
    return entry


# --- permissions ---------------------------------------------------------


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_the_present_is_for_approvers(world: World, role: str) -> None:
    answer = world.api(role).post("/v1/checks", json=build_check())
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "past",
    [{"on": "2026-11-21"}, {"known_at": "2026-11-21T00:00:00Z"}, {"known_seq": 0}],
)
def test_the_past_is_for_auditors_and_operators(world: World, past: dict[str, Any]) -> None:
    refused = world.api("approver").post("/v1/checks", json=build_check(**past))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    for role in ("auditor", "operator"):
        assert world.api(role).post("/v1/checks", json=build_check(**past)).status_code == 200


@pytest.mark.parametrize(
    ("future", "pointer"),
    [
        ({"on": "2026-11-23"}, "/on"),
        ({"known_at": "2026-11-22T02:10:00Z"}, "/known_at"),
        ({"known_seq": 1}, "/known_seq"),
        ({"known_seq": 2**62}, "/known_seq"),
    ],
)
def test_the_future_is_not_examined(world: World, future: dict[str, Any], pointer: str) -> None:
    answer = world.api("auditor").post("/v1/checks", json=build_check(**future))
    assert answer.status_code == 422
    assert [(item["pointer"], item["code"]) for item in answer.json()["errors"]] == [
        (pointer, "in_future")
    ]


@pytest.mark.parametrize(
    "moment",
    [
        {"known_at": "2026-11-21T00:00:00"},
        {"known_at": "0001-01-01T00:00:00+14:00"},
        {"known_seq": -1},
        {"on": "yesterday"},
    ],
)
def test_a_moment_that_is_none_is_a_fault(world: World, moment: dict[str, Any]) -> None:
    assert world.api("auditor").post("/v1/checks", json=build_check(**moment)).status_code == 422


def test_it_is_no_check_on_file_but_it_is_on_the_trail(world: World) -> None:
    body = examined(world, on="2026-11-21")
    assert body["check_id"] is None
    with world.registry.database.reading_ledger() as connection:
        assert connection.execute(Check.__table__.select()).all() == []
    trail = world.api("auditor").get("/v1/audit/records?action=check_re_examined").json()
    [record] = trail["records"]
    assert record["detail"]["purpose"] == "tender 2026-118 qualification review"
    assert record["detail"]["on"] == "2026-11-21"


# --- another day ---------------------------------------------------------


def test_the_entry_stood_on_the_days_before_it_ended(world: World, exited: Any) -> None:
    assert check_now(world)["results"][0]["standing"] == "none"
    for day, standing in (
        ("2026-11-19", "none"),
        ("2026-11-20", "black"),
        ("2026-11-23", "black"),
        ("2026-11-24", "none"),
    ):
        body = examined(world, on=day)
        assert body["on"] == day
        assert body["results"][0]["standing"] == standing, day


def test_an_auditor_sees_the_answer_of_an_officer_and_no_more(world: World, exited: Any) -> None:
    [result] = examined(world, on="2026-11-25")["results"]
    assert (result["found"], result["entries"]) == (False, [])
    world.record(
        source_ref="HR-2",
        subject=build_subject(build_uscc(1)),
        disclosure={"class": "exempt", "exemption": "state_secret", "basis": "某某"},
    )
    [exempt] = examined(world, build_question(build_uscc(1)), on="2026-11-25")["results"]
    assert (exempt["standing"], exempt["entries"][0]["reason"]) == ("black", None)


# --- earlier states ------------------------------------------------------


def test_what_was_recorded_later_was_not_known(world: World) -> None:
    before = next_instant(world)
    world.record()
    [by_instant] = examined(world, known_at=before)["results"]
    [by_seq] = examined(world, known_seq=0)["results"]
    assert by_instant["standing"] == by_seq["standing"] == "none"
    assert examined(world, known_seq=1)["results"][0]["standing"] == "black"


def test_a_pinned_moment_gives_again_what_was_answered_then(world: World, exited: Any) -> None:
    world.record(source_ref="HR-2")
    world.record(source_ref="HR-3", subject=build_subject(build_uscc(7)))
    everybody = [
        build_question(),
        build_question(build_uscc(7), ref="7"),
        build_question(build_uscc(8), ref="8"),
    ]
    then = check_now(world, *everybody)
    pinned = next_instant(world)
    world.record(source_ref="HR-4", subject=build_subject(build_uscc(8)))
    entry = then["results"][0]["entries"][0]
    world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "笔误", "changes": {"severity": "general"}},
        headers={"If-Match": '"1"'},
    )
    world.clock.set_day(date(2026, 12, 20))
    for moment in ({"known_at": pinned}, {"known_seq": then["seq"]}):
        again = examined(world, *everybody, on="2026-11-26", **moment)
        assert again["results"] == then["results"]
        assert (again["seq"], again["catalogue_version"]) == (
            then["seq"],
            then["catalogue_version"],
        )


def test_a_name_that_was_learnt_later_was_not_known(world: World) -> None:
    entry = world.record(subject=build_person(), responsible_persons=None)
    by_new_name = build_question(PERSON_RESIDENT_ID, "张新", scheme="resident_id")
    then = check_now(world, by_new_name)
    assert then["results"][0]["standing"] == "unresolved"
    world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "更名", "changes": {"subject": {"name": "张新"}}},
        headers={"If-Match": '"1"'},
    )
    assert check_now(world, by_new_name)["results"][0]["standing"] == "black"
    assert examined(world, by_new_name, known_seq=1)["results"] == then["results"]
    [now] = examined(world, by_new_name, known_seq=2)["results"]
    assert (now["standing"], now["subject"]["name"]) == ("black", "张新")


def test_a_number_that_was_learnt_later_was_not_known(world: World) -> None:
    old = {
        "kind": "legal_person",
        "name": "枣庄老牌工程公司",
        "identifiers": [{"scheme": "org_code", "number": build_org_code(1)}],
    }
    world.record(subject=old)
    number = {"scheme": "registration_no", "number": "110108000000016"}
    by_number = build_question(number["number"], None, scheme="registration_no")
    then = check_now(world, by_number, build_question(build_uscc(1), None, ref="2"))
    assert [item["standing"] for item in then["results"]] == ["none", "black"]
    world.record(source_ref="HR-2", subject=old | {"identifiers": [*old["identifiers"], number]})
    assert check_now(world, by_number)["results"][0]["standing"] == "black"
    again = examined(world, by_number, build_question(build_uscc(1), None, ref="2"), known_seq=1)
    assert again["results"] == then["results"]


def test_an_organisation_goes_by_the_name_that_was_known(world: World) -> None:
    world.record(subject=build_subject(name="旧名有限公司"))
    questions = [{"name": "旧名有限公司", "ref": "a"}, {"name": "新名有限公司", "ref": "b"}]
    then = check_now(world, *questions, build_question(name="新名有限公司", ref="c"))
    decided = {
        "number": "枣人社列〔2026〕13号",
        "kind": "list_decision",
        "decided_on": "2026-11-21",
    }
    world.record(subject=build_subject(name="新名有限公司"), source_ref="HR-2", decision=decided)
    again = examined(world, *questions, build_question(name="新名有限公司", ref="c"), known_seq=1)
    assert again["results"] == then["results"]
    assert [item["standing"] for item in again["results"]] == ["black", "none", "black"]


def test_the_law_is_that_of_the_moment(world: World) -> None:
    world.record(**build_red_changes())
    version = check_now(world)["catalogue_version"]
    pinned = next_instant(world)
    put_list_type_in_force(world.registry, "charity.red", "某某条例第一条")
    assert check_now(world)["catalogue_version"] != version
    assert examined(world, known_at=pinned)["catalogue_version"] == version


def test_past_answers_keep_an_entry_on_the_wrong_subject(world: World) -> None:
    entry = world.record(
        subject=build_person(build_resident_id(3), "王某"), responsible_persons=None
    )
    by_number = build_question(build_resident_id(3), "王某", scheme="resident_id")
    world.api().post(
        f"/v1/entries/{entry['id']}/revocations",
        json={"reason": "主体错误", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert examined(world, by_number, known_seq=1)["results"][0]["standing"] == "black"
    assert examined(world, by_number, known_seq=2)["results"][0]["standing"] == "none"
    assert examined(world, by_number, on="2026-11-21")["results"][0]["standing"] == "none"


# --- data of void entries ------------------------------------------------


def order(world: World, entry: dict[str, Any], name: str, body: Any) -> dict[str, Any]:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/{name}",
        json=body,
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def voided(world: World, entry: dict[str, Any], code: str = "wrong_subject") -> dict[str, Any]:
    body = {"reason": "主体错误", "reason_code": code, "revoked_on": "2026-11-22"}
    return order(world, entry, "revocations", body)


@pytest.mark.parametrize("code", ["wrong_subject", "minor_subject"])
def test_each_past_has_the_bearer_of_the_number_that_was_known_then(
    world: World, code: str
) -> None:
    by_name = [{"name": f"{name}有限公司", "ref": name} for name in ("错", "对")]
    questions = [
        build_question(build_uscc(1), "错有限公司", ref="wrong"),
        build_question(build_uscc(1), "对有限公司", ref="right"),
        build_question(build_uscc(1), None, ref="nameless"),
        build_question(build_org_code(1), None, scheme="org_code", ref="inner"),
        *by_name,
    ]
    wrong = world.record(subject=build_subject(build_uscc(1), "错有限公司"))
    answers = {wrong["seq"]: check_now(world, *questions)}
    gone = voided(world, wrong, code)
    answers[gone["seq"]] = check_now(world, *questions)
    kind = {"kind": "unincorporated_organization"}
    right = world.record(
        subject=build_subject(build_uscc(1), "对有限公司") | kind,
        source_ref="HR-2",
        replaces=wrong["id"],
    )
    answers[right["seq"]] = check_now(world, *questions)
    again = voided(world, right, code)
    answers[again["seq"]] = check_now(world, *questions)
    seen = []
    for seq, then in answers.items():
        body = examined(world, *questions, known_seq=seq)
        assert body["results"] == then["results"], seq
        seen.append([item["standing"] for item in body["results"]])
    assert seen == [
        ["black", "black", "black", "black", "black", "none"],
        ["none"] * 6,
        ["black", "black", "black", "black", "none", "black"],
        ["none"] * 6,
    ]
    # By the state of today it was neither of them on that day.
    assert {
        item["standing"] for item in examined(world, *questions, on="2026-11-21")["results"]
    } == {"none"}


def test_a_person_was_known_by_the_wrong_name_until_it_was_void(world: World) -> None:
    questions = [
        build_question(PERSON_RESIDENT_ID, "李某", scheme="resident_id", ref="wrong"),
        build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id", ref="right"),
    ]
    wrong = world.record(subject=build_person(name="李某"), responsible_persons=None)
    voided(world, wrong)
    right = world.record(
        subject=build_person(), responsible_persons=None, source_ref="HR-2", replaces=wrong["id"]
    )
    standings = {
        seq: [item["standing"] for item in examined(world, *questions, known_seq=seq)["results"]]
        for seq in range(right["seq"] + 1)
    }
    assert standings == {
        0: ["none", "none"],
        1: ["black", "unresolved"],
        2: ["none", "none"],
        3: ["unresolved", "black"],
    }
    assert (
        check_now(world, *questions)["results"]
        == examined(world, *questions, known_seq=3)["results"]
    )


def test_past_answers_keep_a_corrected_name_without_a_number(world: World) -> None:
    put_list_type_in_force(world.registry, "illegal_social_organizations.black", "某某条例第一条")
    whom = {"kind": "unincorporated_organization", "name": "旧研究会", "identifiers": []}
    civil = world.api("department", "civil_affairs")
    entry = world.record(civil, list_type="illegal_social_organizations.black", subject=whom)
    world.record(**build_red_changes(subject=build_subject(build_uscc(4), "旧研究会")))
    questions = [
        build_question(build_uscc(5), "旧研究会", ref="old"),
        build_question(build_uscc(5), "新研究会", ref="new"),
        build_question(build_uscc(4), None, ref="nameless"),
    ]
    then = check_now(world, *questions)
    answer = civil.post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "更名", "changes": {"subject": {"name": "新研究会"}}},
        headers={"If-Match": '"1"'},
    )
    assert answer.status_code == 200, answer.text
    now = check_now(world, *questions)
    assert [item["standing"] for item in then["results"]] == ["unresolved", "none", "unresolved"]
    assert [item["standing"] for item in now["results"]] == ["none", "unresolved", "red"]
    assert examined(world, *questions, known_seq=then["seq"])["results"] == then["results"]
    assert examined(world, *questions, known_seq=now["seq"])["results"] == now["results"]


def test_a_publication_does_not_restore_an_older_name(world: World) -> None:
    first = world.record(subject=build_subject(build_uscc(1), "甲有限公司"))
    world.record(subject=build_subject(build_uscc(1), "乙有限公司"), source_ref="HR-2")
    then = check_now(world, build_question(build_uscc(1), None))
    published = world.api().post(
        f"/v1/entries/{first['id']}/disclosures",
        json={"channel": "department_site", "published_on": "2026-11-21"},
    )
    assert published.status_code in {200, 201}, published.text
    now = check_now(world, build_question(build_uscc(1), None))
    assert now["seq"] > then["seq"]
    again = examined(world, build_question(build_uscc(1), None), known_seq=now["seq"])
    assert again["results"][0]["subject"]["name"] == "乙有限公司"
    assert again["results"] == now["results"]
