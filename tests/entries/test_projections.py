"""Every field of an entry by audience: the table shows which audience sees which field."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.entries import projections
from app.entries.queries import CheckedEntryRow, EntryRow
from app.rules.calendar import Calendar
from app.rules.law import Catalogue
from app.rules.permissions import AccessLevel

DAY = date(2026, 11, 22)
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "case_ref": "C-1",
    "subject": {
        "kind": "legal_person",
        "name": "某公司",
        "identifiers": [{"scheme": "uscc", "number": "91370403MB000CT75T"}],
    },
    "responsible_persons": [
        {
            "role": "legal_representative",
            "name": "张某",
            "identifier": {"scheme": "resident_id", "masked": "3704**********0013", "key": "k"},
        }
    ],
    "decision": {
        "number": "12号",
        "kind": "list_decision",
        "decided_on": "2026-11-10",
        "penalty_law": "general",
    },
    "reason": "事由",
    "legal_basis": "依据",
    "conduct_ended_on": "2026-10-31",
    "conduct_continues": True,
    "extension": {"number": "13号", "decided_on": "2026-11-11", "legal_basis": "依据"},
    "unintentional": True,
    "penalty": {"fine": "1"},
    "licence": {"content": "许可"},
    "remark": "备注",
    "disclosure": {"class": "public", "exemption": "other", "basis": "依据"},
}
ROW = EntryRow(
    id=UUID(int=1),
    source_ref="S-1",
    replaces=UUID(int=2),
    received_at=AT,
    version=3,
    seq=4,
    superseded_seq=None,
    subject_id=UUID(int=5),
    list_type="wage_arrears.black",
    kind="black",
    department="human_resources",
    action="record",
    action_digest="-",
    change_reason=None,
    actor_name="a key",
    recorded_at=AT,
    catalogue_version=1,
    facts=FACTS,
    facts_digest="-",
    severity="serious",
    sex="male",
    age=41,
    decided_on=date(2026, 11, 10),
    effective_from=date(2026, 11, 10),
    effective_until=date(2029, 11, 10),
    cap_ends_on=date(2031, 11, 10),
    exited_on=date(2026, 11, 21),
    revoked_on=None,
    repaired_on=None,
    lapsed_from=date(2026, 11, 12),
    lapsed_until=date(2026, 11, 13),
    void=True,
    disputed=True,
    disclosure_class="public",
    deadline=date(2026, 11, 19),
    provisional=True,
    calendar_version=1,
    reported_late=True,
    channels={
        "department_site": {
            "required": True,
            "published_on": "2026-11-12",
            "url": "https://example.org/12",
            "recorded_at": "2026-11-12T02:00:00Z",
            "withdrawn_on": "2026-11-21",
            "judged_by": "2026-11-19",
        }
    },
    published_on=date(2026, 11, 12),
    published_late=False,
    take_down_from=date(2026, 11, 21),
    corrected_received_at=None,
    black_active=False,
    public_black_active=False,
)
CHECKED = CheckedEntryRow(
    id=str(ROW.id),
    subject_id=str(ROW.subject_id),
    kind=ROW.kind,
    list_type=ROW.list_type,
    department=ROW.department,
    severity=ROW.severity,
    effective_from="2026-11-10",
    effective_until="2029-11-10",
    status="active",
    disputed=True,
    disclosure_class=ROW.disclosure_class,
    void=False,
    facts=orjson.dumps(FACTS).decode(),
)
EXEMPT = ROW._replace(disclosure_class="exempt")
CALENDAR = Calendar()
CATALOGUE = Catalogue()
EFFECTS = [{"effect": "suspends", "entry_id": UUID(int=6)}]

VIEW = projections.build_entry_view(ROW, DAY, CALENDAR, EFFECTS)
ROLES = ["legal_representative"]
PROJECTIONS: Mapping[str, Mapping[str, Any]] = {
    "D department": VIEW,
    "S sealed": projections.redact_sealed_view(VIEW),
    "E export": projections.build_exported_entry(ROW, DAY, CALENDAR),
    "A auditor": projections.build_auditor_feed_entry(ROW, DAY),
    "P subscriber": projections.build_public_feed_entry(ROW, DAY),
    "C officer": projections.build_checked_entry(CHECKED, AccessLevel.full),
    "c summary": projections.build_checked_entry(CHECKED, AccessLevel.summary),
    "R report": projections.build_report_entry(ROW, DAY, CALENDAR, CATALOGUE),
    "r outline": projections.build_report_entry(EXEMPT, DAY, CALENDAR, CATALOGUE),
    "F foreign": projections.build_partial_report_entry(ROW, DAY, CALENDAR, CATALOGUE),
    "f foreign_outline": projections.build_partial_report_entry(EXEMPT, DAY, CALENDAR, CATALOGUE),
    "N named": projections.build_naming_entry(ROW, ROLES, DAY, CATALOGUE),
    "n named_outline": projections.build_naming_entry(EXEMPT, ROLES, DAY, CATALOGUE),
}
"""Column of the table and audience -> an entry with all fields, as that audience sees it."""

TABLE = """
field                                 D S E A P C c R r F f N n
id                                    x x x x x x x x x x x - -
version                               x x x x x - - - - - - - -
seq                                   x x x x x - - - - - - - -
list_type                             x x x x x x - x - x - x -
list                                  x x x x x x x x x x x x x
domain                                x x x x x x - x - x - - -
department                            x x x x x x - - - - - - -
source_ref                            x x x x - - - - - - - - -
case_ref                              x - x x - - - - - - - - -
replaces                              x x x x - - - - - - - - -
subject.id                            x x x x x - - - - - - - -
subject.kind                          x x x x x - - - - - - - -
subject.name                          x - x x x - - - - - - - -
subject.identifiers.scheme            x - x x x - - - - - - - -
subject.identifiers.number            x - x x x - - - - - - - -
subject.sex                           x - x x x - - - - - - - -
subject.age                           x - x x x - - - - - - - -
responsible_persons.role              x - x x x x - x - x - - -
responsible_persons.name              x - x x x x - x - x - - -
responsible_persons.identifier.scheme x - x x - - - - - - - - -
responsible_persons.identifier.masked x - x x - - - - - - - - -
decision.number                       x x x x x x - - - - - - -
decision.kind                         x x x x x x - - - - - - -
decision.decided_on                   x x x x x x - - - - - - -
decision.penalty_law                  x x x x - - - - - - - - -
reason                                x - x x x x - x - x - - -
legal_basis                           x - x x x x - - - - - - -
severity                              x x x x x x x x x x x - -
conduct_ended_on                      x x x x - - - x - - - - -
conduct_continues                     x x x x - - - x - - - - -
effective_from                        x x x x x x x x x x x - -
effective_until                       x x x x x x x x x x x - -
ends_by_law_on                        x x x x x - - x x - - - -
restored_on                           x x x x - - - x x - - - -
extension.number                      x x x x - - - x - - - - -
extension.decided_on                  x x x x - - - x - - - - -
extension.legal_basis                 x x x x - - - x - - - - -
unintentional                         x x x x - - - x - - - - -
penalty.fine                          x - x x x - - x - - - - -
licence.content                       x - x x x - - x - - - - -
remark                                x - x x - - - x - - - - -
received_at                           x x x x - - - - - - - - -
recorded_at                           x x x x x - - - - - - - -
on                                    x x x - - - - - - - - - -
status                                x x x x x x x x x x x x x
removal.by                            x x x x - - - x x - - - -
disputed                              x x x x x x x x x x x - -
disclosure.class                      x x x x - - - x x x x - -
disclosure.exemption                  x x x x - - - x x x x - -
disclosure.basis                      x x x x - - - x - - - - -
disclosure.deadline                   x x x x - - - - - - - - -
disclosure.provisional                x x x x - - - - - - - - -
disclosure.calendar_version           x x x x - - - - - - - - -
disclosure.reported                   x x x x - - - - - - - - -
disclosure.state                      x x x - - - - - - - - - -
disclosure.take_down.since            x x x - - - - - - - - - -
disclosure.take_down.due              x x x - - - - - - - - - -
disclosure.take_down.state            x x x - - - - - - - - - -
disclosure.channels.channel           x x x x - - - x x - - - -
disclosure.channels.required          x x x x - - - - - - - - -
disclosure.channels.published_on      x x x x - - - x x - - - -
disclosure.channels.url               x x x x - - - x x - - - -
disclosure.channels.recorded_at       x x x x - - - - - - - - -
disclosure.channels.withdrawn_on      x x x x - - - x x - - - -
disclosure.channels.state             x x x - - - - - - - - - -
effects.effect                        x x - - - - - - - - - - -
effects.entry_id                      x x - - - - - - - - - - -
in_force                              - - x - - - - x x x x x x
void                                  - - x x - - - - - - - - -
catalogue_version                     - - x x - - - - - - - - -
disclosure_class                      - - - - - x x - - - - - -
exemption                             - - - - - x x - - - - - -
outline                               - - - - - - - x x x x - -
partial                               - - - - - - - x x x x - -
subject_name                          - - - - - - - x - - - x -
source.department.code                - - - - - - - x - x - - -
source.source_ref                     - - - - - - - x - - - - -
source.case_ref                       - - - - - - - x - - - - -
source.decision.number                - - - - - - - x - x - - -
source.decision.kind                  - - - - - - - x - x - - -
source.decision.decided_on            - - - - - - - x - x - - -
source.decision.penalty_law           - - - - - - - x - - - - -
source.legal_basis                    - - - - - - - x - x - - -
source.received_at                    - - - - - - - x - - - - -
source.recorded_at                    - - - - - - - x - - - - -
department.code                       - - - - - - - - - - - x -
roles                                 - - - - - - - - - - - x x
decision_number                       - - - - - - - - - - - x -
decided_on                            - - - - - - - - - - - x -
"""
"""Field by audience; a field is absent if it is null, empty, or replaced by the sealed text."""


def find_fields(value: object, path: str = "") -> Iterator[str]:
    """Find the paths of all values with content; positions in lists are left out."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from find_fields(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from find_fields(item, path)
    elif value is not None and value != projections.SEALED_TEXT:
        yield path


