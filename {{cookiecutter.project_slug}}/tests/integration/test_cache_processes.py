"""Two processes of the service, as in production, that use one Redis."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support.outages import BreakableValkey
from tests.support.serving_app import ServingApp, serving
from tests.support.settings import SECRET_KEY, UNLIMITED
from tests.support.waiting import until, wait_until

SERVICE = "tests.support.town_service"


@pytest.fixture
def processes(tmp_path: Path, database_url: str, valkey: BreakableValkey) -> Iterator[list[ServingApp]]:
    variables = {
        **UNLIMITED,
        "DATABASE_URL": database_url,
        "REDIS_URL": valkey.url,
        "SECRET_KEY": SECRET_KEY,
        "LOG_FORMAT": "json",
        "OVERLOAD_QUEUE_SECONDS": "10",
    }
    with ExitStack() as stack:
        yield [stack.enter_context(serving(folder=tmp_path, module=SERVICE, **variables)) for _ in range(2)]


async def ask_all(processes: list[ServingApp], path: str, *, times: int) -> list[httpx2.Response]:
    """Each of them so often. All have come before the first is answered."""
    each(processes, "POST", "/v1/office/closing")
    limits = httpx2.Limits(max_connections=2 * times)
    async with httpx2.AsyncClient(timeout=20, limits=limits) as client:
        addresses = [f"{process.client.base_url}{path}" for process in processes for _ in range(times)]
        asking = [asyncio.create_task(client.get(address)) for address in addresses]
        await until(lambda: counted(processes, "wanted") == [times] * len(processes))
        each(processes, "POST", "/v1/office/opening")
        return await asyncio.gather(*asking)


def each(processes: list[ServingApp], method: str, path: str) -> None:
    for process in processes:
        process.client.request(method, path).raise_for_status()


def counted(processes: list[ServingApp], what: str) -> list[int]:
    return [process.client.get("/v1/office/Ulm").json()[what] for process in processes]


def people(process: ServingApp) -> int:
    return int(process.client.get("/v1/towns/Ulm").json()["people"])


async def test_of_many_that_ask_two_processes_at_once_at_most_two_load(processes: list[ServingApp]) -> None:
    answers = await ask_all(processes, "/v1/towns/Ulm", times=200)

    assert {(answer.status_code, answer.text) for answer in answers} == {(200, '{"people":0,"is_stale":false}')}
    assert len(answers) == 400
    assert 1 <= sum(counted(processes, "asked")) <= 2


def test_what_one_process_takes_back_the_other_does_not_use_a_second_later(processes: list[ServingApp]) -> None:
    one, two = processes
    before = [people(process) for process in processes]

    one.client.put("/v1/towns/Ulm?people=1").raise_for_status()
    changed = people(one)
    wait_until(lambda: people(two) == 1, within_seconds=1, what="the new number")

    assert (before, changed) == ([0, 0], 1)
    assert sum(counted(processes, "asked")) == 2


def test_a_change_that_is_rolled_back_takes_nothing_back(processes: list[ServingApp]) -> None:
    one = processes[0]
    before = [people(process) for process in processes]

    refused = one.client.put("/v1/towns/Ulm?people=1&fails=true")

    assert (before, refused.status_code) == ([0, 0], 409)
    assert [people(process) for process in processes] == [0, 0]
    assert sum(counted(processes, "asked")) == 1
