"""Who bears which number and name, now and at every past state: held against a small model.

Random pushes, corrections and voidings are told to the registry and to the model; what the registry
refuses, whom it means by a number or a name today, and whom it says it meant at each change number
must be what the model says.
"""

from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from stdnum.iso7064 import mod_11_10

from app.catalogue.service import put_list_type_in_force
from app.checks.matching import Matching
from app.checks.questions import Question, question_about
from app.db.counter import read_head
from app.entries import store
from app.entries.changes.amendments import correct_facts, revoke_entry
from app.entries.recording.batch import record_entry
from app.entries.schemas import Correction, EntryPush, Revocation, RevocationCode
from app.errors import IdentifierConflict, SubjectKindConflict
from app.rules.identifiers import Scheme, parse_identifier
from app.rules.permissions import COMMAND_LINE_CALLER
from tests.support.numbers import build_uscc
from tests.support.request_bodies import build_decision, build_push
from tests.support.world import World

LIST_TYPE = "illegal_social_organizations.black"  # one that takes names alone
KINDS = ("legal_person", "unincorporated_organization")
LIFELONG = {"uscc", "org_code"}
TODAY = date(2026, 11, 22)
EXAMPLES = count()


def mod_11_10_code(digits: str) -> str:
    return digits + mod_11_10.calc_check_digit(digits)


class Reading(NamedTuple):
    """What an entry says from a change number on."""

    seq: int
    name: str
    day: int
    void: bool = False


@dataclass
class Told:
    """An entry of the model."""

    id: UUID
    subject: UUID
    kind: str
    numbers: frozenset[tuple[str, str]]
    readings: list[Reading] = field(default_factory=list)

    def at(self, seq: int) -> list[Reading]:
        """What it had said by a change number; nothing where it was void by then."""
        known = [reading for reading in self.readings if reading.seq <= seq]
        return [] if not known or known[-1].void else known

    def bears(self, seq: int) -> set[tuple[str, str]]:
        known = self.at(seq)
        if not known or self.numbers:
            return set(self.numbers) if known else set()
        return {(self.kind, known[-1].name)}

    def last_said(self, seq: int) -> tuple[int, int, str]:
        """Day, change number since which it says so, and name."""
        [*earlier, last] = self.at(seq)
        since = last.seq
        for reading in reversed(earlier):
            if (reading.name, reading.day) != (last.name, last.day):
                break
            since = reading.seq
        return last.day, since, last.name


class Model:
    """All entries; everything else is worked out from them."""

    def __init__(self) -> None:
        self.entries: list[Told] = []

    def bearers(self, key: tuple[str, str], seq: int) -> set[UUID]:
        return {entry.subject for entry in self.entries if key in entry.bears(seq)}

    def of(self, subject: UUID, seq: int) -> list[Told]:
        return [one for one in self.entries if one.subject == subject and one.at(seq)]

    def name(self, subject: UUID, seq: int) -> str:
        return max(entry.last_said(seq) for entry in self.of(subject, seq))[2]

    def named(self, name: str, seq: int) -> set[UUID]:
        return {
            entry.subject
            for entry in self.entries
            if any(reading.name == name for reading in entry.at(seq))
        }

    def refusal(
        self, kind: str, keys: set[tuple[str, str]], seq: int
    ) -> type[Exception] | UUID | None:
        """What stands against a push, or the subject that it is on; None for a new one."""
        owners = set().union(*(self.bearers(key, seq) for key in keys))
        if len(owners) > 1:
            return IdentifierConflict
        if not owners:
            return None
        [owner] = owners
        if any(entry.kind != kind for entry in self.of(owner, seq)):
            return SubjectKindConflict
        borne = {scheme for entry in self.of(owner, seq) for scheme, _ in entry.bears(seq)}
        added = {scheme for scheme, number in keys if not self.bearers((scheme, number), seq)}
        return IdentifierConflict if added & borne & LIFELONG else owner


