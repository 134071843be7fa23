"""Lists of orders: pages, filters, cursors."""

import asyncio

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.orders.ordering import all_pages, cancel, place
from tests.support.service import RunningService


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(already=st.integers(0, 12), meanwhile=st.integers(0, 12), limit=st.integers(1, 5))
async def test_pages_return_each_order_once_while_others_are_placed(
    service: RunningService, already: int, meanwhile: int, limit: int
) -> None:
    caller = await service.client_for("orders:read", "orders:write")
    before = [(await place(caller))["id"] for _ in range(already)]

    async def place_more() -> list[str]:
        return [(await place(caller))["id"] for _ in range(meanwhile)]

    pages, placed = await asyncio.gather(all_pages(caller, limit=limit), place_more())

    seen = [order["id"] for order in pages]
    assert [order_id for order_id in seen if order_id not in placed] == before[::-1]
    assert seen == sorted(set(seen), reverse=True)


async def test_filters_show_only_what_fits(caller: httpx2.AsyncClient) -> None:
    tea, cup, cancelled_cup = [await place(caller, sku=sku) for sku in ("TEA-001", "CUP-007", "CUP-007")]
    await cancel(caller, cancelled_cup)

    by_sku = await all_pages(caller, limit=1, sku="CUP-007")
    by_both = await all_pages(caller, limit=1, sku="CUP-007", status="cancelled")
    by_status = await all_pages(caller, limit=1, status="pending")

    assert [order["id"] for order in by_sku] == [cancelled_cup["id"], cup["id"]]
    assert [order["id"] for order in by_both] == [cancelled_cup["id"]]
    assert [order["id"] for order in by_status] == [cup["id"], tea["id"]]


async def test_a_filter_that_cannot_be_is_named(caller: httpx2.AsyncClient) -> None:
    response = await caller.get("/v1/orders", params={"status": "lost", "sku": "?", "limit": 0})

    assert response.status_code == 422
    assert {error["field"] for error in response.json()["errors"]} == {"query.status", "query.sku", "query.limit"}
