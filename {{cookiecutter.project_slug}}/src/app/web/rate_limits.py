"""Limits of callers: how a route declares one, and where a request is counted.

The words are slowapi's: `@limiter.limit("10/minute")` on a route, `LimitGroup`, `RateLimitExceeded`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

import slowapi
from fastapi import Depends, Request
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from slowapi.wrappers import LimitGroup
from starlette.types import Scope

from app.core.rates import Bucket, Rate, Standing
from app.security.limit_refusals import LimitRefusals
from app.security.rate_limiter import RateLimiter
from app.web.middleware.client_address import network_of
from app.web.middleware.edge import exchange_of

MARK = "declared_limits"

LIMITS_ARE_SET = (
    'Set `RATE_LIMIT_DEFAULT` for all routes together, and write `@limiter.limit("10/minute")`, '
    "with the `limiter` of app.web.rate_limits, on a route that needs less."
)
WHOM_IT_COUNTS = (
    "It counts each caller. To count each address, add `dependencies=[LimitedByAddress]` to the decorator of a public "
    'route; for several limits, write `@limiter.limit("2/second;60/minute")`.'
)

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Limiter(slowapi.Limiter):
    """slowapi's decorator. Here it marks a route and changes nothing: whoever knows the caller counts.

    slowapi's constructor reads `.env` and starts a thread, its wrappers want a `request` in every signature, and its
    storage blocks the event loop; so nothing of it is called. `limit` with a text is all that we take over: whatever
    else slowapi's has raises `NotImplementedError`, with a sentence that says what to write instead.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        if arguments or options:
            raise NotImplementedError(f"`Limiter` takes no options here. {LIMITS_ARE_SET}")

    def limit(self, limit_value: str, *arguments: object, **options: object) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override] # whom it counts is decided in one place
        """So often may each caller call the route: `"10/minute"`, or several such as `"2/second;60/minute"`.

        It holds besides `RATE_LIMIT_DEFAULT`, which is for all routes together. Raises `ValueError`.
        """
        if arguments or options or not isinstance(limit_value, str):
            raise NotImplementedError(f"`limit` takes one text and nothing else here. {WHOM_IT_COUNTS}")
        rates = [Rate(limit.limit.amount, limit.limit.get_expiry()).checked() for limit in group_of(limit_value)]

        def mark(endpoint: Endpoint) -> Endpoint:
            setattr(endpoint, MARK, [*rates_on(endpoint), *rates])
            return endpoint

        return mark

    def shared_limit(self, *_arguments: object, **_options: object) -> NoReturn:
        """What routes share is the default of all of them."""
        raise NotImplementedError(f"`shared_limit` is not there. {LIMITS_ARE_SET}")

    def exempt(self, obj: object) -> NoReturn:
        """Whoever is known is counted."""
        raise NotImplementedError("`exempt` is not there: only a `@public` route is without `RATE_LIMIT_DEFAULT`.")

    def slowapi_startup(self) -> NoReturn:
        """The lifespan opens what counts."""
        raise NotImplementedError(f"`slowapi_startup` is not there, and nothing has to be started. {LIMITS_ARE_SET}")

    def __getattr__(self, name: str) -> NoReturn:
        """What slowapi's constructor would have set: all else that it has begins with asking for it."""
        if name.startswith("__"):
            raise AttributeError(name)  # Python's own questions, such as those of `copy`
        raise NotImplementedError(f"slowapi's limiter counts nothing here, and has no `{name}`. {LIMITS_ARE_SET}")


limiter = Limiter()


def group_of(limit_value: str) -> LimitGroup:
    """slowapi's reading of a text."""
    return LimitGroup(
        limit_value,
        key_function=get_remote_address,
        scope=None,
        per_method=False,
        methods=None,
        error_message=None,
        exempt_when=None,
        cost=1,
        override_defaults=False,
    )


def rates_on(endpoint: object) -> list[Rate]:
    """What its decorators say."""
    return list(getattr(endpoint, MARK, []))


class CallerLimits:
    """Counts each request once, for the limit of all routes together and for the route's own."""

    def __init__(self, limiter: RateLimiter, *, default: Rate, refusals: LimitRefusals) -> None:
        self.limiter = limiter
        self.default = default
        self.refusals = refusals

    async def count_caller(self, scope: Scope, subject: str) -> None:
        """Raises `RateLimitExceeded`."""
        await self.count(scope, [Bucket("default", self.default, subject), *own_buckets(scope, subject)])

    async def count_address(self, scope: Scope) -> None:
        """For a route that knows no caller. Raises `RateLimitExceeded`."""
        await self.count(scope, own_buckets(scope, network_of(scope)))

    async def count(self, scope: Scope, buckets: Sequence[Bucket]) -> None:
        standings = exchange_of(scope).standings
        uncounted = [bucket for bucket in buckets if bucket.limit not in standings]
        if not uncounted:
            return  # two parameters ask for the caller, or the request is run again
        found = await self.limiter.take(uncounted)
        standings.update({standing.bucket.limit: standing for standing in found})
        if refused := [standing for standing in found if standing.is_refused]:
            longest = max(refused, key=lambda standing: standing.seconds)  # before that, another one would refuse it
            self.refusals.record(longest.bucket.limit, whom=longest.bucket.whom)
            raise exceeded(longest)


def own_buckets(scope: Scope, whom: str) -> list[Bucket]:
    """Those of the route that was found: `route`, `route-2`, …"""
    rates: Sequence[Rate] = getattr(scope["endpoint"], MARK, ())
    path = scope["route"].path if rates else ""
    return [
        Bucket(f"route-{place}" if place > 1 else "route", rate, f"{whom} {scope['method']} {path}")
        for place, rate in enumerate(rates, start=1)
    ]


def exceeded(standing: Standing) -> RateLimitExceeded:
    """slowapi's exception, with our words."""
    rate = standing.bucket.rate
    [limit] = group_of(f"{rate.amount} per {rate.seconds} second")
    error = RateLimitExceeded(limit)
    error.detail = f"More than {rate.amount} requests in {rate.seconds} s."
    error.headers = {"Retry-After": str(standing.retry_after)}
    return error


def caller_limits(request: Request) -> CallerLimits:
    """What the lifespan opened."""
    return cast("CallerLimits", request.state.caller_limits)


async def limit_address(request: Request) -> None:
    """Count a request by its address, in the route's own limits."""
    await caller_limits(request).count_address(request.scope)


# For a public route that declares a limit: `dependencies=[LimitedByAddress]`.
LimitedByAddress = Depends(limit_address)
