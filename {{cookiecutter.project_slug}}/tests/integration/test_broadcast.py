"""What one process tells, the others hear at once; what they may have missed, they are told of."""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack

import pytest
from redis.asyncio.client import PubSub
from structlog.testing import capture_logs

from app.cache import broadcast as module
from app.cache.broadcast import Broadcast, open_broadcast
from app.cache.redis import open_redis
from app.observability.metrics import Metrics
from app.resilience.backoff import Backoff
from tests.support.outages import BreakableValkey
from tests.support.waiting import comes_true, until

LONGEST_GAP = 10.0


class Process:
    """One of several, and what it has heard."""

    def __init__(self, broadcast: Broadcast, metrics: Metrics) -> None:
        self.broadcast = broadcast
        self.metrics = metrics
        self.heard: list[bytes] = []
        self.gaps = 0
        broadcast.subscribe("news", self.heard.append)
        broadcast.on_gap(self.count_gap)

    def count_gap(self) -> None:
        self.gaps += 1

    def is_heard(self) -> bool:
        return self.metrics.registry.get_sample_value("broadcast_heard") == 1

    async def hears(self, *news: bytes) -> bool:
        """Whether this and nothing else has arrived, within a second."""
        return await comes_true(lambda: self.heard == [*news], within_seconds=1)


async def start(stack: AsyncExitStack, url: str | None, *, prefix: str = "test:") -> Process:
    """A process that listens already, if it ever does."""
    metrics = Metrics()
    redis, listening = (open_redis(url, timeout_seconds=0.5, max_connections=1) if url else None for _ in range(2))
    if redis:
        stack.push_async_callback(redis.aclose)
    process = Process(
        await stack.enter_async_context(open_broadcast(redis, listening, prefix=prefix, metrics=metrics)), metrics
    )
    if url:
        await until(process.is_heard)
    return process


async def test_what_one_tells_all_others_hear_within_a_second(stack: AsyncExitStack, valkey: BreakableValkey) -> None:
    one, two, three = [await start(stack, valkey.url) for _ in range(3)]

    was_sent = await one.broadcast.publish("news", b"\x00 two words")
    await one.broadcast.publish("weather", b"rain")

    assert was_sent
    assert await two.hears(b"\x00 two words")
    assert await three.hears(b"\x00 two words")
    assert one.heard == []


async def test_services_that_share_a_redis_do_not_hear_each_other(
    stack: AsyncExitStack, valkey: BreakableValkey
) -> None:
    ours = await start(stack, valkey.url)
    others = [
        await start(stack, valkey.url, prefix="others:"),
        await start(stack, f"{valkey.url}?db=1"),
    ]

    for other in others:
        await other.broadcast.publish("news", b"theirs")
    await (await start(stack, valkey.url)).broadcast.publish("news", b"ours")

    assert await ours.hears(b"ours")


async def test_it_begins_with_a_gap_because_nobody_knows_what_was_said_before(
    stack: AsyncExitStack, valkey: BreakableValkey
) -> None:
    process = await start(stack, valkey.url)

    assert process.gaps == 1


async def test_after_a_restart_of_redis_it_hears_again_and_tells_of_the_gap(
    stack: AsyncExitStack, valkey: BreakableValkey
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]

    with capture_logs() as events:
        valkey.kill()
        await until(lambda: not (one.is_heard() or two.is_heard()))
        was_sent = await one.broadcast.publish("news", b"lost")
        valkey.start()
        await until(lambda: one.is_heard() and two.is_heard(), within_seconds=LONGEST_GAP)
    await one.broadcast.publish("news", b"new")

    assert not was_sent
    assert await two.hears(b"new")
    assert (one.gaps, two.gaps) == (2, 2)
    assert sorted(event["event"] for event in events) == ["broadcast_heard"] * 2 + ["broadcast_not_heard"] * 2


async def test_a_frozen_redis_is_noticed_and_told_of_when_it_goes_on(
    stack: AsyncExitStack, valkey: BreakableValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.1)
    one, two = [await start(stack, valkey.url) for _ in range(2)]

    valkey.freeze()
    await until(lambda: not two.is_heard())
    was_sent = await one.broadcast.publish("news", b"unanswered")
    valkey.thaw()
    await until(lambda: one.is_heard() and two.is_heard(), within_seconds=LONGEST_GAP)

    assert not was_sent
    assert two.gaps == 2


async def test_a_quiet_connection_is_not_a_lost_one(
    stack: AsyncExitStack, valkey: BreakableValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings: list[str] = []
    ping = PubSub.ping

    def counted(self: PubSub) -> Awaitable[bool]:
        pings.append("ping")
        return ping(self)

    monkeypatch.setattr(PubSub, "ping", counted)
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.05)
    process = await start(stack, valkey.url)

    await until(lambda: len(pings) > 5)

    assert process.gaps == 1
    assert process.is_heard()


async def test_a_message_that_cannot_be_read_is_logged_and_others_are_still_heard(
    stack: AsyncExitStack, valkey: BreakableValkey
) -> None:
    one, two = [await start(stack, valkey.url) for _ in range(2)]

    def refuse(payload: bytes) -> None:
        raise ValueError(payload)

    two.broadcast.subscribe("weather", refuse)
    with capture_logs() as events:
        await one.broadcast.publish("weather", b"?")
        await one.broadcast.publish("news", b"!")
        is_heard = await two.hears(b"!")

    assert is_heard
    assert [(event["event"], event["topic"]) for event in events] == [("broadcast_message_unreadable", "weather")]


async def test_a_redis_that_was_never_there_is_tried_again_and_again_and_bounded(
    stack: AsyncExitStack, stopped_valkey: BreakableValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECONNECT", Backoff(first_seconds=0.01, longest_seconds=0.05))
    redis, listening = (open_redis(stopped_valkey.url, timeout_seconds=0.5, max_connections=1) for _ in range(2))
    stack.push_async_callback(redis.aclose)
    metrics = Metrics()
    with capture_logs() as events:
        opened = open_broadcast(redis, listening, prefix="test:", metrics=metrics)
        process = Process(await stack.enter_async_context(opened), metrics)
        await until(lambda: process.broadcast.failures > 3)

    stopped_valkey.start()

    assert [event["event"] for event in events] == ["broadcast_not_heard"]
    assert await comes_true(process.is_heard, within_seconds=LONGEST_GAP)
    assert process.gaps == 1


async def test_without_redis_nobody_is_told_and_nobody_is_heard(stack: AsyncExitStack) -> None:
    process = await start(stack, None)

    was_sent = await process.broadcast.publish("news", b"anybody?")
    await asyncio.sleep(0)

    assert (was_sent, process.heard, process.gaps) == (False, [], 0)
