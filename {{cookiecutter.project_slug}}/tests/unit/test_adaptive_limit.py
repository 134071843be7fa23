"""The limit follows how long requests wait, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.resilience.adaptive_limit import FEWEST_SAMPLES, INITIAL, LEAST, TARGET_SECONDS, WINDOW_SECONDS, AdaptiveLimit
from tests.support.clock import Clock

MOST = 200


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> AdaptiveLimit:
    return AdaptiveLimit(most=MOST, clock=clock)


def serve_window(limit: AdaptiveLimit, clock: Clock, *, waited: float, is_full: bool = True) -> None:
    """So many requests as are decided on."""
    for _ in range(FEWEST_SAMPLES - 1):
        limit.observe(waited, in_flight=limit.value if is_full else 0)
    clock.advance(WINDOW_SECONDS)
    limit.observe(waited, in_flight=0)


def test_while_nobody_waits_it_grows_to_the_most(limit: AdaptiveLimit, clock: Clock) -> None:
    before = limit.value

    serve_window(limit, clock, waited=0)
    after_one = limit.value
    for _ in range(30):
        serve_window(limit, clock, waited=0)

    assert (before, after_one) == (INITIAL, round(INITIAL * 1.1))
    assert limit.value == MOST


def test_one_that_is_never_reached_does_not_grow(limit: AdaptiveLimit, clock: Clock) -> None:
    for _ in range(30):
        serve_window(limit, clock, waited=0, is_full=False)

    assert limit.value == INITIAL


def test_while_they_wait_for_too_long_it_sinks_within_half_a_second_to_the_least(
    limit: AdaptiveLimit, clock: Clock
) -> None:
    serve_window(limit, clock, waited=10 * TARGET_SECONDS)
    after_one = limit.value
    for _ in range(4):
        serve_window(limit, clock, waited=10 * TARGET_SECONDS)

    assert after_one == INITIAL // 2
    assert limit.value == LEAST


def test_waiting_in_proportion_to_the_limit_leads_to_the_target(limit: AdaptiveLimit, clock: Clock) -> None:
    per_request = TARGET_SECONDS / 40

    for _ in range(20):
        serve_window(limit, clock, waited=per_request * limit.exact)

    assert limit.value == pytest.approx(40, abs=1)


def test_a_few_requests_decide_nothing(limit: AdaptiveLimit, clock: Clock) -> None:
    for _ in range(FEWEST_SAMPLES - 1):
        clock.advance(WINDOW_SECONDS)
        limit.observe(1.0, in_flight=limit.value)

    assert limit.value == INITIAL


def test_a_most_below_the_least_is_what_holds(clock: Clock) -> None:
    assert AdaptiveLimit(most=2, clock=clock).value == 2


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=30))
def test_it_always_stays_between_the_least_and_the_most(windows: list[tuple[float, bool]]) -> None:
    clock = Clock()
    limit = AdaptiveLimit(most=MOST, clock=clock)

    for waited, is_full in windows:
        serve_window(limit, clock, waited=waited, is_full=is_full)

        assert LEAST <= limit.value <= MOST
