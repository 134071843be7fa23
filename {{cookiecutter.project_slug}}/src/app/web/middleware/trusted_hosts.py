"""Refuses requests for hosts that are not ours; links and caches must not be built from a forged `Host`.

Starlette's own middleware answers in plain text, and everything here answers with a problem.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.middleware.edge import exchange_of
from app.web.problems import problem_response

# A name, an IPv4 address, or an IPv6 address in its brackets.
HOST_AND_PORT = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d+)?")

# The same few names come with nearly every request. Few, because a caller may send 64 KB as a name.
KEPT_ANSWERS = 32


class HostNames:
    """Those that are ours: `*.example.com` means any name below it, `*` anything."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.allows_all = "*" in hosts
        self.names = frozenset(host.lower() for host in hosts)
        self.suffixes = tuple(host[1:].lower() for host in hosts if host.startswith("*."))
        self.is_listed = lru_cache(maxsize=KEPT_ANSWERS)(self.find)

    def are_asked_by(self, headers: Mapping[bytes, bytes]) -> bool:
        """Exactly one `Host`: of two, we might check the one and the next reader take the other. A list is no name."""
        return self.allows_all or self.is_listed(headers.get(b"host", b""))

    def find(self, header: bytes) -> bool:
        """The answer of `is_listed`, which remembers it."""
        found = HOST_AND_PORT.fullmatch(header.decode("latin-1").lower())
        return found is not None and (found[1] in self.names or found[1].endswith(self.suffixes))


class TrustedHosts:
    """Lets a request through if its `Host` is ours."""

    def __init__(self, app: ASGIApp, *, hosts: HostNames) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.hosts.are_asked_by(exchange_of(scope).request_headers):
            await self.app(scope, receive, send)
            return
        refusal = problem_response(400, instance=scope["path"], detail="This host name is not served here.")
        await refusal(scope, receive, send)
