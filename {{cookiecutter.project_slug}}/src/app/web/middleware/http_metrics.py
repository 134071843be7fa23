"""Rate, errors, duration and requests in flight, by route template."""

from app.observability.request_counts import RequestCounts
from app.web.middleware.edge import Concern, Exchange

# Anything else comes from a scanner; each new word would be a new series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics(Concern):
    """Counts every request."""

    def __init__(self, counts: RequestCounts) -> None:
        self.counts = counts

    def on_request(self, exchange: Exchange) -> None:  # noqa: ARG002 - the hook's signature
        self.counts.in_flight += 1

    def on_response_end(self, exchange: Exchange) -> None:
        self.counts.in_flight -= 1
        method = exchange.scope["method"]
        known = method if method in METHODS else "OTHER"
        self.counts.add(known, exchange.route, status=exchange.status, seconds=exchange.seconds)
