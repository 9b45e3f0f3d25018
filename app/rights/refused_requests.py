"""Traces of requests for own reports that are refused: the number is known again by its digest."""

from collections.abc import Mapping
from typing import TypedDict

from app.clock import Clock
from app.crypto import Secrets
from app.rules.identifiers import Identifier, InvalidIdentifier, Scheme, parse_identifier
from app.rules.permissions import Caller
from app.rules.text import normalize_number
from app.subjects.lookup_keys import compute_query_digest

MAX_NUMBER_LENGTH = 200
"""Longer texts are no numbers; their digest covers the beginning."""


class RequestTrace(TypedDict, total=False):
    """The part of a refused request that its audit record keeps.

    Attributes:
        asked: the keyed digest of the requested number, the same as that of issued reports.
        person: the person of the key.
    """

    asked: str
    person: str | None


def build_trace(secrets: Secrets, clock: Clock, caller: Caller, body: object) -> RequestTrace:
    """Build the trace of a body as it was sent; without a number in it there is no digest.

    A number that its scheme does not allow counts as it is written.
    """
    trace: RequestTrace = {"person": caller.person}
    if not isinstance(body, Mapping):
        return trace
    scheme, number = body.get("scheme"), body.get("number")
    if not (isinstance(scheme, str) and scheme in set(Scheme) and isinstance(number, str)):
        return trace
    # Half of a surrogate pair is valid in JSON, but in no encoding.
    number = number[:MAX_NUMBER_LENGTH].encode(errors="replace").decode()
    try:
        identifier = parse_identifier(Scheme(scheme), number, today=clock.today())
    except InvalidIdentifier:
        identifier = Identifier(Scheme(scheme), normalize_number(number))
    return {**trace, "asked": compute_query_digest(secrets, identifier, None)}
