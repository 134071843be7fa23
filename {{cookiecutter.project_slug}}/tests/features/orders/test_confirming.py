"""What happens to an order after it was placed."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.features.orders.ordering import cancel, place, read
from tests.features.orders.providers import at_work, open_provider
from tests.support.commands import for_production
from tests.support.databases import fetch
from tests.support.waiting import eventually
from tests.support.working_app import BUSY

JOBS = "SELECT status::text FROM procrastinate_jobs WHERE task_name = 'orders.confirm'"


async def test_a_placed_order_is_confirmed_later(
    caller: httpx2.AsyncClient, database_url: str, tmp_path: Path, worker_variables: dict[str, str]
) -> None:
    order = await place(caller)
    etag = (await read(caller, order)).headers["etag"]

    async with at_work(folder=tmp_path, module=BUSY, **worker_variables):
        await eventually(lambda: is_done(database_url), within_seconds=20)

    now = await read(caller, order)
    made_later = {"status": "confirmed", "charge_id": "charge-1", "confirmed_at": now.json()["confirmed_at"]}
    assert now.json() == {**order, **made_later}
    assert now.json()["confirmed_at"] > order["created_at"]
    assert now.headers["etag"] != etag


async def test_an_order_that_was_cancelled_meanwhile_stays_cancelled(
    caller: httpx2.AsyncClient, database_url: str, tmp_path: Path, worker_variables: dict[str, str]
) -> None:
    order = await place(caller)
    await cancel(caller, order)

    async with at_work(folder=tmp_path, module=BUSY, **worker_variables):
        await eventually(lambda: is_done(database_url), within_seconds=20)

    assert (await read(caller, order)).json()["status"] == "cancelled"


async def test_an_order_and_its_job_are_stored_together(caller: httpx2.AsyncClient, database_url: str) -> None:
    await place(caller)
    await caller.post("/v1/orders", json={"sku": "?"})

    assert await fetch(database_url, JOBS) == ["todo"]


async def is_done(database_url: str) -> bool:
    return await fetch(database_url, JOBS) == ["succeeded"]


@pytest.fixture
async def worker_variables(database_url: str) -> AsyncIterator[dict[str, str]]:
    """What a worker on the same database needs."""
    async with open_provider() as provider:
        yield {**for_production(database_url), "PAYMENTS_URL": provider.partner.url}
