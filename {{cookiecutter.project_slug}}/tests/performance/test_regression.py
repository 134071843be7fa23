"""A regression is found, noise is none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.bench.regression import (
    NoBaseline,
    as_table,
    confirmed,
    not_compared,
    read_baseline,
    regressions,
    write_baseline,
)
from tests.performance.results import report, result

BASELINE = {"ours": 1.5}


@given(st.floats(min_value=1.66, max_value=20))
def test_a_ratio_that_is_more_than_ten_percent_worse_is_a_regression(ratio: float) -> None:
    [found] = regressions([result("ours", ratio=ratio)], BASELINE)

    assert (found.name, found.before, found.now) == ("ours", 1.5, ratio)


@given(st.floats(min_value=0.1, max_value=1.64))
def test_noise_and_improvements_are_none(ratio: float) -> None:
    assert regressions([result("ours", ratio=ratio)], BASELINE) == []


def test_what_is_better_when_measured_again_was_noise() -> None:
    first = regressions([result("ours", ratio=2), result("theirs", ratio=3)], {"ours": 1.5, "theirs": 1.5})
    again = regressions([result("ours", ratio=1.5), result("theirs", ratio=2)], {"ours": 1.5, "theirs": 1.5})

    [left] = confirmed(first, again)

    assert (left.name, left.now) == ("theirs", 2)


def test_the_table_says_which_row_it_is() -> None:
    shown = as_table(regressions([result("ours", ratio=3)], BASELINE))

    assert "ours" in shown
    assert "+100%" in shown


def test_the_baseline_is_about_our_own_rows(tmp_path: Path) -> None:
    measured = report(result("ours", ratio=1.5), result("theirs", ratio=9, is_ours=False))

    write_baseline(measured, tmp_path / "baseline.json")

    assert read_baseline(tmp_path / "baseline.json").ratios == {"ours": 1.5}


def test_without_a_baseline_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoBaseline, match="make bench-baseline"):
        read_baseline(tmp_path / "none.json")


def test_rows_on_one_side_only_are_said() -> None:
    remarks = not_compared([result("new", ratio=1)], BASELINE)

    assert remarks == [
        "'new' is not in the baseline yet: make bench-baseline adds it.",
        "'ours' of the baseline was not measured.",
    ]
