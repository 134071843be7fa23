"""Sets up what the process observes itself with, first of all."""

import sys

from app.core.identity import service_identity
from app.observability.error_tracking import open_error_tracker
from app.observability.instruments import Instruments
from app.observability.log_output import STDOUT
from app.observability.logging import configure_logging
from app.observability.metrics import Metrics
from app.settings import Settings


def open_instruments(settings: Settings) -> Instruments:
    """Logs, metrics and error tracking."""
    open_log(settings)
    sentry = settings.sentry
    tracker = open_error_tracker(
        dsn=sentry.dsn.get_secret_value() if sentry.dsn else None,
        release=sentry.release or service_identity().release,
        environment=sentry.environment or settings.environment,
    )
    metrics = Metrics()
    STDOUT.on_drop = metrics.log_lines_dropped.inc
    return Instruments(metrics, tracker)


def open_log(settings: Settings) -> None:
    """Logs alone."""
    configure_logging(level=settings.log.level, as_json=logs_json(settings), show_locals=settings.debug)


def logs_json(settings: Settings) -> bool:
    """Whether to write for machines."""
    if settings.log.format == "auto":
        return not sys.stdout.isatty()
    return settings.log.format == "json"
