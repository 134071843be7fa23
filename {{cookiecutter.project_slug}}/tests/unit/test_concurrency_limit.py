"""So many are in at once, the line is fair, and whatever happens nobody's place is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.resilience.concurrency_limit import ConcurrencyLimit, Overloaded, Priority
from tests.support.clock import Clock

ANONYMOUS, AUTHENTICATED = Priority.ANONYMOUS, Priority.AUTHENTICATED

# A time that no test waits for: they send away whoever is late themselves.
NEVER = 3_600.0

# What may happen to callers: one comes, one that is in leaves, one is cancelled, time passes, the limit changes.
COMES = st.tuples(st.just("come"), st.sampled_from(Priority))
LEAVES = st.tuples(st.just("leave"), st.integers(0, 20))
CANCELLED = st.tuples(st.just("cancel"), st.integers(0, 20))
TIME_PASSES = st.tuples(st.just("pass"), st.integers(1, 4))
LIMIT_CHANGES = st.tuples(st.just("limit"), st.integers(1, 5))
NOBODY_ACTS = st.tuples(st.just("run"), st.just(0))
STEPS = st.one_of(COMES, COMES, COMES, LEAVES, CANCELLED, TIME_PASSES, LIMIT_CHANGES, NOBODY_ACTS)


class Crowd:
    """Callers at one limit, and what has become of them."""

    def __init__(self, gate: ConcurrencyLimit, clock: Clock) -> None:
        self.gate = gate
        self.clock = clock
        self.come: list[tuple[Priority, int]] = []
        self.let_in: list[tuple[Priority, int]] = []
        self.inside: dict[asyncio.Task[None], asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def arrive(self, priority: Priority) -> None:
        name = (priority, len(self.come))
        self.come.append(name)
        self.tasks.append(asyncio.create_task(self.visit(name)))

    async def visit(self, name: tuple[Priority, int]) -> None:
        if not self.gate.try_enter():
            await self.gate.wait(name[0])
        self.let_in.append(name)
        task = asyncio.current_task()
        assert task
        self.inside[task] = asyncio.Event()
        try:
            await self.inside[task].wait()
        finally:
            del self.inside[task]
            self.gate.leave()

    def do(self, step: str, number: int) -> None:
        if step == "come":
            self.arrive(Priority(number))
        elif step == "leave" and self.inside:
            list(self.inside.values())[number % len(self.inside)].set()
        elif step == "cancel" and self.tasks:
            self.tasks[number % len(self.tasks)].cancel()
        elif step == "pass":
            self.clock.advance(number)
            self.gate.sweep()
        elif step == "limit":
            self.gate.limit = number
            self.gate.admit()

    async def settle(self) -> None:
        """Let every task go as far as it can."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def go_home(self) -> None:
        """Whoever is in leaves, until nobody is left."""
        while not all(task.done() for task in self.tasks):
            for way_out in self.inside.values():
                way_out.set()
            await asyncio.sleep(0)


@given(steps=st.lists(STEPS, max_size=40), limit=st.integers(1, 4), places=st.integers(0, 4))
def test_whatever_happens_the_limit_holds_and_no_place_is_lost(
    steps: list[tuple[str, int]], limit: int, places: int
) -> None:
    async def play() -> None:
        clock = Clock()
        gate = ConcurrencyLimit(limit=limit, places=places, wait_seconds=3, clock=clock)
        crowd = Crowd(gate, clock)
        highest = limit
        for step, number in steps:
            crowd.do(step, number)
            highest = max(highest, gate.limit)
            assert gate.in_flight <= highest
            assert gate.waiting <= places
            if step == "run":
                await crowd.settle()
                assert gate.in_flight == len(crowd.inside)
                assert not gate.waiting or gate.in_flight >= gate.limit
        async with asyncio.timeout(10):
            await crowd.go_home()

        outcomes = await asyncio.gather(*crowd.tasks, return_exceptions=True)
        assert all(found is None or isinstance(found, Overloaded | asyncio.CancelledError) for found in outcomes)
        assert (gate.in_flight, gate.waiting) == (0, 0)

    asyncio.run(play())


@given(st.lists(st.sampled_from(Priority), min_size=1, max_size=12))
def test_the_more_important_are_let_in_first_and_equals_in_the_order_of_their_arrival(line: list[Priority]) -> None:
    async def play() -> list[tuple[Priority, int]]:
        clock = Clock()
        gate = ConcurrencyLimit(limit=1, places=20, wait_seconds=NEVER, clock=clock)
        crowd = Crowd(gate, clock)
        assert gate.try_enter()
        for priority in line:
            crowd.arrive(priority)
        await crowd.settle()
        gate.leave()
        async with asyncio.timeout(10):
            await crowd.go_home()
        return crowd.let_in

    arrived = [(priority, number) for number, priority in enumerate(line)]
    assert asyncio.run(play()) == sorted(arrived, key=lambda name: (-name[0], name[1]))


