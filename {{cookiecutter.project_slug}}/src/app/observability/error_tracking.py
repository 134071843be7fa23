"""Reports crashes to Sentry, if a DSN is configured; otherwise the library is not even imported.

Its web integrations stay off: they cost about 200 µs a request. The error boundary calls
`report` itself and the context comes from the same variables as the log's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from app.observability.context import current_context
from app.observability.redaction import redact

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

FLUSH_SECONDS = 2.0


@dataclass(frozen=True)
class ErrorTracker:
    """Where crashes go. `report` never raises and never waits for the network; `close` sends what is left."""

    report: Callable[[BaseException], None]
    close: Callable[[], None]


def open_error_tracker(*, dsn: str | None, release: str, environment: str) -> ErrorTracker:
    """A tracker that sends to `dsn`, or one that does nothing if there is none."""
    if dsn is None:
        return ErrorTracker(report=lambda _error: None, close=lambda: None)
    return open_sentry(dsn, release=release, environment=environment)


def open_sentry(dsn: str, *, release: str, environment: str) -> ErrorTracker:
    import sentry_sdk

    client = sentry_sdk.Client(
        dsn=dsn,
        release=release,
        environment=environment,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=scrub,
    )

    def report(error: BaseException) -> None:
        with sentry_sdk.new_scope() as scope:
            scope.set_client(client)
            scope.set_tags(current_context())
            scope.capture_exception(error)

    return ErrorTracker(report=report, close=lambda: client.close(timeout=FLUSH_SECONDS))


def scrub(event: "Event", _hint: "Hint") -> "Event":
    """The event without anything secret or personal; the machine's name is nobody's business either."""
    cleaned: dict[str, Any] = redact({name: value for name, value in event.items() if name != "server_name"})
    return cast("Event", cleaned)
