"""Every refusal leaves a trace: under its caller, or counted where nobody is known."""

import logging

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from app.audit import service as audit
from app.errors import (
    MalformedJson,
    RegistryError,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
)
from app.security.authenticators import KeyAuthenticator

log = logging.getLogger("redblack.access")

# Answered before a caller is known, or because nobody can be.
UNATTRIBUTED = (Unauthenticated, TooManyAttempts, Unavailable)


def audit_refusal(request: Request, error: RegistryError) -> RegistryError:
    """Write a refusal down, in a transaction of its own; give the error to answer with.

    That is another one where nobody is known: the body is parsed before the key is looked at, so a
    broken body without a valid key comes here as broken, and leaves as unauthenticated; so does
    whatever else was refused to somebody who showed a key that is none.
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
        )
    except SQLAlchemyError as away:
        # The refusal itself must reach its reader even when the trail cannot be written.
        log.error("a refusal could not be recorded: %s", type(away).__name__)  # noqa: TRY400
    return error
