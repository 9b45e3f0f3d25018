"""Subscribers learn nothing of entries that they may not see, nor of what follows from these.

Random histories are played twice: whole, and without the changes that no subscriber may see. A
follower reads the feed and the snapshot after every visible change.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.export_readers import parse_ndjson
from tests.support.request_bodies import (
    build_organisation,
    build_penalty_changes,
    build_publication,
    build_push,
    build_red_changes,
)
from tests.support.world import RegistryTemplates, World

TODAY = date(2026, 11, 22)
SUBJECTS, STEPS = 2, 26
UNSEEN = {"seq", "version", "recorded_at"}
"""Fields by which the two histories may differ."""
BASES = {"restricted": {}, "exempt": {"exemption": "state_secret", "basis": "保守国家秘密法第九条"}}
CHANGES, SNAPSHOT = "/v1/changes", "/v1/changes/snapshot"


def build_disclosure(class_: str) -> dict[str, str]:
    return {"class": class_, **BASES.get(class_, {})}


@dataclass(frozen=True)
class Step:
    """One change of a history; no subscriber may see a `hidden` one."""

    action: str
    target: str
    hidden: bool
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class Black:
    """A black entry, as the test counts it."""

    subject: int
    first: date
    last: date
    class_: str
    over: bool = False

    def is_active(self, day: date) -> bool:
        return not self.over and self.first <= day <= self.last


def draw_history(rng: random.Random) -> list[Step]:
    """Draw a history; hidden changes stand between the visible ones."""
    steps: list[Step] = []
    names: dict[str, list[str]] = {"red": [], "record": [], "black": [], "secret": []}
    visible = ["red", "black", "record", "correct", "exit", "day", "day", "class"]
    hidden = ["secret", "secret", "end", "void", "other_class", "remark", "publish"]
    for number in range(STEPS):
        is_hidden = rng.random() < 0.5
        action = rng.choice(hidden if is_hidden else visible)
        if number < SUBJECTS:
            action, is_hidden = "red", False
        if action in names:
            name = f"{action}-{number}"
            names[action].append(name)
            first, length = rng.choice([0, 0, 2]), rng.choice([1, 3, 400])
            values: dict[str, Any] = {
                "subject": number if number < SUBJECTS else rng.randrange(SUBJECTS),
                "first": first,
                "last": first + length,
                "class": rng.choice([*BASES]) if is_hidden else "public",
            }
            steps.append(Step(action, name, is_hidden, values))
            continue
        pool = {
            "correct": names["red"] + names["black"] + names["record"],
            "exit": names["black"] + names["record"],
            "class": names["black"],
            "end": names["secret"],
            "void": names["secret"],
            "other_class": names["secret"],
            "remark": names["red"] + names["black"] + names["record"],
            "publish": names["black"] + names["record"],
            "day": ["-"],
        }[action]
        if pool:
            values = {"days": rng.choice([1, 2, 4]), "class": rng.choice(["public", *BASES])}
            steps.append(Step(action, rng.choice(pool), is_hidden, values))
    return steps


class History:
    """Plays steps on a registry, with a subscriber who follows."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.day = TODAY
        self.entries: dict[str, dict[str, Any]] = {}
        self.blacks: dict[str, Black] = {}
        self.reds: dict[str, tuple[int, date]] = {}
        self.refused_reds: set[str] = set()
        self.position = 0
        self.copy: dict[str, Any] = {}
        self.events: list[tuple[str, Any]] = []
        self.texts: list[str] = []

    def play(self, step: Step) -> int:
        """Make one change; return the status code."""
        if step.action == "day":
            self.day += timedelta(step.values["days"])
            self.world.clock.set_day(self.day)
            return 200
        if step.action in {"red", "black", "record", "secret"}:
            return self._push(step)
        if step.target not in self.entries:
            return 0
        return self._change(step)

    def _push(self, step: Step) -> int:
        values, name = step.values, step.target
        first, last = (self.day + timedelta(values[key]) for key in ("first", "last"))
        decided = {"number": f"{name}号", "decided_on": self.day.isoformat()}
        subject = build_organisation(values["subject"])
        facts: dict[str, Any] = {
            "source_ref": name,
            "case_ref": None,
            "subject": subject,
            "disclosure": build_disclosure(values["class"]),
            "effective_from": first.isoformat(),
            "effective_until": last.isoformat(),
        }
        if step.action == "red":
            facts = build_red_changes(**facts | {"effective_until": None})
            facts["decision"] = {"kind": "honour", **decided}
        elif step.action == "record":
            facts = build_penalty_changes(**facts | {"effective_until": None})
            facts["decision"] = facts["decision"] | decided
        else:
            facts["decision"] = {"kind": "list_decision", **decided}
            if step.action == "secret":
                facts["subject"] = subject | {"name": subject["name"] + "(曾用)"}
        answer = self.world.api().post("/v1/entries", json=build_push(**facts))
        if answer.status_code != 201:
            assert (step.action, answer.json()["code"]) == ("red", "blacklisted_subject")
            self.refused_reds.add(name)
            return answer.status_code
        self.entries[name] = answer.json()
        if step.action == "red":
            self.reds[name] = values["subject"], first
        elif step.action in {"black", "secret"}:
            self.blacks[name] = Black(values["subject"], first, last, values["class"])
        return 201

    def _change(self, step: Step) -> int:
        entry, black = self.entries[step.target], self.blacks.get(step.target)
        today = self.day.isoformat()
        class_ = step.values["class"]
        if step.action == "other_class" and class_ == "public":
            class_ = "exempt"
        path, body = {
            "correct": ("corrections", {"changes": {"reason": f"事由{today}"}}),
            "remark": ("corrections", {"changes": {"remark": f"备注{today}{entry['version']}"}}),
            "class": ("corrections", {"changes": {"disclosure": build_disclosure(class_)}}),
            "other_class": ("corrections", {"changes": {"disclosure": build_disclosure(class_)}}),
            "exit": ("exits", {"exited_on": today}),
            "end": ("exits", {"exited_on": today}),
            "void": ("revocations", {"reason_code": "wrong_subject", "revoked_on": today}),
            "publish": ("disclosures", build_publication(published_on=today)),
        }[step.action]
        if step.action != "publish":
            body = {"reason": "依法处理", **body}
        headers = {"If-Match": f'"{entry["version"]}"'}
        answer = self.world.api().post(
            f"/v1/entries/{entry['id']}/{path}", json=body, headers=headers
        )
        assert answer.status_code in {200, 201, 404, 409, 422}, answer.text
        if answer.is_success:
            entry["version"] = answer.json()["version"]
            if black is not None and "class" in step.action:
                black.class_ = class_
            elif black is not None and step.action in {"exit", "end", "void"}:
                black.over = True
        return answer.status_code

    def follow(self) -> dict[str, Any]:
        """Read the feed to its end, require that it equals the snapshot, and return the copy."""
        api = self.world.api("subscriber")
        names = {entry["id"]: name for name, entry in self.entries.items()}
        page = api.get(CHANGES, params={"after": self.position})
        self.texts.append(page.text)
        for change in page.json()["changes"]:
            name = names[change["entry_id"]]
            content = change["entry"] and self._clean(change["entry"])
            if self.copy.get(name) != content:
                self.events.append((name, content))
            self.copy[name] = content
        self.position = page.json()["next_after"]
        assert self.position == page.json()["head_seq"]
        snapshot = api.get(SNAPSHOT)
        self.texts.append(snapshot.text)
        held = {name: content for name, content in self.copy.items() if content is not None}
        rows = parse_ndjson(snapshot.content).rows
        assert held == {names[row["id"]]: self._clean(row) for row in rows}
        return dict(held)

    def _clean(self, entry: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in entry.items() if name not in UNSEEN | {"id"}}
        return shown | {"subject": shown["subject"] | {"id": None}}

    def find_absent_reds(self) -> set[str]:
        """Find the red entries that hidden entries alone suspend, and those never recorded."""
        found = set(self.refused_reds)
        for name, (subject, first) in self.reds.items():
            classes = {
                black.class_
                for black in self.blacks.values()
                if black.subject == subject and black.is_active(self.day)
            }
            if first <= self.day and classes and "public" not in classes:
                found.add(name)
        return found


