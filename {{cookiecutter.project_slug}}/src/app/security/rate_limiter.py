"""Counts requests: exactly and together with all other processes, or by itself while Redis does not answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context

import structlog

from app.cache.moving_windows import MovingWindows, WindowsUnavailable
from app.core.rates import Bucket, Rate, Standing
from app.core.tasks import end
from app.observability.metrics import Metrics
from app.security.local_limit import LocalLimits

log = structlog.get_logger()

# How often to look whether Redis counts again. Nobody waits for it, so it need not be seldom. The circuit of Redis
# (`cache/guarded_redis.py`) looks for its return as well, but it knows nothing of a Redis that answers and is full.
PROBE_SECONDS = 1.0

# Counted like any other, because a Redis that answers a PING may still refuse to write.
PROBE = [Bucket("probe", Rate(1, 1), "probe")]


class RateLimiter:
    """Takes from buckets. It never fails and never waits for a Redis that is known to be gone.

    fail_open to the process: the same rates then hold for each process by itself. The first failure is logged, and
    the first success after it; `rate_limits_local` is 1 in between.
    """

    def __init__(self, windows: MovingWindows | None, *, metrics: Metrics) -> None:
        self.windows = windows
        self.local = LocalLimits()
        self.gauge = metrics.callers.limits_local
        self.returning: asyncio.Task[None] | None = None
        self.set_local(is_local=windows is None)

    def set_local(self, *, is_local: bool) -> None:
        self.is_local = is_local
        self.gauge.set(is_local)

    async def take(self, buckets: Sequence[Bucket]) -> list[Standing]:
        """One from each, or none from any if one of them is empty."""
        if self.windows is not None and not self.is_local:
            try:
                return await self.windows.take(buckets)
            except WindowsUnavailable as error:
                self.leave(self.windows, str(error))
        return self.local.take(buckets)

    def leave(self, windows: MovingWindows, cause: str) -> None:
        """Count alone from now on. Many requests may find out at the same time, and one of them says so."""
        if not self.is_local:
            self.set_local(is_local=True)
            log.warning("rate_limits_local", cause=cause)
            # In no request's context: the line that says when it is over must not name whoever found the outage.
            self.returning = asyncio.create_task(self.return_to(windows), context=Context())

    async def return_to(self, windows: MovingWindows) -> None:
        """Count together as soon as that works again."""
        while self.is_local:
            await asyncio.sleep(PROBE_SECONDS)
            with suppress(WindowsUnavailable):
                await windows.take(PROBE)
                self.set_local(is_local=False)
                log.info("rate_limits_shared")

    async def close(self) -> None:
        """Look no more."""
        await end(self.returning)


@asynccontextmanager
async def open_rate_limiter(windows: MovingWindows | None, *, metrics: Metrics) -> AsyncIterator[RateLimiter]:
    """For as long as the block runs. Without Redis it says once that each process counts alone."""
    if windows is None:
        log.info("rate_limits_local", cause="REDIS_URL is not set")
    limiter = RateLimiter(windows, metrics=metrics)
    try:
        yield limiter
    finally:
        await limiter.close()
