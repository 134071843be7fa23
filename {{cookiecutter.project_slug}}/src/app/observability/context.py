"""The facts that every log line and error report of a request carries."""

from typing import Any

from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars


def begin_request(*, request_id: str, trace_id: str) -> None:
    """Forget the previous request of this task and bind this one."""
    clear_contextvars()
    bind_contextvars(request_id=request_id, trace_id=trace_id)


def bind_caller(*, user: str, tenant: str) -> None:
    """Add who is calling, as soon as it is known."""
    bind_contextvars(user=user, tenant=tenant)


def end_request() -> None:
    """Forget everything that was bound."""
    clear_contextvars()


def current_context() -> dict[str, Any]:
    """What is bound now."""
    return get_contextvars()


def current_request_id() -> str | None:
    """The id of the request being served, if one is."""
    return get_contextvars().get("request_id")
