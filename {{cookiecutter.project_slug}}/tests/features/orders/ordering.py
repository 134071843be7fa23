"""The domain's verbs, over HTTP."""

from typing import Any

import httpx2

TEA = {"sku": "TEA-001", "quantity": 2, "unit_price_cents": 450}

Json = dict[str, Any]


async def place(caller: httpx2.AsyncClient, **changes: Any) -> Json:
    response = await caller.post("/v1/orders", json={**TEA, **changes})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def read(caller: httpx2.AsyncClient, order: Json) -> httpx2.Response:
    return await caller.get(f"/v1/orders/{order['id']}")


async def change(caller: httpx2.AsyncClient, order: Json, *, note: str, etag: str | None) -> httpx2.Response:
    headers = {"If-Match": etag} if etag is not None else {}
    return await caller.patch(f"/v1/orders/{order['id']}", json={"note": note}, headers=headers)


async def cancel(caller: httpx2.AsyncClient, order: Json) -> httpx2.Response:
    return await caller.post(f"/v1/orders/{order['id']}/cancel")


async def all_pages(caller: httpx2.AsyncClient, *, limit: int, **filters: str) -> list[Json]:
    """Every order that following the cursors finds."""
    found: list[Json] = []
    cursor: str | None = None
    while True:
        parameters = {"limit": str(limit), **filters} | ({"cursor": cursor} if cursor else {})
        page = (await caller.get("/v1/orders", params=parameters)).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
