"""The partners of orders are gone, flap or lie: callers who place orders see none of it, and each is paid once."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.core.ids import new_id
from tests.features.orders.ordering import TEA, Json
from tests.features.orders.providers import IMPATIENT
from tests.support.breakable_partner import BreakablePartner
from tests.support.callers import key_for
from tests.support.chaos import NUMBERS, Scene, scene
from tests.support.chaos_report import record
from tests.support.faults import killed, misbehaving, paused
from tests.support.jobs import select
from tests.support.partner import Seen
from tests.support.settings import settings_for
from tests.support.steady_load import Call, SteadyLoad

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

# One process stands for both partners, and answers both kinds of questions with this.
GOOD = {"cents": 410, "id": "charge"}

# A quote takes a second at most; the rest is for a busy machine.
WORST_SECONDS = 3.0
RECOVERY_SECONDS = 5.0


def an_order() -> Json:
    """That nobody else places, and whose quote is seldom known."""
    return {**TEA, "quantity": 1 + NUMBERS.randrange(1000), "note": str(NUMBERS.getrandbits(62))}


PLACE = Call("POST", "/v1/orders", make_body=an_order, per_second=4)
PLACE_PERSISTENTLY = Call("POST", "/v1/orders", make_body=an_order, is_persistent=True, per_second=4)

# No more than one caller may place.
CALLS = [PLACE, PLACE, PLACE_PERSISTENTLY]


class BothPartners(BreakablePartner):
    """Remembers what it was asked, even when it is killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seen: list[Seen] = []

    def answer_well(self) -> None:
        self.running.behave(body=GOOD)

    def misbehave(self, **behaviour: Any) -> None:
        self.running.behave(**{"body": GOOD, **behaviour})

    def kill(self) -> None:
        self.misbehave(fault="hang")  # or somebody would be charged whom nobody remembers
        self.seen += self.running.requests()
        super().kill()

    def keys_by_order(self) -> dict[str, set[str]]:
        """With which keys each order was charged: a provider that honours them has taken its money so many times."""
        keys: dict[str, set[str]] = defaultdict(set)
        for request in [*self.seen, *self.running.requests()]:
            if request.path == "/charges":
                keys[json.loads(request.body)["order"]].add(request.headers["idempotency-key"])
        return keys


class Shop(Scene):
    """Takes orders, and has its worker charge them."""

    def __init__(self, *scene: Any, partners: BothPartners, **options: Any) -> None:
        super().__init__(*scene, **options)
        self.partners = partners

    def caller(self) -> dict[str, str]:
        key = asyncio.run(key_for(settings_for(database_url=self.url), "orders:write", tenant=new_id()))
        return {"Authorization": f"Bearer {key.text}"}

    def all_is_delivered(self) -> bool:
        return not select(self.url, "SELECT id FROM orders WHERE status <> 'confirmed' LIMIT 1")

    def lost_and_doubled(self, load: SteadyLoad) -> tuple[int, int]:
        placed = select(self.url, "SELECT note FROM orders")
        confirmed = {outcome.sent["note"] for outcome in load.outcomes if outcome.is_done}
        charged = self.partners.keys_by_order()
        uncharged = {str(order) for order in select(self.url, "SELECT id FROM orders")} - charged.keys()
        twice = [keys for keys in charged.values() if len(keys) > 1]
        return len(confirmed - set(placed)) + len(uncharged), len(placed) - len(set(placed)) + len(twice)


@pytest.fixture
def partners(tmp_path: Path) -> Iterator[BothPartners]:
    both = BothPartners(tmp_path)
    with both.stack:
        both.start()
        yield both


@dataclass(frozen=True)
class Case:
    """What both do, and for how long."""

    fault: str
    begin: Callable[[BothPartners], AbstractContextManager[None]]
    seconds: float


KILLED = Case("Shipping and payments killed for 3 s", killed, 3)
LONGER = [
    Case("Shipping and payments frozen for 6 s", paused, 6),
    Case("Shipping and payments slow (2 s) for 6 s", partial(misbehaving, delay_seconds=2), 6),
    Case("Shipping and payments flapping for 6 s", partial(misbehaving, status=503, share=0.5), 6),
    Case("Shipping and payments lie (something else) for 4 s", partial(misbehaving, body=["?"]), 4),
    Case("Shipping and payments lie (half) for 4 s", partial(misbehaving, fault="half"), 4),
]


@pytest.mark.parametrize(
    "case", [KILLED, *(pytest.param(case, marks=pytest.mark.long) for case in LONGER)], ids=lambda case: case.fault
)
def test_callers_get_no_error_and_every_order_is_paid_once(
    case: Case, partners: BothPartners, database_url: str, tmp_path: Path
) -> None:
    shop = partial(Shop, partners=partners)
    with scene(
        database_url,
        folder=tmp_path,
        make_scene=shop,
        module=IMPATIENT,
        SHIPPING_URL=partners.url,
        PAYMENTS_URL=partners.url,
    ) as running:
        ordeal = running.endure(case.begin(partners), seconds=case.seconds, calls=CALLS)

    record(case.fault, ordeal)
    assert ordeal.errors == {}, ordeal.reasons
    assert ordeal.worst_seconds < WORST_SECONDS
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled
