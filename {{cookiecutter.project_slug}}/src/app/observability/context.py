"""The facts that every log line and error report of a request or a job carries."""

from collections.abc import Mapping
from typing import Any

from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

CARRIED = frozenset({"request_id", "trace_id", "user", "tenant"})


def begin_request(*, request_id: str, trace_id: str) -> None:
    """Forget the previous request of this task and bind this one."""
    clear_contextvars()
    bind_contextvars(request_id=request_id, trace_id=trace_id)


def bind_caller(*, user: str, tenant: str) -> None:
    """Add who is calling, as soon as it is known."""
    bind_contextvars(user=user, tenant=tenant)


def context_to_carry() -> dict[str, str]:
    """What work that is done later should know of the request that asked for it."""
    return {name: str(value) for name, value in get_contextvars().items() if name in CARRIED}


def begin_job(*, job_id: int, job: str, attempt: int, carried: Mapping[str, str]) -> None:
    """Forget what was bound and bind this job, with what it carries of the request that enqueued it."""
    clear_contextvars()
    bind_contextvars(**{name: value for name, value in carried.items() if name in CARRIED})
    bind_contextvars(job_id=job_id, job=job, attempt=attempt)


def forget_context() -> None:
    """Unbind everything: the request or the job is over."""
    clear_contextvars()


def current_context() -> dict[str, Any]:
    """What is bound now."""
    return get_contextvars()


def current_request_id() -> str | None:
    """The id of the request being served, if one is."""
    return get_contextvars().get("request_id")
