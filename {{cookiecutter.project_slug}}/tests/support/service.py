"""The assembled service on a real port, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx2
import uvicorn
from fastapi import APIRouter, FastAPI

from app.assembly.application import create_app
from app.assembly.management import BackgroundServer
from app.assembly.policies import check_policies
from app.assembly.routes import add_routes
from app.assembly.server import uvicorn_options
from app.assembly.sockets import listen
from app.core.ids import new_id
from app.settings import Settings
from tests.support.callers import key_for
from tests.support.waiting import until

START_SECONDS = 50.0


@dataclass(frozen=True)
class RunningService:
    """The service, and a client for each of its ports."""

    app: FastAPI
    client: httpx2.AsyncClient
    management: httpx2.AsyncClient
    settings: Settings
    stack: AsyncExitStack

    async def client_for(self, *scopes: str, tenant: UUID | None = None) -> httpx2.AsyncClient:
        """A client that sends an API key with these scopes, of a new tenant unless one is given."""
        key = await key_for(self.settings, *scopes, tenant=tenant or new_id())
        headers = {"Authorization": f"Bearer {key.text}"}
        return await self.stack.enter_async_context(open_client(self.client.base_url, headers=headers))


@asynccontextmanager
async def run_service(settings: Settings, *, routers: Sequence[APIRouter] = ()) -> AsyncIterator[RunningService]:
    """What production runs, plus a test's own routes."""
    app = create_app(settings)
    add_routes(app, *routers)
    check_policies(app)
    with listen(settings.host, settings.port, variable="PORT") as socket:
        server = BackgroundServer(uvicorn.Config(app, **uvicorn_options(settings)))
        serving = asyncio.create_task(server.serve(sockets=[socket]))
        try:
            await wait_until_started(server, serving)
            async with AsyncExitStack() as stack:
                ports = (socket.getsockname()[1], app.state.management_port)
                clients = [open_client(f"http://{settings.host}:{port}") for port in ports]
                client, management = [await stack.enter_async_context(client) for client in clients]
                yield RunningService(app, client, management, settings, stack)
        finally:
            server.should_exit = True
            await serving


async def wait_until_started(server: BackgroundServer, serving: asyncio.Task[None]) -> None:
    await until(lambda: server.started or serving.done(), within_seconds=START_SECONDS)
    if serving.done():
        await serving


def open_client(base_url: httpx2.URL | str, *, headers: Mapping[str, str] | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=20)
