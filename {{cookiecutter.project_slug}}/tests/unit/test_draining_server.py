"""What the server does inside of a signal handler, where nearly nothing is safe."""

import signal

import pytest
import uvicorn
from structlog.testing import capture_logs

from app.assembly.server import DrainingServer, uvicorn_options
from app.observability.context import add_context, begin_request, bind_caller, forget_context
from tests.support.app import unopened_app
from tests.support.settings import settings_for
from tests.support.waiting import until


@pytest.fixture
def server() -> DrainingServer:
    """It believes that it has started."""
    app = unopened_app()
    settings = settings_for(database_url="postgresql://nobody@localhost/never-connected")
    config = uvicorn.Config(app, **uvicorn_options(settings))
    server = DrainingServer(config, draining=app.state.draining, delay_seconds=0)
    server.started = True
    return server


async def test_the_signal_handler_itself_does_not_log(server: DrainingServer) -> None:
    with capture_logs() as logs:
        server.handle_exit(signal.SIGTERM, None)
        inside = list(logs)
        has_begun = server.draining.has_begun
        await until(lambda: server.should_exit)

    assert inside == [], "it may have interrupted a line that is being written under a lock"
    assert has_begun
    assert [line["event"] for line in logs] == ["draining"]


async def test_the_request_that_a_signal_has_interrupted_is_not_named_in_its_line(server: DrainingServer) -> None:
    begin_request(request_id="interrupted-01", trace_id="0" * 32)
    bind_caller(user="somebody", tenant="some-tenant")

    with capture_logs(processors=[add_context]) as logs:
        server.handle_exit(signal.SIGTERM, None)
        await until(lambda: server.should_exit)
    forget_context()

    [line] = logs
    assert line.keys() == {"event", "log_level", "signal", "delay_seconds"}
