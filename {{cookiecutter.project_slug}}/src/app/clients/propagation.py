"""What a partner is told of the request or job that it is called for."""

import random

from app.observability.context import current_context


def context_headers() -> dict[str, str]:
    """`X-Request-ID` and `traceparent`, so that its logs can be found from ours."""
    bound = current_context()
    headers = {}
    if request_id := bound.get("request_id"):
        headers["X-Request-ID"] = request_id
    if trace_id := bound.get("trace_id"):
        # https://www.w3.org/TR/trace-context/#traceparent-header: a span of its own for each attempt, not recorded.
        headers["traceparent"] = f"00-{trace_id}-{random.getrandbits(64) | 1:016x}-00"
    return headers
