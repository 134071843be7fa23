"""Serves the public port, and stops in the order that loses no request."""

import asyncio
import signal
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from app.assembly.application import create_app
from app.assembly.sockets import listen
from app.settings import Settings, essentials

log = structlog.get_logger()

# People think between two requests; uvicorn's default of 5 s would make each of theirs reconnect.
KEEP_ALIVE_SECONDS = 75


def serve(settings: Settings) -> None:
    """Serve until a signal. Raises `ConfigurationError` when something is missing or a port is taken."""
    essentials(settings)
    with listen(settings.host, settings.management.port, variable="MANAGEMENT_PORT"):
        pass  # only to tell in a sentence if it is taken; the lifespan opens it
    app = create_app(settings)
    with listen(settings.host, settings.port, variable="PORT") as socket:
        DrainingServer(server_config(app, settings), delay_seconds=settings.shutdown.delay_seconds).run(
            sockets=[socket]
        )


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """uvicorn without what we do ourselves."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.shutdown.grace_seconds),
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )


class DrainingServer(uvicorn.Server):
    """Reports not ready first and stops listening a little later.

    uvicorn closes its listener as soon as it gets the signal, while load balancers still send
    requests here until they have asked for our readiness again.
    """

    def __init__(self, config: uvicorn.Config, *, delay_seconds: float) -> None:
        super().__init__(config)
        self.delay_seconds = delay_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, a second one stops at once."""
        draining = self.config.app.state.draining  # type: ignore[union-attr] # the config's app may be a string; ours is not
        if draining.has_begun or not self.started:
            super().handle_exit(sig, frame)
            return
        draining.begin()
        # Nothing else in here: the signal may have interrupted a line of the log, and whoever writes it holds a lock.
        asyncio.get_running_loop().call_soon_threadsafe(self.drain, sig, frame)

    def drain(self, sig: int, frame: FrameType | None) -> None:
        """Say so, and stop after the delay."""
        log.info("draining", signal=signal.Signals(sig).name, delay_seconds=self.delay_seconds)
        asyncio.get_running_loop().call_later(self.delay_seconds, super().handle_exit, sig, frame)
