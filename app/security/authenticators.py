"""Authentication of requests by API key."""

import time
from threading import Lock
from typing import NamedTuple

from cachetools import TLRUCache
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Scope

from app.audit import service as audit
from app.errors import RegistryError, TooManyAttempts, Unauthenticated
from app.http.middleware import read_header
from app.http.sources import UNKNOWN_SOURCE, group_source
from app.registry import Registry
from app.rules.permissions import Caller
from app.security import store
from app.security.limits import WindowLimiter

MAX_CACHED_KEYS = 10_000


class CachedCaller(NamedTuple):
    """The caller of a key, with the second of `time.monotonic` before the key was read."""

    caller: Caller
    read_at: float


class KeyAuthenticator:
    """The callers behind API keys, cached for `key_cache_seconds`: a check reads no key row.

    The cache is shared by the event loop and the pool threads, so a lock guards it.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.attempts = WindowLimiter(registry.settings.attempts_per_minute, 60, registry.clock)
        self._cache: TLRUCache[str, CachedCaller] = TLRUCache(
            MAX_CACHED_KEYS, ttu=self._compute_expiry, timer=time.monotonic
        )
        self._lock = Lock()

    async def identify(self, scope: Scope) -> Caller:
        """Return the caller behind the key of a request.

        Raises:
            SecretKeyMismatch, NotReady: the registry may answer nothing.
            Unauthenticated, TooManyAttempts: the request has no valid key.
        """
        if not self._registry.ready:
            await run_in_threadpool(self._registry.require_ready)
        caller = None
        key = read_key(scope)
        if key is not None:
            caller = self.get_cached(key)
            if caller is None:
                caller = await run_in_threadpool(self.authenticate, key)
        if caller is None:
            raise await run_in_threadpool(self.refuse_unknown, Request(scope))
        return caller

    def caller_of(self, request: Request) -> Caller | None:
        """Return the caller behind the key of a request; None without a valid key."""
        if not self._registry.ready:
            return None
        key = read_key(request.scope)
        return (self.get_cached(key) or self.authenticate(key)) if key else None

    def get_cached(self, key: str) -> Caller | None:
        """Return the caller if the key was read from the database within `key_cache_seconds`."""
        digest = store.hash_key(key)
        try:
            with self._lock:
                return self._cache[digest].caller  # half the time of `get`
        except KeyError:
            return None

    def authenticate(self, key: str) -> Caller | None:
        """Return the caller as the database has it now; None for an unknown or revoked key."""
        read_at = time.monotonic()
        digest = store.hash_key(key)
        with self._registry.database.reading() as connection:
            caller = store.find_caller(connection, key)
        with self._lock:
            if caller is None:
                self._cache.pop(digest, None)
            else:
                self._cache[digest] = CachedCaller(caller, read_at)
        return caller

    def _compute_expiry(self, _digest: str, cached: CachedCaller, _now: float) -> float:
        # From before the read: a key that is revoked during the read works no longer than others.
        return cached.read_at + self._registry.settings.tuning.key_cache_seconds

    def refuse_unknown(self, request: Request) -> RegistryError:
        """Count an attempt without a valid key; return the refusal for its response."""
        source = group_source(request.client.host) if request.client else UNKNOWN_SOURCE
        if not self.attempts.hit(source):
            # Past the limit the count in the ledger stays as it is: a flood must not become writes.
            return TooManyAttempts()
        audit.count_unknown_caller(self._registry, source)
        return Unauthenticated()


def read_key(scope: Scope) -> str | None:
    """Return the bearer key of a request (RFC 6750, 2.1); None if it has none."""
    scheme, _, key = (read_header(scope, b"authorization") or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
