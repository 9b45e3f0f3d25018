"""The meter of sweeps in pushes and files: a decision on a person also answers who is listed.

The numbers are counted in a transaction of the ledger before anything is decided, because on SQLite
the ledger is a file of its own. A proposal past a limit is replaced by its refusal; proposals on
organisations stay.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from app.entries.recording.proposals import Proposal
from app.errors import RegistryError, SweepSuspected
from app.http.context import current_request_id
from app.registry import Registry
from app.rules.identifiers import Identifier
from app.rules.identity import LookupKey
from app.rules.permissions import Caller
from app.rules.text import fold_name
from app.security.service import CountedRequest, build_asked_number, count_numbers
from app.subjects.queries import find_by_keys, read_folded_names
from app.subjects.records import FoundSubject

Operation = Literal["push", "file", "dry_run"]


def refuse_sweeps(
    registry: Registry,
    caller: Caller,
    prepared: Sequence[Proposal | RegistryError],
    operation: Operation,
) -> list[Proposal | RegistryError]:
    """Count the personal numbers of proposals; return the proposals with refusals in their place.

    Numbers that match nobody count only in a dry run: any other proposal puts them on a list.
    """
    personal = [
        (position, item)
        for position, item in enumerate(prepared)
        if isinstance(item, Proposal) and any(_list_personal_keys(item))
    ]
    if not personal or caller.id is None:
        return list(prepared)
    subjects_by_key, names = _read_listed(registry, [item for _, item in personal])
    requests = [
        _build_counted_request(registry, caller, item, operation, subjects_by_key, names)
        for _, item in personal
    ]
    with registry.database.ledger() as connection:
        refusals = count_numbers(registry, connection, registry.clock.now(), requests)
    result = list(prepared)
    for (position, _), refusal in zip(personal, refusals, strict=True):
        if refusal is not None:
            result[position] = refusal
    return result


def require_no_sweep(registry: Registry, caller: Caller, proposal: Proposal) -> None:
    """Count the personal numbers of one push.

    Raises:
        SweepSuspected: the caller seems to search for personal numbers.
    """
    [result] = refuse_sweeps(registry, caller, [proposal], "push")
    if isinstance(result, SweepSuspected):
        raise result


def _list_personal_keys(proposal: Proposal) -> Iterator[tuple[LookupKey, Identifier]]:
    return (
        (key, identifier)
        for key, identifier in proposal.keys.items()
        if identifier is not None and identifier.is_personal
    )


def _read_listed(
    registry: Registry, proposals: Sequence[Proposal]
) -> tuple[dict[LookupKey, FoundSubject], dict[FoundSubject, set[str]]]:
    """Read the subjects that have the numbers, and all their names where the name differs."""
    name_by_key = {
        key: fold_name(item.claim.name)
        for item in proposals
        for key, _ in _list_personal_keys(item)
    }
    with registry.database.reading() as connection:
        subjects_by_key = find_by_keys(connection, name_by_key)
        others = {
            subject
            for key, subject in subjects_by_key.items()
            if subject.name_key != name_by_key[key]
        }
        former_names = (
            read_folded_names(connection, {subject.id for subject in others}) if others else {}
        )
    names = {subject: former_names.get(subject.id, set()) for subject in others}
    return subjects_by_key, names


def _build_counted_request(
    registry: Registry,
    caller: Caller,
    proposal: Proposal,
    operation: Operation,
    subjects_by_key: dict[LookupKey, FoundSubject],
    former_names: dict[FoundSubject, set[str]],
) -> CountedRequest:
    name = fold_name(proposal.claim.name)
    numbers = []
    for key, identifier in _list_personal_keys(proposal):
        subject = subjects_by_key.get(key)
        number = build_asked_number(
            registry.secrets,
            caller,
            identifier,
            key[1],
            proposal.claim.name,
            has_other_name=subject is not None
            and name != subject.name_key
            and name not in former_names.get(subject, set()),
            is_unmatched=subject is None and operation == "dry_run",
        )
        numbers.append(number)
    return CountedRequest(caller, operation, current_request_id(), numbers)