def read_table() -> dict[str, set[str]]:
    """Read the table as column -> fields."""
    heading, *lines = TABLE.strip().splitlines()
    audiences = heading.split()[1:]
    fields: dict[str, set[str]] = {audience: set() for audience in audiences}
    for line in lines:
        field, *marks = line.split()
        for audience, mark in zip(audiences, marks, strict=True):
            if mark == "x":
                fields[audience].add(field)
    return fields


@pytest.mark.parametrize("audience", PROJECTIONS)
def test_an_audience_sees_the_fields_of_the_table(audience: str) -> None:
    assert set(find_fields(PROJECTIONS[audience])) == read_table()[audience[0]]


@pytest.mark.parametrize("audience", PROJECTIONS)
def test_no_audience_sees_the_lookup_key_of_a_person(audience: str) -> None:
    assert not any(field.endswith(".key") for field in find_fields(PROJECTIONS[audience]))


@pytest.mark.parametrize(
    ("whole", "outline"),
    [
        ("D department", "S sealed"),
        ("C officer", "c summary"),
        ("R report", "r outline"),
        ("N named", "n named_outline"),
    ],
)
def test_an_outline_keeps_the_keys_of_the_whole_entry(whole: str, outline: str) -> None:
    assert list(PROJECTIONS[whole]) == list(PROJECTIONS[outline])


def test_the_table_names_every_audience() -> None:
    assert list(read_table()) == [audience[0] for audience in PROJECTIONS]


@pytest.mark.parametrize("audience", ["D department", "E export", "A auditor", "P subscriber"])
def test_the_table_names_every_member_of_a_projection(audience: str) -> None:
    """A new member fails here until `FACTS` fills it and the table decides who may see it."""
    named = {field.partition(".")[0] for field in read_table()[audience[0]]}
    assert named == set(PROJECTIONS[audience])


def test_the_table_names_every_member_of_a_check() -> None:
    named = {field.partition(".")[0] for field in read_table()["C"]}
    assert named == set(PROJECTIONS["C officer"])
