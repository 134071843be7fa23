"""`Idempotency-Key` across processes: two that race, one that dies, and the worker that forgets."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from app.core.ids import new_id
from app.web.idempotency.pruning import PruneAnswers
from tests.support.callers import key_for
from tests.support.commands import for_production
from tests.support.databases import Databases, execute
from tests.support.jobs import enqueue, job_status, select
from tests.support.payments import paid, payments_table, shut_till
from tests.support.serving_app import ServingApp, serving
from tests.support.settings import settings_for
from tests.support.waiting import eventually, wait_until
from tests.support.working_app import BUSY, working

PAYING = "tests.support.paying_service"
PATH = "/v1/payments"
PAYMENT = {"cents": 900}

TWO_PROCESSES_AT_ONCE = 50


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    with databases.migrated() as url, payments_table(url):
        yield url


@pytest.fixture
def headers(url: str) -> dict[str, str]:
    """One caller, one key; nobody has paid anything yet."""
    execute(url, "TRUNCATE payments, stored_answers")
    key = asyncio.run(key_for(settings_for(database_url=url), "payments:make", tenant=new_id()))
    return {"Authorization": f"Bearer {key.text}", "Idempotency-Key": "one"}


@pytest.fixture(scope="module")
def processes(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServingApp]]:
    folder = tmp_path_factory.mktemp("processes")
    with (
        serving(folder=folder, module=PAYING, **for_production(url)) as one,
        serving(folder=folder, module=PAYING, **for_production(url)) as other,
    ):
        yield [one, other]


def is_replay(response: httpx2.Response) -> bool:
    return response.headers.get("idempotency-replayed") == "true"


def test_fifty_at_once_at_two_processes_pay_once(
    processes: list[ServingApp], headers: dict[str, str], url: str
) -> None:
    def pay(number: int) -> httpx2.Response:
        return processes[number % 2].client.post(PATH, json=PAYMENT, headers=headers)

    with ThreadPoolExecutor(TWO_PROCESSES_AT_ONCE) as callers:
        answers = list(callers.map(pay, range(TWO_PROCESSES_AT_ONCE)))
    later = pay(0)

    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert asyncio.run(paid(url)) == [900]
    assert len(done) + len(refused) == TWO_PROCESSES_AT_ONCE
    assert [is_replay(answer) for answer in done].count(False) == 1
    assert {answer.content for answer in done} == {later.content}
    assert {answer.headers["retry-after"] for answer in refused} <= {"1"}


async def test_a_process_that_dies_before_the_commit_has_done_nothing(
    processes: list[ServingApp], headers: dict[str, str], url: str, tmp_path: Path
) -> None:
    with serving(folder=tmp_path, module=PAYING, **for_production(url)) as victim:
        async with shut_till(url):
            await die_while_paying(victim, "/till", headers=headers, moment="paid")

    again = await pay_persistently(processes[0], "/till", headers=headers)

    assert (again.status_code, is_replay(again)) == (201, False)
    assert await paid(url) == [900]


async def test_a_process_that_dies_after_the_commit_has_done_it(
    processes: list[ServingApp], headers: dict[str, str], url: str, tmp_path: Path
) -> None:
    with serving(folder=tmp_path, module=PAYING, **for_production(url)) as victim:
        await die_while_paying(victim, "/stuck", headers=headers, moment="committed")

    again = await pay_persistently(processes[0], "/stuck", headers=headers)

    assert (again.status_code, is_replay(again)) == (201, True)
    assert again.json()["cents"] == 900
    assert await paid(url) == [900]


async def die_while_paying(victim: ServingApp, path: str, *, headers: dict[str, str], moment: str) -> None:
    """Its caller hears nothing but the end of the connection."""
    paying = asyncio.create_task(asyncio.to_thread(victim.client.post, PATH + path, json=PAYMENT, headers=headers))
    await asyncio.to_thread(victim.wait_for_event, moment)
    victim.process.kill()
    with pytest.raises(httpx2.TransportError):
        await paying


async def pay_persistently(process: ServingApp, path: str, *, headers: dict[str, str]) -> httpx2.Response:
    """Until it is not said to be in progress: the database notices a moment later that its client has died."""
    answers: list[httpx2.Response] = []

    async def is_answered() -> bool:
        answers.append(await asyncio.to_thread(process.client.post, PATH + path, json=PAYMENT, headers=headers))
        return answers[-1].status_code != httpx2.codes.CONFLICT

    await eventually(is_answered)
    return answers[-1]


def test_expired_answers_are_forgotten_and_others_kept(
    processes: list[ServingApp], headers: dict[str, str], url: str, tmp_path: Path
) -> None:
    for key in ("old", "new"):
        processes[0].client.post(PATH, json=PAYMENT, headers={**headers, "Idempotency-Key": key})
    execute(url, "UPDATE stored_answers SET expires_at = now() WHERE key = 'old'")

    with working(folder=tmp_path, module=BUSY, **for_production(url)):
        [job] = enqueue(url, PruneAnswers())
        wait_until(lambda: job_status(url, job) == "succeeded", what="the end of pruning")

    assert select(url, "SELECT key FROM stored_answers") == ["new"]


def test_a_key_is_kept_for_as_long_as_is_set(headers: dict[str, str], url: str, tmp_path: Path) -> None:
    with serving(folder=tmp_path, module=PAYING, **for_production(url), IDEMPOTENCY_KEEP_HOURS="48") as running:
        running.client.post(PATH, json=PAYMENT, headers=headers)

    assert select(url, "SELECT expires_at - created_at = interval '48 hours' FROM stored_answers") == [True]
