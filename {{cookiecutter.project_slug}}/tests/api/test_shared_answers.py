"""Requests for the same are answered once, together or after each other; nobody gets what is another's."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from typing import Annotated, Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from app.cache import cache
from app.cache.redis import open_redis
from app.core.errors import NotFound, Unavailable
from app.core.identity import service_identity
from app.resilience.deadline import remaining
from app.security.principal import Principal
from app.security.public import public
from app.web.authentication import requires
from app.web.dependencies import CurrentResources
from app.web.shared_answers import dependencies
from app.web.shared_answers.dependencies import Audience, shared_answer
from app.web.shared_answers.route import SharingRoute
from tests.support.outages import BreakableValkey
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import until

router = APIRouter(prefix="/v1/rooms", route_class=SharingRoute)

ReadRooms = Annotated[Principal, requires("rooms:read")]
AtOnce = Annotated[None, shared_answer(vary=["Accept-Language"])]
Kept = Annotated[
    None, shared_answer(fresh=60, if_failing=600, among=Audience.TENANT, tags=["rooms:{tenant}", "room:{number}"])
]
Own = Annotated[None, shared_answer(fresh=60)]
Public = Annotated[None, shared_answer(fresh=60, among=Audience.EVERYBODY, vary=["Accept-Language"])]
Numbered = Annotated[None, shared_answer(fresh=60, among=Audience.EVERYBODY, tags=["wing:{number:02d}"])]


class House:
    """What is behind the routes. `wanted` counts requests, `asked` those that got through to it."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.wanted = 0
        self.asked = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.needs_seconds = 0.0
        self.error: Exception | None = None
        self.headers: list[tuple[str, str]] = []

    async def look(self) -> int:
        """Each time another number."""
        self.asked += 1
        await self.is_open.wait()
        if remaining() < self.needs_seconds:
            raise Unavailable("There is too little time.")
        if self.error:
            raise self.error
        return next(self.numbers)


class Present:
    """The house of the test that runs."""

    house: House


async def note_request() -> None:
    Present.house.wanted += 1


# Between it and the sharing nothing is waited for: whoever is counted shares what is under way.
Counted = Annotated[None, Depends(note_request)]


async def answer(shown: object = None) -> Response:
    response = JSONResponse({"number": await Present.house.look(), "shown": shown})
    for name, value in Present.house.headers:
        response.headers.append(name, value)
    return response


@router.get("")
async def list_rooms(caller: ReadRooms, _counted: Counted, _shared: AtOnce) -> Response:
    return await answer(caller.subject)


@router.get("/kept/{number}")
async def read_room(caller: ReadRooms, number: int, _counted: Counted, _shared: Kept) -> Response:
    return await answer(number)


@router.delete("/kept/{number}")
async def leave_room(caller: ReadRooms, number: int, resources: CurrentResources) -> None:
    await resources.cache.invalidate(f"room:{number}")


@router.get("/own")
async def read_own(caller: ReadRooms, _shared: Own) -> Response:
    return await answer(caller.subject)


@router.get("/wings/{number}")
@public
async def read_wing(number: int, _shared: Numbered) -> Response:
    return await answer(number)


@router.get("/public")
@public
async def look_around(_counted: Counted, _shared: Public) -> Response:
    return await answer()


@router.get("/stream")
@public
async def stream(_counted: Counted, _shared: Public) -> StreamingResponse:
    return StreamingResponse(iter([str(await Present.house.look())]), media_type="text/plain")


@router.get("/status")
@public
async def answer_with(request: Request, _counted: Counted, _shared: Public) -> Response:
    return JSONResponse({"number": await Present.house.look()}, int(request.query_params["status"]))


@router.post("/ageing")
@public
async def grow_older(seconds: float, resources: CurrentResources) -> None:
    """All that is remembered."""
    for entry in resources.cache.memory.entries.values():
        entry.fresh_until -= seconds


@router.get("/unshared")
async def read_alone(caller: ReadRooms, _counted: Counted) -> Response:
    return await answer()


