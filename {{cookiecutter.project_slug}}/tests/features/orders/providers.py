"""The partners of orders: a provider of payments that counts, and workers that call it."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.features.orders.ordering import Json
from tests.support.partner import Behaviour, Partner, Seen, open_partner
from tests.support.working_app import WorkingApp, working

# The real command line, whose jobs are tried again soon, as often as it takes.
IMPATIENT = "tests.features.orders.impatient"


@dataclass
class PaymentProvider:
    """Takes money, once for each key, and then answers, or does something else."""

    partner: Partner
    charges: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    is_refusing: bool = False

    def act(self, request: Seen) -> Behaviour:
        """Even what goes wrong for those who ask is charged, as far as this provider is concerned."""
        if self.is_refusing:
            return Behaviour(status=402, body={"error": "no money"})
        order, key = json.loads(request.body)["order"], request.headers["idempotency-key"]
        self.charges.setdefault(key, order)
        good = {"body": {"id": f"charge-{list(self.charges).index(key) + 1}"}}
        return Behaviour(**{**good, **(self.troubles[order].pop(0) if self.troubles[order] else {})})

    def times_charged(self, *orders: Json) -> list[int]:
        """Each of them, with whatever key."""
        counted = Counter(self.charges.values())
        return [counted[order["id"]] for order in orders]


@asynccontextmanager
async def open_provider() -> AsyncIterator[PaymentProvider]:
    """Until the end of the block."""
    async with open_partner() as partner:
        provider = PaymentProvider(partner)
        partner.follow(provider.act)
        yield provider


@asynccontextmanager
async def at_work(*, folder: Path, module: str, **variables: Any) -> AsyncIterator[WorkingApp]:
    """A worker, while partners in our own event loop go on answering it."""
    worker = working(folder=folder, module=module, **variables)
    running = await asyncio.to_thread(worker.__enter__)
    try:
        yield running
    finally:
        await asyncio.to_thread(worker.__exit__, None, None, None)
