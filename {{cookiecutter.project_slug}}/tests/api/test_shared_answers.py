"""Requests for the same are answered once, together or after each other; nobody gets what is another's."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Annotated, Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from app.cache import cache
from app.core.errors import NotFound, Unavailable
from app.security.principal import Principal
from app.security.public import public
from app.web.authentication import requires
from app.web.dependencies import CurrentResources
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
Public = Annotated[None, shared_answer(fresh=60, among=Audience.EVERYBODY)]


class House:
    """What is behind the routes. `wanted` counts requests, `asked` those that got through to it."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.wanted = 0
        self.asked = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.error: Exception | None = None
        self.headers: dict[str, str] = {}

    async def look(self) -> int:
        """Each time another number."""
        self.asked += 1
        await self.is_open.wait()
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
    return JSONResponse({"number": await Present.house.look(), "shown": shown}, headers=Present.house.headers)


@router.get("")
async def list_rooms(caller: ReadRooms, _counted: Counted, _shared: AtOnce) -> Response:
    return await answer(caller.subject)


@router.get("/kept/{number}")
async def read_room(caller: ReadRooms, number: int, _counted: Counted, _shared: Kept) -> Response:
    return await answer(number)


@router.delete("/kept/{number}")
async def leave_room(caller: ReadRooms, number: int, resources: CurrentResources) -> None:
    await resources.cache.invalidate(f"room:{number}")


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
    hurried = asyncio.create_task(client.get("/v1/rooms", headers={"X-Request-Timeout": "0.3"}))
    await until(lambda: house.asked == 1)
    patient = [asyncio.create_task(client.get("/v1/rooms")) for _ in range(3)]

    given_up = await hurried
    await until(lambda: house.asked == 2)
    house.is_open.set()
    answers = await asyncio.gather(*patient)

    assert given_up.status_code == 504
    assert (numbers(answers), house.asked) == ([1] * 3, 2)


@pytest.mark.parametrize("path", ["/stream", "/status?status=202", "/status?status=404"])
async def test_what_cannot_be_shared_is_answered_to_each(running: RunningService, house: House, path: str) -> None:
    await together(house, *(running.client.get(f"/v1/rooms{path}") for _ in range(3)))
    await running.client.get(f"/v1/rooms{path}")

    assert house.asked == 4


@pytest.mark.parametrize(
    "headers", [{"set-cookie": "a=b"}, {"cache-control": "no-store"}, {"vary": "Cookie"}, {"vary": "*"}]
)
async def test_what_says_that_it_is_for_one_is_answered_to_each(
    running: RunningService, house: House, headers: dict[str, str]
) -> None:
    house.headers = headers

    answers = [await running.client.get("/v1/rooms/public") for _ in range(2)]

    assert numbers(answers) == [1, 2]


async def test_processes_share_what_is_kept(
    stack: AsyncExitStack, database_url: str, valkey: BreakableValkey, house: House
) -> None:
    settings = settings_for(database_url=database_url, redis_url=valkey.url)
    services = [await stack.enter_async_context(run_service(settings, routers=[router])) for _ in range(2)]

    answers = [await service.client.get("/v1/rooms/public") for service in services]

    assert numbers(answers) == [1, 1]
