"""Which keys are looked up in the database, and how often."""

import asyncio
import gc
from collections.abc import AsyncIterator
from math import inf
from typing import Any

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from app.core.errors import DeadlineExceeded
from app.core.ids import new_id
from app.core.rates import Rate
from app.observability.context import add_context, begin_request
from app.observability.metrics import Metrics
from app.persistence.database import Database, open_database
from app.persistence.errors import DatabaseUnavailable
from app.resilience.deadline import Deadline, remaining
from app.resources import connection_options
from app.security.callers import CACHE_SECONDS, Callers
from app.security.errors import ApiKeyRefused, TooManyKeysRefused
from app.security.keys import Key, new_key
from app.security.principal import Principal
from app.settings import Settings
from tests.support.callers import key_for
from tests.support.clock import Clock
from tests.support.databases import execute
from tests.support.queries import counted_queries
from tests.support.settings import settings_for
from tests.support.waiting import until

ADDRESS = "203.0.113.1"
ALLOWED = 3


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url=database_url)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = open_database(connection_options(settings), pool_size=4, wait_seconds=5)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def callers(database: Database, clock: Clock) -> Callers:
    return Callers(database, refused=Rate(ALLOWED, 3600), metrics=Metrics(), clock=clock)


@pytest.fixture
async def key(settings: Settings) -> Key:
    return await key_for(settings, "doors:pass", tenant=new_id())


async def identify(callers: Callers, key: Key) -> Principal:
    async with asyncio.timeout(20):
        return await callers.identify(key.text, address=ADDRESS)


async def try_wrong_keys(callers: Callers) -> None:
    """Until the address has to wait."""
    for _ in range(ALLOWED):
        with pytest.raises(ApiKeyRefused):
            await identify(callers, new_key())


async def test_wrong_keys_lock_no_key_out_that_has_been_good(callers: Callers, clock: Clock, key: Key) -> None:
    await identify(callers, key)
    await try_wrong_keys(callers)

    found = []
    for _ in range(3):
        clock.advance(CACHE_SECONDS + 1)
        found.append((await identify(callers, key)).subject)

    assert found == [f"key:{key.prefix}"] * 3
    with pytest.raises(TooManyKeysRefused):
        await identify(callers, new_key())


async def test_a_revoked_key_costs_an_address_that_has_to_wait_one_query(
    callers: Callers, clock: Clock, database_url: str, key: Key
) -> None:
    await identify(callers, key)
    await try_wrong_keys(callers)
    await asyncio.to_thread(execute, database_url, "UPDATE api_keys SET revoked_at = now()")
    clock.advance(CACHE_SECONDS + 1)

    with counted_queries() as seen:
        with pytest.raises(ApiKeyRefused):
            await identify(callers, key)
        with pytest.raises(TooManyKeysRefused):
            await identify(callers, key)

    assert len(seen) == 1


async def test_requests_that_come_together_look_their_key_up_once(callers: Callers, clock: Clock, key: Key) -> None:
    counts = []
    for _ in range(2):
        with counted_queries() as seen:
            found = await asyncio.gather(*(identify(callers, key) for _ in range(64)))
        counts.append((len(seen), {caller.subject for caller in found}))
        clock.advance(CACHE_SECONDS)

    assert counts == [(1, {f"key:{key.prefix}"})] * 2
    assert callers.asked == {}


async def test_when_the_one_that_asks_gives_up_the_others_are_told_what_it_asked(callers: Callers, key: Key) -> None:
    with counted_queries() as seen:
        asking = [asyncio.create_task(identify(callers, key)) for _ in range(4)]
        await asyncio.sleep(0)

        asking[0].cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)

    assert isinstance(answers[0], asyncio.CancelledError)
    assert [getattr(answer, "subject", answer) for answer in answers[1:]] == [f"key:{key.prefix}"] * 3
    assert len(seen) == 1
    assert callers.asked == {}
    assert callers.verifying == set()


# --- Whoever gives up early ---


async def give_up(callers: Callers, key: Key) -> None:
    """As soon as the database was asked."""
    asking = asyncio.create_task(identify(callers, key))
    for _ in range(3):  # the time-out's block, the look-up, and its first wait
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking], timeout=20)
    assert asking.cancelled()


async def test_wrong_keys_count_and_cost_no_connection_when_their_requests_are_given_up(
    callers: Callers, database: Database
) -> None:
    opened: list[Any] = []
    event.listen(database.engine.sync_engine, "connect", lambda connection, _record: opened.append(connection))
    with capture_logs(processors=[add_context]) as lines:
        for number in range(ALLOWED):
            begin_request(request_id=str(number), trace_id="trace")
            await give_up(callers, new_key())
            await until(lambda: not callers.verifying)

    with pytest.raises(TooManyKeysRefused):
        await identify(callers, new_key())
    assert [(line["event"], line["request_id"]) for line in lines] == [
        ("caller_refused", str(n)) for n in range(ALLOWED)
    ]
    assert len(opened) == 1, "it was used again"


async def test_a_good_key_is_known_though_its_request_was_given_up(callers: Callers, key: Key) -> None:
    await give_up(callers, key)
    await until(lambda: not callers.verifying)

    with counted_queries() as seen:
        await identify(callers, key)

    assert seen == []


class Blocked:
    """In place of the query: it waits, and then fails."""

    def __init__(self, callers: Callers, patch: pytest.MonkeyPatch) -> None:
        self.may_end = asyncio.Event()
        self.seconds_left: list[float] = []
        patch.setattr(callers, "look_up", self.look_up)

    async def look_up(self, _prefix: str) -> None:
        self.seconds_left.append(remaining())
        await self.may_end.wait()
        raise DatabaseUnavailable


async def test_the_deadline_of_a_request_ends_its_wait_and_not_the_look_up(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = Blocked(callers, monkeypatch)

    with pytest.raises(DeadlineExceeded), Deadline(0.05):
        await identify(callers, new_key())

    assert blocked.seconds_left == [inf]
    assert len(callers.verifying) == 1
    await callers.close()
    assert callers.verifying == set()


async def test_of_a_failure_that_nobody_waits_for_nobody_hears(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_exception_handler", heard.append)
    blocked = Blocked(callers, monkeypatch)

    await give_up(callers, new_key())
    blocked.may_end.set()
    await until(lambda: not callers.verifying)
    gc.collect()

    assert heard == []


# --- What an address has left ---


async def test_wrong_keys_that_come_together_are_no_more_than_allowed(callers: Callers) -> None:
    with counted_queries() as seen:
        answers = await asyncio.gather(*(identify(callers, new_key()) for _ in range(10)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [ApiKeyRefused] * ALLOWED + [TooManyKeysRefused] * 7
    assert len(seen) == ALLOWED


async def test_good_keys_take_nothing_from_their_address(callers: Callers, settings: Settings) -> None:
    for _ in range(ALLOWED + 1):
        await identify(callers, await key_for(settings, "doors:pass", tenant=new_id()))

    await try_wrong_keys(callers)
    with pytest.raises(TooManyKeysRefused):
        await identify(callers, new_key())


async def test_a_database_that_fails_takes_nothing_from_an_address(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        Blocked(callers, patch).may_end.set()
        for _ in range(ALLOWED + 1):
            with pytest.raises(DatabaseUnavailable):
                await identify(callers, new_key())

    await try_wrong_keys(callers)
