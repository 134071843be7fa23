"""Placing and reading orders."""

import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.orders.ordering import TEA, Json, place

WRONG_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "sku": st.sampled_from([None, 7, "", "T", "tea", "TEA 1", "T" * 65, "TEA\n", ["TEA"]]),
    "quantity": st.sampled_from([None, "two", 1.5, [2]]) | st.integers(max_value=0) | st.integers(min_value=1_001),
    "unit_price_cents": st.sampled_from([None, "x", {}]) | st.integers(max_value=-1) | st.integers(min_value=1_000_001),
    "note": st.sampled_from([7, ["x"], "nul \x00", "x" * 501, "half a pair \ud800"]),
}
REQUIRED = ["sku", "quantity", "unit_price_cents"]


@st.composite
def wrong_bodies(draw: st.DrawFn) -> tuple[Json, set[str]]:
    """A body with some fields wrong, missing or surplus, and the names of those."""
    wrong = draw(st.sets(st.sampled_from(sorted(WRONG_VALUES)), min_size=0, max_size=4))
    missing = draw(st.sets(st.sampled_from(REQUIRED), max_size=2)) - wrong
    surplus = draw(st.sets(st.sampled_from(["id", "status", "tenant_id", "surprise"]), max_size=2))
    if not wrong | missing | surplus:
        missing = {"sku"}
    body: Json = {name: value for name, value in TEA.items() if name not in missing}
    body |= {name: draw(WRONG_VALUES[name]) for name in wrong} | dict.fromkeys(surplus, "x")
    return body, wrong | missing | surplus


async def test_a_placed_order_can_be_read_where_its_location_says(caller: httpx2.AsyncClient) -> None:
    placed = await caller.post("/v1/orders", json={**TEA, "note": "Ring twice."})

    read = await caller.get(placed.headers.get("location", ""))

    assert read.status_code == 200
    assert read.json() == placed.json()
    assert read.headers["etag"] == placed.headers["etag"]
    assert {name: read.json()[name] for name in ("total_cents", "status", "note")} == {
        "total_cents": 1490,
        "status": "pending",
        "note": "Ring twice.",
    }


async def test_ids_are_time_ordered(caller: httpx2.AsyncClient) -> None:
    ids = [UUID((await place(caller))["id"]) for _ in range(3)]

    assert ids == sorted(ids)
    assert {order_id.version for order_id in ids} == {7}


async def test_an_unknown_order_is_a_named_problem(caller: httpx2.AsyncClient) -> None:
    response = await caller.get("/v1/orders/01900000-0000-7000-8000-000000000000")

    assert response.status_code == 404
    assert response.json()["type"] == "urn:problem:order-not-found"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wrong_bodies())
async def test_every_wrong_field_is_named(caller: httpx2.AsyncClient, case: tuple[Json, set[str]]) -> None:
    body, wrong = case

    response = await caller.post("/v1/orders", content=as_json(body), headers={"Content-Type": "application/json"})

    assert response.status_code == 422
    assert {error["field"] for error in response.json()["errors"]} == {f"body.{name}" for name in wrong}


@pytest.mark.parametrize("body", ["null", "[]", '"TEA-001"', "7"])
async def test_a_body_that_is_no_object_is_named(caller: httpx2.AsyncClient, body: str) -> None:
    response = await caller.post("/v1/orders", content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["body"]


def as_json(body: Json) -> str:
    """With every character escaped: the client would refuse half a pair of surrogates."""
    return json.dumps(body)


async def test_so_many_orders_may_be_placed_in_a_minute_and_no_more(caller: httpx2.AsyncClient) -> None:
    answers = [await caller.post("/v1/orders", json={**TEA, "quantity": 0}) for _ in range(301)]

    assert [answer.status_code for answer in answers] == [422] * 300 + [429]
