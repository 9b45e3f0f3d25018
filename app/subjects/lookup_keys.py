"""Lookup keys: the numbers of organisations, blind indexes of persons, names without a number."""

from uuid import UUID

from app.crypto import Sealed, Secrets
from app.rules.identifiers import Identifier, Scheme
from app.rules.identity import LookupKey, build_name_only_key
from app.rules.text import fold_name
from app.subjects.records import RecordedIdentifier, SubjectClaim


def build_lookup_key(identifier: Identifier, secrets: Secrets) -> LookupKey:
    """Return the key that finds the identifier."""
    number = identifier.number
    if identifier.is_personal:
        number = secrets.blind_index(identifier.scheme, number)
    return identifier.scheme.value, number


def build_query_keys(identifier: Identifier, secrets: Secrets) -> list[LookupKey]:
    """Return the keys to look for a number, in order; a USCC adds the org code inside it."""
    keys = [build_lookup_key(identifier, secrets)]
    org_code = identifier.org_code
    if org_code is not None:
        keys.append((Scheme.org_code.value, org_code))
    return keys


def build_claim_keys(claim: SubjectClaim, secrets: Secrets) -> dict[LookupKey, Identifier | None]:
    """Return every key that a claim gives its subject; a USCC adds the org code inside it."""
    if not claim.identifiers:
        return {build_name_only_key(claim.kind, claim.name): None}
    keys: dict[LookupKey, Identifier | None] = {}
    for identifier in claim.identifiers:
        keys[build_lookup_key(identifier, secrets)] = identifier
        if identifier.org_code is not None:
            org_code_identifier = Identifier(Scheme.org_code, identifier.org_code)
            keys[build_lookup_key(org_code_identifier, secrets)] = org_code_identifier
    return keys


def compute_query_digest(secrets: Secrets, identifier: Identifier | None, name: str | None) -> str:
    """Return a keyed digest of a question's number, or of its name where it has no number.

    The digest finds the checks of a subject and discloses no number.
    """
    if identifier is not None:
        return secrets.digest("asked", f"{identifier.scheme.value}\0{identifier.number}".encode())
    return secrets.digest("asked", f"name\0{fold_name(name or '')}".encode())


def seal_number(secrets: Secrets, identifier: Identifier, row_id: UUID) -> Sealed:
    """Seal a person's number for one row of identifiers."""
    return secrets.seal(identifier.number, bound_to=f"{row_id}:{identifier.scheme}")


def open_identifier(secrets: Secrets, row: RecordedIdentifier) -> Identifier:
    """Return the identifier of a stored row; a person's number is unsealed."""
    if row.ciphertext is None or row.key_id is None:
        return Identifier(Scheme(row.scheme), row.lookup_key)
    sealed = Sealed(row.ciphertext, row.key_id)
    number = secrets.open(sealed, bound_to=f"{row.id}:{row.scheme}")
    return Identifier(Scheme(row.scheme), number)
