"""A limit in memory lets through what it allows, no more, and never grows beyond its bound."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.rates import Bucket, Rate
from app.security import local_limit
from app.security.local_limit import LocalLimit, LocalLimits
from tests.support.clock import Clock

RATES = st.builds(Rate, st.integers(1, 2000), st.integers(1, 86_400))
PAUSES = st.lists(st.floats(0, 3, allow_nan=False), max_size=60)

# What rounding may add: half of the time between two requests that are evenly spread, if they are as near as that.
HALF = 0.5 + 1e-6


def times_let_through(limit: LocalLimit, clock: Clock, pauses: Sequence[float]) -> list[float]:
    """When requests passed that came after pauses, in intervals of the limit."""
    passed = []
    for pause in pauses:
        clock.advance(pause * limit.interval)
        if limit.take("caller") == 0:
            passed.append(clock())
    return passed


@given(rate=RATES, pauses=PAUSES)
def test_in_no_stretch_of_time_more_pass_than_a_full_allowance_and_what_came_back_meanwhile(
    rate: Rate, pauses: list[float]
) -> None:
    clock = Clock()
    limit = LocalLimit(rate, clock=clock)

    passed = times_let_through(limit, clock, pauses)

    for first in range(len(passed)):
        for last in range(first, len(passed)):
            came_back = (passed[last] - passed[first]) / limit.interval
            assert last - first + 1 <= rate.amount + came_back + HALF


@given(rate=RATES)
def test_the_whole_allowance_may_be_taken_at_once(rate: Rate) -> None:
    limit = LocalLimit(rate, clock=Clock())

    passed = [limit.take("caller") == 0 for _ in range(rate.amount + 1)]

    assert passed == [True] * rate.amount + [False]


@given(rate=RATES, pauses=PAUSES, cost=st.integers(1, 10))
def test_whoever_waits_as_long_as_told_is_let_through(rate: Rate, pauses: list[float], cost: int) -> None:
    clock = Clock()
    limit = LocalLimit(rate, clock=clock)
    times_let_through(limit, clock, pauses)

    seconds = limit.take("caller", cost=cost)
    clock.advance(seconds)

    assert seconds == 0 or limit.take("caller", cost=cost) == 0


@given(rate=RATES, pauses=PAUSES)
def test_what_is_left_can_be_taken(rate: Rate, pauses: list[float]) -> None:
    clock = Clock()
    limit = LocalLimit(rate, clock=clock)
    times_let_through(limit, clock, pauses)

    left, _seconds = limit.left("caller", clock())
    passed = [limit.take("caller") == 0 for _ in range(left + 1)]

    assert passed == [True] * left + [False]


@given(rate=RATES, pauses=PAUSES)
def test_there_is_one_more_when_it_says_so(rate: Rate, pauses: list[float]) -> None:
    clock = Clock()
    limit = LocalLimit(rate, clock=clock)
    times_let_through(limit, clock, [*pauses, 0])
    left, seconds = limit.left("caller", clock())

    clock.advance(seconds)

    assert limit.left("caller", clock())[0] == left + 1


@given(rate=RATES, pauses=PAUSES)
def test_what_is_given_back_was_never_taken(rate: Rate, pauses: list[float]) -> None:
    clock = Clock()
    limit = LocalLimit(rate, clock=clock)
    times_let_through(limit, clock, pauses)
    clock.advance(limit.interval)

    before = limit.left("caller", clock())
    limit.take("caller")
    limit.give_back("caller")

    assert limit.left("caller", clock()) == pytest.approx(before)


def test_there_is_never_more_than_the_whole_allowance() -> None:
    clock = Clock()
    limit = LocalLimit(Rate(2, 60), clock=clock)
    limit.take("a")
    clock.advance(60)
    limit.give_back("a")
    limit.give_back("b")

    assert [limit.take(key) == 0 for key in ("a", "a", "a", "b", "b", "b")] == [True, True, False] * 2


@pytest.mark.parametrize(("amount", "passing"), [(8, 2), (9, 2), (4, 1), (3, 1), (1, 1)])
def test_what_costs_more_passes_more_seldom_but_not_never(amount: int, passing: int) -> None:
    limit = LocalLimit(Rate(amount, 60), clock=Clock())

    assert [limit.take("caller", cost=4) == 0 for _ in range(10)].count(True) == passing


def test_each_key_has_its_own_allowance() -> None:
    limit = LocalLimit(Rate(1, 60), clock=Clock())

    assert [limit.take(key) == 0 for key in ("a", "b", "a", "b")] == [True, True, False, False]


def test_of_too_many_keys_those_that_were_silent_for_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_limit, "MOST_KEYS", 3)
    limit = LocalLimit(Rate(10, 60), clock=Clock())

    for key in ("a", "b", "c", "a", "d", "e"):
        limit.take(key)

    assert list(limit.whole_at) == ["a", "d", "e"]


def test_a_key_whose_allowance_is_whole_again_takes_no_memory() -> None:
    clock = Clock()
    limit = LocalLimit(Rate(10, 60), clock=clock)
    for number in range(100):
        limit.take(f"once-{number}")

    clock.advance(60)
    for _ in range(100):
        limit.take("often")

    assert list(limit.whole_at) == ["often"]


def test_a_request_that_one_limit_refuses_takes_nothing_from_another() -> None:
    limits = LocalLimits(clock=Clock())
    wide, narrow = Bucket("default", Rate(10, 60), "a"), Bucket("route", Rate(1, 60), "a /")

    taken = [limits.take([wide, narrow]) for _ in range(3)]

    assert [[standing.is_refused for standing in both] for both in taken] == [[False, False]] + [[False, True]] * 2
    assert [[standing.left for standing in both] for both in taken] == [[9, 0]] * 3
    assert taken[2][1].seconds == pytest.approx(60)
