"""Tells how attempts end: one log line each, one count each, and one report for each job that is given up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from app.observability.metrics import JobMetrics

log = structlog.get_logger()


class Recorder:
    """Called with the job's context bound; `name` is one that a handler is listed for, so there are few."""

    def __init__(self, metrics: JobMetrics, *, report: Callable[[BaseException], None]) -> None:
        self.metrics = metrics
        self.report = report

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Count it as running, and measure how long it takes, however it ends."""
        began = time.perf_counter()
        with self.metrics.running.track_inprogress():
            try:
                yield
            finally:
                self.metrics.seconds.labels(name).observe(time.perf_counter() - began)

    def succeeded(self, name: str) -> None:
        self.count(name, "succeeded")
        log.info("job_succeeded")

    def will_be_retried(self, name: str, error: BaseException, *, wait_seconds: float) -> None:
        self.count(name, "retried")
        words = f"{type(error).__name__}: {error}"
        log.warning("job_will_be_retried", error=words, in_seconds=round(wait_seconds, 1))

    def given_up(self, name: str, error: BaseException) -> None:
        """It waits among the failed ones for an operator."""
        self.count(name, "failed")
        log.error("job_failed", exc_info=error)
        self.report(error)

    def given_back(self, name: str) -> None:
        self.count(name, "given_back")
        log.warning("job_given_back")

    def aborted(self, name: str) -> None:
        self.count(name, "aborted")
        log.warning("job_aborted")

    def rescued(self) -> None:
        """Its worker was lost; it runs again."""
        self.metrics.rescued.inc()
        log.warning("job_rescued")

    def count(self, name: str, outcome: str) -> None:
        self.metrics.finished.labels(name, outcome).inc()
