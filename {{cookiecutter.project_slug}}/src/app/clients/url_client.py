"""Calls URLs that come from data: those of webhooks, of whatever a caller names."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from app.clients.calls import Calls
from app.clients.messages import Answer
from app.clients.requests import Json, request_for
from app.clients.ssrf_guard import UrlRules

# Each has a circuit and a bulkhead of its own; what is forgotten begins anew.
ORIGINS_REMEMBERED = 1000


class UrlClient:
    """For whatever the rules allow. One receiver's troubles are not another's."""

    def __init__(self, rules: UrlRules, make_calls: Callable[[str], Calls]) -> None:
        self.rules = rules
        self.calls_to = lru_cache(ORIGINS_REMEMBERED)(make_calls)

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: Json = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Raises `UrlRefused` for what must not be called, and `PartnerUnavailable`."""
        origin = self.rules.origin_of(url)
        request = request_for(method, url, query=(), json=json, headers=headers, idempotency_key=idempotency_key)
        return await self.calls_to(origin).call(request)
