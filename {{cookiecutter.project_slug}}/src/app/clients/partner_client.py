"""Calls one partner."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from app.clients.calls import Calls
from app.clients.errors import PartnerUnavailable
from app.clients.messages import Answer
from app.clients.requests import Json, Query, checked_path, request_for

T = TypeVar("T")


class HttpClient:
    """For one partner: `resources.clients.get("helper", policy=POLICY)`, in `clients/http.py`, is how to get one.

    Whatever the partner says is an `Answer`, also 302 or 404; a 5xx or a 429 is no answer but raises, as silence does:
    always a `PartnerUnavailable`, whose kinds are in `clients/errors.py`. Time-outs, repetitions and the circuit
    breaker are those of the policy, and `Calls` (`clients/calls.py`) holds every call to them.

    A path begins with `/`, or it is a `ValueError`, and is added to the partner's address. A query is given as
    `query=`, and values in a path are percent-encoded, or somebody could ask for another path: what would lead there
    raises `PathRefused`, which unhandled becomes a 422.
    """

    def __init__(self, url: str, calls: Calls) -> None:
        self.url = url.rstrip("/")
        self.calls = calls

    async def get(self, path: str, *, query: Query = (), headers: Mapping[str, str] | None = None) -> Answer:
        """Read what is at this path. Tried again if it fails. Raises `PartnerUnavailable` and `PathRefused`.

        Identical calls at the same time are one, so after a `post` of your own you may get an answer that was begun
        before it.
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
        """Have something done, with `json` as the body. Raises `PartnerUnavailable` and `PathRefused`.

        Tried again only with an `idempotency_key`, by which the partner knows what it has done already.
        """
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
        """Any method, in upper case. Raises `PartnerUnavailable` and `PathRefused`.

        PUT, DELETE, HEAD and OPTIONS are tried again as GET is, any other method as POST is.
        """
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