NUMBERS = ("uscc 0", "uscc 1", "org_code 0", "registration_no 0", "registration_no 1")
NAMES, DAYS = some.integers(0, 2), some.integers(16, 18)
STEPS = some.lists(
    some.one_of(
        some.tuples(
            some.just("push"),
            some.sampled_from(KINDS),
            NAMES,
            some.lists(
                some.sampled_from(NUMBERS), max_size=2, unique_by=lambda number: number[:-2]
            ),
            DAYS,
        ),
        some.tuples(some.just("name"), some.integers(0, 9), NAMES),
        some.tuples(some.just("day"), some.integers(0, 9), DAYS),
        some.tuples(some.just("void"), some.integers(0, 9)),
        some.tuples(some.just("end"), some.integers(0, 9)),
    ),
    min_size=3,
    max_size=12,
)


class Play:
    """One example: its own numbers and names, in a registry that others used before."""

    def __init__(self, world: World) -> None:
        self.registry = world.registry
        self.example = next(EXAMPLES)
        self.model = Model()
        self.references = count()
        self.first = self.seq()

    def seq(self) -> int:
        with self.registry.database.reading() as connection:
            return read_head(connection).seq

    def number(self, which: str) -> tuple[str, str]:
        scheme, place = which.split()
        code = build_uscc(self.example * 2 + int(place))
        registered = mod_11_10_code(f"370403{self.example * 2 + int(place):08d}")
        return scheme, {"uscc": code, "org_code": code[8:17]}.get(scheme, registered)

    def name(self, which: int) -> str:
        return f"第{self.example}例{which}号"

    def keys(self, kind: str, name: str, numbers: list[tuple[str, str]]) -> set[tuple[str, str]]:
        inner = {("org_code", number[8:17]) for scheme, number in numbers if scheme == "uscc"}
        return {*numbers, *inner} or {(kind, name)}

    def push(self, kind: str, which: int, numbers: list[str], day: int) -> None:
        borne, name, now = [self.number(one) for one in numbers], self.name(which), self.seq()
        keys = self.keys(kind, name, borne)
        codes = {number[8:17] for scheme, number in borne if scheme == "uscc"}
        codes |= {number for scheme, number in borne if scheme == "org_code"}
        if len(codes) > 1:
            return  # one body with two organisations' codes is refused before anything is read
        expected = self.model.refusal(kind, keys, now)
        identifiers = [{"scheme": scheme, "number": number} for scheme, number in borne]
        body = build_push(
            list_type=LIST_TYPE,
            source_ref=f"{self.example}-{next(self.references)}",
            department="civil_affairs",
            subject={"kind": kind, "name": name, "identifiers": identifiers},
            decision=build_decision(f"2026-11-{day}"),
        )
        try:
            outcome = record_entry(self.registry, COMMAND_LINE_CALLER, EntryPush(**body)).entry_id
        except (IdentifierConflict, SubjectKindConflict) as refused:
            outcome: Any = type(refused)
        if outcome in {IdentifierConflict, SubjectKindConflict}:
            assert outcome is expected
            return
        row = self.row(outcome)
        if expected is None:
            assert row.subject_id not in {entry.subject for entry in self.model.entries}
        else:
            assert row.subject_id == expected
        told = Told(outcome, row.subject_id, kind, frozenset(keys if borne else ()))
        told.readings.append(Reading(row.seq, name, day))
        self.model.entries.append(told)

    def row(self, entry_id: UUID) -> Any:
        with self.registry.database.reading() as connection:
            return store.read_entry(connection, entry_id, TODAY)

    def change(self, place: int, **changes: Any) -> None:
        entry = self.chosen(place)
        if entry is None:
            return
        last = entry.readings[-1]
        name, day = changes.get("name", last.name), changes.get("day", last.day)
        facts: dict[str, Any] = {"subject": {"name": name}}
        if "day" in changes:
            facts = {"decision": {"decided_on": f"2026-11-{day}"}}
        others = self.model.bearers((entry.kind, name), self.seq()) - {entry.subject}
        row = self.row(entry.id)
        order = Correction(reason="更正", changes=facts)
        try:
            correct_facts(self.registry, COMMAND_LINE_CALLER, entry.id, order, row.version)
        except IdentifierConflict:
            assert others
            assert not entry.numbers
            return
        assert not (others and not entry.numbers)
        if self.seq() > row.seq and (name, day) != (last.name, last.day):
            entry.readings.append(Reading(self.row(entry.id).seq, name, day))

    def revoke(self, place: int, code: RevocationCode) -> None:
        entry = self.chosen(place)
        if entry is None:
            return
        row = self.row(entry.id)
        if row.revoked_on is not None and not code.makes_entry_void:
            return
        order = Revocation(reason="撤销", reason_code=code, revoked_on="2026-11-22")
        revoke_entry(self.registry, COMMAND_LINE_CALLER, entry.id, order, row.version)
        last = entry.readings[-1]
        made = Reading(self.row(entry.id).seq, last.name, last.day, void=code.makes_entry_void)
        entry.readings.append(made)

    def chosen(self, place: int) -> Told | None:
        standing = [entry for entry in self.model.entries if not entry.readings[-1].void]
        return standing[place % len(standing)] if standing else None

    def hold(self, known_seq: int | None) -> None:
        """The registry means today, or meant at a change number, whom the model says."""
        seq = self.seq() if known_seq is None else known_seq
        names = [self.name(which) for which in range(3)]
        nobodys = parse_identifier(Scheme.uscc, build_uscc(99_999_999), today=TODAY)
        numbers = [
            parse_identifier(Scheme(scheme), number, today=TODAY)
            for scheme, number in map(self.number, NUMBERS)
        ]
        alone = [Question("", None, name) for name in names]
        secrets = self.registry.secrets
        beside = [question_about(secrets, "", nobodys, name) for name in names]
        asked = [
            question_about(secrets, "", one, name) for one in numbers for name in (*names, None)
        ]
        with self.registry.database.reading() as connection:
            matching = Matching(connection, alone + beside + asked, known_seq)
        for question in alone:
            found = {one.id for one in matching.by_name(question)}
            assert found == self.model.named(str(question.name), seq)
        for question in beside:
            assert self.known_alone(matching, question) == self.alone(str(question.name), seq)
        for question in asked:
            assert question.identifier is not None
            number = (question.identifier.scheme.value, question.identifier.number)
            subject = matching.by_number(question)
            assert ({subject.id} if subject else set()) == self.bearers(number, seq)
            if subject is None:
                continue
            [first, *_] = self.model.of(subject.id, seq)
            assert (subject.kind, subject.name) == (first.kind, self.model.name(subject.id, seq))
            name = question.name or subject.name
            borne = subject.id in self.model.named(name, seq)
            assert matching.bears_name(subject, name) is borne
            assert self.known_alone(matching, question) == self.alone(name, seq)

    def known_alone(self, matching: Matching, question: Question) -> set[UUID]:
        return {one.id for one in matching.by_name_beside(question)}

    def alone(self, name: str, seq: int) -> set[UUID]:
        return set().union(*(self.model.bearers((kind, name), seq) for kind in KINDS))

    def bearers(self, number: tuple[str, str], seq: int) -> set[UUID]:
        found = self.model.bearers(number, seq)
        if not found and number[0] == "uscc":
            found = self.model.bearers(("org_code", number[1][8:17]), seq)
        return found


@pytest.fixture
def listing(world: World) -> World:
    put_list_type_in_force(world.registry, LIST_TYPE, "某某条例第一条")
    return world


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_numbers_and_names_are_whose_the_standing_decisions_say(
    listing: World, steps: list[tuple[Any, ...]]
) -> None:
    play = Play(listing)
    for step in steps:
        match step:
            case ("push", kind, name, numbers, day):
                play.push(kind, name, numbers, day)
            case ("name", place, which):
                play.change(place, name=play.name(which))
            case ("day", place, day):
                play.change(place, day=day)
            case ("void", place):
                play.revoke(place, RevocationCode.wrong_subject)
            case ("end", place):
                play.revoke(place, RevocationCode.decision_revoked)
        play.hold(None)
    for seq in range(play.first, play.seq() + 1):
        play.hold(seq)
