"""The identity of a subject: kind, names and numbers, derived from its valid decisions.

A void decision (on the wrong subject, or on a minor) gives no names and numbers. Therefore the
subject behind a number, now or at an earlier state, is derived from the entries; the rows for
lookups are kept equal to the result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from app.rules.identifiers import Identifier, Scheme
from app.rules.law import SubjectKind
from app.rules.stored_json import SubjectFacts
from app.rules.text import fold_name

LookupKey = tuple[str, str]
"""(scheme, lookup key): the number itself for organisations, a blind index for persons."""

# The pseudo-scheme of subjects without a number; their key is their kind and folded name.
NAME_SCHEME = "name"


def build_name_only_key(kind: SubjectKind, name: str) -> LookupKey:
    """Return the key of a subject without identifiers."""
    return NAME_SCHEME, f"{kind}:{fold_name(name)}"


def extract_lookup_keys(subject: SubjectFacts) -> set[LookupKey]:
    """Return every key in the subject part of facts; a USCC adds the org code inside it."""
    identifiers = subject.get("identifiers", ())
    if not identifiers:
        return {build_name_only_key(SubjectKind(subject["kind"]), subject["name"])}
    keys = {(item["scheme"], item.get("key") or item["number"]) for item in identifiers}
    inner = {Identifier(Scheme.uscc, key).org_code for scheme, key in keys if scheme == Scheme.uscc}
    return keys | {(Scheme.org_code.value, str(code)) for code in inner}


class SubjectDescription(NamedTuple):
    """The subject part of one entry version."""

    entry_id: UUID
    void: bool
    decided_on: date
    subject: SubjectFacts


class DatedName(NamedTuple):
    """A name as it was written, and the day of the latest decision that gave it."""

    name: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Identity:
    """A subject by its valid decisions.

    Attributes:
        name: the name in the current version of the latest decision.
        keys: the lookup keys in the current versions of decisions.
        names: every name in any version of them, by folded name; a corrected name is a former one.
    """

    kind: SubjectKind
    name: DatedName
    keys: frozenset[LookupKey]
    names: Mapping[str, DatedName]


def derive_identity(descriptions: Iterable[SubjectDescription]) -> Identity | None:
    """Return the identity of a subject; None where it has no valid decision.

    `descriptions` are all known versions of its entries, in the order of recording.
    """
    by_entry: dict[UUID, list[tuple[int, SubjectDescription]]] = {}
    for position, description in enumerate(descriptions):
        by_entry.setdefault(description.entry_id, []).append((position, description))
    valid = [versions for versions in by_entry.values() if not versions[-1][1].void]
    if not valid:
        return None
    _, _, latest = max(map(_find_current_description, valid), key=lambda found: found[:2])
    names: dict[str, DatedName] = {}
    for _, description in (item for versions in valid for item in versions):
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
            *(extract_lookup_keys(versions[-1][1].subject) for versions in valid)
        ),
        names=names,
    )


def _find_current_description(
    versions: list[tuple[int, SubjectDescription]],
) -> tuple[date, int, SubjectDescription]:
    """Return an entry's current description, with its decision day and the position of its change.

    A version that only records a publication repeats the name. It must not count as newer than
    another decision of the same day, so the position is that of the first version with this name.
    """
    position, last = versions[-1]
    for earlier_position, earlier in reversed(versions):
        if (earlier.decided_on, earlier.subject["name"]) != (last.decided_on, last.subject["name"]):
            break
        position = earlier_position
    return last.decided_on, position, last
