"""Placing, reading and listing orders, over HTTP."""

from typing import Any
from uuid import UUID

from tests.support.service import RunningService

TEA = {"sku": "TEA-001", "quantity": 2, "unit_price_cents": 450}

Json = dict[str, Any]


async def place(service: RunningService, **changes: Any) -> Json:
    response = await service.client.post("/v1/orders", json={**TEA, **changes})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def test_a_placed_order_can_be_read_where_its_location_says(service: RunningService) -> None:
    placed = await service.client.post("/v1/orders", json=TEA)

    read = await service.client.get(placed.headers.get("location", ""))

    assert read.status_code == 200
    assert read.json() == placed.json()
    assert read.json()["total_cents"] == 900
    assert read.json()["status"] == "pending"


async def test_ids_are_time_ordered(service: RunningService) -> None:
    ids = [UUID((await place(service))["id"]) for _ in range(3)]

    assert ids == sorted(ids)
    assert {order_id.version for order_id in ids} == {7}


async def test_an_unknown_order_is_a_named_problem(service: RunningService) -> None:
    response = await service.client.get("/v1/orders/01900000-0000-7000-8000-000000000000")

    assert response.status_code == 404
    assert response.json()["type"] == "urn:problem:order-not-found"


async def test_pages_return_each_order_once_the_newest_first(service: RunningService) -> None:
    placed = [(await place(service, quantity=number))["quantity"] for number in range(1, 6)]

    seen: list[int] = []
    cursor: str | None = None
    for _ in range(3):
        page = (
            await service.client.get("/v1/orders", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ).json()
        seen += [order["quantity"] for order in page["items"]]
        cursor = page["next_cursor"]

    assert seen == placed[::-1]
    assert cursor is None


async def test_a_cursor_that_was_changed_is_refused(service: RunningService) -> None:
    for _ in range(2):
        await place(service)
    cursor = (await service.client.get("/v1/orders", params={"limit": 1})).json()["next_cursor"]

    answers = [await service.client.get("/v1/orders", params={"cursor": bad}) for bad in ("x" + cursor[1:], "é", "%%")]

    assert [answer.status_code for answer in answers] == [422, 422, 422]


async def test_a_wrong_field_is_named(service: RunningService) -> None:
    wrong = {"sku": "tea!", "quantity": 0, "unit_price_cents": -1, "surprise": True}

    response = await service.client.post("/v1/orders", json=wrong)

    assert response.status_code == 422
    named = {error["field"] for error in response.json()["errors"]}
    assert named == {"body.sku", "body.quantity", "body.unit_price_cents", "body.surprise"}
