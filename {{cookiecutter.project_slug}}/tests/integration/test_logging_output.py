"""What a real process prints: one shape, and no secret in it."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.core.ids import new_id
from app.security.keys import Key
from tests.support.callers import key_for
from tests.support.commands import for_production, run_python
from tests.support.faults import log_unread
from tests.support.metrics import read
from tests.support.serving_app import TALKATIVE, ServingApp, serving
from tests.support.settings import settings_for
from tests.support.waiting import wait_until

MORE_LINES_THAN_FIT = 100

# Lines that are kept, beside what the pipe and the reader hold.
FEW = "10"
PLANTED = "pl4nted-s3cret-0123"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
FORWARDED = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def production(worker_database_url: str, folder: Path) -> Iterator[ServingApp]:
    with serving(folder=folder, module=TALKATIVE, **for_production(worker_database_url)) as running:
        yield running


@pytest.fixture(scope="module")
def debugged(worker_database_url: str, folder: Path) -> Iterator[ServingApp]:
    """In development, with everything that shows more."""
    variables = {**for_production(worker_database_url), "ENVIRONMENT": "development"}
    chosen = {"DEBUG": "true", "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "TRUSTED_PROXIES": "127.0.0.0/8"}
    with serving(folder=folder, module=TALKATIVE, **variables, **chosen) as running:
        yield running


@dataclass(frozen=True)
class Listener:
    """A caller with a real key."""

    key: Key
    tenant: UUID

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key.text}"}


@pytest.fixture
def listener(database_url: str) -> Listener:
    tenant = new_id()
    key = asyncio.run(key_for(settings_for(database_url=database_url), "talk:listen", tenant=tenant))
    return Listener(key, tenant)


def talk(running: ServingApp, path: str, request_id: str, **headers: str) -> list[dict[str, Any]]:
    """Every line of one request, in order; the access log's is the last."""
    given = {"X-Request-ID": request_id, "X-Token": PLANTED, "traceparent": f"00-{TRACE_ID}-{'1' * 16}-01"}
    running.client.get(path, headers={**given, **headers}, params={"password": PLANTED})
    running.access_line(request_id)
    return [line for line in running.events if line.get("request_id") == request_id]


def test_every_line_is_json_of_the_same_shape(production: ServingApp) -> None:
    talk(production, "/talk/ours", "shape-ours")
    talk(production, "/talk/theirs", "shape-theirs")
    talk(production, "/talk/crash", "shape-crash")

    shapes = [{"event", "level", "timestamp"} <= line.keys() for line in production.events]

    assert all(shapes)
    assert {datetime.fromisoformat(line["timestamp"]).tzname() for line in production.events} == {"UTC"}


def test_the_servers_own_records_have_it_too(production: ServingApp) -> None:
    loggers = {line.get("logger") for line in production.events}

    assert "uvicorn.error" in loggers
    assert None in loggers


def test_every_line_of_a_request_carries_its_ids(production: ServingApp) -> None:
    ours, access = talk(production, "/talk/ours", "ids-00001")

    assert {line["trace_id"] for line in (ours, access)} == {TRACE_ID}
    assert (ours["user"], ours["tenant"]) == ("user-1", "tenant-1")


def test_every_line_of_an_authenticated_request_names_its_caller(production: ServingApp, listener: Listener) -> None:
    lines = talk(production, "/talk/caller", "caller-lines", **listener.headers)

    assert [line["event"] for line in lines][::2] == ["careless", "request"]
    assert {(line.get("user"), line.get("tenant")) for line in lines} == {
        (f"key:{listener.key.prefix}", str(listener.tenant))
    }


def test_the_next_request_on_the_connection_has_no_caller(production: ServingApp, listener: Listener) -> None:
    talk(production, "/talk/caller", "caller-before", **listener.headers)

    lines = talk(production, "/talk/missing", "caller-after")

    assert [line for line in lines if "user" in line or "tenant" in line] == []


def test_an_api_key_is_printed_nowhere(production: ServingApp, debugged: ServingApp, listener: Listener) -> None:
    for running in (production, debugged):
        lines = talk(running, "/talk/caller", "key-printed", **listener.headers)
        talk(running, f"/talk/{listener.key.text}", "key-in-path")

        careless = next(line for line in lines if line["event"] == "careless")
        assert careless["line"] == f"key:{listener.key.prefix} sent [redacted] as it is"
        assert [line for line in running.lines if listener.key.secret in line] == []


def test_records_of_libraries_carry_them_as_well(production: ServingApp) -> None:
    theirs, _access = talk(production, "/talk/theirs", "ids-00002")

    assert (theirs["logger"], theirs["level"], theirs["trace_id"]) == ("third.party.library", "error", TRACE_ID)


def test_one_caller_is_not_taken_for_the_next(production: ServingApp) -> None:
    talk(production, "/talk/ours", "caller-001")

    lines = talk(production, "/talk/theirs", "caller-002")

    assert [line for line in lines if "user" in line] == []


def test_the_access_line_says_what_was_asked_and_answered(production: ServingApp) -> None:
    line = talk(production, "/talk/missing", "access-001")[-1]

    assert line["event"] == "request"
    assert (line["method"], line["path"], line["route"], line["status"]) == (
        "GET",
        "/talk/missing",
        "/talk/missing",
        404,
    )
    assert line["milliseconds"] >= 0
    assert line["bytes"] > 0