@pytest.fixture
def house() -> Iterator[House]:
    Present.house = House()
    yield Present.house
    Present.house.is_open.set()


@pytest.fixture
async def running(stack: AsyncExitStack, database_url: str, house: House) -> RunningService:
    return await stack.enter_async_context(run_service(settings_for(database_url=database_url), routers=[router]))


@pytest.fixture
async def client(running: RunningService) -> httpx2.AsyncClient:
    return await running.client_for("rooms:read")


async def together(house: House, *requests: Coroutine[Any, Any, httpx2.Response]) -> list[httpx2.Response]:
    """All of them are there before the first is answered."""
    house.is_open.clear()
    tasks = [asyncio.create_task(request) for request in requests]
    await until(lambda: house.wanted == len(requests) and house.asked > 0)
    house.is_open.set()
    return await asyncio.gather(*tasks)


def numbers(answers: list[httpx2.Response]) -> list[int]:
    return [answer.json()["number"] for answer in answers]


async def test_the_same_that_is_asked_for_at_the_same_time_is_answered_once(
    client: httpx2.AsyncClient, house: House
) -> None:
    first = await together(house, *(client.get("/v1/rooms") for _ in range(10)))
    later = await client.get("/v1/rooms")

    assert (numbers(first), house.asked) == ([1] * 10, 2)
    assert later.json()["number"] == 2
    assert len({answer.headers["x-request-id"] for answer in first}) == 10
    assert len({answer.headers["etag"] for answer in first}) == 1


async def test_what_differs_is_not_the_same(running: RunningService, house: House) -> None:
    tenant = uuid4()
    one, colleague, stranger = [
        await running.client_for("rooms:read", tenant=whose) for whose in (tenant, tenant, uuid4())
    ]

    answers = await together(
        house,
        one.get("/v1/rooms"),
        colleague.get("/v1/rooms"),
        stranger.get("/v1/rooms"),
        one.get("/v1/rooms?page=2"),
        one.get("/v1/rooms", headers={"Accept-Language": "de"}),
        one.get("/v1/rooms/unshared"),
        one.get("/v1/rooms/unshared"),
    )

    assert sorted(numbers(answers)) == [1, 2, 3, 4, 5, 6, 7]
    assert len({answer.json()["shown"] for answer in answers[:3]}) == 3
    assert "Accept-Language" in answers[0].headers["vary"].title()


async def test_a_tenant_shares_what_it_is_declared_to_share_and_no_other_sees_it(
    running: RunningService, house: House
) -> None:
    tenant = uuid4()
    one, colleague, stranger = [
        await running.client_for("rooms:read", tenant=whose) for whose in (tenant, tenant, uuid4())
    ]

    answers = [await caller.get("/v1/rooms/kept/7") for caller in (one, colleague, stranger, stranger)]

    assert numbers(answers) == [1, 1, 2, 2]
    assert ["cache-status" in answer.headers for answer in answers] == [False, True, False, True]


async def test_who_may_not_read_gets_nothing_of_it(running: RunningService, house: House) -> None:
    tenant = uuid4()
    reader = await running.client_for("rooms:read", tenant=tenant)
    other = await running.client_for("doors:pass", tenant=tenant)
    await reader.get("/v1/rooms/kept/7")

    refused = [await other.get("/v1/rooms/kept/7"), await running.client.get("/v1/rooms/kept/7")]

    assert [answer.status_code for answer in refused] == [403, 401]


async def test_whoever_has_the_kept_answer_is_told_so(client: httpx2.AsyncClient, house: House) -> None:
    first = await client.get("/v1/rooms/kept/7")

    again = await client.get("/v1/rooms/kept/7", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content, house.asked) == (304, b"", 1)


async def test_what_was_taken_back_is_answered_anew(client: httpx2.AsyncClient, house: House) -> None:
    for number in (7, 8):
        await client.get(f"/v1/rooms/kept/{number}")

    await client.delete("/v1/rooms/kept/7")
    answers = [await client.get(f"/v1/rooms/kept/{number}") for number in (7, 8)]

    assert numbers(answers) == [3, 2]


