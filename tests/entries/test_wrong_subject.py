"""Void entries: the names, numbers and kind that they gave a subject are free again."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.catalogue.service import put_list_type_in_force
from app.db.tables import SubjectIdentifier, SubjectName
from app.entries.changes import next_version
from tests.support.numbers import build_org_code, build_resident_id, build_uscc
from tests.support.problems import count_written_rows, require_refused
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_decision,
    build_person,
    build_push,
    build_question,
    build_subject,
)
from tests.support.world import World

WRONG = {"reason": "错列主体", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}
RENAMING = {"reason": "更名", "changes": {"subject": {"name": "改正名称公司"}}}
RIGHT_NAME, WRONG_NAME = "枣庄对的公司", "枣庄错的公司"
CERTIFICATE = {"scheme": "registration_no", "number": "110108000000016"}
VOIDING = pytest.mark.parametrize("code", ["wrong_subject", "minor_subject"])


def order(world: World, entry: dict[str, Any], name: str, body: Any) -> httpx.Response:
    return world.api().post(
        f"/v1/entries/{entry['id']}/{name}",
        json=body,
        headers={"If-Match": f'"{entry["version"]}"'},
    )


def voided(world: World, entry: dict[str, Any], code: str = "wrong_subject") -> dict[str, Any]:
    answer = order(world, entry, "revocations", WRONG | {"reason_code": code})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read_results(world: World, *subjects: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the results of a check by an approval officer."""
    answer = world.api("approver").post("/v1/checks", json=build_check(*subjects))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def standing(world: World, *subjects: dict[str, Any]) -> list[str]:
    return [result["standing"] for result in read_results(world, *subjects)]


