"""Who somebody is by the decisions on them: names, numbers and kind follow from those that stand.

A decision that turns out to be void (it named the wrong subject, or a minor) takes back what it
taught. So whom a number means, now or by what was known at some time, is worked out from what the
entries say; the rows that checks look up are kept equal to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from app.rules.identifiers import Identifier, Scheme
from app.rules.law import SubjectKind
from app.rules.names import name_key

Key = tuple[str, str]
"""(scheme, look-up key): the number itself for organisations, a blind index for persons."""

# A subject that is known by name alone is found by a pseudo-scheme over its kind and name.
NAME_SCHEME = "name"


def name_only_key(kind: SubjectKind, name: str) -> Key:
    """Under which key a subject without identifiers is found."""
    return NAME_SCHEME, f"{kind}:{name_key(name)}"


def keys_told(subject: Mapping[str, Any]) -> set[Key]:
    """Every key that recorded facts give a subject; a USCC also gives the org code inside it."""
    identifiers = subject.get("identifiers", ())
    if not identifiers:
        return {name_only_key(SubjectKind(subject["kind"]), subject["name"])}
    keys = {(item["scheme"], item.get("key") or item["number"]) for item in identifiers}
    inner = {Identifier(Scheme.uscc, key).org_code for scheme, key in keys if scheme == Scheme.uscc}
    return keys | {(Scheme.org_code.value, str(code)) for code in inner}


class Said(NamedTuple):
    """What one version of an entry says of its subject."""

    entry_id: UUID
    void: bool
    decided_on: date
    subject: Mapping[str, Any]


class Name(NamedTuple):
    """A name as it was written, and the latest decision that gave it."""

    name: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Identity:
    """A subject as standing decisions name it.

    Attributes:
        name: by the latest decision, as it reads now.
        keys: by the decisions as they read now.
        names: every name that one of them ever gave, by its key; a corrected one is a former name.
    """

    kind: SubjectKind
    name: Name
    keys: frozenset[Key]
    names: Mapping[str, Name]


def identity_of(said: Iterable[Said]) -> Identity | None:
    """Work out who a subject is; None where no decision on it stands.

    Args:
        said: all versions of its entries that are known, in the order in which they were recorded.
    """
    by_entry: dict[UUID, list[tuple[int, Said]]] = {}
    for place, one in enumerate(said):
        by_entry.setdefault(one.entry_id, []).append((place, one))
    standing = [versions for versions in by_entry.values() if not versions[-1][1].void]
    if not standing:
        return None
    _, _, latest = max(map(_last_said, standing), key=lambda found: found[:2])
    names: dict[str, Name] = {}
    for _, one in (item for versions in standing for item in versions):
        key, given = name_key(one.subject["name"]), Name(one.subject["name"], one.decided_on)
        if key not in names or names[key].as_of <= given.as_of:
            names[key] = given
    return Identity(
        kind=SubjectKind(latest.subject["kind"]),
        name=Name(latest.subject["name"], latest.decided_on),
        keys=frozenset().union(*(keys_told(versions[-1][1].subject) for versions in standing)),
        names=names,
    )


def _last_said(versions: list[tuple[int, Said]]) -> tuple[date, int, Said]:
    """What an entry says now, by its day of decision and since when it has said so.

    A version that only tells of a publication names nobody anew: it must not make the name of an
    older decision of the same day the present one again.
    """
    place, last = versions[-1]
    for before, one in reversed(versions):
        if (one.decided_on, one.subject["name"]) != (last.decided_on, last.subject["name"]):
            break
        place = before
    return last.decided_on, place, last