async def test_however_its_address_is_written_what_was_taken_back_is_answered_anew(
    client: httpx2.AsyncClient, house: House
) -> None:
    paths = [f"/v1/rooms/kept/{number}" for number in ("7", "07", "+7", "%207")]
    before = [await client.get(path) for path in paths]

    await client.delete("/v1/rooms/kept/7")
    after = [await client.get(path) for path in paths]

    assert (numbers(before), numbers(after)) == ([1, 2, 3, 4], [5, 6, 7, 8])


async def test_who_asks_for_what_cannot_be_is_refused(running: RunningService, house: House) -> None:
    answers = [await running.client.get(f"/v1/rooms/wings/{number}") for number in ("7", "seven")]

    assert [answer.status_code for answer in answers] == [200, 422]


async def test_an_old_answer_is_better_than_none_and_says_that_it_is_old(
    client: httpx2.AsyncClient, house: House
) -> None:
    kept = await client.get("/v1/rooms/kept/7")
    await client.post("/v1/rooms/ageing?seconds=61")
    house.error = Unavailable("The house is closed.")

    old = await client.get("/v1/rooms/kept/7")
    none = await client.get("/v1/rooms/kept/8")

    assert (old.status_code, old.json()) == (200, kept.json())
    assert old.headers["cache-status"].endswith("; hit; detail=stale")
    assert none.status_code == 503


