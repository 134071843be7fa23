"""Requests that a rate limit turned away: always counted, and told once a minute for each that is limited."""

import structlog

from app.core.rates import Rate
from app.observability.metrics import Metrics
from app.security.local_limit import LocalLimit

log = structlog.get_logger()

# A flood of requests must not become a flood of lines.
LINES = Rate(1, 60)


class LimitRefusals:
    """A refusal is a security event: it may be an attack, or a caller who needs more."""

    def __init__(self, metrics: Metrics) -> None:
        self.counter = metrics.callers.rate_limited
        self.lines = LocalLimit(LINES)

    def record(self, limit: str, *, whom: str) -> None:
        """Once for each request that was turned away."""
        self.counter.labels(limit).inc()
        if not self.lines.take(f"{limit} {whom}"):
            log.warning("rate_limited", limit=limit, whom=whom)
