"""Nobody calls more often than allowed: no address, no caller, and nobody who guesses keys."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from copy import copy
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter
from slowapi.util import get_remote_address
from structlog.testing import capture_logs

from app.core.ids import new_id
from app.persistence.errors import TransactionRolledBack
from app.resilience import shedding_state
from app.security.keys import new_key
from app.security.principal import Principal
from app.security.public import public
from app.web.authentication import requires
from app.web.rate_limits import LimitedByAddress, Limiter, limiter
from tests.support import doors
from tests.support.callers import key_for
from tests.support.counters import Rendezvous
from tests.support.metrics import scrape
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import until

ORIGIN = "https://shop.example.com"

ROUTER = APIRouter(prefix="/v1/lifts")
Riders = Annotated[Principal, requires("lifts:ride")]
ATTEMPTS = count()


@ROUTER.get("/{number}")
@limiter.limit("2/hour")
async def ride(number: int, caller: Riders) -> int:
    return number


@ROUTER.post("/{number}")
@limiter.limit("3/hour")
@limiter.limit("10/day")
async def build(number: int, caller: Riders) -> int:
    return number


@ROUTER.get("/often/and/long")
@limiter.limit("1/minute;1/hour")
async def ride_long(caller: Riders) -> None:
    pass


@ROUTER.get("/stuck/again")
async def run_again(caller: Riders) -> int:
    attempt = next(ATTEMPTS)
    if attempt % 3 < 2:
        raise TransactionRolledBack
    return attempt


@ROUTER.get("/broken/now")
async def crash(caller: Riders) -> None:
    raise RuntimeError


@ROUTER.get("/public/view", dependencies=[LimitedByAddress])
@limiter.limit("2/hour")
@public
async def view() -> str:
    return "far"


@pytest.fixture(scope="module")
async def running(worker_database_url: str) -> AsyncIterator[RunningService]:
    """Five requests an hour are allowed; the test is the proxy, so it can come from any address."""
    settings = settings_for(
        database_url=worker_database_url,
        trusted_proxies=["127.0.0.1"],
        allowed_hosts=["127.0.0.1"],
        cors={"origins": [ORIGIN]},
        rate={"limit_default": "5/hour", "limit_address": "8/hour", "limit_refused": "3/hour"},
    )
    async with run_service(settings, routers=[doors.router, ROUTER]) as running:
        yield running


@pytest.fixture
async def limited(running: RunningService, database_url: str) -> RunningService:
    return running


ADDRESSES = count(1)


@pytest.fixture
def address() -> dict[str, str]:
    """One that no other test comes from."""
    return come_from(f"203.0.113.{next(ADDRESSES)}")


def come_from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def elsewhere() -> dict[str, str]:
    return come_from(f"198.51.100.{next(ADDRESSES)}")


class Caller:
    """Somebody with a key, who calls from a new address each time."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers={**elsewhere(), **headers})

    async def post(self, path: str) -> httpx2.Response:
        return await self.client.post(path, headers=elsewhere())


@pytest.fixture
async def caller(limited: RunningService) -> Caller:
    return Caller(await limited.client_for("lifts:ride", "doors:pass", "doors:build"))


def statuses(responses: list[httpx2.Response]) -> list[int]:
    return [response.status_code for response in responses]


# --- By address ---


async def ring(service: RunningService, headers: Mapping[str, str]) -> httpx2.Response:
    return await service.client.get("/v1/doors/bell", headers=dict(headers))


async def test_an_address_that_calls_too_often_is_told_to_wait(
    limited: RunningService, address: dict[str, str]
) -> None:
    passed = [await ring(limited, address) for _ in range(8)]
    refused = await ring(limited, {**address, "Origin": ORIGIN})
    other = await ring(limited, elsewhere())

    assert statuses(passed) == [200] * 8
    assert refused.status_code == 429
    assert refused.json()["type"] == "urn:problem:address-limit-exceeded"
    assert 0 < int(refused.headers["retry-after"]) <= 450
    assert refused.headers["ratelimit-policy"] == '"address";q=8;w=3600'
    assert refused.headers["ratelimit"] == f'"address";r=0;t={refused.headers["retry-after"]}'
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert {"x-request-id", "content-security-policy"} <= refused.headers.keys()
    assert other.status_code == 200


WHATEVER: list[tuple[str, dict[str, str], int]] = [
    ("GET /nowhere", {}, 404),
    ("PUT /v1/doors/bell", {}, 405),
    ("GET /v1/doors", {}, 401),
    ("GET /v1/doors/bell", {"Host": "elsewhere.example"}, 400),
    ("OPTIONS /v1/doors", {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}, 200),
    ("GET /health/unknown", {}, 404),
]


@pytest.mark.parametrize(("asked", "headers", "status"), WHATEVER)
async def test_whatever_is_called_it_counts(
    limited: RunningService, address: dict[str, str], asked: str, headers: dict[str, str], status: int
) -> None:
    method, path = asked.split()
    answers = [await limited.client.request(method, path, headers={**address, **headers}) for _ in range(8)]

    assert statuses(answers) == [status] * 8
    assert (await ring(limited, address)).status_code == 429