@asynccontextmanager
async def full_gate(
    *, places: int, clock: Clock | None = None, hopeless_seconds: float = inf
) -> AsyncIterator[ConcurrencyLimit]:
    """With one in, who leaves at the end."""
    gate = ConcurrencyLimit(
        limit=1, places=places, wait_seconds=NEVER, clock=clock or Clock(), hopeless_seconds=hopeless_seconds
    )
    assert gate.try_enter()
    yield gate
    gate.leave()


async def line_up(gate: ConcurrencyLimit, *priorities: Priority) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(gate.wait(priority)) for priority in priorities]
    await asyncio.sleep(0)
    return tasks


async def test_a_full_line_refuses_whoever_is_no_more_important() -> None:
    async with full_gate(places=1) as gate:
        [waiting] = await line_up(gate, AUTHENTICATED)

        for priority in Priority:
            with pytest.raises(Overloaded):
                await gate.wait(priority)

        assert not waiting.done()
        waiting.cancel()


async def test_the_newest_of_the_least_important_gives_way_to_a_more_important_one() -> None:
    async with full_gate(places=3) as gate:
        known, old, new = await line_up(gate, AUTHENTICATED, ANONYMOUS, ANONYMOUS)

        [comer] = await line_up(gate, AUTHENTICATED)
        await asyncio.sleep(0)

        assert isinstance(new.exception(), Overloaded)
        assert [task.done() for task in (known, old, comer)] == [False, False, False]
        for task in (known, old, comer):
            task.cancel()


async def test_whoever_waits_for_too_long_is_sent_away_and_nobody_else() -> None:
    clock = Clock()
    async with full_gate(places=3, clock=clock) as gate:
        [early] = await line_up(gate, ANONYMOUS)
        clock.advance(NEVER / 2)
        [late] = await line_up(gate, AUTHENTICATED)
        clock.advance(NEVER / 2)

        gate.sweep()
        await asyncio.sleep(0)

        assert isinstance(early.exception(), Overloaded)
        assert not late.done()
        late.cancel()


async def test_nobody_joins_a_line_whose_first_has_waited_for_too_long() -> None:
    clock = Clock()
    async with full_gate(places=3, clock=clock, hopeless_seconds=NEVER / 2) as gate:
        [first] = await line_up(gate, AUTHENTICATED)
        clock.advance(NEVER / 2 - 1)
        [second] = await line_up(gate, AUTHENTICATED)
        clock.advance(2)

        for priority in Priority:
            with pytest.raises(Overloaded):
                await gate.wait(priority)

        assert [first.done(), second.done()] == [False, False]
        first.cancel()
        second.cancel()


async def test_others_join_however_long_the_first_has_waited() -> None:
    clock = Clock()
    async with full_gate(places=2, clock=clock) as gate:
        [first] = await line_up(gate, ANONYMOUS)
        clock.advance(0.9 * NEVER)

        [second] = await line_up(gate, ANONYMOUS)

        assert [first.done(), second.done()] == [False, False]
        first.cancel()
        second.cancel()


async def test_the_more_important_do_not_mind_how_long_others_wait() -> None:
    clock = Clock()
    async with full_gate(places=3, clock=clock, hopeless_seconds=NEVER / 2) as gate:
        [anonymous] = await line_up(gate, ANONYMOUS)
        clock.advance(NEVER / 2 + 1)

        [known] = await line_up(gate, AUTHENTICATED)

        assert [anonymous.done(), known.done()] == [False, False]
        anonymous.cancel()
        known.cancel()


async def test_time_alone_sends_the_last_one_away() -> None:
    gate = ConcurrencyLimit(limit=1, places=1, wait_seconds=0.01, clock=asyncio.get_running_loop().time)
    assert gate.try_enter()

    with pytest.raises(Overloaded):
        await asyncio.wait_for(gate.wait(ANONYMOUS), timeout=10)


async def test_one_that_is_let_in_and_cancelled_at_once_gives_its_place_back() -> None:
    async with full_gate(places=2) as gate:
        cancelled, next_one = await line_up(gate, ANONYMOUS, ANONYMOUS)

        gate.leave()
        cancelled.cancel()
        await asyncio.wait_for(next_one, timeout=10)

        assert cancelled.cancelled()
        assert gate.in_flight == 1


async def test_a_higher_limit_lets_in_those_who_wait() -> None:
    async with full_gate(places=2) as gate:
        waiting = await line_up(gate, ANONYMOUS, ANONYMOUS)

        gate.limit = 3
        gate.admit()
        await asyncio.wait_for(asyncio.gather(*waiting), timeout=10)

        assert gate.in_flight == 3
        gate.in_flight = 1
