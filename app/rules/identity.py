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
from app.rules.text import fold_name

LookupKey = tuple[str, str]
"""(scheme, look-up key): the number itself for organisations, a blind index for persons."""

# A subject that is known by name alone is found by a pseudo-scheme over its kind and name.
NAME_SCHEME = "name"


def build_name_only_key(kind: SubjectKind, name: str) -> LookupKey:
    """Under which key a subject without identifiers is found."""
    return NAME_SCHEME, f"{kind}:{fold_name(name)}"


def extract_lookup_keys(subject: Mapping[str, Any]) -> set[LookupKey]:
    """Every key that recorded facts give a subject; a USCC also gives the org code inside it."""
    identifiers = subject.get("identifiers", ())
    if not identifiers:
        return {build_name_only_key(SubjectKind(subject["kind"]), subject["name"])}
    keys = {(item["scheme"], item.get("key") or item["number"]) for item in identifiers}
    inner = {Identifier(Scheme.uscc, key).org_code for scheme, key in keys if scheme == Scheme.uscc}
    return keys | {(Scheme.org_code.value, str(code)) for code in inner}


class SubjectDescription(NamedTuple):
    """What one version of an entry says of its subject."""

    entry_id: UUID
    void: bool
    decided_on: date
    subject: Mapping[str, Any]


class DatedName(NamedTuple):
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
    name: DatedName
    keys: frozenset[LookupKey]
    names: Mapping[str, DatedName]


def derive_identity(descriptions: Iterable[SubjectDescription]) -> Identity | None:
    """Work out who a subject is; None where no decision on it stands.

    Args:
        descriptions: the subject as each known version of its entries describes it, in the order
            of recording.
    """
    by_entry: dict[UUID, list[tuple[int, SubjectDescription]]] = {}
    for position, description in enumerate(descriptions):
        by_entry.setdefault(description.entry_id, []).append((position, description))
    standing = [versions for versions in by_entry.values() if not versions[-1][1].void]
    if not standing:
        return None
    _, _, latest = max(map(_find_current_description, standing), key=lambda found: found[:2])
    names: dict[str, DatedName] = {}
    for _, description in (item for versions in standing for item in versions):
        key, dated_name = (
            fold_name(description.subject["name"]),
            DatedName(description.subject["name"], description.decided_on),
        )
        if key not in names or names[key].as_of <= dated_name.as_of:
            names[key] = dated_name
    return Identity(
        kind=SubjectKind(latest.subject["kind"]),
        name=DatedName(latest.subject["name"], latest.decided_on),
        keys=frozenset().union(
            *(extract_lookup_keys(versions[-1][1].subject) for versions in standing)
        ),
        names=names,
    )


def _find_current_description(
    versions: list[tuple[int, SubjectDescription]],
) -> tuple[date, int, SubjectDescription]:
    """What an entry says now, by its day of decision and since when it has said so.

    A version that only tells of a publication names nobody anew: it must not make the name of an
    older decision of the same day the present one again.
    """
    position, last = versions[-1]
    for earlier_position, earlier in reversed(versions):
        if (earlier.decided_on, earlier.subject["name"]) != (last.decided_on, last.subject["name"]):
            break
        position = earlier_position
    return last.decided_on, position, last
