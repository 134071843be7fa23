"""Who may do what with orders."""

import httpx2

from tests.features.orders.ordering import TEA, all_pages, cancel, change, place, read
from tests.support.service import RunningService


async def test_without_a_key_nothing_is_told(service: RunningService, caller: httpx2.AsyncClient) -> None:
    order = await place(caller)
    nobody = service.client

    answers = [
        await nobody.post("/v1/orders", json=TEA),
        await nobody.get("/v1/orders"),
        await read(nobody, order),
        await change(nobody, order, note="x", etag="*"),
        await cancel(nobody, order),
    ]

    assert [answer.status_code for answer in answers] == [401] * 5


async def test_a_reader_may_not_write(caller: httpx2.AsyncClient, reader: httpx2.AsyncClient) -> None:
    order = await place(caller)

    refused = [
        await reader.post("/v1/orders", json=TEA),
        await change(reader, order, note="x", etag="*"),
        await cancel(reader, order),
    ]

    assert [answer.status_code for answer in refused] == [403] * 3
    assert (await read(reader, order)).json() == order
    assert await all_pages(reader, limit=5) == [order]


async def test_another_tenants_order_does_not_exist(caller: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    order = await place(caller)

    answers = [
        await read(stranger, order),
        await change(stranger, order, note="x", etag="*"),
        await cancel(stranger, order),
    ]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert await all_pages(stranger, limit=5) == []
    assert (await read(caller, order)).json() == order
