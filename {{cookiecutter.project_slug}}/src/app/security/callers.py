"""Tells who calls, and whether the caller may do what it asks for."""

import asyncio
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from math import ceil

import structlog

from app.core.rates import Rate
from app.observability.metrics import Metrics
from app.persistence.database import Database
from app.persistence.reader import Reader
from app.resilience.deadline import context_without_deadline
from app.security.errors import ApiKeyMissing, ApiKeyRefused, InsufficientScope, TooManyKeysRefused
from app.security.keys import Key, parse_key
from app.security.limit_refusals import LimitRefusals
from app.security.local_limit import LocalLimit
from app.security.models import ApiKey
from app.security.principal import Principal
from app.security.repository import KEY_BY_PREFIX
from app.security.verified_keys import VerifiedKeys

log = structlog.get_logger()

# For so long a revoked or expired key may go on working. Each second less is one more query for each key and process.
CACHE_SECONDS = 5.0
MOST_CACHED = 10_000

# Compared with when the prefix is unknown, so that this takes as long as a wrong secret. No SHA-256 is known to be it.
NO_DIGEST = bytes(32)


class Refusal(StrEnum):
    """Why a caller was turned away: a metric's label and a field of the log, never told to the caller."""

    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    MISMATCH = "mismatch"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INSUFFICIENT_SCOPE = "insufficient_scope"


class Callers:
    """Identifies callers by their API keys.

    A key that was found good is not looked up again for `CACHE_SECONDS`; a revoked or expired one
    stops working within that time. An address from which more keys were refused than the rate `refused` allows has to
    wait before it may try another one; keys that have been good are looked up all the same. A look-up that was begun is
    finished, also when its request is given up: what it costs is paid, and nobody throws connections away.
    """

    def __init__(
        self, database: Database, *, refused: Rate, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.reader = Reader(database)
        self.refused = LocalLimit(refused, clock=clock)
        self.limit_refusals = LimitRefusals(metrics)
        self.clock = clock
        self.verified = VerifiedKeys(seconds=CACHE_SECONDS, most=MOST_CACHED, clock=clock)
        self.asked: dict[Key, asyncio.Task[Principal]] = {}
        self.verifying: set[asyncio.Task[Principal]] = set()
        self.refusals = {reason: metrics.callers.refusals.labels(reason) for reason in Refusal}

    async def identify(self, credentials: str | None, *, address: str) -> Principal:
        """Whoever holds this key.

        Raises `ApiKeyMissing`, `ApiKeyRefused`, `TooManyKeysRefused`, and `Unavailable` without a database.
        """
        if credentials is None:
            self.record(Refusal.MISSING)
            raise ApiKeyMissing
        key = parse_key(credentials)
        if key is None:
            self.record(Refusal.MALFORMED)
            raise ApiKeyRefused
        return self.verified.get(key) or await self.verify_together(key, address)

    def recognises(self, credentials: str) -> bool:
        """Whether this is a key that was found good when it was last looked up. Asks nobody, and counts nothing."""
        key = parse_key(credentials)
        return key is not None and self.verified.has_been_good(key)

    async def verify_together(self, key: Key, address: str) -> Principal:
        """One query for all requests that come with this key meanwhile. If it finds no caller, each asks for itself.

        No `SingleFlight`, whose run ends when nobody waits for it any more: this one is finished all the same.
        """
        if asked := self.asked.get(key):
            await asyncio.wait([asked])
            if caller := self.verified.get(key):
                return caller
        # Callers choose their deadlines. The time-outs of the pool and of its statements hold.
        context = context_without_deadline()
        verifying = self.asked[key] = asyncio.create_task(self.verify(key, address), context=context)
        self.verifying.add(verifying)
        verifying.add_done_callback(partial(self.end, key))
        await asyncio.wait([verifying])  # which goes on when this request is cancelled
        return verifying.result()

    def end(self, key: Key, verifying: asyncio.Task[Principal]) -> None:
        """Nobody may be left who wants to know how it went."""
        self.verifying.discard(verifying)
        if self.asked.get(key) is verifying:
            del self.asked[key]
        if not verifying.cancelled():
            verifying.exception()

    async def verify(self, key: Key, address: str) -> Principal:
        """A key that has been good is always looked up, so that nobody's wrong keys lock it out."""
        asked_at = self.clock()
        is_known = self.verified.has_been_good(key)
        row = await (self.look_up(key.prefix) if is_known else self.look_up_unknown(key.prefix, address))
        reason = fault_of(key, row)
        if row is None or reason:
            self.verified.forget(key)
            self.refused.take(address)
            self.record(reason or Refusal.UNKNOWN, key_prefix=key.prefix)
            raise ApiKeyRefused
        caller = Principal(subject=f"key:{row.prefix}", tenant=row.tenant_id, scopes=frozenset(row.scopes))
        self.verified.put(key, caller, asked_at=asked_at)
        return caller

    async def look_up_unknown(self, prefix: str, address: str) -> ApiKey | None:
        """Counts as refused while it is under way, or many at once would all be let through."""
        self.check_address(address)
        try:
            return await self.look_up(prefix)
        finally:
            self.refused.give_back(address)

    def check_address(self, address: str) -> None:
        """A query for each unknown key would let anybody keep the database busy. Raises `TooManyKeysRefused`."""
        if wait := self.refused.take(address):
            self.limit_refusals.record("refused-keys", whom=address)
            raise TooManyKeysRefused(retry_after=ceil(wait))

    async def look_up(self, prefix: str) -> ApiKey | None:
        """The connection is free again before the request asks for one."""
        return await self.reader.find(ApiKey, KEY_BY_PREFIX, prefix=prefix)

    async def close(self) -> None:
        """Nobody waits for an answer any more."""
        for verifying in self.verifying:
            verifying.cancel()
        await asyncio.gather(*self.verifying, return_exceptions=True)

    def demand(self, caller: Principal, scope: str) -> None:
        """Raises `InsufficientScope` unless the caller has this scope."""
        if scope not in caller.scopes:
            self.record(Refusal.INSUFFICIENT_SCOPE, scope=scope)
            raise InsufficientScope(scope)

    def record(self, reason: Refusal, **facts: str) -> None:
        """A refusal is a security event: one line and one count."""
        self.refusals[reason].inc()
        log.warning("caller_refused", reason=reason.value, **facts)


def fault_of(key: Key, row: ApiKey | None) -> Refusal | None:
    """What is wrong with a key, found in the same time whatever was sent, for unknown keys too."""
    is_right = hmac.compare_digest(key.digest, row.digest if row else NO_DIGEST)
    if row is None:
        return Refusal.UNKNOWN
    if not is_right:
        return Refusal.MISMATCH
    if row.revoked_at is not None:
        return Refusal.REVOKED
    return Refusal.EXPIRED if row.expires_at <= datetime.now(UTC) else None
