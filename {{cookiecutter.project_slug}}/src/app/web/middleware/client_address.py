"""Tells by which address and over which scheme a caller really comes, when proxies stand in between.

A caller can send whatever it likes, so only what our own proxies have written counts. Read from the right, each hop
is what the one behind it has seen, and the first that is no proxy of ours is the caller: what stands to the left of
it was sent by the caller. What cannot be read ends the search, at the last proxy.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Network, ip_address, ip_network
from typing import NamedTuple

import structlog
from starlette.types import Scope

from app.web.middleware.edge import Concern, Exchange

log = structlog.get_logger()

X_FORWARDED_FOR, X_FORWARDED_PROTO, FORWARDED = b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"
SCHEMES = frozenset({"http", "https"})

EVERYBODY = "*"

# An IPv6 address with a port stands in brackets; RFC 7239 lets ports be secret, such as `_a1`.
HOP = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::\w+)?|([0-9a-f:.]+)", re.ASCII | re.IGNORECASE)
LONGEST_HOP = 64
MOST_PROXIES = 20

ADDRESSES_CACHED = 4096
WRAPPED_IPV4 = "::ffff:"

# What providers give to one customer at the least (RFC 6177).
CUSTOMER_BITS = 64


class Hop(NamedTuple):
    """What one proxy says about whoever called it, as far as it can be read."""

    address: str | None
    scheme: str | None = None


class ClientAddress(Concern):
    """Puts the caller's address and scheme in the place of the peer's, if the peer is one of `proxies`.

    `X-Forwarded-For` and `Forwarded` (RFC 7239) are read. Nobody knows which of them our proxy writes and which it
    lets pass, so when both are there and disagree, neither is believed and the address of the proxy stands.
    `*` believes whoever connects, over a unix socket too, and that one hop only.
    """

    def __init__(self, proxies: Sequence[str]) -> None:
        self.believes_everybody = EVERYBODY in proxies
        self.networks = [ip_network(proxy) for proxy in proxies if proxy != EVERYBODY]
        self.is_proxy: Callable[[str], bool] = lru_cache(ADDRESSES_CACHED)(self.is_in_networks)
        self.has_warned = False

    def on_request(self, exchange: Exchange) -> None:
        headers = exchange.request_headers
        peer = peer_of(exchange.scope)
        if X_FORWARDED_FOR in headers or FORWARDED in headers or X_FORWARDED_PROTO in headers:
            self.follow(exchange, peer)

    def follow(self, exchange: Exchange, peer: str) -> None:
        """Where the headers lead, if somebody sent them whom we believe."""
        if not (self.believes_everybody or self.is_proxy(peer)):
            self.warn_once(peer)
            return
        scope = exchange.scope
        plain = self.last_believed(Hop(address_in(hop)) for hop in from_right(scope, X_FORWARDED_FOR))
        standard = self.last_believed(map(hop_in, from_right(scope, FORWARDED)))
        if plain.address != standard.address and exchange.request_headers.keys() >= {X_FORWARDED_FOR, FORWARDED}:
            return
        scope["client"] = believed_address(scope, plain, standard)
        scope["scheme"] = believed_scheme(scope, standard)

    def last_believed(self, hops: Iterable[Hop]) -> Hop:
        """The first that is no proxy of ours, or else the last that can be read; nothing if none can.

        Takes one at a time, so that nothing is read of what stands further to the left.
        """
        found = Hop(None)
        for hop in hops:
            if hop.address is None:
                break
            found = hop
            if not self.is_proxy(hop.address):
                break
        return found

    def is_in_networks(self, address: str) -> bool:
        known = address_in(address)
        return known is not None and any(ip_address(known) in network for network in self.networks)

    def warn_once(self, peer: str) -> None:
        """Without its name in `TRUSTED_PROXIES` all callers behind a proxy look like one, and share its limit."""
        if not self.has_warned:
            self.has_warned = True
            log.warning("proxy_not_trusted", peer=peer, advice="If this is your proxy, list it in TRUSTED_PROXIES.")


def peer_of(scope: Scope) -> str:
    """Whoever has connected; empty for a unix socket. An IPv4 address that an IPv6 socket has wrapped is unwrapped."""
    client = scope.get("client")
    if client is None:
        return ""
    if client[0].startswith(WRAPPED_IPV4):
        scope["client"] = client = (address_in(client[0]) or client[0], client[1])
    return str(client[0])


def believed_address(scope: Scope, plain: Hop, standard: Hop) -> tuple[str, int] | None:
    """What either of the headers says, or else the peer's."""
    address = plain.address or standard.address
    return (address, 0) if address else scope.get("client")


def believed_scheme(scope: Scope, standard: Hop) -> str:
    """What the last proxy says in `X-Forwarded-Proto`, or else in `Forwarded`, or else the connection's."""
    plain = [scheme.lower() for scheme in from_right(scope, X_FORWARDED_PROTO)[:1]]
    return next((scheme for scheme in [*plain, standard.scheme] if scheme in SCHEMES), str(scope["scheme"]))


def from_right(scope: Scope, name: bytes) -> list[str]:
    """The items of a list, the last first. Several lines are one list, in their order."""
    lines = [value for header, value in scope["headers"] if header == name]
    items = b",".join(lines).decode("latin-1").rsplit(",", MOST_PROXIES) if lines else []
    return [item.strip() for item in reversed(items)]


def hop_in(element: str) -> Hop:
    """`for="[2001:db8::1]:4711";proto=https`. A comma in quotes splits it before, and then it cannot be read."""
    pairs = [pair.partition("=") for pair in element.split(";")]
    found = {name.strip().lower(): unquoted(value.strip()) for name, _, value in pairs}
    if len(found) < len(pairs):
        return Hop(None)
    return Hop(address_in(found.get("for", "")), found.get("proto", "").lower())


def unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def address_in(hop: str) -> str | None:
    """The address, without a port, in its one way to be written; None if there is none."""
    return normal_address(hop) if len(hop) <= LONGEST_HOP else None


@lru_cache(ADDRESSES_CACHED)
def normal_address(hop: str) -> str | None:
    found = HOP.fullmatch(hop)
    if found is None:
        return None
    try:
        address = ip_address(found[1] or found[2] or found[3])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def network_of(scope: Scope) -> str:
    """Whom an address stands for: itself, or the /64 that one IPv6 customer has whole; empty for a unix socket."""
    host = scope["client"][0] if scope.get("client") else ""
    return customer_network(host) if ":" in host else host


@lru_cache(ADDRESSES_CACHED)
def customer_network(address: str) -> str:
    return str(IPv6Network((address.partition("%")[0], CUSTOMER_BITS), strict=False))
