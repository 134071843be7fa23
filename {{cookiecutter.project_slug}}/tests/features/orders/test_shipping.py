"""What shipping costs: the partner says it, and nobody gets an error because it does not."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from app.features.orders import shipping as orders_shipping
from tests.features.orders.ordering import TEA, Json, place, read
from tests.support.partner import Partner, open_partner
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import until

QUOTED = {"shipping_cents": 410, "shipping_source": "quoted", "total_cents": 1310}
LAST_KNOWN = {**QUOTED, "shipping_source": "last_known"}
FLAT_RATE = {"shipping_cents": 590, "shipping_source": "flat_rate", "total_cents": 1490}

# A quote may take one second; the rest is for a busy machine.
QUICKLY_SECONDS = 3.0

TROUBLES: dict[str, Json] = {
    "slow": {"delay_seconds": 5},
    "hangs": {"fault": "hang"},
    "fails": {"status": 500},
    "is busy": {"status": 429},
    "does not know": {"status": 404},
    "resets": {"fault": "reset"},
    "talks no HTTP": {"fault": "garbage"},
    "says half": {"fault": "half"},
    "says something else": {"body": ["?"]},
    "lies about cents": {"body": {"cents": -1}},
    "wants a fortune": {"body": {"cents": 10**9}},
}


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with open_partner() as partner:
        partner.behave(body={"cents": 410})
        yield partner


@pytest.fixture
async def shop(database_url: str, partner: Partner) -> AsyncIterator[RunningService]:
    """With one connection to the database, for which nobody waits for long."""
    settings = settings_for(
        database_url=database_url,
        database={"pool_size": 1, "pool_wait_seconds": 0.2},
        shipping={"url": partner.url},
    )
    async with run_service(settings) as running:
        yield running


@pytest.fixture
async def customer(shop: RunningService) -> httpx2.AsyncClient:
    return await shop.client_for("orders:read", "orders:write")


async def test_an_order_costs_what_the_partner_quotes(customer: httpx2.AsyncClient, partner: Partner) -> None:
    order = await place(customer)

    assert shipping_of(order) == QUOTED
    assert (await read(customer, order)).json() == order
    assert [(asked.path, asked.query) for asked in partner.requests] == [("/quotes", "sku=TEA-001&quantity=2")]


async def test_a_quote_is_good_for_a_while_and_for_the_same_only(
    customer: httpx2.AsyncClient, partner: Partner
) -> None:
    for quantity in (2, 2, 3):
        await place(customer, quantity=quantity)

    assert [asked.query for asked in partner.requests] == ["sku=TEA-001&quantity=2", "sku=TEA-001&quantity=3"]


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_without_a_quote_the_flat_rate_is_taken_and_marked(
    customer: httpx2.AsyncClient, partner: Partner, trouble: Json
) -> None:
    partner.behave(**trouble)
    began = time.monotonic()

    order = await place(customer)

    assert shipping_of(order) == FLAT_RATE
    assert time.monotonic() - began < QUICKLY_SECONDS


async def test_of_a_partner_that_is_gone_no_order_takes_notice(database_url: str) -> None:
    async with open_partner() as gone:
        settings = settings_for(database_url=database_url, shipping={"url": gone.url})
    async with run_service(settings) as shop:
        customer = await shop.client_for("orders:write")

        orders = [await place(customer, quantity=quantity) for quantity in range(1, 31)]

    assert {order["shipping_source"] for order in orders} == {"flat_rate"}


async def test_without_a_new_quote_the_last_is_taken_and_marked(
    customer: httpx2.AsyncClient, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotes_grow_old_at_once(monkeypatch)
    before = await place(customer)
    partner.behave(status=500)

    order = await place(customer)

    assert shipping_of(before) == QUOTED
    assert shipping_of(order) == LAST_KNOWN


async def test_a_caller_in_a_hurry_gets_the_flat_rate_and_no_error(
    customer: httpx2.AsyncClient, partner: Partner
) -> None:
    partner.behave(fault="hang")

    response = await customer.post("/v1/orders", json=TEA, headers={"X-Request-Timeout": "0.7"})

    assert response.status_code == 201, response.text
    assert shipping_of(response.json()) == FLAT_RATE


async def test_a_caller_in_a_hurry_gets_the_last_quote_if_there_is_one(
    customer: httpx2.AsyncClient, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotes_grow_old_at_once(monkeypatch)
    await place(customer)
    partner.behave(fault="hang")

    response = await customer.post("/v1/orders", json=TEA, headers={"X-Request-Timeout": "0.7"})

    assert response.status_code == 201, response.text
    assert shipping_of(response.json()) == LAST_KNOWN


async def test_while_the_partner_thinks_nobody_holds_a_connection(
    customer: httpx2.AsyncClient, partner: Partner
) -> None:
    before = await place(customer)
    partner.behave(fault="hang")
    placing = asyncio.create_task(place(customer, quantity=3))
    await until(lambda: partner.in_flight == 1)

    meanwhile = await read(customer, before)

    assert not placing.done()
    assert meanwhile.status_code == 200, "there is one connection, and it was taken"
    assert shipping_of(await placing)["shipping_source"] == "flat_rate"


def quotes_grow_old_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else about them stays as it is."""
    quotes = orders_shipping.QUOTES
    monkeypatch.setattr(orders_shipping, "QUOTES", replace(quotes, lifetime=replace(quotes.lifetime, fresh=0)))


def shipping_of(order: Json) -> Json:
    return {name: order[name] for name in FLAT_RATE}
