"""Numbers and names of subjects, now and at every earlier state, compared with a small model.

Hypothesis draws pushes, corrections and revocations. The registry must refuse the same ones as the
model, and must find the same subjects by number and name, today and at each sequence number.
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
from app.checks.questions import Question, SubjectMatcher, build_question
from app.db.counter import read_head
from app.entries.changes.amendments import correct_facts, revoke_entry
from app.entries.recording.batch import record_entry
from app.entries.schemas import Correction, EntryPush, Revocation, RevocationCode
from app.entries.store import reads
from app.errors import IdentifierConflict, SubjectKindConflict
from app.rules.identifiers import Scheme, parse_identifier
from app.rules.permissions import COMMAND_LINE_CALLER
from tests.support.numbers import build_uscc
from tests.support.request_bodies import build_decision, build_push
from tests.support.world import World

LIST_TYPE = "illegal_social_organizations.black"  # accepts subjects without a number
KINDS = ("legal_person", "unincorporated_organization")
LIFELONG = {"uscc", "org_code"}
TODAY = date(2026, 11, 22)
EXAMPLES = count()


def mod_11_10_code(digits: str) -> str:
    return digits + mod_11_10.calc_check_digit(digits)


class Reading(NamedTuple):
    """The name and the decision day of an entry from a sequence number on."""

    seq: int
    name: str
    day: int
    void: bool = False


@dataclass
class ModelEntry:
    """One entry of the model."""

    id: UUID
    subject: UUID
    kind: str
    numbers: frozenset[tuple[str, str]]
    readings: list[Reading] = field(default_factory=list)

    def read_until(self, seq: int) -> list[Reading]:
        """Return its readings up to a sequence number; none where it was void then."""
        known = [reading for reading in self.readings if reading.seq <= seq]
        return [] if not known or known[-1].void else known

    def find_keys(self, seq: int) -> set[tuple[str, str]]:
        known = self.read_until(seq)
        if not known or self.numbers:
            return set(self.numbers) if known else set()
        return {(self.kind, known[-1].name)}

    def find_current(self, seq: int) -> tuple[int, int, str]:
        """Return the decision day, the first sequence number with this name, and the name."""
        [*earlier, last] = self.read_until(seq)
        since = last.seq
        for reading in reversed(earlier):
            if (reading.name, reading.day) != (last.name, last.day):
                break
            since = reading.seq
        return last.day, since, last.name


class Model:
    """All entries; everything else is derived from them."""

    def __init__(self) -> None:
        self.entries: list[ModelEntry] = []

    def find_owners(self, key: tuple[str, str], seq: int) -> set[UUID]:
        return {entry.subject for entry in self.entries if key in entry.find_keys(seq)}

    def find_entries(self, subject: UUID, seq: int) -> list[ModelEntry]:
        return [one for one in self.entries if one.subject == subject and one.read_until(seq)]

    def name(self, subject: UUID, seq: int) -> str:
        return max(entry.find_current(seq) for entry in self.find_entries(subject, seq))[2]

    def find_named(self, name: str, seq: int) -> set[UUID]:
        return {
            entry.subject
            for entry in self.entries
            if any(reading.name == name for reading in entry.read_until(seq))
        }

    def predict(
        self, kind: str, keys: set[tuple[str, str]], seq: int
    ) -> type[Exception] | UUID | None:
        """Return the error of a push, or its subject; None for a new subject."""
        owners = set().union(*(self.find_owners(key, seq) for key in keys))
        if len(owners) > 1:
            return IdentifierConflict
        if not owners:
            return None
        [owner] = owners
        if any(entry.kind != kind for entry in self.find_entries(owner, seq)):
            return SubjectKindConflict
        given_numbers = {
            scheme for entry in self.find_entries(owner, seq) for scheme, _ in entry.find_keys(seq)
        }
        added = {scheme for scheme, number in keys if not self.find_owners((scheme, number), seq)}
        return IdentifierConflict if added & given_numbers & LIFELONG else owner


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


class Example:
    """One example with its own numbers and names, in a registry with data of other examples."""

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
        given_numbers, name, now = (
            [self.number(one) for one in numbers],
            self.name(which),
            self.seq(),
        )
        keys = self.keys(kind, name, given_numbers)
        codes = {number[8:17] for scheme, number in given_numbers if scheme == "uscc"}
        codes |= {number for scheme, number in given_numbers if scheme == "org_code"}
        if len(codes) > 1:
            return  # a push with codes of two organisations is refused by its form
        expected = self.model.predict(kind, keys, now)
        identifiers = [{"scheme": scheme, "number": number} for scheme, number in given_numbers]
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
        entry = ModelEntry(outcome, row.subject_id, kind, frozenset(keys if given_numbers else ()))
        entry.readings.append(Reading(row.seq, name, day))
        self.model.entries.append(entry)

    def row(self, entry_id: UUID) -> Any:
        with self.registry.database.reading() as connection:
            return reads.read_entry(connection, entry_id, TODAY)

    def change(self, place: int, **changes: Any) -> None:
        entry = self.choose(place)
        if entry is None:
            return
        last = entry.readings[-1]
        name, day = changes.get("name", last.name), changes.get("day", last.day)
        facts: dict[str, Any] = {"subject": {"name": name}}
        if "day" in changes:
            facts = {"decision": {"decided_on": f"2026-11-{day}"}}
        others = self.model.find_owners((entry.kind, name), self.seq()) - {entry.subject}
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
        entry = self.choose(place)
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

    def choose(self, place: int) -> ModelEntry | None:
        valid = [entry for entry in self.model.entries if not entry.readings[-1].void]
        return valid[place % len(valid)] if valid else None

    def compare(self, known_seq: int | None) -> None:
        """Assert that registry and model find the same subjects, today or at a sequence number."""
        seq = self.seq() if known_seq is None else known_seq
        names = [self.name(which) for which in range(3)]
        unused = parse_identifier(Scheme.uscc, build_uscc(99_999_999), today=TODAY)
        numbers = [
            parse_identifier(Scheme(scheme), number, today=TODAY)
            for scheme, number in map(self.number, NUMBERS)
        ]
        alone = [Question("", None, name) for name in names]
        secrets = self.registry.secrets
        beside = [build_question(secrets, "", unused, name) for name in names]
        asked = [
            build_question(secrets, "", one, name) for one in numbers for name in (*names, None)
        ]
        with self.registry.database.reading() as connection:
            matching = SubjectMatcher(connection, alone + beside + asked, known_seq)
        for question in alone:
            found = {one.id for one in matching.find_by_name(question)}
            assert found == self.model.find_named(str(question.name), seq)
        for question in beside:
            assert self.find_matched_by_name(matching, question) == self.find_owners_by_name(
                str(question.name), seq
            )
        for question in asked:
            assert question.identifier is not None
            number = (question.identifier.scheme.value, question.identifier.number)
            subject = matching.find_by_number(question)
            assert ({subject.id} if subject else set()) == self.find_owners(number, seq)
            if subject is None:
                continue
            [first, *_] = self.model.find_entries(subject.id, seq)
            assert (subject.kind, subject.name) == (first.kind, self.model.name(subject.id, seq))
            name = question.name or subject.name
            given_numbers = subject.id in self.model.find_named(name, seq)
            assert matching.has_name(subject, name) is given_numbers
            assert self.find_matched_by_name(matching, question) == self.find_owners_by_name(
                name, seq
            )

    def find_matched_by_name(self, matching: SubjectMatcher, question: Question) -> set[UUID]:
        return {one.id for one in matching.find_name_only_matches(question)}

    def find_owners_by_name(self, name: str, seq: int) -> set[UUID]:
        return set().union(*(self.model.find_owners((kind, name), seq) for kind in KINDS))

    def find_owners(self, number: tuple[str, str], seq: int) -> set[UUID]:
        found = self.model.find_owners(number, seq)
        if not found and number[0] == "uscc":
            found = self.model.find_owners(("org_code", number[1][8:17]), seq)
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
def test_registry_and_model_find_the_same_subjects(
    listing: World, steps: list[tuple[Any, ...]]
) -> None:
    example_run = Example(listing)
    for step in steps:
        match step:
            case ("push", kind, name, numbers, day):
                example_run.push(kind, name, numbers, day)
            case ("name", place, which):
                example_run.change(place, name=example_run.name(which))
            case ("day", place, day):
                example_run.change(place, day=day)
            case ("void", place):
                example_run.revoke(place, RevocationCode.wrong_subject)
            case ("end", place):
                example_run.revoke(place, RevocationCode.decision_revoked)
        example_run.compare(None)
    for seq in range(example_run.first, example_run.seq() + 1):
        example_run.compare(seq)
