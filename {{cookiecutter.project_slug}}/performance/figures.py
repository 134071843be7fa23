"""What many measurements come to."""

from collections.abc import Sequence
from math import ceil
from statistics import median, quantiles


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many percent of them do not exceed (nearest rank); nan without any."""
    ordered = sorted(values)
    return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)] if ordered else float("nan")


def spread(values: Sequence[float]) -> float:
    """How far apart the quartiles are, as a share of the median; 0 for a single value."""
    if len(values) < 2:  # noqa: PLR2004 - a spread needs two
        return 0.0
    first, _, third = quantiles(values, n=4, method="inclusive")
    return (third - first) / median(values)