async def test_whoever_answers_may_use_all_of_its_time(
    client: httpx2.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SECONDS_TO_GO_ON", 1000)  # as if its time was almost over

    answer = await client.get("/v1/rooms")

    assert (answer.status_code, answer.json()["number"]) == (200, 1)


async def test_an_error_is_everybodys_answer(client: httpx2.AsyncClient, house: House) -> None:
    house.error = NotFound("There is no house.")

    answers = await together(house, *(client.get("/v1/rooms") for _ in range(5)))

    assert [answer.status_code for answer in answers] == [404] * 5
    assert house.asked == 1


async def test_when_the_one_who_asked_first_gives_up_another_asks(client: httpx2.AsyncClient, house: House) -> None:
    house.is_open.clear()
    first = asyncio.create_task(client.get("/v1/rooms"))
    await until(lambda: house.asked == 1)
    patient = [asyncio.create_task(client.get("/v1/rooms")) for _ in range(3)]
    await until(lambda: house.wanted == 4)
    asked_together = house.asked

    first.cancel()
    await until(lambda: house.asked == 2)
    house.is_open.set()
    answers = await asyncio.gather(*patient)

    assert (numbers(answers), asked_together, house.asked) == ([1] * 3, 1, 2)


async def test_who_brings_too_little_time_fails_alone(client: httpx2.AsyncClient, house: House) -> None:
    house.is_open.clear()
    house.needs_seconds = 5
    hurried = asyncio.create_task(client.get("/v1/rooms", headers={"X-Request-Timeout": "4"}))
    await until(lambda: house.asked == 1)
    patient = [asyncio.create_task(client.get("/v1/rooms")) for _ in range(3)]
    await until(lambda: house.wanted == 4)

    house.is_open.set()
    failed, *answers = await asyncio.gather(hurried, *patient)

    assert (failed.status_code, [answer.status_code for answer in answers]) == (503, [200] * 3)
    assert house.asked == 2


async def test_what_was_answered_in_less_time_is_for_those_who_bring_no_more(
    client: httpx2.AsyncClient, house: House
) -> None:
    hurry = {"X-Request-Timeout": "4"}

    answers = [await client.get("/v1/rooms/kept/7", headers=headers) for headers in (hurry, hurry, {})]

    assert numbers(answers) == [1, 1, 2]


async def test_an_answer_that_may_hold_links_is_for_its_own_host_and_scheme(
    stack: AsyncExitStack, database_url: str, house: House
) -> None:
    settings = settings_for(database_url=database_url, trusted_proxies=["127.0.0.1"])
    behind_proxy = await stack.enter_async_context(run_service(settings, routers=[router]))
    addresses = [
        ("ours.example", "http"),
        ("ours.example", "http"),
        ("other.example", "http"),
        ("ours.example", "https"),
    ]

    answers = [
        await behind_proxy.client.get("/v1/rooms/public", headers={"Host": host, "X-Forwarded-Proto": scheme})
        for host, scheme in addresses
    ]

    assert numbers(answers) == [1, 1, 2, 3]


async def test_what_another_release_has_answered_is_not_this_ones_answer(
    running: RunningService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(service_identity(), version="1.2.3")
    old = await running.client.get("/v1/rooms/public")
    monkeypatch.setattr(dependencies, "service_identity", lambda: other)

    answers = [old, *[await running.client.get("/v1/rooms/public") for _ in range(2)]]

    assert numbers(answers) == [1, 2, 2]


@pytest.mark.parametrize("path", ["/stream", "/status?status=202", "/status?status=404"])
async def test_what_cannot_be_shared_is_answered_to_each(running: RunningService, house: House, path: str) -> None:
    await together(house, *(running.client.get(f"/v1/rooms{path}") for _ in range(3)))
    await running.client.get(f"/v1/rooms{path}")

    assert house.asked == 4


@pytest.mark.parametrize(
    "headers",
    [
        [("set-cookie", "a=b")],
        [("cache-control", "no-store")],
        [("cache-control", "max-age=60, No-Store")],
        [("cache-control", "max-age=60"), ("cache-control", "no-store")],
        [("cache-control", "private, max-age=60")],
        [("cache-control", 'Private="x-number"')],
        [("vary", "Cookie")],
        [("vary", "Accept-Language"), ("vary", "Cookie")],
        [("vary", "*")],
        [("connection", "close")],
    ],
)
async def test_what_says_that_it_is_for_one_is_answered_to_each(
    running: RunningService, house: House, headers: list[tuple[str, str]]
) -> None:
    house.headers = headers

    answers = [await running.client.get("/v1/rooms/public") for _ in range(2)]

    assert numbers(answers) == [1, 2]


async def test_a_callers_own_answer_is_kept_for_it(client: httpx2.AsyncClient, house: House) -> None:
    house.headers = [("cache-control", "private, max-age=60")]

    answers = [await client.get("/v1/rooms/own") for _ in range(2)]

    assert numbers(answers) == [1, 1]


@pytest.fixture
async def clients(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey, house: House
) -> list[httpx2.AsyncClient]:
    """Of two processes behind a load balancer, which has one name."""
    settings = settings_for(database_url=database_url, redis_url=valkey.url)
    services = [await stack.enter_async_context(run_service(settings, routers=[router])) for _ in range(2)]
    for service in services:
        service.client.headers["Host"] = "rooms.example"
    return [service.client for service in services]


async def test_processes_share_what_is_kept(clients: list[httpx2.AsyncClient]) -> None:
    answers = [await client.get("/v1/rooms/public") for client in clients]

    assert numbers(answers) == [1, 1]


@pytest.mark.parametrize(
    "header",
    [
        '"content-length","3"',
        '"Set-Cookie","a=b"',
        '"transfer-encoding","chunked"',
        '"x-a","\u4e2d"',
        r'"x-a","b\r\nset-cookie: a=b"',
        '"x a","b"',
        '"","b"',
    ],
)
async def test_what_somebody_else_has_written_is_nobodys_answer(
    stack: AsyncExitStack, clients: list[httpx2.AsyncClient], valkey: BreakableValkey, header: str
) -> None:
    redis = open_redis(valkey.url, timeout_seconds=5, max_connections=1)
    stack.push_async_callback(redis.aclose)
    await clients[0].get("/v1/rooms/public")
    [key] = await redis.keys("*:answers:*")
    written = await redis.get(key)
    assert isinstance(written, bytes)
    await redis.set(key, written.replace(b'"content-type","application/json"', header.encode()), keepttl=True)

    answer = await clients[1].get("/v1/rooms/public")

    assert (answer.status_code, answer.json()["number"]) == (200, 2)
