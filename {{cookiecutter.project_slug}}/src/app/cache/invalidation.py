"""Takes back what was remembered: here at once, in Redis and in all other processes right after that."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from contextvars import Context

import structlog
from pydantic import TypeAdapter
from pydantic_core import to_json

from app.cache.broadcast import Broadcast
from app.cache.shared import NothingShared, SharedEntries
from app.core.tasks import end

log = structlog.get_logger()

TOPIC = "cache"
TAGS = TypeAdapter(list[str])

# Every entry carries it.
EVERYTHING = "*"

# What could not be told is kept and told later. Beyond so many tags it is simpler to take back everything.
MOST_UNTOLD = 10_000
TELL_AGAIN_SECONDS = 1.0


class Invalidation:
    """`forget` is called with tags whose values must not be used any more, wherever that was decided."""

    def __init__(
        self, shared: SharedEntries | None, broadcast: Broadcast, *, forget: Callable[[Collection[str]], None]
    ) -> None:
        self.shared = shared
        self.broadcast = broadcast
        self.forget = forget
        self.untold: set[str] = set()
        self.telling: asyncio.Task[None] | None = None
        broadcast.subscribe(TOPIC, self.hear)

    def hear(self, payload: bytes) -> None:
        """What another process says."""
        self.forget(TAGS.validate_json(payload))

    async def invalidate(self, tags: Collection[str]) -> None:
        """Never fails: what Redis did not hear is told as soon as it listens again."""
        self.forget(tags)
        try:
            await self.tell(tags)
        except NothingShared as error:
            self.tell_later(tags, str(error))
        self.forget(tags)  # what was read from Redis meanwhile

    def is_untold(self, tags: Collection[str]) -> bool:
        """Whether what Redis has under one of these tags is out of date, and only this process knows."""
        return bool(self.untold) and (EVERYTHING in self.untold or not self.untold.isdisjoint(tags))

    async def tell(self, tags: Collection[str]) -> None:
        if self.shared is not None:
            await self.shared.invalidate(tags)
            if not await self.broadcast.publish(TOPIC, to_json(list(tags))):
                raise NothingShared("the others were not told")

    def tell_later(self, tags: Collection[str], cause: str) -> None:
        self.untold.update(tags)
        if len(self.untold) > MOST_UNTOLD:
            self.untold = {EVERYTHING}
        if self.telling is None or self.telling.done():
            log.warning("cache_invalidation_delayed", cause=cause)
            self.telling = asyncio.create_task(self.tell_untold(), context=Context())

    async def tell_untold(self) -> None:
        while self.untold:
            await asyncio.sleep(TELL_AGAIN_SECONDS)
            tags = set(self.untold)
            with suppress(NothingShared):
                await self.tell(tags)
                self.untold -= tags
        log.info("cache_invalidation_told")

    async def close(self) -> None:
        """What is still untold ends by its age."""
        await end(self.telling)
