"""What is told of the calls to one partner: metrics of all of them, a line in the log for each that failed."""

import structlog

from app.clients.errors import PartnerNotAsked, PartnerNotConfigured, PartnerUnavailable
from app.clients.messages import Asked
from app.observability.metrics import PartnerMetrics
from app.resilience.attempt import AttemptFailed
from app.resilience.policy import Guard

log = structlog.get_logger()

# Nothing left this process, so they took no time that a partner could have needed.
NOT_MADE = (PartnerNotAsked, PartnerNotConfigured)


class Ledger:
    """Of one partner. Paths of URLs that come from data are not shown: many of them are secrets."""

    def __init__(self, partner: str, metrics: PartnerMetrics, *, shows_paths: bool) -> None:
        self.partner = partner
        self.metrics = metrics
        self.shows_paths = shows_paths
        self.has_told_of_settings = False
        # Each look-up of a label costs as much as the counting.
        self.answered = metrics.calls.labels(partner, "answered")
        self.seconds = metrics.seconds.labels(partner)
        self.retries = metrics.retries.labels(partner)

    def record_answer(self, seconds: float) -> None:
        """Whatever it said."""
        self.answered.inc()
        self.seconds.observe(seconds)

    def record_failure(self, failure: PartnerUnavailable, seconds: float) -> None:
        """Of each that waited for the call."""
        self.metrics.calls.labels(self.partner, failure.outcome).inc()
        if not isinstance(failure, NOT_MADE):
            self.seconds.observe(seconds)

    def record_unreadable(self, asked: Asked, failure: PartnerUnavailable) -> None:
        """It was counted as an answer before somebody read it."""
        self.metrics.calls.labels(self.partner, failure.outcome).inc()
        self.tell(failure, asked)

    def tell(self, failure: PartnerUnavailable, asked: Asked, *, seconds: float | None = None) -> None:
        """Once of each call that failed.

        Not of those that were not made: why was told when the circuit opened. That an address is not set is told once.
        """
        if isinstance(failure, PartnerNotAsked) or self.has_told_of_settings:
            return
        self.has_told_of_settings = isinstance(failure, PartnerNotConfigured)
        details: dict[str, float | str] = {} if seconds is None else {"seconds": round(seconds, 3)}
        if self.shows_paths:
            details["path"] = asked.path
        log.warning(
            "partner_call_failed",
            partner=self.partner,
            method=asked.method,
            host=asked.host,
            outcome=failure.outcome,
            cause=failure.cause,
            **details,
        )

    def record_retry(self, _failure: AttemptFailed) -> None:
        """Its cause is told if the last attempt fails, too."""
        self.retries.inc()

    def record_fallback(self, failure: PartnerUnavailable) -> None:
        """The call failed, and what needed it went on."""
        self.metrics.fallbacks.labels(self.partner, failure.outcome).inc()

    def show(self, guard: Guard) -> None:
        """Let the scrape read the guard, so that calls pay nothing for it."""
        self.metrics.in_flight.labels(self.partner).set_function(lambda: guard.bulkhead.in_flight)
