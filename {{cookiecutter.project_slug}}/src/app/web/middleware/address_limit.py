"""Bounds how often one address may call, whatever it calls and whoever it says it is.

Each process counts what it sees itself, so that nothing outside is asked: of several processes behind a load
balancer, each lets the rate through.
"""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import TooManyRequests
from app.core.rates import Bucket, Standing
from app.resilience.shedding_state import SheddingState
from app.security.limit_refusals import LimitRefusals
from app.security.local_limit import LocalLimit
from app.web.middleware.client_address import network_of
from app.web.middleware.edge import Concern, Exchange, exchange_of

LIMIT = "address"

# While the service turns others away, an address may have a quarter of its rate.
COST_WHILE_SHEDDING = 4


class AddressLimitExceeded(TooManyRequests):
    """So many requests came from one address that it has to wait."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("Too many requests come from this address.", retry_after=retry_after)


class AddressCount(Concern):
    """Counts every request but those for `exempt` paths; at the edge, so that nothing is answered before."""

    def __init__(self, limit: LocalLimit, *, exempt: Collection[str], shedding: SheddingState) -> None:
        self.limit = limit
        self.exempt = exempt
        self.shedding = shedding

    def on_request(self, exchange: Exchange) -> None:
        scope = exchange.scope
        if scope["path"] in self.exempt:
            return
        address = network_of(scope)
        wait = self.limit.take(address, cost=COST_WHILE_SHEDDING if self.shedding.is_shedding else 1)
        if wait:
            bucket = Bucket(LIMIT, self.limit.rate, address)
            exchange.standings[LIMIT] = Standing(bucket, 0, wait, is_refused=True)


class AddressLimit:
    """Refuses what was counted as too much: 429. Inside of CORS, so that a page may read it.

    What is answered further outside, a preflight or a foreign host, is counted and not refused.
    """

    def __init__(self, app: ASGIApp, *, refusals: LimitRefusals) -> None:
        self.app = app
        self.refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (standing := exchange_of(scope).standings.get(LIMIT)):
            self.refusals.record(LIMIT, whom=standing.bucket.whom)
            raise AddressLimitExceeded(retry_after=standing.retry_after)
        await self.app(scope, receive, send)
