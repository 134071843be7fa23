"""Orders are charged by a job: once, whatever the provider does and however often the job runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.features.orders.ordering import Json, cancel, place, read
from tests.features.orders.providers import IMPATIENT, PaymentProvider, at_work, open_provider
from tests.support.commands import for_production
from tests.support.databases import fetch
from tests.support.partner import Behaviour, Seen
from tests.support.waiting import comes_true, eventually, until
from tests.support.working_app import BUSY, WorkingApp

JOBS = "SELECT status::text FROM procrastinate_jobs WHERE task_name = 'orders.confirm'"
NO_CONNECTION = 'database_pool_connections{state="used"} 0.0\n'

# What an order meets, one after the other, before the provider answers as it should.
TROUBLES: dict[str, list[Json]] = {
    "answers after the time-out": [{"delay_seconds": 1}] * 2,
    "hangs": [{"fault": "hang"}],
    "flaps": [{"status": 503}, {}, {"status": 503}],
    "fails": [{"status": 500}] * 5,
    "is busy": [{"status": 429, "headers": {"Retry-After": "1"}}],
    "does not let us in": [{"status": 401}],
    "resets": [{"fault": "reset"}],
    "resets midway": [{"fault": "reset_midway"}],
    "talks no HTTP": [{"fault": "garbage"}] * 2,
    "says half": [{"fault": "half"}],
    "says something else": [{"body": {"ok": True}}] * 2,
    "has no name for it": [{"body": {"id": ""}}],
}


@pytest.fixture
async def provider() -> AsyncIterator[PaymentProvider]:
    async with open_provider() as provider:
        yield provider


@pytest.fixture
def variables(database_url: str, provider: PaymentProvider) -> dict[str, str]:
    """What a worker on the same database needs."""
    return {**for_production(database_url), "PAYMENTS_URL": provider.partner.url, "PAYMENTS_API_KEY": "k" * 32}


async def test_whatever_the_provider_does_each_order_is_charged_once_and_confirmed(
    caller: httpx2.AsyncClient, provider: PaymentProvider, variables: dict[str, str], tmp_path: Path
) -> None:
    orders = {name: await place(caller) for name in TROUBLES}
    for name, order in orders.items():
        provider.troubles[order["id"]] = list(TROUBLES[name])

    async with at_work(folder=tmp_path, module=IMPATIENT, **variables):
        await eventually(lambda: are_done(variables, len(orders)), within_seconds=60)

    now = {name: (await read(caller, order)).json() for name, order in orders.items()}
    assert {name: order["status"] for name, order in now.items()} == dict.fromkeys(TROUBLES, "confirmed")
    assert provider.times_charged(*orders.values()) == [1] * len(orders)
    assert len({order["charge_id"] for order in now.values()}) == len(orders)


async def test_what_is_charged_is_the_whole_price_and_we_say_who_we_are(
    caller: httpx2.AsyncClient, provider: PaymentProvider, variables: dict[str, str], tmp_path: Path
) -> None:
    order = await place(caller)

    async with at_work(folder=tmp_path, module=BUSY, **variables):
        await eventually(lambda: are_done(variables, 1), within_seconds=20)

    [asked] = provider.partner.requests
    assert asked.body.decode() == f'{{"order":"{order["id"]}","cents":{order["total_cents"]}}}'
    assert asked.headers["authorization"] == f"Bearer {'k' * 32}"
    assert asked.headers["idempotency-key"] == f"order-{order['id']}"


async def test_a_worker_that_dies_after_the_charge_and_before_the_note_of_it_has_charged_once(
    caller: httpx2.AsyncClient, provider: PaymentProvider, variables: dict[str, str], tmp_path: Path
) -> None:
    victims: list[WorkingApp] = []

    def charge_and_kill(request: Seen) -> Behaviour:
        behaviour = provider.act(request)
        if victims:
            victims.pop().kill()
        return behaviour

    provider.partner.follow(charge_and_kill)
    stalling = {**variables, "JOBS_STALLED_SECONDS": "1"}
    async with at_work(folder=tmp_path, module=IMPATIENT, **stalling) as victim:
        victims.append(victim)
        order = await place(caller)
        await until(lambda: victim.process.poll() is not None, within_seconds=20)
        left = (await read(caller, order)).json()
    async with at_work(folder=tmp_path, module=IMPATIENT, **stalling):
        await eventually(lambda: are_done(variables, 1), within_seconds=30)

    assert left["status"] == "charging"
    assert (await read(caller, order)).json()["status"] == "confirmed"
    assert len(provider.partner.requests) == 2
    assert provider.times_charged(order) == [1]


async def test_a_refused_payment_declines_the_order_and_is_not_tried_again(
    caller: httpx2.AsyncClient, provider: PaymentProvider, variables: dict[str, str], tmp_path: Path
) -> None:
    provider.is_refusing = True
    order = await place(caller)

    async with at_work(folder=tmp_path, module=IMPATIENT, **variables):
        await eventually(lambda: are_done(variables, 1), within_seconds=20)

    assert (await read(caller, order)).json() == {**order, "status": "declined"}
    assert len(provider.partner.requests) == 1


async def test_while_it_may_be_paid_an_order_cannot_be_cancelled_and_nobody_holds_a_connection(
    caller: httpx2.AsyncClient, provider: PaymentProvider, variables: dict[str, str], tmp_path: Path
) -> None:
    provider.partner.behave(fault="hang")
    order = await place(caller)

    async with at_work(folder=tmp_path, module=IMPATIENT, **variables) as worker:
        await until(lambda: provider.partner.in_flight == 1, within_seconds=20)
        refused = await cancel(caller, order)
        is_without = await is_asked_without_connection(worker, provider)
        provider.partner.follow(provider.act)
        await eventually(lambda: are_done(variables, 1), within_seconds=20)

    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:problem:order-not-pending"
    assert is_without, "the worker held a connection while the provider was asked"
    assert (await cancel(caller, order)).status_code == 409


async def test_without_a_provider_nothing_is_paid_and_somebody_is_told_why(
    caller: httpx2.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    order = await place(caller)

    async with at_work(folder=tmp_path, module=BUSY, **for_production(database_url)) as worker:
        await until(lambda: bool(worker.named("job_failed")), within_seconds=20)

    assert (await read(caller, order)).json() == {**order, "status": "charging"}
    assert await fetch(database_url, JOBS) == ["failed"]
    assert worker.named("partner_call_failed")[0]["cause"] == "PAYMENTS_URL is not set"


async def are_done(variables: dict[str, str], count: int) -> bool:
    return await fetch(variables["DATABASE_URL"], JOBS) == ["succeeded"] * count


async def is_asked_without_connection(worker: WorkingApp, provider: PaymentProvider) -> bool:
    """Whether there is a moment in which the provider is being asked and no connection of the pool is used."""

    def is_so() -> bool:
        metrics = worker.management.get("/metrics").text
        return provider.partner.in_flight == 1 and NO_CONNECTION in metrics

    return await comes_true(is_so, within_seconds=5)