async def test_whoever_watches_over_the_service_is_never_told_to_wait(
    limited: RunningService, address: dict[str, str]
) -> None:
    answers = [await limited.client.get("/health/live", headers=address) for _ in range(20)]

    assert statuses(answers) == [200] * 20
    assert (await ring(limited, address)).status_code == 200


async def test_all_addresses_of_one_ipv6_customer_are_one(limited: RunningService) -> None:
    passed = [await ring(limited, come_from(f"2001:db8:1:1::{number:x}")) for number in range(8)]
    refused = await ring(limited, come_from("2001:db8:1:1:ffff::1"))
    neighbour = await ring(limited, come_from("2001:db8:1:2::1"))

    assert [*statuses(passed), refused.status_code, neighbour.status_code] == [200] * 8 + [429, 200]


async def test_while_the_service_turns_others_away_an_address_may_have_a_quarter(
    worker_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shedding_state, "CALM_SECONDS", 600.0)
    settings = settings_for(
        database_url=worker_database_url,
        trusted_proxies=["127.0.0.1"],
        overload={"max_requests": 1, "queue_seconds": 0.01},
        rate={"limit_address": "8/hour"},
    )
    meeting = Rendezvous(2)
    router = APIRouter(prefix="/v1/lobby")

    @router.get("")
    @public
    async def wait() -> None:
        await meeting.meet()

    async with run_service(settings, routers=[router, doors.router]) as service:
        shed = await overload(service, meeting)
        answers = [await ring(service, come_from("203.0.113.1")) for _ in range(4)]

    assert shed == 503
    assert statuses(answers) == [200, 200, 429, 429]


async def overload(service: RunningService, meeting: Rendezvous) -> int:
    """One request waits in the only place there is, and the status of the next is returned."""
    waiting = asyncio.create_task(service.client.get("/v1/lobby"))
    await until(lambda: meeting.arrived == 1)
    shed = await ring(service, {})
    await meeting.meet()
    await waiting
    return shed.status_code


async def test_refusals_are_all_counted_and_told_once(limited: RunningService, address: dict[str, str]) -> None:
    before = (await scrape(limited.management)).value("rate_limited_total", limit="address")
    with capture_logs() as lines:
        for _ in range(8 + 5):
            await ring(limited, address)

    after = (await scrape(limited.management)).value("rate_limited_total", limit="address")
    told = [line for line in lines if line["event"] == "rate_limited"]
    assert after - before == 5
    assert [(line["limit"], line["whom"], line["log_level"]) for line in told] == [
        ("address", address["X-Forwarded-For"], "warning")
    ]


# --- By caller ---


async def test_a_caller_that_calls_too_often_is_told_to_wait(limited: RunningService, caller: Caller) -> None:
    passed = [await caller.get(path) for path in ("/v1/doors", "/v1/lifts/1", "/v1/doors", "/v1/lifts/2", "/v1/doors")]
    with capture_logs() as lines:
        refused = await caller.get("/v1/doors", Origin=ORIGIN)
    other = await Caller(await limited.client_for("doors:pass")).get("/v1/doors")

    assert statuses(passed) == [200] * 5
    assert refused.status_code == 429
    assert refused.json()["type"] == "urn:problem:rate-limit-exceeded"
    assert refused.json()["type"] in [line.get("problem") for line in lines]
    assert refused.json()["detail"] == "More than 5 requests in 3600 s."
    assert 0 < int(refused.headers["retry-after"]) <= 720
    assert refused.headers["ratelimit"] == f'"default";r=0;t={refused.headers["retry-after"]}'
    assert "RateLimit" in refused.headers["access-control-expose-headers"].split(", ")
    assert other.status_code == 200


async def test_every_answer_to_a_known_caller_says_what_is_left(caller: Caller) -> None:
    paths = ["/v1/doors", "/v1/lifts/nan", "/v1/lifts/broken/now"]

    answers = [await caller.get(path) for path in paths] + [await caller.post("/v1/doors")]

    assert statuses(answers) == [200, 422, 500, 422]
    assert [answer.headers.get("ratelimit", "").partition(";t=")[0] for answer in answers] == [
        f'"default";r={left}' for left in (4, 3, 2, 1)
    ]


async def test_a_route_may_have_limits_of_its_own(caller: Caller) -> None:
    rides = [await caller.get(f"/v1/lifts/{number}") for number in range(3)]
    elsewhere = await caller.get("/v1/doors")

    assert [*statuses(rides), elsewhere.status_code] == [200, 200, 429, 200]
    assert rides[0].headers["ratelimit-policy"] == '"default";q=5;w=3600, "route";q=2;w=3600'
    assert rides[2].json()["detail"] == "More than 2 requests in 3600 s."
    assert elsewhere.headers["ratelimit"].startswith('"default";r=2;'), "a refused request takes nothing"


