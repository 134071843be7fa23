"""Tells all processes of the service what one of them knows, at once and without asking Redis for each request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from secrets import token_hex
from typing import Never

import structlog
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisSilent

from app.cache.redis import Redis
from app.core.errors import Unavailable
from app.core.tasks import end
from app.observability.metrics import Metrics
from app.resilience.backoff import Backoff

log = structlog.get_logger()

# A connection on which nothing is said may be a dead one: asked after so long, and given as long to answer.
SILENCE_SECONDS = 1.0

# All processes come back to a Redis that has just started: spread, but soon.
RECONNECT = Backoff(first_seconds=0.1, longest_seconds=2.0)

Handler = Callable[[bytes], None]
GapHandler = Callable[[], None]


class Broadcast:
    """Messages from each process to all others, which hear them within milliseconds, or never.

    Redis keeps no message for anybody: whoever does not listen misses it. So whenever this process begins to listen,
    first or again, the handlers given to `on_gap` are called: what they know may be out of date.

    One connection of its own listens, whatever the number of topics. When Redis is gone, that comes back by itself; a
    Redis that is frozen is noticed within two seconds. Without Redis nobody is told and nobody is heard.
    """

    def __init__(self, redis: Redis | None, *, prefix: str, metrics: Metrics) -> None:
        self.redis = redis
        self.channel = f"{prefix}broadcast:{number_of(redis)}"
        self.sender = token_hex(8).encode()
        self.gauge = metrics.cache.broadcast_heard
        self.handlers: dict[bytes, list[Handler]] = {}
        self.gap_handlers: list[GapHandler] = []
        self.failures = 0

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Call the handler with what other processes publish about this topic; never with what this one does.

        Every process of the service gets every message: topics are cheap, and messages should be rare and short.
        """
        self.handlers.setdefault(topic.encode(), []).append(handler)

    def on_gap(self, handler: GapHandler) -> None:
        """Call the handler whenever messages may have been missed."""
        self.gap_handlers.append(handler)

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Tell the others. A topic is one word. Whether Redis took the message: no other answer comes."""
        if self.redis is None:
            return False
        try:
            await self.redis.publish(self.channel, b" ".join([self.sender, topic.encode(), payload]))
        except (RedisError, Unavailable):
            return False
        return True

    async def listen(self, listening: Redis) -> Never:
        """On a connection of its own, until cancelled. Of failures in a row the first is logged, and their end."""
        # The library would connect again without a word, and nobody would know of the gap.
        listening.set_retry(Retry(NoBackoff(), 0))
        while True:
            try:
                async with listening.pubsub() as subscription:
                    await self.hear(subscription)
            except Exception as error:  # noqa: BLE001 - a process that gave up would believe what it knows for ever
                self.note_failure(error)
            await asyncio.sleep(RECONNECT.wait(self.failures))

    async def hear(self, subscription: PubSub) -> Never:
        """Until the connection is lost."""
        await subscription.subscribe(self.channel)
        was_silent = False
        while True:
            message = await subscription.get_message(timeout=SILENCE_SECONDS)
            if message is None and was_silent:
                raise RedisSilent("no answer")
            if message is None:
                await subscription.ping()
            elif message["type"] == "subscribe":
                self.begin_to_hear()
            elif message["type"] == "message":
                self.receive(message["data"])
            was_silent = message is None

    def begin_to_hear(self) -> None:
        if self.failures:
            log.info("broadcast_heard", failures=self.failures)
        self.failures = 0
        self.gauge.set(1)
        for handler in self.gap_handlers:
            handler()

    def note_failure(self, error: Exception) -> None:
        self.failures += 1
        self.gauge.set(0)
        if self.failures == 1:
            log.warning("broadcast_not_heard", cause=f"{type(error).__name__}: {error}")

    def receive(self, message: bytes) -> None:
        """Hand it to whoever wants to know. Another release may have written it, and must not end the listening."""
        sender, _, rest = message.partition(b" ")
        topic, _, payload = rest.partition(b" ")
        if sender == self.sender:
            return
        for handler in self.handlers.get(topic, ()):
            try:
                handler(payload)
            except Exception:
                log.exception("broadcast_message_unreadable", topic=topic.decode(errors="replace"))


def number_of(redis: Redis | None) -> int:
    """Of the database in Redis. Keys belong to one of them, but channels to all."""
    options = redis.connection_pool.connection_kwargs if redis else {}
    return int(options.get("db") or 0)


@asynccontextmanager
async def open_broadcast(
    redis: Redis | None, listening: Redis | None, *, prefix: str, metrics: Metrics
) -> AsyncIterator[Broadcast]:
    """For as long as the block runs. `listening` is a client for this alone: listening keeps its connection."""
    broadcast = Broadcast(redis, prefix=prefix, metrics=metrics)
    if listening is None:
        yield broadcast
        return
    task = asyncio.create_task(broadcast.listen(listening), context=Context())
    try:
        yield broadcast
    finally:
        await end(task)
        await listening.aclose()
