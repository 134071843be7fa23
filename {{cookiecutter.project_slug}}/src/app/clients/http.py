"""The one way to call another service over HTTP.

    shipping = resources.clients.get("shipping", policy=POLICY)
    quote = await shipping.or_else(ask_for_quote(shipping), lambda failure: FLAT_RATE)

There is one client for each partner and process, whoever asks for it. Where the partner is, and what proves to it who
we are, comes from the settings: what calls it knows neither. A call takes as long as its policy allows, and never
longer than the request that it is made for; what it may raise stands in `clients/errors.py`.

    a feature ─▶ HttpClient ─▶ Calls: the request's time ─▶ single flight for reads
                                                                     │
         Connections ◀─ Calls.send ◀─ Guard: bulkhead ─▶ circuit ─▶ time-out, and repetitions of all that
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from app.clients.calls import Calls, Nowhere
from app.clients.ledger import Ledger
from app.clients.partner_client import HttpClient
from app.clients.ssrf_guard import UrlRules
from app.clients.url_client import UrlClient
from app.core.checks import Check, CheckFailed
from app.observability.metrics import PartnerMetrics
from app.resilience.circuit_breaker import CircuitOpen, CircuitState
from app.resilience.policy import Guard, Policy

if TYPE_CHECKING:
    from app.clients.connections import Connections

# Answers that we read are a few KB; what is larger needs a decision, and says so.
MOST_BYTES = 1_048_576

# Of URLs from data, all receivers together.
MOST_URL_CONNECTIONS = 100

FORCED_OPEN = "an operator has forced its circuit open, until `app breakers automatic {name}`"


@dataclass(frozen=True, slots=True)
class Partner:
    """Somebody whom we call. The secret goes to nobody else."""

    name: str
    url: str
    secret: str | None = field(default=None, repr=False)


@asynccontextmanager
async def open_clients(
    partners: Sequence[Partner],
    *,
    metrics: PartnerMetrics,
    on_guard: Callable[[Guard], None],
) -> AsyncIterator["Clients"]:
    """Nothing is connected before it is called. `on_guard` is told of every partner's guard."""
    if partners:
        connections_class()
    async with AsyncExitStack() as stack:
        yield Clients(partners, metrics=metrics, stack=stack, on_guard=on_guard)


class Clients:
    """All of a process, made when they are first asked for."""

    def __init__(
        self,
        partners: Sequence[Partner],
        *,
        metrics: PartnerMetrics,
        stack: AsyncExitStack,
        on_guard: Callable[[Guard], None],
    ) -> None:
        self.partners = {partner.name: partner for partner in partners}
        self.metrics = metrics
        self.stack = stack
        self.on_guard = on_guard
        self.clients: dict[str, HttpClient] = {}
        self.url_clients: dict[str, UrlClient] = {}
        self.options: dict[HttpClient | UrlClient, tuple[object, ...]] = {}

    def get(self, name: str, *, policy: Policy, most_bytes: int = MOST_BYTES) -> HttpClient:
        """The client of one partner. If the partner's address is not set, it counts as unavailable.

        Raises `ValueError` if somebody else has asked for it with other options: keep them in one place.
        """
        if name not in self.clients:
            self.clients[name] = self.make_client(name, policy, most_bytes)
        self.agree(name, self.clients[name], policy, most_bytes)
        return self.clients[name]

    def for_urls(self, name: str, *, policy: Policy, rules: UrlRules, most_bytes: int = MOST_BYTES) -> UrlClient:
        """The client of this name for URLs that come from data; the policy holds for each receiver by itself.

        Raises `ValueError` as `get` does: rules that are not obeyed would be worse than none.
        """
        if name not in self.url_clients:
            self.url_clients[name] = self.make_url_client(name, policy, rules, most_bytes)
        self.agree(name, self.url_clients[name], policy, rules, most_bytes)
        return self.url_clients[name]

    def agree(self, name: str, client: HttpClient | UrlClient, *options: object) -> None:
        """The first options of a client are its options. Raises `ValueError` for others."""
        if self.options.setdefault(client, options) != options:
            raise ValueError(f"The client {name!r} is in use with other options. Keep them in one place.")

    def make_client(self, name: str, policy: Policy, most_bytes: int) -> HttpClient:
        partner = self.partners.get(name)
        ledger = Ledger(name, self.metrics, shows_paths=True)
        guard = Guard(name, policy, on_retry=ledger.record_retry)
        ledger.show(guard)
        self.on_guard(guard)
        line = self.connect_to(partner, policy) if partner else Nowhere(name)
        calls = Calls(guard, line=line, ledger=ledger, most_bytes=most_bytes)
        return HttpClient(partner.url if partner else "", calls)

    def make_url_client(self, name: str, policy: Policy, rules: UrlRules, most_bytes: int) -> UrlClient:
        from app.clients.checked_resolver import CheckedResolver

        ledger = Ledger(name, self.metrics, shows_paths=False)
        line = self.connect(name, policy, most=MOST_URL_CONNECTIONS, headers={}, resolver=CheckedResolver(rules))

        def make_calls(origin: str) -> Calls:
            guard = Guard(f"{name} {origin}", policy, on_retry=ledger.record_retry)
            return Calls(guard, line=line, ledger=ledger, most_bytes=most_bytes)

        return UrlClient(rules, make_calls)

    def connect_to(self, partner: Partner, policy: Policy) -> "Connections":
        return self.connect(partner.name, policy, most=policy.bulkhead.calls, headers=self.headers_for(partner))

    def headers_for(self, partner: Partner) -> dict[str, str]:
        """On its own connections only."""
        return {"Authorization": f"Bearer {partner.secret}"} if partner.secret else {}

    def connect(self, name: str, policy: Policy, **options: Any) -> "Connections":  # Any: of `Connections`
        # An attempt that could not connect by half of its time leaves the other half for nothing useful.
        connections = connections_class()(name, connect_seconds=policy.attempt_seconds / 2, **options)
        self.stack.push_async_callback(connections.close)
        return connections

    def checks(self) -> list[Check]:
        """Whether each partner would be asked, for the health report; nobody is asked for it."""
        return [Check(name, partial(self.probe, name), is_critical=False) for name in self.partners]

    async def probe(self, name: str) -> None:
        """Raises `CheckFailed`."""
        client = self.clients.get(name)
        if client is None:
            return
        breaker = client.calls.guard.breaker
        try:
            breaker.refuse_if_open()
        except CircuitOpen:
            is_forced = breaker.state is CircuitState.FORCED_OPEN
            raise CheckFailed(FORCED_OPEN.format(name=name) if is_forced else "its circuit is open") from None


@cache
def connections_class() -> type["Connections"]:
    """The library takes 180 ms and 11 MB, which a service that calls nobody does without."""
    from app.clients.connections import Connections

    return Connections