@pytest.fixture
def registries(
    backend: str, templates: RegistryTemplates, app: FastAPI, address: str
) -> Callable[[], AbstractContextManager[World]]:
    return lambda: templates.lend(backend, app, address)


@pytest.mark.parametrize("seed", range(4))
def test_a_subscriber_sees_no_difference(
    registries: Callable[[], AbstractContextManager[World]], seed: int
) -> None:
    steps = draw_history(random.Random(seed))
    held: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    codes: dict[bool, list[int]] = {True: [], False: []}
    absent: list[set[str]] = []
    ever_absent: set[str] = set()
    played: dict[bool, History] = {}
    for whole in (True, False):
        with registries() as world:
            history = played[whole] = History(world)
            history.follow()
            for step in steps:
                if step.hidden and not whole:
                    continue
                code, state = history.play(step), history.follow()
                if whole:
                    ever_absent |= history.find_absent_reds()
                if not step.hidden:
                    held[whole].append(state)
                    codes[whole].append(200 if step.action in {"red", "day"} else code)
                    absent += [history.find_absent_reds()] if whole else []
    # The same visible changes were made, apart from red entries that a hidden one prevented.
    targets = [step.target for step in steps if not step.hidden]
    prevented = played[True].refused_reds
    assert [c for c, t in zip(codes[True], targets, strict=True) if t not in prevented] == [
        c for c, t in zip(codes[False], targets, strict=True) if t not in prevented
    ]
    for with_hidden, without, missing in zip(held[True], held[False], absent, strict=True):
        assert with_hidden == {
            name: content for name, content in without.items() if name not in missing
        }
    assert [event for event in played[True].events if event[0] not in ever_absent] == [
        event for event in played[False].events if event[0] not in ever_absent
    ]
    secrets = [entry["id"] for name, entry in played[True].entries.items() if "secret" in name]
    assert not any(secret in text for secret in secrets for text in played[True].texts)


