"""Whatever becomes of a question to Redis, whoever waits for its answer is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.cache.moving_windows import MovingWindows, WindowsUnavailable
from app.cache.redis import open_redis
from app.core.rates import Bucket, Rate
from app.observability.context import add_context, begin_request, bind_caller, forget_context
from app.observability.metrics import Metrics
from app.security import rate_limiter
from app.security.rate_limiter import open_rate_limiter
from tests.support.waiting import until

BUCKET = Bucket("default", Rate(10, 60), "somebody")


@pytest.fixture
async def windows() -> AsyncIterator[MovingWindows]:
    """The tests answer in place of Redis."""
    redis = open_redis("redis://nowhere.invalid", timeout_seconds=1, max_connections=1)
    yield MovingWindows(redis, prefix="test:")
    await redis.aclose()


async def one_each(keys: list[str], _numbers: list[int]) -> list[int]:
    """There is one left of everything."""
    return [1, 1_000_000, 0] * len(keys)


async def mistaken(*_: Any) -> list[int]:
    raise TypeError("a mistake of ours")


async def too_short(*_: Any) -> list[int]:
    return [1]


async def silent(*_: Any) -> list[int]:
    await asyncio.Event().wait()
    return []


async def take_together(windows: MovingWindows, times: int) -> list[object]:
    """What each of so many requests is told."""
    async with asyncio.timeout(10):
        return await asyncio.gather(*(windows.take([BUCKET]) for _ in range(times)), return_exceptions=True)


@pytest.mark.parametrize("answer", [mistaken, too_short])
async def test_an_answer_that_nobody_expected_leaves_nobody_waiting(
    windows: MovingWindows, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Awaitable[list[int]]]
) -> None:
    monkeypatch.setattr("app.cache.moving_windows.MOST_AT_ONCE", 2)
    monkeypatch.setattr(windows, "script", answer)
    told = await take_together(windows, 5)

    monkeypatch.setattr(windows, "script", one_each)
    afterwards = await take_together(windows, 5)

    assert [type(one) for one in told] == [WindowsUnavailable] * 5
    assert [type(one) for one in afterwards] == [list] * 5


async def test_a_question_that_is_cancelled_leaves_nobody_waiting(
    windows: MovingWindows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "script", silent)
    asking = asyncio.create_task(take_together(windows, 3))
    await until(lambda: windows.asking is not None and not windows.questions)

    assert windows.asking is not None
    windows.asking.cancel()
    told = await asking
    monkeypatch.setattr(windows, "script", one_each)

    assert [type(one) for one in told] == [WindowsUnavailable] * 3
    assert [type(one) for one in await take_together(windows, 3)] == [list] * 3


async def test_a_question_that_is_cancelled_before_it_is_asked_goes_with_the_next(
    windows: MovingWindows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "script", one_each)
    asking = asyncio.create_task(windows.take([BUCKET]))
    await asyncio.sleep(0)

    assert windows.asking is not None
    windows.asking.cancel()
    await asyncio.wait([windows.asking], timeout=10)
    told = await take_together(windows, 1)

    assert [type(one) for one in (*told, await asyncio.wait_for(asking, 10))] == [list] * 2


async def test_only_the_line_that_tells_of_an_outage_names_the_request_that_found_it(
    windows: MovingWindows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limiter, "PROBE_SECONDS", 0.01)
    monkeypatch.setattr(windows, "script", mistaken)
    with capture_logs(processors=[add_context]) as lines:
        async with open_rate_limiter(windows, metrics=Metrics()) as limiter:
            begin_request(request_id="one", trace_id="trace")
            bind_caller(user="key:somebody", tenant="theirs")
            await limiter.take([BUCKET])
            forget_context()
            monkeypatch.setattr(windows, "script", one_each)
            await until(lambda: not limiter.is_local)

    named = [(line["event"], line.get("request_id"), line.get("user")) for line in lines]
    assert named == [("rate_limits_local", "one", "key:somebody"), ("rate_limits_shared", None, None)]


async def test_the_rate_limiter_returns_after_mistakes_too(
    windows: MovingWindows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limiter, "PROBE_SECONDS", 0.01)
    probes: list[object] = []

    async def mistaken_at_first(keys: list[str], numbers: list[int]) -> list[int]:
        probes.append(keys)
        return await (mistaken() if len(probes) < 4 else one_each(keys, numbers))

    monkeypatch.setattr(windows, "script", mistaken_at_first)
    with capture_logs() as lines:
        async with open_rate_limiter(windows, metrics=Metrics()) as limiter:
            [alone] = await limiter.take([BUCKET])
            await until(lambda: not limiter.is_local)
            [together] = await limiter.take([BUCKET])

    assert (alone.left, together.left) == (9, 1)
    assert [line["event"] for line in lines] == ["rate_limits_local", "rate_limits_shared"]
    assert lines[0]["cause"] == "TypeError: a mistake of ours"
