"""Tells how jobs end: one log line each, one count each, and one report for each that is given up."""

from collections.abc import Callable, Collection

import structlog

from app.jobs.attempt import Ending, Outcome
from app.jobs.errors import WorkerDied
from app.jobs.store import Rescued
from app.observability.metrics import JobMetrics

log = structlog.get_logger()

UNKNOWN = "unknown"


class Recorder:
    """Called with the job's context bound. Names that nobody knows share one label."""

    def __init__(self, metrics: JobMetrics, *, report: Callable[[BaseException], None], known: Collection[str]) -> None:
        self.metrics = metrics
        self.report = report
        self.known = frozenset(known)

    def label(self, name: str) -> str:
        return name if name in self.known else UNKNOWN

    def is_running(self, count: int) -> None:
        self.metrics.running.set(count)

    def ended(self, name: str, outcome: Outcome, *, seconds: float) -> None:
        """One attempt is over."""
        self.metrics.finished.labels(self.label(name), outcome.ending.value).inc()
        self.metrics.seconds.labels(self.label(name)).observe(seconds)
        self.tell(outcome, seconds=round(seconds, 3))

    def tell(self, outcome: Outcome, *, seconds: float) -> None:
        match outcome.ending:
            case Ending.SUCCEEDED:
                log.info("job_succeeded", seconds=seconds)
            case Ending.RETRIED:
                log.warning(
                    "job_will_be_retried",
                    seconds=seconds,
                    error=f"{type(outcome.error).__name__}: {outcome.error}",
                    in_seconds=round(outcome.wait_seconds, 1),
                )
            case Ending.FAILED:
                self.given_up(outcome.error)
            case ending:
                log.warning(f"job_{ending.value}", seconds=seconds)

    def given_up(self, error: Exception | None) -> None:
        """To the dead letters: an operator has to look."""
        log.error("job_failed", exc_info=error)
        if error is not None:
            self.report(error)

    def rescued(self, job: Rescued) -> None:
        """A worker was lost, and this is what became of its job."""
        self.metrics.rescued.inc()
        if job.status == "failed":
            self.metrics.finished.labels(self.label(job.name), Ending.FAILED.value).inc()
            self.given_up(WorkerDied())
        else:
            log.warning("job_rescued", status=job.status)
