"""A partner that always fails is soon asked no longer, which costs next to nothing, however many ask for it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.resilience.policy import Policy
from performance.connection import Target
from performance.load.users import Users
from performance.machine import cpu_seconds
from tests.support.breakable_partner import BreakablePartner, breakable_partner
from tests.support.commands import for_production
from tests.support.metrics import read
from tests.support.serving_app import ServingApp, serving
from tests.support.settings import UNLIMITED
from tests.support.waiting import wait_until

SERVICE = "tests.support.chaos_service"

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

POLICY = Policy()

# What may be under way when the circuit opens, and the few that are needed to find out.
BEFORE_IT_OPENS = POLICY.breaker.minimum_calls + POLICY.bulkhead.calls

CPU_SECONDS = 0.001
CALLS = 500


@dataclass(frozen=True)
class Place:
    """A service, and the partner that fails it."""

    service: ServingApp
    partner: BreakablePartner

    def is_open(self) -> bool:
        metrics = read(self.service.management.get("/metrics").text)
        return metrics.value("circuit_state", circuit="weather", state="open") == 1

    def ask(self, path: str, *, times: int) -> list[int]:
        return [self.service.client.get(path).status_code for _ in range(times)]

    def cpu_seconds_for(self, path: str) -> float:
        """Of the service's process, for each of some hundred requests."""
        before = cpu_seconds(self.service.process.pid)
        assert self.ask(path, times=CALLS) == [200] * CALLS
        return (cpu_seconds(self.service.process.pid) - before) / CALLS

    def calls_seen(self) -> int:
        """How often the partner was asked since the last time."""
        seen = len(self.partner.running.requests())
        self.partner.running.forget_requests()
        return seen


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    variables = {**for_production("postgresql://app@/app?host=/nowhere"), **UNLIMITED}
    with (
        breakable_partner(tmp_path) as partner,
        serving(folder=tmp_path, module=SERVICE, WEATHER_ADDRESS=partner.url, **variables) as service,
    ):
        partner.misbehave(status=500)
        yield Place(service, partner)


def test_within_one_window_its_circuit_opens_and_calls_cost_next_to_nothing(place: Place) -> None:
    statuses = place.ask("/v1/forecasts", times=BEFORE_IT_OPENS)
    is_open, asked = place.is_open(), place.calls_seen()

    without_partner = place.cpu_seconds_for("/v1/notes/help")
    while_open = place.cpu_seconds_for("/v1/forecasts")

    print(f"a call while the circuit is open costs {(while_open - without_partner) * 1e6:.0f} µs")  # noqa: T201 - shown with `-rP`
    assert statuses == [200] * BEFORE_IT_OPENS
    assert is_open
    assert asked <= BEFORE_IT_OPENS
    assert while_open - without_partner < CPU_SECONDS


@pytest.mark.long
def test_of_a_thousand_users_it_sees_the_probes_only(place: Place) -> None:
    seconds = 3 * POLICY.breaker.open_seconds

    answers = asyncio.run(let_users_ask(place, count=1000, seconds=seconds))

    probed = place.calls_seen()
    statuses = Counter(answers)
    print(f"{sum(statuses.values())} requests: {dict(statuses)}; the partner was asked {probed} times")  # noqa: T201 - shown with `-rP`
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 1000
    assert probed <= POLICY.breaker.probes * (seconds / POLICY.breaker.open_seconds + 1)


async def let_users_ask(place: Place, *, count: int, seconds: float) -> list[int]:
    """Their answers, from when the circuit is open."""
    port = int(str(place.service.client.base_url).rsplit(":", 1)[1].strip("/"))
    users = Users(Target(port, "/v1/forecasts"), count=count, think_seconds=1.0)
    try:
        await users.arrive()
        await asyncio.to_thread(wait_until, place.is_open, what="the open circuit")
        await asyncio.to_thread(place.calls_seen)
        return [answer.status for answer in await users.ask_for(seconds)]
    finally:
        users.leave()
