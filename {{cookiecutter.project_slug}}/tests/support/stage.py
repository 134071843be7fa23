"""A service with room for one request, and routes that keep it, pass through it or wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from app.security.public import public
from tests.support import doors
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for


class Stage:
    """A route that keeps its place until it is let go, and others that want one."""

    def __init__(self) -> None:
        self.begin_anew()
        self.router = APIRouter(prefix="/v1/places")
        self.router.add_api_route("/hold", self.hold)
        self.router.add_api_route("/pass/{name}", self.pass_by)
        self.router.add_api_route("/stream", self.stream)
        self.router.add_api_route("/body", self.read_body, methods=["POST"])
        self.router.add_api_route("/crash", self.crash)

    def begin_anew(self) -> None:
        self.began = asyncio.Event()
        self.let_go = asyncio.Event()
        self.served: list[str] = []

    @public
    async def hold(self) -> None:
        self.began.set()
        await asyncio.wait_for(self.let_go.wait(), timeout=10)

    @public
    async def pass_by(self, name: str) -> None:
        self.served.append(name)

    @public
    async def stream(self) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            await self.hold()
            yield b"b"

        return StreamingResponse(parts())

    @public
    async def read_body(self, request: Request) -> str:
        return (await request.body()).decode()

    @public
    async def crash(self) -> None:
        raise RuntimeError


@asynccontextmanager
async def serving(stage: Stage, url: str, *, queue_seconds: float, **more: Any) -> AsyncIterator[RunningService]:
    """Works on one request at a time."""
    overload = {"max_requests": 1, "queue_seconds": queue_seconds}
    settings = settings_for(database_url=url, overload=overload, **more)
    async with run_service(settings, routers=[stage.router, doors.router]) as running:
        yield running


@asynccontextmanager
async def holding(service: RunningService, stage: Stage, path: str = "/v1/places/hold") -> AsyncIterator[None]:
    """While the only place is taken."""
    async with asyncio.TaskGroup() as group:
        held = group.create_task(service.client.get(path))
        await asyncio.wait_for(stage.began.wait(), timeout=10)
        try:
            yield
        finally:
            stage.let_go.set()
    assert held.result().status_code == 200
