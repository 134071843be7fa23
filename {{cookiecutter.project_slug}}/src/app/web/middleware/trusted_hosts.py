"""Refuses requests for hosts that are not ours; links and caches must not be built from a forged `Host`.

Starlette's own middleware answers in plain text, and everything here answers with a problem.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.problems import problem_response


class TrustedHosts:
    """Lets a request through if its `Host` is listed; `*.example.com` means any name below it, `*` anything."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str]) -> None:
        self.app = app
        self.allows_all = "*" in hosts
        self.names = frozenset(host.lower() for host in hosts)
        self.suffixes = tuple(host[1:].lower() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.allows_all or self.is_trusted(scope):
            await self.app(scope, receive, send)
            return
        refusal = problem_response(400, instance=scope["path"], detail="This host name is not served here.")
        await refusal(scope, receive, send)

    def is_trusted(self, scope: Scope) -> bool:
        header = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
        host = header.partition("]")[0] + "]" if header.startswith("[") else header.partition(":")[0]
        return host in self.names or host.endswith(self.suffixes)
