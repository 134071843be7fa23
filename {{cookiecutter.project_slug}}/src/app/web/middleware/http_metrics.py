"""Rate, errors, duration and requests in flight, by route template."""

from functools import lru_cache

from app.observability.metrics import Metrics
from app.web.middleware.edge import Concern, Exchange

# Anything else comes from a scanner; each new word would be a new series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Looking up a labelled child costs more than using it.
CHILDREN_CACHED = 2048


class HttpMetrics(Concern):
    """Counts every request."""

    def __init__(self, metrics: Metrics) -> None:
        self.in_flight = metrics.requests_in_flight
        self.counter_of = lru_cache(CHILDREN_CACHED)(metrics.requests.labels)
        self.histogram_of = lru_cache(CHILDREN_CACHED)(metrics.request_seconds.labels)

    def on_request(self, exchange: Exchange) -> None:  # noqa: ARG002 - the hook's signature
        self.in_flight.inc()

    def on_response_end(self, exchange: Exchange) -> None:
        self.in_flight.dec()
        method = exchange.scope["method"] if exchange.scope["method"] in METHODS else "OTHER"
        counter = self.counter_of(method, exchange.route, str(exchange.status))
        histogram = self.histogram_of(method, exchange.route)
        counter.inc()
        histogram.observe(exchange.seconds)
