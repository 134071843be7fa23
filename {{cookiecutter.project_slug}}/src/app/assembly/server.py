"""Serves the public port, and stops in the order that loses no request."""

import asyncio
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from math import ceil
from types import FrameType
from typing import Any

import structlog
import uvicorn

from app.assembly.application import create_app
from app.assembly.ending import end_within
from app.assembly.hanging_up import hang_up
from app.assembly.instruments import open_log
from app.assembly.sockets import listen
from app.health.draining import Draining
from app.observability.log_output import STDOUT
from app.settings import Settings, essentials
from app.web.protocol import BoundedProtocol

log = structlog.get_logger()

# People think between two requests; uvicorn's default of 5 s would make each of theirs reconnect.
KEEP_ALIVE_SECONDS = 75

# For closing what is open once the grace is over: saying goodbye to a database that hangs takes 2 s.
CLOSING_SECONDS = 5.0


def serve(settings: Settings) -> None:
    """Serve until a signal. Raises `ConfigurationError` when something is missing or a port is taken."""
    essentials(settings)
    with listen(settings.host, settings.management.port, variable="MANAGEMENT_PORT"):
        pass  # only to tell in a sentence if it is taken; the lifespan opens it
    app = create_app(settings)
    with listen(settings.host, settings.port, variable="PORT") as opened:
        config = uvicorn.Config(app, **uvicorn_options(settings))
        server = DrainingServer(config, draining=app.state.draining, delay_seconds=settings.shutdown.delay_seconds)
        # What stands by now stays until the end. Without this each large body makes the collector walk over all of it,
        # while nobody else is served (measured: 1 MB of empty lists took 690 ms, and takes 160).
        gc.collect()
        gc.freeze()
        server.run(sockets=[opened])


def serve_and_reload(settings: Settings) -> None:
    """Serve, anew whenever the code changes. This process only watches files; the one that serves is its child."""
    essentials(settings)
    open_log(settings)
    uvicorn.run(
        "app.main:application",
        factory=True,
        reload=True,
        reload_dirs=["src"],
        host=settings.host,
        port=settings.port,
        **uvicorn_options(settings),
    )


def uvicorn_options(settings: Settings) -> dict[str, Any]:  # Any: options of every type
    """uvicorn without what we do ourselves."""
    return {
        "http": BoundedProtocol,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "ws": "none",
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": ceil(settings.shutdown.grace_seconds),
        "proxy_headers": False,
    }


class DrainingServer(uvicorn.Server):
    """Reports not ready first and stops listening a little later.

    uvicorn closes its listener as soon as it gets the signal, while load balancers still send
    requests here until they have asked for our readiness again.
    """

    def __init__(self, config: uvicorn.Config, *, draining: Draining, delay_seconds: float) -> None:
        super().__init__(config)
        self.draining = draining
        self.delay_seconds = delay_seconds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn repeats the signal at the end, which ends the process at once: the log must be written before."""
        with super().capture_signals():
            before = {number: signal.signal(number, self.handle_exit) for number in hang_up()}
            yield
            for number, handler in before.items():
                signal.signal(number, handler)
            STDOUT.drain()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains; the next one ends the delay; the next one after that cuts off what is in flight."""
        if self.draining.has_begun or not self.started:
            self.force_exit = self.should_exit
            super().handle_exit(sig, frame)
            return
        self.draining.begin()
        # Nothing else in here: the signal may have interrupted a line of the log, and whoever writes it holds a lock.
        # And not in the context of the request that it has interrupted.
        asyncio.get_running_loop().call_soon_threadsafe(self.drain, sig, frame, context=Context())

    def drain(self, sig: int, frame: FrameType | None) -> None:
        """Say so, and stop after the delay."""
        log.info("draining", signal=signal.Signals(sig).name, delay_seconds=self.delay_seconds)
        asyncio.get_running_loop().call_later(self.delay_seconds, self.stop, sig, frame)

    def stop(self, sig: int, frame: FrameType | None) -> None:
        """Close the port and let what is in flight finish, unless another signal has begun that already."""
        if not self.should_exit:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Neither a thread nor anything that does not close keeps the process alive."""
        end_within((self.config.timeout_graceful_shutdown or 0) + CLOSING_SECONDS, event="ended_by_force")
        await super().shutdown(sockets)
