"""What `make run` asks instead of real partners answers as they would."""

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import httpx2
import pytest

from app.features.orders.payments import Charge
from app.features.orders.shipping import Quote
from development.partners import HOST, MOST_CENTS, Desk


@pytest.fixture
def desk() -> Iterator[httpx2.Client]:
    with ThreadingHTTPServer((HOST, 0), Desk) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with httpx2.Client(base_url=f"http://{HOST}:{server.server_port}", timeout=10) as client:
            yield client
        server.shutdown()
        thread.join(10)


def test_more_pieces_cost_more_to_ship(desk: httpx2.Client) -> None:
    few, many = [
        Quote.model_validate_json(desk.get("/quotes", params={"sku": "TEA-001", "quantity": quantity}).content).cents
        for quantity in (1, 1000)
    ]

    assert 0 < few < many


def test_the_same_key_is_the_same_charge_and_too_much_is_refused(desk: httpx2.Client) -> None:
    first, again, other = [charge(desk, key=key, cents=MOST_CENTS) for key in ("a", "a", "b")]
    refused = charge(desk, key="c", cents=MOST_CENTS + 1)

    ids = [Charge.model_validate_json(answer.content).id for answer in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    assert refused.status_code == 402


def charge(desk: httpx2.Client, *, key: str, cents: int) -> httpx2.Response:
    return desk.post("/charges", json={"order": key, "cents": cents}, headers={"Idempotency-Key": key})
