"""The personal numbers of recorded entries, and the search of later texts for them.

The numbers are decrypted only if a text of the request can hold one at all. Numbers that other
departments recorded of the same subject are not searched for: a refusal would disclose them.
"""

from collections.abc import Collection, Iterator

from app.crypto import Sealed
from app.db.engines import Connection
from app.entries.store import writes
from app.entries.store.rows import EntryRow
from app.http.request_bodies import list_parts, may_need_numbers, require_absent
from app.registry import Registry
from app.rules.numbers_in_hand import Number, NumbersInHand
from app.subjects.queries import read_sealed_numbers


def require_recorded_numbers_absent(
    registry: Registry, connection: Connection, rows: Collection[EntryRow], body: object
) -> None:
    """Require that no text of a request about entries holds a personal number of the entries.

    Raises:
        InvalidPayload: names the texts that do.
    """
    parts = list_parts(body)
    if rows and may_need_numbers(parts):
        numbers = NumbersInHand.of(read_recorded_numbers(registry, connection, rows))
        require_absent(numbers, parts)


def read_recorded_numbers(
    registry: Registry, connection: Connection, rows: Collection[EntryRow]
) -> list[Number]:
    """Decrypt the numbers of the subjects, as the entries name them, and of responsible persons."""
    lookup_keys = {key for row in rows for key in _list_lookup_keys(row)}
    subject_ids = {row.subject_id for row in rows} if lookup_keys else set()
    numbers = [
        (identifier.scheme.value, identifier.number)
        for lookup_key, identifier in read_sealed_numbers(connection, registry.secrets, subject_ids)
        if lookup_key in lookup_keys
    ]
    for person in writes.read_person_rows(connection, [row.id for row in rows]):
        sealed = Sealed(person.ciphertext, person.key_id)
        bound_to = f"{person.entry_id}:{person.scheme}"
        numbers.append((person.scheme, registry.secrets.open(sealed, bound_to=bound_to)))
    return numbers


def _list_lookup_keys(row: EntryRow) -> Iterator[str]:
    for identifier in row.facts["subject"].get("identifiers", ()):
        if "key" in identifier:
            yield identifier["key"]
