"""The answer to a check: standing, measures with their legal basis, warnings, digest."""

from typing import Any

import pytest

from tests.support.numbers import build_resident_id, build_shop_uscc, build_uscc
from tests.support.request_bodies import (
    BUILDER_USCC,
    PERSON_RESIDENT_ID,
    build_check,
    build_penalty_changes,
    build_person,
    build_push,
    build_question,
    build_red_changes,
    build_subject,
)
from tests.support.world import World


def answered(world: World, *subjects: dict[str, Any], matter: str = "bidding") -> dict[str, Any]:
    """Return the one result of a check that must be answered."""
    answer = world.api("approver").post("/v1/checks", json=build_check(*subjects, matter=matter))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["results"][0])


def codes(items: list[dict[str, Any]]) -> set[str]:
    return {item["code"] for item in items}


def ended(world: World, entry: dict[str, Any]) -> None:
    """End an entry today."""
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/exits",
        json={"reason": "已足额支付工资", "exited_on": "2026-11-22"},
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text


# --- standing and measures -----------------------------------------------


def test_a_subject_without_entries_has_standing_none_without_praise(
    world: World,
) -> None:
    result = answered(world)
    assert (result["found"], result["standing"]) == (False, "none")
    assert result["subject"] is None
    assert result["entries"] == result["measures"] == result["suppressed"] == []
    assert "says nothing about credit" in result["note"]


def test_the_note_is_chinese_for_chinese_readers(world: World) -> None:
    answer = world.api("approver").post(
        "/v1/checks", json=build_check(), headers={"Accept-Language": "zh-CN,zh;q=0.9"}
    )
    assert "不代表信用良好" in answer.json()["results"][0]["note"]


def test_a_black_entry_restricts_bidding_and_says_by_which_law(world: World) -> None:
    entry = world.record()
    result = answered(world)
    assert (result["found"], result["standing"]) == (True, "black")
    assert result["subject"]["name"] == "枣庄某某建筑有限公司"
    assert [item["id"] for item in result["entries"]] == [entry["id"]]
    measures = {item["code"]: item for item in result["measures"]}
    assert measures["restrict_bidding"] == {
        "code": "restrict_bidding",
        "name": "限制参与招标投标",
        "kind": "punishment",
        "obligation": "must",
        "entry_id": entry["id"],
        "legal_basis": "《保障农民工工资支付条例》(2020-05-01起施行)第四十八条",
    }
    assert all(item["legal_basis"] for item in result["measures"])
    assert result["note"] is None


def test_measures_follow_from_the_matter(world: World) -> None:
    world.record()
    assert "restrict_bidding" not in codes(answered(world, matter="public_funds")["measures"])
    assert "restrict_public_funds" in codes(answered(world, matter="public_funds")["measures"])


def test_a_red_entry_rewards_where_the_matter_allows_it(world: World) -> None:
    entry = world.record(**build_red_changes())
    result = answered(world, matter="permit_review")
    assert result["standing"] == "red"
    assert codes(result["measures"]) == {"green_channel", "tolerant_acceptance"}
    assert {item["kind"] for item in result["measures"]} == {"reward"}
    assert {item["entry_id"] for item in result["measures"]} == {entry["id"]}


def test_black_wins_and_says_which_rewards_it_suppresses(world: World) -> None:
    honour = world.record(**build_red_changes())
    black = world.record()
    result = answered(world, matter="permit_review")
    assert result["standing"] == "black"
    assert codes(result["suppressed"]) == {"green_channel", "tolerant_acceptance"}
    for item in result["suppressed"]:
        assert item["entry_id"] == honour["id"]
        assert item["because"] == f"black entry {black['id']}"
    assert {item["kind"] for item in result["measures"]} == {"punishment"}
    shown = {item["id"]: item["status"] for item in result["entries"]}
    assert shown == {honour["id"]: "suspended", black["id"]: "active"}


def test_records_are_shown_but_give_neither_standing_nor_measures(world: World) -> None:
    world.record(**build_penalty_changes())
    result = answered(world)
    assert (result["found"], result["standing"], result["measures"]) == (True, "none", [])
    assert result["entries"][0]["list"] == "record"
    assert result["note"] is None


def test_a_scheduled_entry_is_shown_but_does_not_count_yet(world: World) -> None:
    world.record(effective_from="2026-12-01", effective_until="2029-11-30")
    result = answered(world)
    assert (result["found"], result["standing"], result["measures"]) == (True, "none", [])
    assert result["entries"][0]["status"] == "scheduled"


def test_ended_dishonesty_is_absent(world: World) -> None:
    ended(world, world.record())
    result = answered(world)
    assert (result["found"], result["standing"], result["entries"]) == (False, "none", [])
    assert result["subject"] is None


def test_what_was_listed_once_and_what_never_was_are_answered_alike(world: World) -> None:
    ended(world, world.record())
    once = answered(world)
    never = answered(world, build_question(build_uscc(5)))
    assert once == never


def test_a_restricted_entry_answers_whole(world: World) -> None:
    world.record(disclosure={"class": "restricted"})
    result = answered(world)
    assert result["standing"] == "black"
    assert result["entries"][0]["department"] == "human_resources"
    assert result["entries"][0]["reason"]


