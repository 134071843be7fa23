"""Runs the health checks: bounded, at the same time, and not more often than needed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from app.core.checks import Check, CheckFailed
from app.health.draining import Draining
from app.observability.metrics import Metrics

log = structlog.get_logger()

# A load balancer, an orchestrator and a person may all ask each second; the dependencies are asked once.
CACHE_SECONDS = 1.0


class Status(StrEnum):
    """How well the service is."""

    PASS = "pass"  # noqa: S105 - not a password
    DEGRADED = "degraded"
    FAIL = "fail"
    DRAINING = "draining"


@dataclass(frozen=True)
class Component:
    """What one check found out."""

    name: str
    is_critical: bool
    error: str | None
    milliseconds: float
    cause: str | None = None  # for the log only

    @property
    def status(self) -> Status:
        if self.error is None:
            return Status.PASS
        return Status.FAIL if self.is_critical else Status.DEGRADED


@dataclass(frozen=True)
class Report:
    """What all checks found out."""

    status: Status
    components: tuple[Component, ...]

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.status in {Status.PASS, Status.DEGRADED}


class Health:
    """The health of the service.

    Concurrent callers share one run of the checks (single flight), and its result is kept for a second.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        draining: Draining,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.checks = checks
        self.draining = draining
        self.metrics = metrics
        self.clock = clock
        self.running = asyncio.Lock()
        self.components: tuple[Component, ...] = ()
        self.expires_at = float("-inf")
        self.has_started = False

    async def report(self) -> Report:
        """The present state, at most a second old. Never raises."""
        async with self.running:
            if self.clock() >= self.expires_at:
                await self.run_checks()
        return Report(self.overall_status(), self.components)

    async def run_checks(self) -> None:
        before = {component.name: component.status for component in self.components}
        self.components = tuple(await asyncio.gather(*map(run_check, self.checks)))
        self.expires_at = self.clock() + CACHE_SECONDS
        self.has_started = self.has_started or Status.FAIL not in {item.status for item in self.components}
        for component in self.components:
            self.metrics.component_up.labels(component.name).set(component.error is None)
            if component.status != before.get(component.name, Status.PASS):
                log.warning(
                    "health_changed",
                    component=component.name,
                    status=component.status,
                    error=component.error,
                    cause=component.cause,
                )

    def overall_status(self) -> Status:
        """The worst of all."""
        found = {component.status for component in self.components}
        if Status.FAIL in found:
            return Status.FAIL
        if self.draining.has_begun:
            return Status.DRAINING
        return Status.DEGRADED if Status.DEGRADED in found else Status.PASS


async def run_check(check: Check) -> Component:
    """Run one check within its time."""
    began = time.perf_counter()
    error, cause = await outcome_of(check)
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    return Component(check.name, check.is_critical, error, milliseconds, cause)


async def outcome_of(check: Check) -> tuple[str | None, str | None]:
    """What is wrong in words that may be shown, and its cause, which may not."""
    try:
        await within(check.timeout_seconds, check.probe())
    except TimeoutError:
        return f"no answer within {check.timeout_seconds:g} s", None
    except CheckFailed as failure:
        return str(failure), None
    except Exception as failure:  # noqa: BLE001 - whatever a probe raises means that its dependency is down
        return "unavailable", repr(failure.__cause__ or failure)
    return None, None


async def within(seconds: float, probe: Awaitable[None]) -> None:
    """Raises `TimeoutError` at that time, whatever the probe does.

    `asyncio.timeout` would wait for the cancelled probe to end, and the driver takes two seconds
    more to say goodbye to a server that hangs.
    """
    probing = asyncio.ensure_future(probe)
    probing.add_done_callback(forget_outcome)
    try:
        done, _ = await asyncio.wait({probing}, timeout=seconds)
    finally:
        probing.cancel()
    if not done:
        raise TimeoutError
    await probing


def forget_outcome(probing: "asyncio.Future[None]") -> None:
    """Or asyncio would complain that nobody asked how an abandoned probe ended."""
    if not probing.cancelled():
        probing.exception()
