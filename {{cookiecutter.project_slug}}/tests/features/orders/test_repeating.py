"""Placing an order again because nobody knows whether it was placed."""

import asyncio

import httpx2

from tests.features.orders.ordering import TEA, all_pages
from tests.support.databases import fetch

ONCE = {"Idempotency-Key": '"5b1c7e0a-2f43-4a3e-9f0f-6f1d0a8c2b11"'}


async def test_an_order_that_is_sent_again_is_placed_once(caller: httpx2.AsyncClient, database_url: str) -> None:
    first, again = [await caller.post("/v1/orders", json=TEA, headers=ONCE) for _ in range(2)]

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers.get("idempotency-replayed") == "true"
    assert await all_pages(caller, limit=5) == [first.json()]
    assert await fetch(database_url, "SELECT count(*) FROM procrastinate_jobs") == [1]


async def test_sent_many_times_at_once_it_is_placed_once(caller: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(caller.post("/v1/orders", json=TEA, headers=ONCE) for _ in range(10)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(await all_pages(caller, limit=5)) == 1


async def test_another_order_needs_another_key(caller: httpx2.AsyncClient) -> None:
    await caller.post("/v1/orders", json=TEA, headers=ONCE)

    other = await caller.post("/v1/orders", json={**TEA, "quantity": 3}, headers=ONCE)

    assert other.status_code == 422
    assert other.json()["type"] == "urn:problem:idempotency-key-reused"
    assert len(await all_pages(caller, limit=5)) == 1
