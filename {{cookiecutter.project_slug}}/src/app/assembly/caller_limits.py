"""Opens the limits of callers: shared by all processes if there is a Redis.

They are no part of `Resources`, which the worker opens too: it counts nobody, and must not say that it counts alone.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cache.moving_windows import MovingWindows
from app.core.identity import service_identity
from app.core.rates import Rate
from app.resources import Resources
from app.security.limit_refusals import LimitRefusals
from app.security.rate_limiter import open_rate_limiter
from app.settings import Settings
from app.web.rate_limits import CallerLimits


@asynccontextmanager
async def open_caller_limits(settings: Settings, resources: Resources) -> AsyncIterator[CallerLimits]:
    """For as long as the block runs."""
    redis, metrics = resources.redis, resources.metrics
    windows = MovingWindows(redis, prefix=service_identity().key_prefix + "rate:") if redis else None
    async with open_rate_limiter(windows, metrics=metrics) as limiter:
        default = Rate.parse(settings.rate.limit_default)
        yield CallerLimits(limiter, default=default, refusals=LimitRefusals(metrics))
