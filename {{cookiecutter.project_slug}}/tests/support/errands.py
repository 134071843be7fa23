"""A tiny feature that calls a partner, and answers what the partner answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel

from app.clients.errors import PartnerUnavailable
from app.clients.messages import Answer
from app.clients.partner_client import HttpClient
from app.clients.ssrf_guard import UrlRules
from app.resilience.policy import Policy
from app.security.public import public
from app.settings.sections import PartnerSection, Settings
from app.web.dependencies import CurrentResources
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

SECRET = "the-helpers-own-key-0123456789"


class SettingsWithHelper(Settings):
    """As somebody would have them who calls a partner."""

    helper: PartnerSection = PartnerSection()
    stranger: PartnerSection = PartnerSection()


class Outcome(BaseModel):
    """What came back."""

    status: int
    body: str
    headers: dict[str, str] = {}


class Quote(BaseModel):
    """What was agreed upon with the partner."""

    cents: int


def errands(policy: Policy, rules: UrlRules) -> APIRouter:
    """Routes that run errands to the partner `helper`, by this policy, and to URLs that somebody names."""
    router = APIRouter(prefix="/v1/errands")

    def helper(resources: CurrentResources) -> HttpClient:
        return resources.clients.get("helper", policy=policy)

    @router.api_route("/to/{path:path}", methods=["GET", "POST", "PUT"])
    @public
    async def run(path: str, request: Request, resources: CurrentResources, key: str | None = None) -> Outcome:
        query = [(name, value) for name, value in request.query_params.items() if name != "key"]
        client = helper(resources)
        return told(await client.request(request.method, f"/{path}", query=query, idempotency_key=key))

    @router.get("/quote")
    @public
    async def read_quote(resources: CurrentResources) -> Quote:
        answer = await helper(resources).get("/quote")
        return answer.read(Quote)

    @router.get("/quote-or-flat-rate")
    @public
    async def read_quote_or_flat_rate(resources: CurrentResources) -> dict[str, Any]:
        client = helper(resources)

        async def ask() -> dict[str, Any]:
            return (await client.get("/quote")).read(Quote).model_dump()

        def flat_rate(failure: PartnerUnavailable) -> dict[str, Any]:
            return {"cents": 500, "instead_of": failure.outcome}

        return await client.or_else(ask(), flat_rate)

    @router.get("/stranger")
    @public
    async def ask_stranger(resources: CurrentResources) -> Outcome:
        return told(await resources.clients.get("stranger", policy=policy).get("/"))

    @router.post("/url")
    @public
    async def call_url(resources: CurrentResources, url: str = Header()) -> Outcome:
        client = resources.clients.for_urls("receivers", policy=policy, rules=rules)
        return told(await client.request("POST", url, json={"event": "made"}))

    return router


def told(answer: Answer) -> Outcome:
    return Outcome(status=answer.status, body=answer.body.decode(), headers=dict(answer.headers))


def settings_with_partners(*, database_url: str, redis_url: str | None = None, **partners: str) -> Settings:
    """With their addresses."""
    sections = {name: {"url": url, "api_key": SECRET if name == "helper" else None} for name, url in partners.items()}
    return settings_for(database_url=database_url, redis_url=redis_url, kind=SettingsWithHelper, **sections)


@asynccontextmanager
async def running_errands(
    database_url: str, policy: Policy, *, rules: UrlRules | None = None, **partners: str
) -> AsyncIterator[RunningService]:
    """The assembled service, with the addresses of its partners."""
    settings = settings_with_partners(database_url=database_url, **partners)
    async with run_service(settings, routers=[errands(policy, rules or UrlRules())]) as running:
        yield running
