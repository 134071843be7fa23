"""Percentiles and spreads are what they are called."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.figures import percentile, spread

VALUES = st.lists(st.floats(min_value=0.001, max_value=1000), min_size=1, max_size=50)


@given(VALUES, st.floats(min_value=0, max_value=100))
def test_so_many_percent_do_not_exceed_a_percentile_and_it_is_the_smallest_such_value(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)

    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values)
    smaller = [value for value in values if value < found]
    assert not smaller or sum(value <= max(smaller) for value in values) < percent / 100 * len(values)


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 95) != percentile([], 95)


@given(VALUES, st.floats(min_value=0.1, max_value=10))
def test_a_spread_knows_no_scale(values: list[float], times: float) -> None:
    assert spread([value * times for value in values]) == pytest.approx(spread(values))


@given(VALUES)
def test_of_equal_values_the_spread_is_nothing(values: list[float]) -> None:
    assert spread([median(values)] * len(values)) == pytest.approx(0)


def test_a_spread_is_the_distance_of_the_quartiles_by_the_median() -> None:
    assert spread([90, 95, 100, 105, 110]) == pytest.approx(0.1)
