"""Redis is killed and started again while callers go on calling: none of them gets an error, and limits hold."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from app.core.ids import new_id
from tests.support.callers import key_for
from tests.support.chaos import Ordeal
from tests.support.chaos_report import record
from tests.support.commands import for_production
from tests.support.databases import Databases
from tests.support.metrics import read
from tests.support.outages import BreakableValkey
from tests.support.playground_service import OFTEN
from tests.support.serving_app import ServingApp, serving
from tests.support.settings import UNLIMITED, settings_for
from tests.support.steady_load import Call, Outcome, SteadyLoad, percentile, steady_load
from tests.support.switching import nothing
from tests.support.waiting import wait_until

SERVICE = "tests.support.playground_service"

TOY = {"name": "Bear", "count": 1}
CALLS = [
    *[Call("GET", "/v1/toys?name=Bear")] * 2,
    Call("GET", "/v1/toys?name=Bear", connects_anew=True),
    Call("POST", "/v1/toys", TOY),
]
REQUESTS_PER_PHASE = 200

# The aim is 50 ms, and what is measured is printed. This much more is allowed for a machine that is busy with others.
MOST_MILLISECONDS_MORE = 300


class Outage:
    """Two instances that share their limits, one of them under load."""

    def __init__(self, url: str, instances: list[ServingApp], load: SteadyLoad) -> None:
        self.url = url
        self.instances = instances
        self.load = load

    def requests_after(self, event: Callable[[], None]) -> list[Outcome]:
        """Those that were answered while it happened, and some more."""
        before = len(self.load.outcomes)
        event()
        wait_until(lambda: len(self.load.outcomes) >= before + REQUESTS_PER_PHASE, what="some requests")
        return self.load.outcomes[before:]

    def allowed(self) -> int:
        """How many requests a new caller may make, who turns to both instances again and again."""
        headers = new_caller(self.url)
        answers = [
            instance.client.get("/v1/slow/limited", headers=headers)
            for _ in range(2 * OFTEN)
            for instance in self.instances
        ]
        assert {answer.status_code for answer in answers} <= {200, 429}
        return sum(answer.status_code == httpx2.codes.OK for answer in answers)

    def wait_until_they_count_together(self) -> None:
        wait_until(lambda: not any(map(counts_alone, self.instances)), what="the end of counting alone")


def counts_alone(instance: ServingApp) -> bool:
    return bool(read(instance.management.get("/metrics").text).value("rate_limits_local"))


def new_caller(url: str) -> dict[str, str]:
    key = asyncio.run(key_for(settings_for(database_url=url), "toys:use", tenant=new_id()))
    return {"Authorization": f"Bearer {key.text}"}


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("times", [pytest.param(1), pytest.param(20, marks=pytest.mark.long)])
def test_without_redis_no_request_fails_and_limits_hold_in_each_process(
    databases: Databases, valkey: BreakableValkey, tmp_path: Path, times: int
) -> None:
    with databases.migrated() as url, ExitStack() as stack:
        variables = {**for_production(url), **UNLIMITED, "REDIS_URL": valkey.url}
        instances = [stack.enter_context(serving(folder=tmp_path, module=SERVICE, **variables)) for _ in range(2)]
        base_url = str(instances[0].client.base_url)
        load = stack.enter_context(steady_load(base_url, CALLS, headers=new_caller(url)))
        outage = Outage(url, instances, load)
        outage.requests_after(outage.wait_until_they_count_together)

        for _ in range(times):
            kill_and_revive(valkey, outage)
        well_since = time.monotonic()

    record(f"Redis killed and started ({times} in a row)", Ordeal(load.outcomes, well_since))
    assert set(load.statuses()) == {200, 201}


def kill_and_revive(valkey: BreakableValkey, outage: Outage) -> None:
    before = outage.requests_after(nothing)
    allowed_before = outage.allowed()
    meanwhile = outage.requests_after(valkey.kill)
    allowed_meanwhile = outage.allowed()
    afterwards = outage.requests_after(valkey.start)
    outage.wait_until_they_count_together()
    allowed_afterwards = outage.allowed()

    p99 = [percentile(phase, 0.99) for phase in (before, meanwhile, afterwards)]
    print(f"p99 with Redis, while it was killed, and started: {p99[0]:.0f}, {p99[1]:.0f}, {p99[2]:.0f} ms")  # noqa: T201 - shown with `-rP`
    assert (allowed_before, allowed_meanwhile, allowed_afterwards) == (OFTEN, 2 * OFTEN, OFTEN)
    assert max(p99) < p99[0] + MOST_MILLISECONDS_MORE
