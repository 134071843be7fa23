"""What a process was told about a circuit it does not tell on, and what it could not read it reads again."""

import asyncio
from collections.abc import Callable, Collection, Mapping

import orjson
import pytest
from structlog.testing import capture_logs

from app.cache.broadcast import Broadcast
from app.cache.circuit_wishes import CircuitWishes, Wish, WishesUnavailable, WishNotTold
from app.clients.circuit_events import CircuitEvents
from app.clients.shared_breakers import OPENED, change_wish, open_shared_breakers
from app.observability.metrics import Metrics
from app.resilience.circuit_breaker import BreakerOptions, CircuitBreaker, CircuitState
from tests.support.virtual_time import in_virtual_time

Clock = Callable[[], float]

OPTIONS = BreakerOptions(minimum_calls=1, open_seconds=5)


class Told(Broadcast):
    """Remembers what was published, and hears what a test says."""

    def __init__(self) -> None:
        super().__init__(None, prefix="test:", metrics=Metrics())
        self.published: list[dict[str, object]] = []

    async def publish(self, topic: str, payload: bytes) -> bool:
        assert topic == OPENED
        self.published.append(orjson.loads(payload))
        return True

    def say(self, topic: str, payload: bytes) -> None:
        self.receive(b"another-process " + topic.encode() + b" " + payload)


class BrokenWishes(CircuitWishes):
    """Read only at the third time."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.times_read = 0

    async def introduce(self, names: Collection[str]) -> None:
        pass

    async def remind(self, wishes: Mapping[str, Wish]) -> list[str]:  # noqa: ARG002 - it has nothing to keep
        return []

    async def read(self) -> dict[str, Wish]:
        self.times_read += 1
        if self.times_read < 3:
            raise self.failure
        return {"helper": Wish.OPEN}


def fail(breaker: CircuitBreaker) -> None:
    breaker.record(breaker.enter(), seconds=0, is_failed=True)


def test_an_opening_is_told_by_whoever_found_it_out_and_nobody_else() -> None:
    async def play(clock: Clock) -> None:
        broadcast = Told()
        finder, hearer, forced = (CircuitBreaker(name, OPTIONS, clock=clock) for name in ("finder", "hearer", "forced"))
        async with open_shared_breakers(
            events=CircuitEvents(Metrics()), broadcast=broadcast, wishes=None, names=[]
        ) as breakers:
            for breaker in (finder, hearer, forced):
                breakers.add(breaker)

            fail(finder)
            broadcast.say(OPENED, orjson.dumps({"circuit": "hearer", "seconds": 2.0}))
            forced.force(CircuitState.FORCED_OPEN)
            await asyncio.sleep(1)

        assert (finder.state, hearer.state) == (CircuitState.OPEN, CircuitState.OPEN)
        assert broadcast.published == [{"circuit": "finder", "seconds": 5.0}]

    in_virtual_time(play)


def test_a_message_that_cannot_be_read_or_names_no_circuit_of_ours_changes_nothing() -> None:
    async def play(clock: Clock) -> None:
        broadcast = Told()
        breaker = CircuitBreaker("helper", OPTIONS, clock=clock)
        async with open_shared_breakers(
            events=CircuitEvents(Metrics()), broadcast=broadcast, wishes=None, names=[]
        ) as breakers:
            breakers.add(breaker)

            for payload in (b"", b"nonsense", b"[]", b'{"circuit": "other", "seconds": 1}', b'{"circuit": "helper"}'):
                broadcast.say(OPENED, payload)

        assert breaker.state is CircuitState.CLOSED

    in_virtual_time(play)


@pytest.mark.parametrize(("failure", "times_told"), [(WishesUnavailable(), 0), (ValueError("a mistake"), 1)])
def test_what_operators_want_is_read_again_until_it_could_be_read(failure: Exception, times_told: int) -> None:
    async def play(clock: Clock) -> None:
        broadcast, wishes = Told(), BrokenWishes(failure)
        breaker = CircuitBreaker("helper", OPTIONS, clock=clock)
        with capture_logs() as lines:
            async with open_shared_breakers(
                events=CircuitEvents(Metrics()), broadcast=broadcast, wishes=wishes, names=["helper"]
            ) as breakers:
                breakers.add(breaker)
                broadcast.begin_to_hear()
                await asyncio.sleep(10)

        assert (breaker.state, wishes.times_read) == (CircuitState.FORCED_OPEN, 3)
        assert sum(line["event"] == "circuit_wishes_unreadable" for line in lines) == times_told

    in_virtual_time(play)


async def test_an_operator_whom_the_processes_did_not_hear_is_told_so() -> None:
    kept: list[Wish] = []

    class Kept(CircuitWishes):
        async def change(self, name: str, wish: Wish) -> None:  # noqa: ARG002 - it is broken
            kept.append(wish)

    nobody_hears = Broadcast(None, prefix="test:", metrics=Metrics())

    with pytest.raises(WishNotTold, match="Give the command again"):
        await change_wish(Kept.__new__(Kept), nobody_hears, "helper", Wish.OPEN)

    assert kept == [Wish.OPEN]
