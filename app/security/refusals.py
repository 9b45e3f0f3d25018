"""Refusals in the audit trail: under their caller, or counted where the caller is unknown."""

import logging

from fastapi import Request

from app.audit import service as audit
from app.db.engines import DatabaseError
from app.errors import (
    MalformedJson,
    RegistryError,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
)
from app.security.authenticators import KeyAuthenticator

log = logging.getLogger("redblack.access")

# Refusals before a caller is known, or because none can be.
UNATTRIBUTED = (Unauthenticated, TooManyAttempts, Unavailable)


def audit_refusal(request: Request, error: RegistryError) -> RegistryError:
    """Record a refusal in a transaction of its own, and return the error for the response.

    It is another error where the caller is unknown: the body is parsed before the key is read, so a
    broken body without a valid key becomes `unauthenticated`, and so does every other refusal of a
    request with an invalid key. A route may add to the record: `request.state.refusal_detail`.
    """
    if isinstance(error, UNATTRIBUTED):
        return error
    try:
        authenticator: KeyAuthenticator = request.app.state.authenticator
        caller = getattr(request.state, "caller", None) or authenticator.caller_of(request)
        if caller is None:
            unseen = isinstance(error, MalformedJson) or "Authorization" in request.headers
            return authenticator.refuse_unknown(request) if unseen else error
        route = request.scope.get("route")
        audit.record_refusal(
            request.app.state.registry,
            caller,
            f"{request.method} {getattr(route, 'path', 'unrouted')}"[:80],
            code=error.problem_code,
            faults=[{"pointer": item.pointer, "code": item.code} for item in error.faults],
            **getattr(request.state, "refusal_detail", {}),
        )
    except DatabaseError as away:
        # The refusal must reach the client even if the trail cannot be written.
        log.error("a refusal could not be recorded: %s", type(away).__name__)  # noqa: TRY400
    return error