async def test_a_route_may_have_several_limits(caller: Caller) -> None:
    answer = await caller.post("/v1/lifts/1")

    assert answer.headers["ratelimit-policy"] == ('"default";q=5;w=3600, "route";q=10;w=86400, "route-2";q=3;w=3600')


@pytest.mark.parametrize("path", ["/v1/lifts/stuck/again", "/v1/doors/locks"])
async def test_a_request_counts_once_however_often_it_runs_and_asks_who_calls(caller: Caller, path: str) -> None:
    answer = await caller.get(path)

    assert answer.status_code == 200
    assert answer.headers["ratelimit"].startswith('"default";r=4;')


async def test_of_several_limits_that_refuse_the_longest_says_when_to_come_back(caller: Caller) -> None:
    passed, refused = [await caller.get("/v1/lifts/often/and/long") for _ in range(2)]

    assert statuses([passed, refused]) == [200, 429]
    assert refused.json()["detail"] == "More than 1 requests in 3600 s."
    assert 3000 < int(refused.headers["retry-after"]) <= 3600


async def test_a_public_route_may_limit_each_address(limited: RunningService, address: dict[str, str]) -> None:
    views = [await limited.client.get("/v1/lifts/public/view", headers=address) for _ in range(3)]
    other = await limited.client.get("/v1/lifts/public/view", headers=elsewhere())

    assert [*statuses(views), other.status_code] == [200, 200, 429, 200]
    assert views[0].headers["ratelimit-policy"] == '"route";q=2;w=3600'


async def test_who_is_not_limited_reads_no_limits(limited: RunningService) -> None:
    answers = [await ring(limited, elsewhere()), await limited.client.get("/v1/doors", headers=elsewhere())]

    assert statuses(answers) == [200, 401]
    assert not any(name.startswith("ratelimit") for answer in answers for name in answer.headers)


# --- By wrong keys ---


async def knock(service: RunningService, key: str, headers: Mapping[str, str]) -> httpx2.Response:
    return await service.client.get("/v1/doors", headers={**headers, "Authorization": f"Bearer {key}"})


async def test_whoever_tries_keys_has_to_wait(limited: RunningService, address: dict[str, str]) -> None:
    good = await key_for(limited.settings, "doors:pass", tenant=new_id())
    await knock(limited, good.text, address)

    tried = [await knock(limited, new_key().text, address) for _ in range(4)]
    known = await knock(limited, good.text, address)
    other = await knock(limited, new_key().text, elsewhere())

    assert statuses(tried) == [401, 401, 401, 429]
    assert tried[3].json()["type"] == "urn:problem:too-many-keys-refused"
    assert 0 < int(tried[3].headers["retry-after"]) <= 1200
    assert known.status_code == 200, "a key that is known costs no query"
    assert other.status_code == 401


# --- Declaring ---


@pytest.mark.parametrize("text", ["", "many", "0/minute", "10", "1/month", "2/second;many"])
def test_a_limit_that_cannot_be_read_is_refused_where_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate limit|must allow"):
        limiter.limit(text)


def test_a_limit_changes_nothing_else_about_its_route() -> None:
    async def endpoint() -> None:
        pass

    assert limiter.limit("1/minute")(endpoint) is endpoint


def test_declaring_reads_no_file_and_starts_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"RATELIMIT_ENABLED=\xff")
    before = threading.active_count()

    Limiter().limit("1/minute")(lambda: None)

    assert threading.active_count() == before


async def asleep() -> None:
    """A route's endpoint."""


NOT_TAKEN_OVER: dict[str, Callable[[Any], object]] = {  # Any: mypy knows that these are not there
    "constructor": lambda _limiter: Limiter(key_func=get_remote_address),
    "default_limits": lambda _limiter: Limiter(get_remote_address, default_limits=["5/minute"]),
    "key_func": lambda limiter: limiter.limit("5/minute", key_func=get_remote_address),
    "key_func-by-place": lambda limiter: limiter.limit("5/minute", get_remote_address),
    "exempt_when": lambda limiter: limiter.limit("5/minute", exempt_when=bool),
    "text-made-later": lambda limiter: limiter.limit(lambda: "5/minute"),
    "shared_limit": lambda limiter: limiter.shared_limit("5/minute", scope="lifts"),
    "exempt": lambda limiter: limiter.exempt(asleep),
    "reset": lambda limiter: limiter.reset(),
    "limiter": lambda limiter: limiter.limiter,
    "enabled": lambda limiter: limiter.enabled,
    "get_app_config": lambda limiter: limiter.get_app_config("RATELIMIT_ENABLED"),
    "slowapi_startup": lambda limiter: limiter.slowapi_startup(),
}


@pytest.mark.parametrize("what", NOT_TAKEN_OVER)
def test_what_is_not_taken_over_of_slowapi_says_what_to_write_instead(what: str) -> None:
    with pytest.raises(NotImplementedError, match=r"RATE_LIMIT_DEFAULT|@limiter\.limit"):
        NOT_TAKEN_OVER[what](limiter)


def test_the_limiter_can_be_copied_like_any_object() -> None:
    assert isinstance(copy(limiter), Limiter)
