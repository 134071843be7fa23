"""The facts that every log line and error report of a request or a job carries.

One variable holds them all: structlog has one for each, and merging those costs each line more than its JSON.
They are redacted when they are bound, and not again in each line.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from app.observability.redaction import redact, redact_field, redact_text

CARRIED = frozenset({"request_id", "trace_id", "user", "tenant"})

NOTHING: Mapping[str, Any] = {}

# A mapping in it is never changed, because tasks share it with those that they start.
_facts: ContextVar[Mapping[str, Any]] = ContextVar("facts", default=NOTHING)


def begin_request(*, request_id: str, trace_id: str) -> None:
    """Forget the previous request of this task and bind this one."""
    _facts.set({"request_id": redact_text(request_id), "trace_id": redact_text(trace_id)})


def bind_caller(*, user: str, tenant: str) -> None:
    """Add who is calling, as soon as it is known."""
    _facts.set({**_facts.get(), "user": redact_field("user", user), "tenant": redact_field("tenant", tenant)})


def context_to_carry() -> dict[str, str]:
    """What work that is done later should know of the request that asked for it."""
    return allowed(_facts.get())


def begin_job(*, job_id: int, job: str, attempt: int, carried: Mapping[str, str]) -> None:
    """Forget what was bound and bind this job, with what it carries of the request that enqueued it."""
    _facts.set({**redact(allowed(carried)), "job_id": job_id, "job": redact_text(job), "attempt": attempt})


def allowed(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items() if name in CARRIED}


def forget_context() -> None:
    """Unbind everything: the request or the job is over."""
    _facts.set(NOTHING)


def current_context() -> Mapping[str, Any]:
    """What is bound now."""
    return _facts.get()


def current_request_id() -> str | None:
    """The id of the request being served, if one is."""
    return _facts.get().get("request_id")


def add_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: every line says what it belongs to; what the line says itself stands."""
    return {**_facts.get(), **event}