def test_an_exempt_entry_answers_without_text_and_issuer(world: World) -> None:
    entry = world.record(
        disclosure={"class": "exempt", "exemption": "trade_secret", "basis": "商业秘密"}
    )
    result = answered(world)
    assert result["standing"] == "black"
    assert "restrict_bidding" in codes(result["measures"])
    shown = result["entries"][0]
    hidden = ("list_type", "domain", "department", "decision", "reason", "legal_basis")
    assert [shown[name] for name in hidden] == [None] * len(hidden)
    assert shown["responsible_persons"] == []
    assert (shown["id"], shown["list"], shown["status"]) == (entry["id"], "black", "active")
    text = str(result)
    assert "human_resources" not in text
    assert "枣人社" not in text
    assert "张某" not in text


def test_an_entry_on_the_wrong_subject_is_gone_from_checks(world: World) -> None:
    entry = world.record()
    world.api().post(
        f"/v1/entries/{entry['id']}/revocations",
        json={"reason": "主体错误", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"},
        headers={"If-Match": '"1"'},
    )
    assert answered(world)["found"] is False


def test_a_responsible_person_is_not_listed_by_that(world: World) -> None:
    world.record()
    result = answered(world, build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id"))
    assert (result["found"], result["standing"]) == (False, "none")


# --- the digest ----------------------------------------------------------


def test_the_digest_changes_only_with_the_basis_of_a_decision(
    world: World,
) -> None:
    entry = world.record()
    before = answered(world)["digest"]
    assert answered(world)["digest"] == before
    world.api().post(
        f"/v1/entries/{entry['id']}/disclosures",
        json={"channel": "department_site", "published_on": "2026-11-22", "url": "https://a.cn/1"},
    )
    corrected = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "笔误", "changes": {"reason": "拖欠农民工工资,经责令逾期未付"}},
        headers={"If-Match": '"2"'},
    )
    assert corrected.status_code == 200, corrected.text
    world.record(**build_penalty_changes())
    assert answered(world)["digest"] == before


def test_the_digest_moves_with_every_fact_that_a_decision_rests_on(world: World) -> None:
    digests = [answered(world)["digest"]]
    entry = world.record()
    digests.append(answered(world)["digest"])
    corrected = world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": "笔误", "changes": {"severity": "general"}},
        headers={"If-Match": '"1"'},
    )
    assert corrected.status_code == 200, corrected.text
    digests.append(answered(world)["digest"])
    world.record(source_ref="HR-2")
    digests.append(answered(world)["digest"])
    digests.append(answered(world, matter="public_funds")["digest"])
    assert len(set(digests)) == len(digests)
    ended(world, corrected.json())
    assert answered(world)["digest"] not in digests


def test_the_digest_moves_when_a_day_turns_the_standing(world: World) -> None:
    world.record(effective_from="2026-12-01", effective_until="2029-11-30")
    before = answered(world)["digest"]
    world.clock.set_day(world.clock.today().replace(month=12, day=1))
    after = answered(world)
    assert after["standing"] == "black"
    assert after["digest"] != before


def test_the_digest_is_the_same_whoever_asks_in_whichever_language(world: World) -> None:
    world.record()
    one = answered(world, build_question(ref="a"))
    other = world.api("approver", "tax").post(
        "/v1/checks", json=build_check(build_question(ref="b")), headers={"Accept-Language": "zh"}
    )
    assert other.json()["results"][0]["digest"] == one["digest"]


# --- the receipt ---------------------------------------------------------


def test_the_answer_says_when_for_what_and_from_which_state(world: World) -> None:
    world.record()
    body = world.api("approver").post("/v1/checks", json=build_check()).json()
    assert body["check_id"]
    assert (body["on"], body["matter"]) == ("2026-11-22", "bidding")
    assert (body["epoch"], body["seq"], body["catalogue_version"]) == (1, 1, "1")
    assert body["checked_at"].startswith("2026-11-22T02:00:00")
    assert body["checked_at"].endswith("Z")


@pytest.mark.parametrize("kind", ["legal_representative", "person_in_charge"])
def test_the_names_of_responsible_persons_are_shown_and_their_numbers_are_not(
    world: World, kind: str
) -> None:
    number = build_resident_id(7)
    facts = build_push()
    facts["responsible_persons"] = [
        {
            "role": kind,
            "name": "李某",
            "identifier": {"scheme": "resident_id", "number": number},
        }
    ]
    world.record(**facts)
    result = answered(world)
    assert result["entries"][0]["responsible_persons"] == [{"role": kind, "name": "李某"}]
    assert number not in str(result)


def test_a_person_on_a_list_is_answered_without_any_number(world: World) -> None:
    world.record(subject=build_person(), responsible_persons=None)
    result = answered(world, build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id"))
    assert result["standing"] == "black"
    assert result["subject"]["name"] == "张某"
    assert PERSON_RESIDENT_ID not in str(result)


def test_an_individual_business_is_checked_like_an_organisation(world: World) -> None:
    number = build_shop_uscc(3)
    shop = build_subject(number, "滕州市某某饭店") | {"kind": "individual_business"}
    world.record(subject=shop, responsible_persons=None)
    result = answered(world, build_question(number, None))
    assert result["standing"] == "black"
    assert result["subject"]["kind"] == "individual_business"
    assert BUILDER_USCC not in str(result)
