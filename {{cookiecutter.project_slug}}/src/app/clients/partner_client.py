"""Calls one partner."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from app.clients.calls import Calls
from app.clients.errors import PartnerUnavailable
from app.clients.messages import Answer
from app.clients.requests import Json, Query, checked_path, request_for

T = TypeVar("T")


class HttpClient:
    """For the partner at this address. Paths begin with `/` and are added to it."""

    def __init__(self, url: str, calls: Calls) -> None:
        self.url = url.rstrip("/")
        self.calls = calls

    async def get(self, path: str, *, query: Query = (), headers: Mapping[str, str] | None = None) -> Answer:
        """Identical calls at the same time are one. Raises `PartnerUnavailable`.

        So after a `post` of your own you may get an answer that was begun before it.
        """
        return await self.request("GET", path, query=query, headers=headers)

    async def post(
        self,
        path: str,
        *,
        json: Json = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Tried again only with a key by which the partner knows what it has done. Raises `PartnerUnavailable`."""
        return await self.request("POST", path, json=json, headers=headers, idempotency_key=idempotency_key)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        json: Json = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Any method, in upper case. Raises `PartnerUnavailable`."""
        url = self.url + checked_path(path)
        request = request_for(method, url, query=query, json=json, headers=headers, idempotency_key=idempotency_key)
        return await self.calls.call(request)

    async def or_else(self, wanted: Awaitable[T], fallback: Callable[[PartnerUnavailable], T]) -> T:
        """What is wanted of the partner, or what does instead of it while it is unavailable."""
        try:
            return await wanted
        except PartnerUnavailable as failure:
            self.calls.ledger.record_fallback(failure)
            return fallback(failure)
