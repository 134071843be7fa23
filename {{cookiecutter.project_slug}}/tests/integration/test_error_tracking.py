"""What arrives at Sentry: each crash once, nothing else, and nothing secret."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.core.identity import service_identity
from tests.support.commands import run_python
from tests.support.ports import is_listening
from tests.support.sentry_receiver import SentryReceiver, sentry_receiver
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.talkative_service import router
from tests.support.waiting import wait_until

PLANTED = "pl4nted-s3cret-0123"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def sentry() -> Iterator[SentryReceiver]:
    with sentry_receiver() as receiver:
        yield receiver


async def crash(service: RunningService) -> None:
    """With something planted wherever a report could pick it up."""
    await service.client.get(
        "/talk/crash",
        params={"token": PLANTED, "email": "jane@example.com"},
        headers={
            "X-Token": PLANTED,
            "Authorization": f"Bearer {PLANTED}",
            "Cookie": f"session={PLANTED}",
            "X-Request-ID": "request-0001",
            "traceparent": f"00-{TRACE_ID}-{'1' * 16}-01",
        },
    )


async def test_a_crash_is_reported_once_before_the_process_ends(database_url: str) -> None:
    with sentry_receiver(holds_back=True) as sentry, ThreadPoolExecutor() as threads:
        settings = settings_for(database_url=database_url, sentry={"dsn": sentry.dsn})

        async with run_service(settings, routers=[router]) as service:
            await crash(service)
            threads.submit(let_go_once_closed, sentry, service.app.state.management_port)
        reported = list(sentry.events)

    assert [event["exception"]["values"][-1]["type"] for event in reported] == ["RuntimeError"]


def let_go_once_closed(sentry: SentryReceiver, port: int) -> None:
    """Nothing arrives while the service is still serving."""
    wait_until(lambda: not is_listening(port), what="the end of the service")
    sentry.may_answer.set()


async def test_a_report_says_where_and_in_which_request(sentry: SentryReceiver, database_url: str) -> None:
    settings = settings_for(database_url=database_url, sentry={"dsn": sentry.dsn})

    async with run_service(settings, routers=[router]) as service:
        await crash(service)

    (event,) = sentry.events
    assert (event["release"], event["environment"]) == (service_identity().release, "test")
    assert event["tags"] == {"request_id": "request-0001", "trace_id": TRACE_ID}


async def test_its_release_and_environment_can_be_chosen(sentry: SentryReceiver, database_url: str) -> None:
    chosen = {"dsn": sentry.dsn, "release": "shop@42", "environment": "canary"}

    async with run_service(settings_for(database_url=database_url, sentry=chosen), routers=[router]) as service:
        await crash(service)

    assert [(event["release"], event["environment"]) for event in sentry.events] == [("shop@42", "canary")]


async def test_a_report_holds_nothing_secret_or_personal(sentry: SentryReceiver, database_url: str) -> None:
    settings = settings_for(database_url=database_url, sentry={"dsn": sentry.dsn}, debug=True)

    async with run_service(settings, routers=[router]) as service:
        await crash(service)

    assert sentry.bodies
    assert [body for body in sentry.bodies if PLANTED in body or "jane@" in body or "127.0.0.1" in body] == []
    assert sentry.events[0].keys().isdisjoint({"server_name", "user", "request", "extra", "modules"})
    assert "password=[redacted]" in sentry.bodies[0]


async def test_neither_expected_errors_nor_lines_of_libraries_are_reported(
    sentry: SentryReceiver, database_url: str
) -> None:
    settings = settings_for(database_url=database_url, sentry={"dsn": sentry.dsn})

    async with run_service(settings, routers=[router]) as service:
        answers = [await service.client.get(path) for path in ("/nowhere", "/talk/ours", "/talk/missing")]
        answers.append(await service.client.delete("/talk/ours"))
        answers.append(await service.client.get("/talk/theirs", headers={"X-Token": PLANTED}))

    assert [answer.status_code for answer in answers] == [404, 422, 404, 405, 200]
    assert sentry.events == []


async def test_a_crash_is_answered_while_sentry_cannot_be_reached(database_url: str) -> None:
    settings = settings_for(database_url=database_url, sentry={"dsn": "http://key@127.0.0.1:9/1"})

    async with run_service(settings, routers=[router]) as service:
        answer = await service.client.get("/talk/crash", headers={"X-Token": PLANTED})

    assert answer.status_code == 500


IS_IMPORTED = """
import sys
from app.assembly.application import create_app
from app.settings import load_settings
create_app(load_settings())
print("sentry_sdk" in sys.modules)
"""


@pytest.mark.parametrize(("dsn", "is_imported"), [("", "False"), ("https://key@sentry.example.com/1", "True")])
def test_the_library_is_loaded_only_for_a_dsn(dsn: str, is_imported: str, tmp_path: Path) -> None:
    done = run_python(IS_IMPORTED, folder=tmp_path, SENTRY_DSN=dsn)

    assert done.stdout.split() == [is_imported]
