"""What the server does inside of a signal handler, where nearly nothing is safe."""

import asyncio
import signal

import uvicorn
from structlog.testing import capture_logs

from app.assembly.server import DrainingServer, uvicorn_options
from tests.support.app import unopened_app
from tests.support.settings import settings_for


async def test_the_signal_handler_itself_does_not_log() -> None:
    app = unopened_app()
    settings = settings_for(database_url="postgresql://nobody@localhost/never-connected")
    server = DrainingServer(
        uvicorn.Config(app, **uvicorn_options(settings)), draining=app.state.draining, delay_seconds=0
    )
    server.started = True

    with capture_logs() as logs:
        server.handle_exit(signal.SIGTERM, None)
        inside = list(logs)
        has_begun = app.state.draining.has_begun
        async with asyncio.timeout(5):
            while not server.should_exit:  # noqa: ASYNC110 - a plain flag of uvicorn's
                await asyncio.sleep(0)

    assert inside == [], "it may have interrupted a line that is being written under a lock"
    assert has_begun
    assert [line["event"] for line in logs] == ["draining"]