def test_a_crash_is_logged_once_with_its_causes(production: ServingApp) -> None:
    crash, access = talk(production, "/talk/crash", "crash-0001")

    assert (crash["event"], crash["level"], access["status"]) == ("crash", "error", 500)
    assert [found["exc_type"] for found in crash["exception"]] == ["RuntimeError", "ValueError"]


def test_an_expected_error_is_no_crash(production: ServingApp) -> None:
    assert [line["event"] for line in talk(production, "/talk/missing", "expected-1")] == ["request"]


@pytest.mark.parametrize("path", ["/talk/ours", "/talk/theirs", "/talk/crash"])
def test_nothing_planted_is_printed(path: str, production: ServingApp, debugged: ServingApp) -> None:
    for running in (production, debugged):
        lines = talk(running, path, f"planted{path.replace('/', '-')}")

        assert lines
        assert [line for line in running.lines if PLANTED in line or "jane@" in line] == []


def test_what_is_harmless_is_printed(production: ServingApp) -> None:
    ours, _access = talk(production, "/talk/ours", "harmless-1")

    assert ours["harmless"] == "monkey"
    assert ours["nested"]["deep"] == [{"apiKey": "[redacted]"}]


def test_production_never_shows_local_variables(production: ServingApp) -> None:
    crash, _access = talk(production, "/talk/crash", "locals-001")

    assert {frame.get("locals") for found in crash["exception"] for frame in found["frames"]} == {None}


def test_debug_shows_local_variables_without_secrets(debugged: ServingApp) -> None:
    crash = next(line for line in talk(debugged, "/talk/crash", "locals-002") if line["event"] == "crash")

    innermost = crash["exception"][0]["frames"][-1]

    assert innermost["name"] == "crash"
    assert innermost["locals"]["password"] == "[redacted]"


def test_the_level_decides_what_is_printed(production: ServingApp, debugged: ServingApp) -> None:
    in_production = talk(production, "/talk/ours", "level-0001")
    in_detail = talk(debugged, "/talk/ours", "level-0002")

    assert "ours_in_detail" not in [line["event"] for line in in_production]
    assert "ours_in_detail" in [line["event"] for line in in_detail]


def test_a_caller_cannot_choose_its_address(production: ServingApp) -> None:
    assert talk(production, "/talk/missing", "spoofed-01", **FORWARDED)[-1]["client"] == "127.0.0.1"


def test_a_trusted_proxy_tells_the_address_of_the_caller(debugged: ServingApp) -> None:
    assert talk(debugged, "/talk/missing", "proxied-01", **FORWARDED)[-1]["client"] == "203.0.113.9"


CONFIGURE = """
import logging, structlog
from app.assembly.instruments import open_instruments
from app.settings import load_settings
open_instruments(load_settings())
structlog.get_logger().warning("ours", password="{planted}", answer=42)
logging.getLogger("theirs").warning("theirs")
try:
    raise RuntimeError("token={planted}")
except RuntimeError:
    logging.getLogger("theirs").exception("failed")
"""


def test_the_console_format_is_for_people(folder: Path) -> None:
    script = CONFIGURE.format(planted=PLANTED)

    done = run_python(script, folder=folder, LOG_FORMAT="console")

    assert "answer=42" in done.stdout
    assert "RuntimeError: token=[redacted]" in done.stdout
    assert PLANTED not in done.stdout + done.stderr
    assert "{" not in done.stdout
    assert "\x1b" not in done.stdout, "colours are for terminals"


def test_a_higher_level_silences_libraries_too(folder: Path) -> None:
    done = run_python(CONFIGURE.format(planted=PLANTED), folder=folder, LOG_LEVEL="ERROR")

    assert [line for line in done.stdout.splitlines() if '"warning"' in line] == []
    assert '"failed"' in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has pipes of a chosen size")
def test_a_log_that_nobody_reads_holds_nobody_up(worker_database_url: str, folder: Path) -> None:
    variables = for_production(worker_database_url)
    with serving(folder=folder, module=TALKATIVE, **variables) as service, log_unread(service):
        is_answered = all(answers_in_time(service) for _ in range(MORE_LINES_THAN_FIT))

    assert is_answered


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has pipes of a chosen size")
def test_what_nobody_takes_of_the_log_is_dropped_counted_and_told(worker_database_url: str, folder: Path) -> None:
    variables = {**for_production(worker_database_url), "MOST_LINES": FEW}
    with serving(folder=folder, module=TALKATIVE, **variables) as service:
        with log_unread(service):
            for _ in range(MORE_LINES_THAN_FIT):
                service.client.get("/talk/missing")

        wait_until(lambda: told(service) == dropped(service) > 0, within_seconds=20, what="the number of dropped lines")


def dropped(service: ServingApp) -> float:
    return read(service.management.get("/metrics").text).value("log_lines_dropped_total")


def told(service: ServingApp) -> int:
    """In the log, which is read again."""
    return sum(line["lines"] for line in service.named("log_lines_dropped"))


def answers_in_time(service: ServingApp) -> bool:
    try:
        return service.client.get("/talk/missing", timeout=2).status_code == 404
    except httpx2.TimeoutException:
        return False
