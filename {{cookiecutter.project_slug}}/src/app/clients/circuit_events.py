"""Tells operators about circuits, in the log and in the metrics."""

from functools import partial

import structlog

from app.observability.metrics import Metrics
from app.resilience.circuit_breaker import Change, CircuitBreaker, CircuitState

log = structlog.get_logger()

EVENTS = {
    CircuitState.CLOSED: "circuit_closed",
    CircuitState.OPEN: "circuit_opened",
    CircuitState.HALF_OPEN: "circuit_half_open",
    CircuitState.FORCED_OPEN: "circuit_forced_open",
    CircuitState.FORCED_CLOSED: "circuit_forced_closed",
}


class CircuitEvents:
    """For any number of circuits.

    One whose time is over is half-open at its next call, not before: a partner that nobody needs is shown as open.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def watch(self, breaker: CircuitBreaker) -> None:
        """Tell of it from now on."""
        breaker.listeners.append(self.tell)
        for state in CircuitState:
            self.metrics.circuits.state.labels(breaker.name, state).set_function(partial(is_in, breaker, state))

    def tell(self, change: Change) -> None:
        """A listener of each."""
        write = log.warning if change.after is CircuitState.OPEN else log.info
        write(EVENTS[change.after], circuit=change.name, cause=change.cause, before=change.before)
        if change.after is CircuitState.OPEN:
            self.metrics.circuits.openings.labels(change.name, change.cause).inc()


def is_in(breaker: CircuitBreaker, state: CircuitState) -> bool:
    return breaker.state is state
