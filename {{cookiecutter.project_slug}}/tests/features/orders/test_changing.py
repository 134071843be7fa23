"""Changing and cancelling orders, also when several callers do it at once."""

import asyncio

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.orders.ordering import Json, cancel, change, place, read


async def test_a_change_of_what_was_read_is_made(caller: httpx2.AsyncClient) -> None:
    order = await place(caller)
    etag = (await read(caller, order)).headers["etag"]

    changed = await change(caller, order, note="Ring twice.", etag=etag)

    now = await read(caller, order)
    assert changed.status_code == 200
    assert now.json() == changed.json() == {**order, "note": "Ring twice."}
    assert now.headers["etag"] == changed.headers["etag"] != etag


async def test_a_change_of_what_was_changed_meanwhile_is_refused(caller: httpx2.AsyncClient) -> None:
    order = await place(caller)
    etag = (await read(caller, order)).headers["etag"]
    await change(caller, order, note="first", etag=etag)

    second = await change(caller, order, note="second", etag=etag)

    assert second.status_code == 412
    assert second.json()["type"] == "urn:problem:version-changed"
    assert (await read(caller, order)).json()["note"] == "first"


async def test_a_change_that_names_no_version_is_refused(caller: httpx2.AsyncClient) -> None:
    order = await place(caller)

    refused = await change(caller, order, note="blind", etag=None)

    assert refused.status_code == 428
    assert refused.json()["type"] == "urn:problem:if-match-missing"


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(authors=st.integers(2, 6))
async def test_changes_at_the_same_time_lose_none(caller: httpx2.AsyncClient, authors: int) -> None:
    order = await place(caller, note="")

    await asyncio.gather(*(append(caller, order, f"{author} ") for author in range(authors)))

    note = (await read(caller, order)).json()["note"]
    assert sorted(note.split()) == [str(author) for author in range(authors)]


async def append(caller: httpx2.AsyncClient, order: Json, words: str) -> None:
    """As a careful client does: read, change, and begin again if somebody was faster."""
    async with asyncio.timeout(20):
        while True:
            now = await read(caller, order)
            changed = await change(caller, order, note=now.json()["note"] + words, etag=now.headers["etag"])
            if changed.status_code == 200:
                return
            assert changed.status_code == 412


async def test_a_cancelled_order_stays_as_it_is(caller: httpx2.AsyncClient) -> None:
    order = await place(caller)
    first = await cancel(caller, order)

    again = await cancel(caller, order)
    refused = await change(caller, order, note="too late", etag=again.headers["etag"])

    assert first.json() == again.json() == {**order, "status": "cancelled"}
    assert first.headers["etag"] == again.headers["etag"]
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:problem:order-already-cancelled"


@pytest.mark.parametrize("body", [{}, {"note": 7}, {"note": "x" * 501}, {"note": "\x00"}])
async def test_a_wrong_change_is_named(caller: httpx2.AsyncClient, body: Json) -> None:
    order = await place(caller)

    response = await caller.patch(f"/v1/orders/{order['id']}", json=body, headers={"If-Match": "*"})

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["body.note"]
