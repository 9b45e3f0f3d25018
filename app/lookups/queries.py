"""Subjects as a key may see them: read together, like checks, and every look is put on record."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.checks.evaluation import answer_known
from app.checks.preconditions import require_past
from app.checks.projections import warning_views
from app.checks.questions import Answer, Moment, moment_of
from app.db.engines import Connection
from app.errors import Forbidden, SubjectNotFound
from app.registry import Registry
from app.rules.identifiers import Identifier
from app.rules.law import SubjectKind
from app.rules.permissions import Caller
from app.subjects.lookup_keys import build_query_keys
from app.subjects.queries import find_by_ids, find_by_keys, read_folded_names, read_profiles
from app.subjects.records import FoundSubject


class Look(NamedTuple):
    """Who looks at which subject, by its number or its id."""

    caller: Caller
    whom: Identifier | UUID
    chinese: bool
    request_id: str | None
    on: date | None = None
    """A past day, and an instant of which is told what was known then: for overseers."""
    known_at: datetime | None = None

    @property
    def past(self) -> dict[str, Any]:
        """The past moment, where it is one."""
        return {"on": self.on, "known_at": self.known_at} if self.on or self.known_at else {}


def show_past(registry: Registry, look: Look) -> bytes:
    """A subject at a past moment: what was known of its entries then, and today's names.

    Raises:
        Forbidden: the past is for auditors and operators.
        InvalidPayload: the moment has not come.
        SubjectNotFound: nothing is held that the caller may see.
    """
    if not look.caller.has_oversight:
        raise Forbidden
    require_past(registry, look.on, look.known_at, "?")
    [shown] = show_together(registry, [look], on=look.on, known_at=look.known_at)
    if isinstance(shown, Exception):
        raise shown
    return shown


def show_together(
    registry: Registry,
    group: Sequence[Look],
    *,
    on: date | None = None,
    known_at: datetime | None = None,
) -> list[bytes | Exception]:
    """Subjects in JSON (`schemas.SubjectView`), or `SubjectNotFound`, all from one snapshot.

    A natural person is shown by id to those who oversee the registry alone: everybody else asks
    with number, name and case.
    """
    with registry.database.reading_for_checks() as connection:
        moment = moment_of(registry, connection, on=on, known_at=known_at)
        matched = _matched(registry, connection, group)
        answers = _visible(connection, group, matched, moment)
        profiles = read_profiles(connection, {matched[place].id for place in answers})
    at = registry.clock.now()
    records = [
        _record(group[place], matched[place].id, at, group[place].request_id) for place in answers
    ]
    if records:
        with registry.database.ledger() as connection:
            audit.add_access(connection, *records)
    return [
        _body(profiles[matched[place].id], answers[place], moment, chinese=look.chinese)
        if place in answers
        else SubjectNotFound()
        for place, look in enumerate(group)
    ]


def _matched(
    registry: Registry, connection: Connection, group: Sequence[Look]
) -> dict[int, FoundSubject]:
    """The recorded subjects that are looked at, by the place of the look."""
    keys = {
        place: build_query_keys(look.whom, registry.secrets)
        for place, look in enumerate(group)
        if isinstance(look.whom, Identifier)
    }
    by_key = find_by_keys(connection, {key for asked in keys.values() for key in asked})
    by_id = find_by_ids(connection, [look.whom for look in group if isinstance(look.whom, UUID)])
    found: dict[int, FoundSubject] = {}
    for place, look in enumerate(group):
        if isinstance(look.whom, UUID):
            subject = by_id.get(look.whom)
        else:
            subject = next((by_key[key] for key in keys[place] if key in by_key), None)
        if subject is not None:
            found[place] = subject
    return found


def _visible(
    connection: Connection,
    group: Sequence[Look],
    matched: Mapping[int, FoundSubject],
    moment: Moment,
) -> dict[int, Answer]:
    """What may be told, by the place of the look; nothing where the subject is not to be seen."""
    looks = {
        place: (group[place].caller, subject)
        for place, subject in matched.items()
        if subject.kind is not SubjectKind.natural_person or group[place].caller.has_oversight
    }
    answers = dict(zip(looks, answer_known(connection, looks.values(), moment), strict=True))
    # Whom no standing decision names is known by sealed entries alone.
    unseen = [matched[place].id for place, answer in answers.items() if not answer.found]
    named = read_folded_names(connection, unseen) if unseen else {}
    return {
        place: answer
        for place, answer in answers.items()
        if answer.found or (group[place].caller.has_oversight and matched[place].id in named)
    }


def _record(look: Look, subject_id: UUID, at: datetime, request_id: str | None) -> dict[str, Any]:
    number = {"uscc": look.whom.number} if isinstance(look.whom, Identifier) else {}
    row = audit.build_record(
        look.caller, at, AuditAction.subject_read, "answered", subject_id, **number, **look.past
    )
    return row | {"request_id": request_id}


def _body(profile: Mapping[str, Any], answer: Answer, moment: Moment, *, chinese: bool) -> bytes:
    return orjson.dumps(
        {
            **profile,
            "on": moment.on,
            "epoch": moment.epoch,
            "seq": moment.seq,
            "catalogue_version": moment.catalogue.version,
            "standing": answer.standing,
            "entries": answer.entries,
            "warnings": warning_views(answer, chinese=chinese),
        }
    )
