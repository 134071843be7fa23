"""Tells each known caller how much of its limits is left, whatever the answer is.

The address limit speaks only when it refuses; a public route with a limit of its own speaks of that one.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

from math import ceil

from app.core.rates import Standing
from app.web.middleware.edge import Concern, Exchange, Headers


class RateLimitHeaders(Concern):
    """`RateLimit-Policy` says what is allowed, `RateLimit` what is left of it."""

    def on_response_start(self, exchange: Exchange, headers: Headers) -> None:
        if standings := exchange.standings:
            headers.append((b"ratelimit-policy", ", ".join(map(policy, standings.values())).encode()))
            headers.append((b"ratelimit", ", ".join(map(service_limit, standings.values())).encode()))


def policy(standing: Standing) -> str:
    rate = standing.bucket.rate
    return f'"{standing.bucket.limit}";q={rate.amount};w={rate.seconds}'


def service_limit(standing: Standing) -> str:
    return f'"{standing.bucket.limit}";r={standing.left};t={ceil(standing.seconds)}'
