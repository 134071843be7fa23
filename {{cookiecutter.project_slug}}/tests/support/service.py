"""The assembled service on a real port, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import uvicorn
from fastapi import APIRouter, FastAPI

from app.assembly.application import create_app
from app.assembly.management import BackgroundServer
from app.assembly.server import uvicorn_options
from app.assembly.sockets import listen
from app.settings import Settings
from tests.support.waiting import until

START_SECONDS = 20.0


@dataclass(frozen=True)
class RunningService:
    """The service, and a client for each of its ports."""

    app: FastAPI
    client: httpx2.AsyncClient
    management: httpx2.AsyncClient


@asynccontextmanager
async def run_service(settings: Settings, *, routers: Sequence[APIRouter] = ()) -> AsyncIterator[RunningService]:
    """What production runs, plus a test's own routes."""
    app = create_app(settings)
    for router in routers:
        app.include_router(router)
    with listen(settings.host, settings.port, variable="PORT") as socket:
        server = BackgroundServer(uvicorn.Config(app, **uvicorn_options(settings)))
        serving = asyncio.create_task(server.serve(sockets=[socket]))
        try:
            await wait_until_started(server, serving)
            async with (
                client_for(settings.host, socket.getsockname()[1]) as client,
                client_for(settings.host, app.state.management_port) as management,
            ):
                yield RunningService(app, client, management)
        finally:
            server.should_exit = True
            await serving


async def wait_until_started(server: BackgroundServer, serving: asyncio.Task[None]) -> None:
    await until(lambda: server.started or serving.done(), within_seconds=START_SECONDS)
    if serving.done():
        await serving


def client_for(host: str, port: int) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://{host}:{port}", timeout=20)
