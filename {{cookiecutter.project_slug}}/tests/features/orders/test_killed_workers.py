"""Workers die in the middle of it, and every order is charged and confirmed, once."""

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest

from tests.features.orders.ordering import place
from tests.features.orders.providers import open_provider
from tests.support.commands import for_production
from tests.support.databases import fetch
from tests.support.service import RunningService
from tests.support.waiting import wait_until
from tests.support.working_app import launched, working

ORDERS_PER_KILL = 20

CONFIRMED = "SELECT count(*) FROM orders WHERE status = 'confirmed'"
# An order is placed at version 1; charging and confirming it make one more each, if they are written once.
VERSIONS = "SELECT DISTINCT version FROM orders"
MOST_ATTEMPTS = "SELECT max(attempts) FROM procrastinate_jobs"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [pytest.param(3), pytest.param(100, marks=pytest.mark.long)])
async def test_every_order_is_charged_and_confirmed_exactly_once_however_often_workers_die(
    service: RunningService, database_url: str, tmp_path: Path, kills: int
) -> None:
    orders = []
    for _ in range(kills):
        caller = await service.client_for("orders:write")  # a new one, or its limit would be used up
        orders += [await place(caller) for _ in range(ORDERS_PER_KILL)]

    async with open_provider() as provider:
        variables = {**for_production(database_url), "PAYMENTS_URL": provider.partner.url}
        await asyncio.to_thread(kill_and_kill_again, variables, folder=tmp_path, kills=kills, count=len(orders))

    assert provider.times_charged(*orders) == [1] * len(orders)
    assert await fetch(database_url, VERSIONS) == [3]
    assert (await fetch(database_url, MOST_ATTEMPTS))[0] > 1, "no worker died in the middle of a job"


def kill_and_kill_again(production: dict[str, str], *, folder: Path, kills: int, count: int) -> None:
    """Let one worker after the other confirm a few orders and die, and the last one finish."""
    variables = {**production, "JOBS_STALLED_SECONDS": "1", "JOBS_CONCURRENCY": "4"}
    url = production["DATABASE_URL"]
    for _ in range(kills):
        moment = confirmed(url) + random.randint(1, ORDERS_PER_KILL // 2)  # noqa: S311 - any moment will do
        with launched(folder=folder, **variables) as victim:
            wait_until(partial(has_confirmed, url, moment), within_seconds=60, what="the moment to kill it")
            victim.kill()
    with working(folder=folder, **variables):
        wait_until(partial(has_confirmed, url, count), within_seconds=120, what="the last confirmation")


def has_confirmed(url: str, count: int) -> bool:
    return confirmed(url) >= count


def confirmed(url: str) -> int:
    return int(asyncio.run(fetch(url, CONFIRMED))[0])