def profile(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    answer = world.api("auditor").get(f"/v1/subjects/{entry['subject']['id']}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def with_certificate(serial: int, name: str = RIGHT_NAME) -> dict[str, Any]:
    known = build_subject(build_uscc(serial), name)
    return known | {"identifiers": [*known["identifiers"], CERTIFICATE]}


def by_certificate() -> dict[str, Any]:
    return {"ref": "c", **CERTIFICATE}


# --- the right subject ----------------------------------------------------


@VOIDING
def test_a_number_of_a_void_entry_alone_is_free_for_the_right_subject(
    world: World, code: str
) -> None:
    wrong = world.record(subject=build_subject(build_uscc(1), WRONG_NAME))
    voided(world, wrong, code)
    assert (
        standing(world, build_question(build_uscc(1), None), {"name": WRONG_NAME, "ref": "n"})
        == ["none"] * 2
    )
    right = world.record(
        subject=build_subject(build_uscc(1), RIGHT_NAME), source_ref="HR-2", replaces=wrong["id"]
    )
    assert right["subject"]["id"] != wrong["subject"]["id"]
    assert profile(world, right)["former_names"] == []
    [result, by_wrong_name, by_inner_code] = read_results(
        world,
        build_question(build_uscc(1), RIGHT_NAME),
        {"name": WRONG_NAME, "ref": "n"},
        build_question(build_org_code(1), RIGHT_NAME, scheme="org_code", ref="o"),
    )
    assert (result["standing"], result["warnings"]) == ("black", [])
    assert (by_wrong_name["standing"], by_wrong_name["subject"]) == ("none", None)
    assert by_inner_code["entries"] == result["entries"]


def test_an_added_number_of_a_void_entry_is_free_again(world: World) -> None:
    stays = world.record(subject=build_subject(build_uscc(1), RIGHT_NAME))
    wrong = world.record(subject=with_certificate(1), source_ref="HR-2")
    assert wrong["subject"]["id"] == stays["subject"]["id"]
    elsewhere = build_push(subject=with_certificate(2, "丙公司"), source_ref="HR-3")
    require_refused(world.api().post("/v1/entries", json=elsewhere), 409, "identifier_conflict")
    voided(world, wrong)
    assert [item["scheme"] for item in profile(world, stays)["identifiers"]] == ["org_code", "uscc"]
    assert standing(world, by_certificate(), build_question(build_uscc(1), None)) == [
        "none",
        "black",
    ]
    answer = world.api().post("/v1/entries", json=elsewhere)
    assert answer.status_code == 201, answer.text
    assert read_results(world, by_certificate())[0]["subject"]["name"] == "丙公司"
    # Now it conflicts with the first one, like any number of another subject.
    back = build_push(subject=with_certificate(1), source_ref="HR-4")
    require_refused(world.api().post("/v1/entries", json=back), 409, "identifier_conflict")


def test_the_right_code_is_accepted_after_a_wrong_one(world: World) -> None:
    known = {"kind": "legal_person", "name": RIGHT_NAME, "identifiers": [CERTIFICATE]}
    stays = world.record(subject=known)
    wrong = world.record(subject=with_certificate(1), source_ref="HR-2")
    right = build_push(subject=with_certificate(2), source_ref="HR-3", replaces=wrong["id"])
    voided(world, wrong)
    answer = world.api().post("/v1/entries", json=right)
    assert answer.status_code == 201, answer.text
    assert answer.json()["subject"]["id"] == stays["subject"]["id"]
    assert standing(
        world, build_question(build_uscc(1), None), build_question(build_uscc(2), None, ref="2")
    ) == ["none", "black"]


def test_a_wrong_kind_does_not_block_the_right_one(world: World) -> None:
    code = {"scheme": "org_code", "number": build_org_code(1)}
    body = {"kind": "unincorporated_organization", "name": RIGHT_NAME, "identifiers": [code]}
    wrong = world.record(subject=body)
    right = build_push(subject=body | {"kind": "legal_person"}, source_ref="HR-2")
    require_refused(world.api().post("/v1/entries", json=right), 409, "subject_kind_conflict")
    voided(world, wrong)
    answer = world.api().post("/v1/entries", json=right | {"replaces": wrong["id"]})
    assert answer.status_code == 201, answer.text
    assert profile(world, answer.json())["kind"] == "legal_person"
    assert standing(world, build_question(build_uscc(1), RIGHT_NAME)) == ["black"]


def test_a_person_is_found_by_the_right_name(world: World) -> None:
    wrong = world.record(subject=build_person(name="李某"), responsible_persons=None)
    by_wrong_name = build_question(PERSON_RESIDENT_ID, "李某", scheme="resident_id", ref="w")
    voided(world, wrong)
    assert standing(world, by_wrong_name) == ["none"]
    right = world.record(
        subject=build_person(name="张某"),
        responsible_persons=None,
        source_ref="HR-2",
        replaces=wrong["id"],
    )
    results = read_results(
        world, build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id"), by_wrong_name
    )
    assert [result["standing"] for result in results] == ["black", "unresolved"]
    assert [item["code"] for item in results[1]["warnings"]] == ["name_mismatch"]
    # The number is sealed again for its bearer: corrections read the birth date from it.
    assert order(world, right, "corrections", RENAMING).status_code == 200


def test_a_correction_never_reads_the_birth_date_of_another_number(world: World) -> None:
    passport = {"scheme": "passport", "number": "E12345678"}
    known = build_person() | {"identifiers": [passport], "birth_date": "1985-06-12"}
    stays = world.record(subject=known, responsible_persons=None)
    both = {"scheme": "resident_id", "number": build_resident_id(1, date(2010, 1, 1))}
    wrong = build_push(
        subject=build_person() | {"identifiers": [passport, both]},
        responsible_persons=None,
        source_ref="HR-2",
    )
    require_refused(world.api().post("/v1/entries", json=wrong), 409, "minor_subject")
    older = both | {"number": build_resident_id(1, date(2008, 10, 31))}
    taken = world.record(
        subject=build_person() | {"identifiers": [passport, older]},
        responsible_persons=None,
        source_ref="HR-2",
    )
    earlier = {"reason": "更正", "changes": {"conduct_ended_on": "2026-10-30"}}
    require_refused(order(world, stays, "corrections", earlier), 409, "minor_subject")
    voided(world, taken, "minor_subject")
    assert order(world, stays, "corrections", earlier).status_code == 200


# --- what other decisions gave --------------------------------------------


def test_data_of_another_valid_decision_stay(world: World) -> None:
    stays = world.record(subject=with_certificate(1))
    wrong = world.record(subject=with_certificate(1, WRONG_NAME), source_ref="HR-2")
    before = profile(world, stays)
    assert {before["name"], *before["former_names"]} == {RIGHT_NAME, WRONG_NAME}
    voided(world, wrong)
    after = profile(world, stays)
    assert (after["name"], after["former_names"]) == (RIGHT_NAME, [])
    assert after["identifiers"] == before["identifiers"]
    assert (
        standing(world, by_certificate(), build_question(build_uscc(1), RIGHT_NAME))
        == ["black"] * 2
    )


def test_the_latest_valid_decision_names_the_subject(world: World) -> None:
    def named(name: str, on: str, source_ref: str | None = None) -> dict[str, Any]:
        reference = source_ref or name
        whom = build_subject(build_uscc(1), name)
        return world.record(subject=whom, decision=build_decision(on), source_ref=reference)

    first, second = named("甲公司", "2026-11-17"), named("乙公司", "2026-11-19")
    third = named("丙公司", "2026-11-18")
    assert profile(world, first)["name"] == "乙公司"
    voided(world, second)
    seen = profile(world, first)
    assert (seen["name"], seen["former_names"]) == ("丙公司", ["甲公司"])
    voided(world, third)
    seen = profile(world, first)
    assert (seen["name"], seen["former_names"]) == ("甲公司", [])
    # A removed name may be given again.
    named("乙公司", "2026-11-18", "again")
    seen = profile(world, first)
    assert (seen["name"], seen["former_names"]) == ("乙公司", ["甲公司"])
    assert standing(world, {"name": "乙公司"}, {"name": "丙公司", "ref": "3"}) == ["black", "none"]


def test_a_corrected_name_stays_a_former_one_while_its_entry_is_valid(world: World) -> None:
    entry = world.record(subject=build_subject(build_uscc(1), RIGHT_NAME))
    answer = order(world, entry, "corrections", RENAMING)
    assert answer.status_code == 200, answer.text
    other = world.record(subject=build_subject(build_uscc(1), WRONG_NAME), source_ref="HR-2")
    voided(world, other)
    seen = profile(world, entry)
    assert (seen["name"], seen["former_names"]) == ("改正名称公司", [RIGHT_NAME])


def test_another_day_of_decision_may_name_the_subject_otherwise(world: World) -> None:
    first = world.record(
        subject=build_subject(build_uscc(1), "甲公司"), decision=build_decision("2026-11-19")
    )
    world.record(
        subject=build_subject(build_uscc(1), "乙公司"),
        decision=build_decision("2026-11-18"),
        source_ref="HR-2",
    )
    assert profile(world, first)["name"] == "甲公司"
    body = {"reason": "日期有误", "changes": {"decision": {"decided_on": "2026-11-17"}}}
    assert order(world, first, "corrections", body).status_code == 200
    seen = profile(world, first)
    assert (seen["name"], seen["former_names"]) == ("乙公司", ["甲公司"])


def test_a_number_that_comes_back_to_its_subject_is_one_row(world: World) -> None:
    stays = world.record(subject=build_subject(build_uscc(1), RIGHT_NAME))
    for turn in range(2):
        wrong = world.record(subject=with_certificate(1), source_ref=f"HR-W{turn}")
        voided(world, wrong)
    again = world.record(subject=with_certificate(1), source_ref="HR-2")
    assert again["subject"]["id"] == stays["subject"]["id"]
    assert standing(world, by_certificate()) == ["black"]
    with world.registry.database.reading() as connection:
        rows = connection.scalar(
            select(func.count()).where(SubjectIdentifier.lookup_key == CERTIFICATE["number"])
        )
    assert rows == 1


def test_a_plain_revocation_keeps_names_and_numbers(world: World) -> None:
    entry = world.record(subject=with_certificate(1))
    voided(world, entry, "decision_revoked")
    require_refused(
        world.api().post(
            "/v1/entries", json=build_push(subject=with_certificate(2), source_ref="HR-2")
        ),
        409,
        "identifier_conflict",
    )
    assert len(profile(world, entry)["identifiers"]) == 3


# --- known by name alone --------------------------------------------------


@pytest.fixture
def civil(world: World) -> httpx.Client:
    put_list_type_in_force(world.registry, "illegal_social_organizations.black", "某某条例第一条")
    return world.api("department", "civil_affairs")


def society(name: str, kind: str = "unincorporated_organization", **more: Any) -> dict[str, Any]:
    whom = {"kind": kind, "name": name, "identifiers": []}
    return {"list_type": "illegal_social_organizations.black", "subject": whom, **more}


def test_a_name_without_a_number_is_found_while_a_decision_is_valid(
    world: World, civil: httpx.Client
) -> None:
    wrong = world.record(civil, **society("枣庄某研究会"))
    answer = civil.post(
        f"/v1/entries/{wrong['id']}/revocations", json=WRONG, headers={"If-Match": '"1"'}
    )
    assert answer.status_code == 200, answer.text
    questions = [{"name": "枣庄某研究会"}, build_question(build_uscc(4), "枣庄某研究会", ref="2")]
    assert standing(world, *questions) == ["none", "none"]
    right = world.record(civil, **society("枣庄某研究会", source_ref="CA-2", replaces=wrong["id"]))
    assert right["subject"]["id"] != wrong["subject"]["id"]
    assert standing(world, *questions) == ["black", "unresolved"]


def test_a_corrected_name_belongs_to_the_subjects_of_other_decisions(
    world: World, civil: httpx.Client
) -> None:
    entry = world.record(civil, **society("枣庄某研究会"))
    other = world.record(civil, **society("枣庄某研究会", source_ref="CA-2"))
    assert other["subject"]["id"] == entry["subject"]["id"]

    def rename(whom: dict[str, Any], name: str, tag: int) -> httpx.Response:
        return civil.post(
            f"/v1/entries/{whom['id']}/corrections",
            json={"reason": "更名", "changes": {"subject": {"name": name}}},
            headers={"If-Match": f'"{tag}"'},
        )

    assert rename(entry, "枣庄某协会", 1).status_code == 200
    again = world.record(civil, **society("枣庄某研究会", source_ref="CA-3"))
    assert again["subject"]["id"] == entry["subject"]["id"]
    for tag, whom in ((1, other), (1, again)):
        assert rename(whom, "枣庄某协会", tag).status_code == 200
    # Now no subject has this name, and another may get it; that one then keeps the name.
    new = world.record(civil, **society("枣庄某研究会", source_ref="CA-4"))
    assert new["subject"]["id"] != entry["subject"]["id"]
    require_refused(rename(entry, "枣庄某研究会", 2), 409, "identifier_conflict")
    assert rename(new, "枣庄某促进会", 1).status_code == 200
    assert rename(entry, "枣庄某研究会", 2).status_code == 200


# --- who still sees it ----------------------------------------------------


@VOIDING
def test_a_subject_of_void_entries_alone_is_shown_to_auditors_alone(
    world: World, code: str
) -> None:
    entry = world.record(subject=build_subject(build_uscc(1), WRONG_NAME))
    voided(world, entry, code)
    path = f"/v1/subjects/{entry['subject']['id']}"
    for role in ("operator", "department", "approver"):
        require_refused(world.api(role).get(path), 404, "subject_not_found")
    seen = profile(world, entry)
    assert (seen["name"], seen["identifiers"]) == (WRONG_NAME, [])
    assert [item["id"] for item in seen["entries"]] == [entry["id"]]
    by_number = world.api("auditor").get(f"/v1/subjects/uscc/{build_uscc(1)}")
    require_refused(by_number, 404, "subject_not_found")


def test_a_repeated_push_of_a_void_entry_is_a_conflict(world: World) -> None:
    wrong = world.record()
    voided(world, wrong)
    before = count_written_rows(world)
    for body in (build_push(), build_push(reason="另一事由")):
        problem = require_refused(world.api().post("/v1/entries", json=body), 409, "entry_conflict")
        assert problem["entry_id"] == wrong["id"]
        assert "replaces" in problem["detail"]
    assert count_written_rows(world) == before


def test_only_the_revocation_of_a_void_entry_can_be_retried(world: World) -> None:
    entry = world.record()
    corrected = order(world, entry, "corrections", RENAMING).json()
    voided(world, corrected)
    require_refused(order(world, entry, "corrections", RENAMING), 404, "entry_not_found")
    assert order(world, corrected, "revocations", WRONG).json()["version"] == 3


# --- replaced once --------------------------------------------------------


def test_an_entry_is_replaced_once_while_its_replacement_is_valid(world: World) -> None:
    wrong = world.record(subject=build_subject(build_uscc(1), WRONG_NAME))
    voided(world, wrong)
    body = build_push(subject=build_subject(build_uscc(2)), source_ref="HR-2", replaces=wrong["id"])
    second = world.api().post("/v1/entries", json=body).json()
    other = build_push(
        subject=build_subject(build_uscc(3)), source_ref="HR-3", replaces=wrong["id"]
    )
    require_refused(
        world.api().post("/v1/entries", json=other), 422, "nothing_to_replace", "/replaces"
    )
    assert world.api().post("/v1/entries", json=body).status_code == 200
    voided(world, second)
    assert world.api().post("/v1/entries", json=other).status_code == 201


def test_one_of_two_concurrent_replacements_is_accepted(world: World) -> None:
    api = world.api()
    for turn in range(3):
        wrong = world.record(subject=build_subject(build_uscc(1)), source_ref=f"W{turn}")
        voided(world, wrong)

        def replace(number: int, turn: int = turn, wrong: Any = wrong) -> int:
            whom = build_subject(build_uscc(10 * turn + number + 2))
            body = build_push(subject=whom, source_ref=f"R{turn}-{number}", replaces=wrong["id"])
            return api.post("/v1/entries", json=body).status_code

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(replace, range(4))) == [201, 422, 422, 422]


# --- at once ---------------------------------------------------------------


@contextmanager
def holding(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Make the next change wait before its end; yield the events "waiting" and "continue"."""
    waits, go = threading.Event(), threading.Event()
    append = next_version.append_versions

    def held(*arguments: Any) -> Any:
        waits.set()
        assert go.wait(20)
        return append(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(next_version, "append_versions", held)
        yield waits, go
        go.set()


@pytest.mark.parametrize("stays", [False, True], ids=["alone", "beside another"])
def test_a_push_that_waits_for_the_revocation_finds_the_number_free(
    world: World, monkeypatch: pytest.MonkeyPatch, *, stays: bool
) -> None:
    first = world.record(subject=build_subject(build_uscc(1))) if stays else None
    wrong = world.record(subject=with_certificate(1), source_ref="W")
    whom = {"kind": "unincorporated_organization", "name": "另一单位", "identifiers": [CERTIFICATE]}
    body = build_push(subject=whom, source_ref="R")
    world.api()
    with ThreadPoolExecutor(2) as pool, holding(monkeypatch) as (waits, go):
        revoking = pool.submit(order, world, wrong, "revocations", WRONG)
        assert waits.wait(20)
        pushing = pool.submit(world.api().post, "/v1/entries", json=body)
        with pytest.raises(TimeoutError):
            pushing.result(0.5)  # behind the subject's lock
        go.set()
        assert revoking.result(20).status_code == 200
        answer = pushing.result(20)
    assert answer.status_code == 201, answer.text
    [found] = read_results(world, by_certificate())
    assert found["subject"]["id"] == answer.json()["subject"]["id"] != wrong["subject"]["id"]
    if first is not None:
        assert standing(world, build_question(build_uscc(1), None)) == ["black"]


def test_pushes_and_revocations_at_once_leave_each_number_with_one_bearer(world: World) -> None:
    api = world.api()
    for turn in range(6):
        wrong = world.record(subject=build_subject(build_uscc(turn)), source_ref=f"W{turn}")
        barrier = threading.Barrier(3)

        def revoke(wrong: Any = wrong, barrier: Any = barrier) -> httpx.Response:
            barrier.wait()
            return order(world, wrong, "revocations", WRONG)

        def record(number: int, turn: int = turn, barrier: Any = barrier) -> httpx.Response:
            whom = build_subject(build_uscc(turn), f"新{turn}公司")
            barrier.wait()
            return api.post(
                "/v1/entries", json=build_push(subject=whom, source_ref=f"{turn}-{number}")
            )

        with ThreadPoolExecutor(3) as pool:
            revoking = pool.submit(revoke)
            pushed = [pool.submit(record, number) for number in range(2)]
            assert revoking.result().status_code == 200
            views = [each.result() for each in pushed]
        assert [view.status_code for view in views] == [201, 201]
        assert len({view.json()["subject"]["id"] for view in views}) == 1
        [found] = read_results(world, build_question(build_uscc(turn), f"新{turn}公司"))
        assert (found["standing"], found["warnings"]) == ("black", [])
        assert len(found["entries"]) == 2
        assert found["subject"]["name"] == f"新{turn}公司"
        assert standing(world, {"name": "枣庄某某建筑有限公司"}) == ["none"]
    with world.registry.database.reading() as connection:
        bearers = connection.execute(
            select(SubjectIdentifier.lookup_key, func.count())
            .where(SubjectIdentifier.current)
            .group_by(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key)
        ).all()
        names = connection.scalars(select(SubjectName.name).where(SubjectName.current)).all()
    assert {count for _, count in bearers} == {1}
    assert sorted(names) == [f"新{turn}公司" for turn in range(6)]
