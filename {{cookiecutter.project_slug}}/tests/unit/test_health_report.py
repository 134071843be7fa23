"""How the checks are run: at the same time, bounded, cached, once for everybody."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from app.core.checks import Check, CheckFailed
from app.health.draining import Draining
from app.health.report import CACHE_SECONDS, Health, Status
from app.observability.metrics import Metrics


class ManualClock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Probe:
    """A dependency whose state the test sets, and which counts how often it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def health_of(*checks: Check, clock: ManualClock, draining: Draining | None = None) -> Health:
    return Health(checks, draining=draining or Draining(), metrics=Metrics(), clock=clock)


def critical(probe: Callable[[], Awaitable[None]], *, name: str = "database", timeout_seconds: float = 1) -> Check:
    return Check(name, probe, is_critical=True, timeout_seconds=timeout_seconds)


def optional(probe: Callable[[], Awaitable[None]], *, name: str = "redis") -> Check:
    return Check(name, probe, is_critical=False)


async def test_all_well_is_a_pass(clock: ManualClock) -> None:
    report = await health_of(critical(Probe()), optional(Probe()), clock=clock).report()

    assert report.status == Status.PASS
    assert report.is_ready


@pytest.mark.parametrize(
    ("is_critical", "status", "is_ready"), [(True, Status.FAIL, False), (False, Status.DEGRADED, True)]
)
async def test_only_a_critical_failure_makes_it_unready(
    clock: ManualClock, *, is_critical: bool, status: Status, is_ready: bool
) -> None:
    check = Check("thing", Probe(CheckFailed("It is broken: mend it.")), is_critical=is_critical)

    report = await health_of(critical(Probe()), check, clock=clock).report()

    assert (report.status, report.is_ready) == (status, is_ready)
    assert [component.error for component in report.components] == [None, "It is broken: mend it."]


async def test_an_unexpected_error_is_not_shown(clock: ManualClock) -> None:
    report = await health_of(critical(Probe(OSError("password in here"))), clock=clock).report()

    assert report.components[0].error == "unavailable"


async def test_checks_run_at_the_same_time(clock: ManualClock) -> None:
    meeting = asyncio.Barrier(3)

    async def probe() -> None:
        await meeting.wait()  # returns only when all three have come

    checks = [critical(probe, name=name) for name in "abc"]

    report = await health_of(*checks, clock=clock).report()

    assert report.status == Status.PASS


async def test_a_check_that_hangs_holds_nobody_longer_than_its_time(clock: ManualClock) -> None:
    never = asyncio.Event()

    async def stubborn() -> None:
        try:
            await never.wait()
        except asyncio.CancelledError:
            await never.wait()  # a driver that says goodbye to a server that hangs
            raise

    health = health_of(critical(stubborn, timeout_seconds=0.05), optional(Probe()), clock=clock)

    async with asyncio.timeout(5):
        report = await health.report()

    never.set()
    assert report.components[0].error == "no answer within 0.05 s"
    assert report.components[1].error is None


async def test_a_report_is_kept_for_a_second(clock: ManualClock) -> None:
    probe = Probe()
    health = health_of(critical(probe), clock=clock)

    await health.report()
    clock.now = CACHE_SECONDS - 0.01
    await health.report()
    runs_within = probe.runs
    clock.now = CACHE_SECONDS
    await health.report()

    assert (runs_within, probe.runs) == (1, 2)


async def test_fifty_callers_at_once_share_one_run(clock: ManualClock) -> None:
    probe = Probe()
    health = health_of(critical(probe), clock=clock)

    reports = await asyncio.gather(*(health.report() for _ in range(50)))

    assert probe.runs == 1
    assert {report.status for report in reports} == {Status.PASS}


async def test_a_caller_who_goes_away_does_not_spoil_it_for_the_next(clock: ManualClock) -> None:
    probe = Probe()
    health = health_of(critical(probe), clock=clock)
    first = asyncio.create_task(health.report())
    await asyncio.sleep(0)

    first.cancel()
    report = await health.report()

    assert report.status == Status.PASS
    assert first.cancelled()


async def test_draining_shows_at_once_and_a_failure_outranks_it(clock: ManualClock) -> None:
    draining, probe = Draining(), Probe()
    health = health_of(critical(probe), clock=clock, draining=draining)
    await health.report()

    draining.begin()
    drained = await health.report()
    probe.error, clock.now = OSError(), CACHE_SECONDS
    failed = await health.report()

    assert (drained.status, drained.is_ready) == (Status.DRAINING, False)
    assert (failed.status, failed.is_ready) == (Status.FAIL, False)


async def test_what_has_started_stays_started(clock: ManualClock) -> None:
    probe = Probe(OSError())
    health = health_of(critical(probe), clock=clock)

    claims = []
    for error in (OSError(), None, OSError()):
        probe.error = error
        await health.report()
        claims.append(health.has_started)
        clock.now += CACHE_SECONDS

    assert claims == [False, True, True]


async def test_a_change_is_logged_once_in_each_direction(clock: ManualClock) -> None:
    probe = Probe()
    health = health_of(optional(probe), clock=clock)

    with capture_logs() as events:
        for error in (None, OSError(), OSError(), None, None):
            probe.error = error
            await health.report()
            clock.now += CACHE_SECONDS

    changes = [(event["component"], event["status"]) for event in events if event["event"] == "health_changed"]
    assert changes == [("redis", Status.DEGRADED), ("redis", Status.PASS)]


async def test_the_gauge_follows_each_component(clock: ManualClock) -> None:
    probe = Probe()
    health = health_of(optional(probe), clock=clock)
    values = []

    for error in (None, OSError()):
        probe.error = error
        await health.report()
        values.append(health.metrics.registry.get_sample_value("health_component_up", {"component": "redis"}))
        clock.now += CACHE_SECONDS

    assert values == [1, 0]
