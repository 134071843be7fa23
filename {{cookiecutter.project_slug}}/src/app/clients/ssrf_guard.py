"""Keeps URLs that come from data from leading into our own network (server-side request forgery).

    the URL: scheme, port, one plain way to write a host ─▶ its name is looked up ─▶ every address found must be public
                                                                                  └▶ the connection goes to these

So a name whose addresses change between the check and the call (DNS rebinding) wins nothing, and `Host`, TLS and
the certificate's name stay those of the URL. Redirects are not followed by any client.

The ranges: https://www.iana.org/assignments/iana-ipv4-special-registry and its sibling for IPv6, as `ipaddress` knows
them, and those that it learned late; the attacks: OWASP's Server-Side Request Forgery Prevention Cheat Sheet.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from app.core.errors import InvalidRequest

LONGEST_URL = 2048

# What a URL consists of; in a host, only what a name or an address needs. Others write theirs as punycode.
PRINTABLE = re.compile(r"[!-~]+")
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"  # longer ones, and empty ones, nobody can look up
HOST = re.compile(rf"{LABEL}(\.{LABEL})*\.?|\[[0-9a-f:.]+\]")
# `127.1`, `0x7f.1`, `2130706433`: addresses to those who connect, names to those who only look for dots.
ENDS_IN_NUMBER = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")

GLOBAL_UNICAST = IPv6Network("2000::/3")
# Addresses that carry another one: NAT64 (RFC 6052); those mapped and of 6to4 `ipaddress` knows.
NAT64 = IPv6Network("64:ff9b::/96")
# Public to the letter, at least for some versions of Python, and yet nobody's receiver.
SET_ASIDE = (
    IPv4Network("168.63.129.16/32"),  # a door to the host's secrets, Azure's
    IPv4Network("192.0.0.0/24"),  # for protocols, and such a door of Oracle's
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv6Network("2001::/32"),  # Teredo: each carries another address
    IPv6Network("3fff::/20"),  # for documents
)

Address = IPv4Address | IPv6Address
DEFAULT_PORTS = {"http": 80, "https": 443}


class UrlRefused(InvalidRequest):
    """We do not call this. What we found out about the name is not told."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This URL is not called from here: {reason}.")


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What may be called. `networks` may although they are not public, such as that of a test's own receiver."""

    schemes: frozenset[str] = frozenset({"https"})
    ports: frozenset[int] = frozenset({443})
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def origin_of(self, url: str) -> str:
        """Scheme, host and port of a URL that is fit to be called. Raises `UrlRefused`."""
        parts = parts_of(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        if parts.scheme not in self.schemes:
            raise UrlRefused("its scheme is not allowed")
        if port not in self.ports:
            raise UrlRefused("its port is not allowed")
        if address := address_in(parts):
            self.check([address])
        return f"{parts.scheme}://{parts.netloc.lower()}"

    def check(self, addresses: Iterable[Address]) -> None:
        """All of them, or whoever owns a name could hide a private address behind a public one. Raises `UrlRefused`."""
        for address in addresses:
            if not (is_public(address) or any(address in network for network in self.networks)):
                raise UrlRefused("its address is not public")


def parts_of(url: str) -> SplitResult:
    """Of a URL that everybody reads the same way. Raises `UrlRefused`."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UrlRefused("it cannot be read") from None
    if len(url) > LONGEST_URL or not PRINTABLE.fullmatch(url) or "\\" in url:
        raise UrlRefused("it cannot be read")
    if "@" in parts.netloc:
        raise UrlRefused("it holds a user or a password")
    host = re.sub(r":\d*$", "", parts.netloc.lower())
    if not HOST.fullmatch(host):
        raise UrlRefused("its host is not a plain name or address")
    return parts


def address_in(parts: SplitResult) -> Address | None:
    """The address that stands in place of a name. Raises `UrlRefused` for one in any but its usual notation."""
    host = parts.hostname or ""
    try:
        return ip_address(host)
    except ValueError:
        if ":" in host or ENDS_IN_NUMBER.fullmatch(host):
            raise UrlRefused("its host is not a plain name or address") from None
        return None


def is_public(address: Address) -> bool:
    """Whether it is somewhere in the internet: not ours, not this machine, not a group, not set aside."""
    if any(address in network for network in SET_ASIDE):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    carried = IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 else address.ipv4_mapped or address.sixtofour
    if carried:
        return is_public(carried)
    return address in GLOBAL_UNICAST and address.is_global
