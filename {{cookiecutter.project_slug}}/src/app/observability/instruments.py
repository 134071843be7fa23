"""What the process observes itself with, from before anything is opened until after all is closed."""

from dataclasses import dataclass

from app.observability.error_tracking import ErrorTracker
from app.observability.metrics import Metrics


@dataclass(frozen=True)
class Instruments:
    """Handed to whatever counts or reports."""

    metrics: Metrics
    errors: ErrorTracker
