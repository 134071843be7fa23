"""Requests counted where it costs next to nothing, and shown to Prometheus when it asks.

prometheus_client's own counters take a lock for every number, from whatever thread it comes: a tenth of what a request
costs here. These belong to one thread, the event loop's, which also answers the scrape.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# Seconds. Dense around the targets (p95 below 0.2, p99 below 1), sparse elsewhere: each bucket is a series per route.
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
BOUNDS = [*map(str, LATENCY_BUCKETS), "+Inf"]

LABELS = ("method", "route")


class RouteCounts:
    """Of one method and one route."""

    __slots__ = ("by_bucket", "by_status", "seconds")

    def __init__(self) -> None:
        self.by_status: dict[int, int] = {}
        self.by_bucket = [0] * len(BOUNDS)
        self.seconds = 0.0

    def add(self, status: int, seconds: float) -> None:
        """One request was answered."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        self.by_bucket[bisect_left(LATENCY_BUCKETS, seconds)] += 1
        self.seconds += seconds

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Prometheus wants each to hold those before it, too."""
        return list(zip(BOUNDS, accumulate(self.by_bucket), strict=True))


class RequestCounts(Collector):
    """Rate, errors, duration and requests in flight. The labels must be few: templates of routes, known methods."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.by_route: dict[tuple[str, str], RouteCounts] = {}

    def add(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """One request was answered."""
        counts = self.by_route.get((method, route))
        if counts is None:
            counts = self.by_route[method, route] = RouteCounts()
        counts.add(status, seconds)

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is shown."""
        answered = CounterMetricFamily("http_requests", "Requests answered.", labels=(*LABELS, "status"))
        seconds = HistogramMetricFamily(
            "http_request_duration_seconds",
            "Time from the request's arrival to the last byte of its answer.",
            labels=LABELS,
        )
        for labels, counts in self.by_route.items():
            seconds.add_metric(labels, counts.buckets, counts.seconds)
            for status, number in counts.by_status.items():
                answered.add_metric((*labels, str(status)), number)
        in_flight = GaugeMetricFamily("http_requests_in_flight", "Requests being served.", value=self.in_flight)
        yield from (answered, seconds, in_flight)
