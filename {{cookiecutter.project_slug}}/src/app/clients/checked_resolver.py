"""Looks names up for the SSRF guard."""

import socket
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from app.clients.lookups import Lookups
from app.clients.ssrf_guard import UrlRules


class CheckedResolver(AbstractResolver):
    """Finds addresses that may be called, or raises `UrlRefused`. The connection goes to what it found.

    It is asked for each new connection, and not for addresses that stand in a URL.
    """

    def __init__(self, rules: UrlRules) -> None:
        self.rules = rules
        self.resolver = Lookups()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self.resolver.resolve(host, port, family)
        self.rules.check(ip_address(each["host"]) for each in found)
        return found

    async def close(self) -> None:
        await self.resolver.close()