# --- one suspension --------------------------------------------------------------


def record_pair(world: World, class_: str, **black: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Record a public red entry, then a black one of a class."""
    subject = build_organisation(1)
    red = world.record(**build_red_changes(subject=subject))
    secret = world.record(
        source_ref="S-1", subject=subject, disclosure=build_disclosure(class_), **black
    )
    return red, secret


def change(world: World, entry: dict[str, Any], path: str, **body: Any) -> None:
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/{path}",
        json={"reason": "依法处理", **body},
        headers={"If-Match": f'"{entry["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
    entry["version"] = answer.json()["version"]


def read_feed(world: World, after: int) -> list[tuple[str, str, str | None]]:
    page = world.api("subscriber").get(CHANGES, params={"after": after}).json()
    return [
        (item["op"], item["entry_id"], item["entry"] and item["entry"]["status"])
        for item in page["changes"]
    ]


def read_statuses(world: World) -> list[str]:
    rows = parse_ndjson(world.api("subscriber").get(SNAPSHOT).content).rows
    return [f"{row['list']} {row['status']}" for row in rows]


@pytest.mark.parametrize("class_", BASES)
def test_a_red_entry_suspended_by_a_hidden_one_is_absent(world: World, class_: str) -> None:
    red, secret = record_pair(world, class_)
    assert read_feed(world, 2) == [("remove", red["id"], None)]
    assert read_statuses(world) == []
    for caller, path in (("auditor", SNAPSHOT), ("department", f"/v1/entries/{red['id']}")):
        assert '"suspended"' in world.api(caller).get(path).text
    change(world, secret, "exits", exited_on=TODAY.isoformat())
    assert read_feed(world, 3) == [("upsert", red["id"], "active")]
    assert read_statuses(world) == ["red active"]


def test_a_public_cause_is_shown_beside_a_hidden_one(world: World) -> None:
    red, secret = record_pair(world, "exempt")
    public = world.record(source_ref="P-1", subject=build_organisation(1))
    assert read_statuses(world) == ["red suspended", "black active"]
    # The public cause ends, and the hidden one goes on: the entry is absent again.
    change(world, public, "exits", exited_on=TODAY.isoformat())
    assert read_feed(world, 5) == [("remove", public["id"], None), ("remove", red["id"], None)]
    change(world, secret, "exits", exited_on=TODAY.isoformat())
    assert read_statuses(world) == ["red active"]


def test_a_cause_that_becomes_public_or_hidden_is_announced_once(world: World) -> None:
    red, black = record_pair(world, "restricted")
    for class_, op in (("public", "upsert"), ("exempt", "remove"), ("restricted", None)):
        after = world.api("auditor").get(CHANGES).json()["head_seq"]
        change(world, black, "corrections", changes={"disclosure": build_disclosure(class_)})
        found = [item for item in read_feed(world, after) if item[1] == red["id"]]
        assert [item[0] for item in found] == ([] if op is None else [op])
        assert read_statuses(world) == (
            ["red suspended", "black active"] if class_ == "public" else []
        )
    # The status stayed the same, so the history of the department shows one suspension.
    history = world.api().get(f"/v1/entries/{red['id']}/history").json()
    assert [turn["status"] for turn in history["turns"]] == ["suspended"]


def test_a_day_ends_the_public_cause_alone(world: World) -> None:
    red, _ = record_pair(world, "exempt")
    last = TODAY + timedelta(2)
    world.record(source_ref="P-1", subject=build_organisation(1), effective_until=last.isoformat())
    assert read_statuses(world) == ["red suspended", "black active"]
    after = world.api("auditor").get(CHANGES).json()["head_seq"]
    world.clock.set_day(last + timedelta(1))
    assert {item[:2] for item in read_feed(world, after)} >= {("remove", red["id"])}
    assert read_statuses(world) == []
