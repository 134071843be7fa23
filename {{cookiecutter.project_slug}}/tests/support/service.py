"""The assembled service on a real port, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
from fastapi import APIRouter, FastAPI

from app.assembly.application import create_app
from app.assembly.management import BackgroundServer
from app.assembly.server import server_config
from app.assembly.sockets import listen
from app.settings import Settings

START_SECONDS = 20.0


@dataclass(frozen=True)
class RunningService:
    """The service and its callers' client."""

    app: FastAPI
    client: httpx2.AsyncClient


@asynccontextmanager
async def run_service(settings: Settings, *, routers: Sequence[APIRouter] = ()) -> AsyncIterator[RunningService]:
    """What production runs, plus a test's own routes."""
    app = create_app(settings)
    for router in routers:
        app.include_router(router)
    with listen(settings.host, settings.port, variable="PORT") as socket:
        server = BackgroundServer(server_config(app, settings))
        serving = asyncio.create_task(server.serve(sockets=[socket]))
        url = f"http://{settings.host}:{socket.getsockname()[1]}"
        try:
            await wait_until_started(server, serving)
            async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
                yield RunningService(app, client)
        finally:
            server.should_exit = True
            await serving


async def wait_until_started(server: BackgroundServer, serving: asyncio.Task[None]) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.005)  # uvicorn offers no event to wait for
