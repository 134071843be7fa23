"""A guarded call ends in time, is repeated when that is right and affordable, and is judged by what is known of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from app.core.errors import DeadlineExceeded
from app.resilience.attempt import AttemptFailed, AttemptTimedOut
from app.resilience.backoff import Backoff
from app.resilience.bulkhead import BulkheadFull, BulkheadOptions
from app.resilience.circuit_breaker import BreakerOptions, CircuitOpen, CircuitState
from app.resilience.deadline import Deadline
from app.resilience.policy import Guard, Policy
from app.resilience.retry_budget import BudgetOptions
from tests.support.virtual_time import in_virtual_time

T = TypeVar("T")
Clock = Callable[[], float]

FOR_EVER = 1_000_000.0

# Never in the way: what a test is about it says itself.
PLAIN = Policy(
    backoff=Backoff(first_seconds=0, longest_seconds=0),
    budget=BudgetOptions(ratio=0, per_second=0, most=1000),
    bulkhead=BulkheadOptions(calls=1000, places=0),
    breaker=BreakerOptions(failure_rate=1.1, slow_rate=1.1),
)
QUICK_TO_OPEN = BreakerOptions(window=4, minimum_calls=4, slow_seconds=0.5, slow_rate=0.75, open_seconds=5, probes=3)


class Partner:
    """Answers from a script, and remembers when it was asked. Its last answer is for ever."""

    def __init__(self, *script: object, clock: Clock, seconds: float = 0.0) -> None:
        self.script = list(script)
        self.clock = clock
        self.seconds = seconds
        self.asked: list[float] = []
        self.busy = 0
        self.busiest = 0

    async def answer(self) -> object:
        self.asked.append(self.clock())
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.busy -= 1
        found = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(found, Exception):
            raise found
        return found


def guard_of(policy: Policy, clock: Clock, *, on_retry: Callable[[AttemptFailed], None] = lambda _: None) -> Guard:
    return Guard("partner", policy, on_retry=on_retry, clock=clock)


FAILED = AttemptFailed("The partner failed.")
REFUSED = AttemptFailed("The partner takes no connections.", may_have_happened=False)
HOPELESS = AttemptFailed("The partner's certificate is not valid.", is_worth_repeating=False)


async def outcome_of(call: Awaitable[object]) -> object:
    """What it returns or raises."""
    [found] = await asyncio.gather(call, return_exceptions=True)
    return found


async def call_often(guard: Guard, partner: Partner, times: int) -> list[object]:
    """One after the other."""
    return [await outcome_of(guard.call(partner.answer, is_repeatable=False)) for _ in range(times)]


# --- Repeating ---


def by_circuit(guard: Guard) -> None:
    guard.breaker.force(CircuitState.FORCED_OPEN)


def by_bulkhead(guard: Guard) -> None:
    guard.bulkhead.try_enter()  # and nobody leaves it


def by_time(guard: Guard) -> None:
    guard.bulkhead.try_enter()
    asyncio.get_running_loop().call_later(guard.policy.deadline_seconds, guard.bulkhead.leave)


@pytest.mark.parametrize(
    ("failure", "is_repeatable", "times_asked"),
    [(FAILED, True, 3), (FAILED, False, 1), (REFUSED, False, 3), (HOPELESS, True, 1), (ValueError("ours"), True, 1)],
)
def test_only_what_may_help_and_does_no_harm_is_tried_again(
    failure: Exception, is_repeatable: bool, times_asked: int
) -> None:
    async def play(clock: Clock) -> None:
        partner = Partner(failure, clock=clock)
        guard = guard_of(PLAIN, clock)

        found = await outcome_of(guard.call(partner.answer, is_repeatable=is_repeatable))

        assert found is failure
        assert len(partner.asked) == times_asked

    in_virtual_time(play)


def test_what_succeeds_at_last_has_succeeded_and_each_repetition_was_told() -> None:
    async def play(clock: Clock) -> None:
        partner, told = Partner(FAILED, FAILED, "well", clock=clock), list[AttemptFailed]()
        guard = guard_of(PLAIN, clock, on_retry=told.append)

        found = await guard.call(partner.answer, is_repeatable=True)

        assert (found, told) == ("well", [FAILED, FAILED])

    in_virtual_time(play)


@pytest.mark.parametrize("refuse", [by_circuit, by_bulkhead, by_time], ids=["circuit", "bulkhead", "time"])
def test_whoever_is_refused_a_repetition_hears_of_the_failure(refuse: Callable[[Guard], None]) -> None:
    """The partner was asked, so nobody may say that it was not."""

    async def play(clock: Clock) -> None:
        policy = replace(PLAIN, deadline_seconds=1, bulkhead=BulkheadOptions(calls=1, places=1, wait_seconds=2))
        guard = guard_of(policy, clock, on_retry=lambda _: refuse(guard))
        partner = Partner(FAILED, clock=clock)

        found = await outcome_of(guard.call(partner.answer, is_repeatable=True))

        assert found is FAILED
        assert len(partner.asked) == 1

    in_virtual_time(play)


def test_waits_are_random_below_a_limit_that_doubles() -> None:
    async def play(clock: Clock) -> None:
        policy = replace(PLAIN, backoff=Backoff(first_seconds=0.1, longest_seconds=1), attempts=3)
        guard = guard_of(policy, clock)
        waits = []
        for _ in range(200):
            partner = Partner(FAILED, clock=clock)
            await outcome_of(guard.call(partner.answer, is_repeatable=True))
            first, second, third = partner.asked
            waits.append((second - first, third - second))

        firsts, seconds = zip(*waits, strict=True)
        assert 0.08 < max(firsts) <= 0.1 + 1e-6
        assert 0.16 < max(seconds) <= 0.2 + 1e-6
        assert min(*firsts, *seconds) < 0.01

    in_virtual_time(play)


@pytest.mark.parametrize(("wait_seconds", "times_asked"), [(2.0, 2), (3.5, 1)])
def test_what_the_partner_asks_to_wait_is_waited_for_if_there_is_time(wait_seconds: float, times_asked: int) -> None:
    async def play(clock: Clock) -> None:
        partner = Partner(AttemptFailed("busy", wait_seconds=wait_seconds), "well", clock=clock)
        guard = guard_of(replace(PLAIN, deadline_seconds=3), clock)

        await outcome_of(guard.call(partner.answer, is_repeatable=True))

        assert len(partner.asked) == times_asked
        assert partner.asked[-1] - partner.asked[0] in {0, wait_seconds}

    in_virtual_time(play)


@pytest.mark.parametrize("fails", [0.5, 1.0])
def test_a_partner_that_fails_is_asked_a_tenth_more_often_and_not_three_times(fails: float) -> None:
    offered, dice = 1000, random.Random(1)  # noqa: S311 - the same in each run

    async def play(clock: Clock) -> None:
        guard = guard_of(replace(PLAIN, budget=BudgetOptions()), clock)
        asked = 0

        async def fail_often() -> None:
            nonlocal asked
            asked += 1
            if dice.random() < fails:
                raise FAILED

        for _ in range(offered):
            await outcome_of(guard.call(fail_often, is_repeatable=True))
            await asyncio.sleep(0.01)

        assert 1.05 * offered < asked <= 1.15 * offered

    in_virtual_time(play)


def test_who_calls_seldom_may_repeat_each_call() -> None:
    async def play(clock: Clock) -> None:
        guard = guard_of(replace(PLAIN, budget=BudgetOptions(), attempts=2), clock)
        partner = Partner(FAILED, clock=clock)

        for _ in range(100):
            await outcome_of(guard.call(partner.answer, is_repeatable=True))
            await asyncio.sleep(10)

        assert len(partner.asked) == 200

    in_virtual_time(play)


# --- Time ---


def test_a_partner_that_hangs_is_given_up_after_its_time_for_one_attempt_and_for_all() -> None:
    async def play(clock: Clock) -> None:
        partner = Partner("too late", clock=clock, seconds=FOR_EVER)
        guard = guard_of(replace(PLAIN, attempt_seconds=2, deadline_seconds=3), clock)
        began = clock()

        found = await outcome_of(guard.call(partner.answer, is_repeatable=True))

        assert isinstance(found, AttemptTimedOut)
        assert [at - began for at in partner.asked] == [0, 2]
        assert clock() - began == 3

    in_virtual_time(play)


def test_who_stands_in_line_for_all_of_its_time_does_not_ask() -> None:
    async def play(clock: Clock) -> None:
        policy = replace(PLAIN, deadline_seconds=1, bulkhead=BulkheadOptions(calls=1, places=1, wait_seconds=100))
        guard = guard_of(policy, clock)
        slow, partner = Partner("well", clock=clock, seconds=1), Partner("well", clock=clock)

        _, found = await asyncio.gather(
            outcome_of(guard.call(slow.answer, is_repeatable=True)),
            outcome_of(guard.call(partner.answer, is_repeatable=True)),
        )

        assert isinstance(found, DeadlineExceeded)
        assert partner.asked == []
        assert guard.bulkhead.in_flight == 0

    in_virtual_time(play)


def test_a_time_out_of_the_operations_own_is_no_time_out_of_the_attempt() -> None:
    async def play(clock: Clock) -> None:
        own = TimeoutError("of the operation")
        guard = guard_of(PLAIN, clock)

        found = await outcome_of(guard.call(Partner(own, clock=clock).answer, is_repeatable=True))

        assert found is own

    in_virtual_time(play)


# --- Room ---


def test_so_many_calls_are_under_way_and_so_many_wait() -> None:
    async def play(clock: Clock) -> None:
        policy = replace(PLAIN, bulkhead=BulkheadOptions(calls=3, places=4, wait_seconds=0.4))
        guard = guard_of(policy, clock)
        partner = Partner("well", clock=clock, seconds=0.3)

        calls = [outcome_of(guard.call(partner.answer, is_repeatable=True)) for _ in range(10)]
        found = await asyncio.gather(*calls)

        assert partner.busiest == 3
        # 3 at once, 3 after 0.3 s; the seventh had to wait for too long, and the others found the line full.
        assert [answer == "well" for answer in found] == [True] * 6 + [False] * 4
        assert all(isinstance(answer, BulkheadFull) for answer in found[6:])
        assert guard.bulkhead.in_flight == 0

    in_virtual_time(play)


def test_nobody_stands_in_line_for_a_partner_that_is_not_asked() -> None:
    async def play(clock: Clock) -> None:
        policy = replace(PLAIN, bulkhead=BulkheadOptions(calls=1, places=10, wait_seconds=100))
        guard = guard_of(policy, clock)
        hanging = asyncio.create_task(guard.call(Partner("", clock=clock, seconds=0.9).answer, is_repeatable=True))
        await asyncio.sleep(0)
        guard.breaker.force(CircuitState.FORCED_OPEN)
        began = clock()

        with pytest.raises(CircuitOpen):
            await guard.call(Partner("well", clock=clock).answer, is_repeatable=True)

        assert clock() == began
        await hanging

    in_virtual_time(play)


# --- What counts for the circuit ---


@pytest.mark.parametrize(
    ("answer", "is_open"),
    [
        ("404", False),
        (FAILED, True),
        (AttemptFailed("429", is_held_against=False), False),
        (ValueError("a mistake of ours"), False),
    ],
)
def test_the_operation_says_what_is_a_failure_of_its_partner(answer: object, is_open: bool) -> None:
    async def play(clock: Clock) -> None:
        guard = guard_of(replace(PLAIN, breaker=QUICK_TO_OPEN), clock)

        await call_often(guard, Partner(answer, clock=clock), 4)

        assert (guard.breaker.state is CircuitState.OPEN) == is_open

    in_virtual_time(play)


@pytest.mark.parametrize(
    ("seconds", "patience", "is_open"),
    [
        pytest.param(2.0, FOR_EVER, True, id="it has used up its time"),
        pytest.param(0.6, FOR_EVER, True, id="it is slow"),
        pytest.param(0.1, FOR_EVER, False, id="it is quick"),
        pytest.param(FOR_EVER, 0.2, False, id="nobody waited long enough to know"),
        pytest.param(FOR_EVER, 0.6, True, id="nobody waited for its whole time, but it was slow by then"),
    ],
)
@pytest.mark.parametrize("by", ["deadline", "cancellation"])
def test_an_attempt_is_judged_by_what_is_known(seconds: float, patience: float, is_open: bool, by: str) -> None:
    async def play(clock: Clock) -> None:
        guard = guard_of(replace(PLAIN, breaker=QUICK_TO_OPEN), clock)
        partner = Partner("well", clock=clock, seconds=seconds)

        async def request() -> None:
            call = guard.call(partner.answer, is_repeatable=False)
            if by == "deadline":
                with Deadline(patience, clock=clock):
                    await call
            else:
                async with asyncio.timeout(patience):
                    await call

        for _ in range(4):
            await outcome_of(request())

        assert (guard.breaker.state is CircuitState.OPEN) == is_open

    in_virtual_time(play)


@pytest.mark.parametrize("attempt_seconds", [0.5, 5.0])
@pytest.mark.parametrize(("part", "is_open"), [(0.7, False), (0.9, True)])
def test_what_is_slow_follows_from_how_long_an_attempt_may_take(
    attempt_seconds: float, part: float, is_open: bool
) -> None:
    async def play(clock: Clock) -> None:
        breaker = BreakerOptions(minimum_calls=4)
        policy = replace(PLAIN, attempt_seconds=attempt_seconds, deadline_seconds=20, breaker=breaker)
        guard = guard_of(policy, clock)

        await call_often(guard, Partner("well", clock=clock, seconds=part * attempt_seconds), 4)

        assert (guard.breaker.state is CircuitState.OPEN) == is_open

    in_virtual_time(play)


async def guard_about_to_probe(clock: Clock) -> Guard:
    """Its circuit was open for as long as it may be."""
    guard = guard_of(replace(PLAIN, breaker=QUICK_TO_OPEN), clock)
    await call_often(guard, Partner(FAILED, clock=clock), 4)
    await asyncio.sleep(QUICK_TO_OPEN.open_seconds)
    return guard


def test_of_fifty_at_once_only_so_many_probe() -> None:
    async def play(clock: Clock) -> None:
        guard = await guard_about_to_probe(clock)
        partner = Partner("well", clock=clock, seconds=0.1)

        calls = [outcome_of(guard.call(partner.answer, is_repeatable=True)) for _ in range(50)]
        found = await asyncio.gather(*calls)

        assert len(partner.asked) == QUICK_TO_OPEN.probes
        assert (found.count("well"), sum(isinstance(one, CircuitOpen) for one in found)) == (3, 47)
        assert guard.breaker.state is CircuitState.CLOSED

    in_virtual_time(play)


def test_probes_that_are_cancelled_let_others_probe() -> None:
    async def play(clock: Clock) -> None:
        guard = await guard_about_to_probe(clock)
        hanging = Partner("", clock=clock, seconds=FOR_EVER)
        probes = [asyncio.create_task(guard.call(hanging.answer, is_repeatable=False)) for _ in range(50)]
        await asyncio.sleep(0.1)

        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        found = await call_often(guard, Partner("well", clock=clock), 3)

        assert (len(hanging.asked), found) == (3, ["well"] * 3)
        assert guard.breaker.state is CircuitState.CLOSED

    in_virtual_time(play)
