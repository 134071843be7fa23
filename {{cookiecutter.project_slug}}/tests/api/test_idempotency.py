"""A request that is sent again with its Idempotency-Key is done once and answered the same."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from structlog.testing import capture_logs

from app.core.ids import new_id
from app.web.idempotency.claims import LARGEST_BODY_BYTES
from app.web.idempotency.repository import StoredAnswerRepository
from app.web.openapi import CONTENT
from tests.support import payments
from tests.support.databases import connection_to
from tests.support.payments import paid, payments_table, shut_till, wait_at_the_till
from tests.support.raw_http import head, raw_connection
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for
from tests.support.waiting import eventually, until

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
PATH = "/v1/payments"

NO_KEYS = [
    "",
    '""',
    "two words",
    '"two words"',
    '"open',
    'open"',
    'a"b',
    "a,b",
    "a\\b",
    r'"\n"',
    "x" * 256,
    "\xe9",
    '"k";p=1',
    '"a", "b"',
]


@pytest.fixture(scope="module")
def url(worker_database_url: str) -> Iterator[str]:
    with payments_table(worker_database_url):
        yield worker_database_url


@pytest.fixture(scope="module")
async def running(url: str) -> AsyncIterator[RunningService]:
    async with run_service(settings_for(database_url=url), routers=[payments.router]) as running:
        yield running


@pytest.fixture
def tenant() -> UUID:
    return new_id()


@pytest.fixture
async def caller(running: RunningService, url: str, tenant: UUID, database_url: str) -> httpx2.AsyncClient:
    """May pay; nobody has paid anything yet."""
    async with connection_to(url) as connection:
        await connection.execute("TRUNCATE payments RESTART IDENTITY")
    return await running.client_for("payments:make", tenant=tenant)


async def pay(
    caller: httpx2.AsyncClient, *, key: str = KEY, path: str = PATH, cents: int = 900, **options: Any
) -> httpx2.Response:
    return await caller.post(path, json={"cents": cents}, headers={"Idempotency-Key": key}, **options)


def is_replay(response: httpx2.Response) -> bool:
    return response.headers.get("idempotency-replayed") == "true"


async def test_the_same_request_again_gets_the_same_answer_and_has_no_second_effect(
    caller: httpx2.AsyncClient, url: str
) -> None:
    first = await pay(caller)
    again = await pay(caller)

    assert await paid(url) == [900]
    assert (first.status_code, again.status_code) == (201, 201)
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert again.content == first.content
    same = ("content-type", "location", "etag", "cache-control", "strict-transport-security", "vary")
    assert {name: again.headers.get(name) for name in same} == {name: first.headers.get(name) for name in same}
    assert again.headers.get_list("link") == first.headers.get_list("link")
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


async def test_what_only_the_first_may_have_is_not_replayed(caller: httpx2.AsyncClient) -> None:
    first, again = await pay(caller), await pay(caller)

    assert "secret" in first.headers["set-cookie"]
    assert is_replay(again)
    assert "set-cookie" not in again.headers


async def test_without_a_key_a_request_is_done_each_time(caller: httpx2.AsyncClient, url: str) -> None:
    for _ in range(2):
        await caller.post(PATH, json={"cents": 900})

    assert await paid(url) == [900, 900]


async def test_each_key_is_a_request_of_its_own(caller: httpx2.AsyncClient, url: str) -> None:
    await pay(caller, key="monday")
    await pay(caller, key="tuesday")

    assert await paid(url) == [900, 900]


@pytest.mark.parametrize(
    "other",
    [
        {"json": {"cents": 901}},
        {"content": b'{"cents":900}  ', "headers": {"Content-Type": "application/json"}},
        {"url": f"{PATH}?twice=yes", "json": {"cents": 900}},
        {"url": f"{PATH}/required", "json": {"cents": 900}},
        {"method": "PUT", "json": {"cents": 900}},
        {"json": {"cents": "nonsense"}},
    ],
    ids=["body", "bytes", "query", "path", "method", "invalid"],
)
async def test_another_request_with_the_same_key_is_refused(
    caller: httpx2.AsyncClient, url: str, other: dict[str, Any]
) -> None:
    await pay(caller)

    headers = {"Idempotency-Key": KEY, **other.pop("headers", {})}
    refused = await caller.request(**{"method": "POST", "url": PATH, **other}, headers=headers)

    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:problem:idempotency-key-reused"
    assert await paid(url) == [900]


async def test_while_the_first_is_worked_on_the_second_is_told_to_come_back(
    caller: httpx2.AsyncClient, url: str
) -> None:
    async with asyncio.TaskGroup() as tasks, shut_till(url):
        first = tasks.create_task(pay(caller, path=f"{PATH}/till"))
        await wait_at_the_till(url)
        second = await pay(caller, path=f"{PATH}/till")
    third = await pay(caller, path=f"{PATH}/till")

    assert (second.status_code, second.headers.get("retry-after")) == (409, "1")
    assert second.json()["type"] == "urn:problem:request-in-progress"
    assert (first.result().status_code, is_replay(first.result())) == (201, False)
    assert (third.content, is_replay(third)) == (first.result().content, True)
    assert await paid(url) == [900]


async def test_if_two_were_worked_on_at_once_all_the_same_one_would_have_no_effect(
    caller: httpx2.AsyncClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lock_nothing(*_: object) -> bool:
        return True

    monkeypatch.setattr(StoredAnswerRepository, "lock", lock_nothing)

    async with asyncio.TaskGroup() as tasks, shut_till(url):
        both = [tasks.create_task(pay(caller, path=f"{PATH}/till")) for _ in range(2)]
        await wait_at_the_till(url, payers=2)

    assert sorted(task.result().status_code for task in both) == [201, 409]
    assert await paid(url) == [900]


async def test_the_keys_of_two_callers_do_not_meet(
    running: RunningService, caller: httpx2.AsyncClient, url: str, tenant: UUID
) -> None:
    colleague = await running.client_for("payments:make", tenant=tenant)
    stranger = await running.client_for("payments:make")

    answers = [await pay(payer, cents=cents) for payer, cents in ((caller, 1), (colleague, 2), (stranger, 3))]

    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(201, False)] * 3
    assert await paid(url) == [1, 2, 3]


async def test_who_may_not_do_it_is_refused_whatever_the_key(running: RunningService, tenant: UUID) -> None:
    powerless = await running.client_for("payments:read", tenant=tenant)

    answers = [await pay(powerless), await pay(running.client)]

    assert [answer.status_code for answer in answers] == [403, 401]


@pytest.mark.parametrize(("one", "other"), [('"k-1"', "k-1"), (r'"a\"b\\c"', r'"a\"b\\c"'), ("~!#$", '"~!#$"')])
async def test_a_key_may_stand_in_quotes_or_not(caller: httpx2.AsyncClient, url: str, one: str, other: str) -> None:
    first, again = await pay(caller, key=one), await pay(caller, key=other)

    assert (first.status_code, is_replay(again)) == (201, True)
    assert await paid(url) == [900]


@pytest.mark.parametrize("key", NO_KEYS)
async def test_a_key_that_is_none_is_refused_with_words_that_help(
    caller: httpx2.AsyncClient, url: str, key: str
) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]

    refused = await caller.post(PATH, json={"cents": 900}, headers=headers)

    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:problem:idempotency-key-malformed"
    assert "1 to 255 visible ASCII characters" in refused.json()["detail"]
    assert await paid(url) == []


async def test_two_keys_are_none(caller: httpx2.AsyncClient) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    refused = await caller.post(PATH, json={"cents": 900}, headers=headers)

    assert refused.status_code == 400


async def test_a_route_may_require_a_key(caller: httpx2.AsyncClient, url: str) -> None:
    without = await caller.post(f"{PATH}/required", json={"cents": 900})
    first, again = [await pay(caller, path=f"{PATH}/required") for _ in range(2)]

    assert without.status_code == 400
    assert without.json()["type"] == "urn:problem:idempotency-key-missing"
    assert (first.status_code, is_replay(again)) == (201, True)
    assert await paid(url) == [900]


async def test_a_request_that_failed_is_run_again(
    running: RunningService, caller: httpx2.AsyncClient, url: str
) -> None:
    running.app.state.till_is_empty = True
    refused = await pay(caller, path=f"{PATH}/refused")
    running.app.state.till_is_empty = False

    again = await pay(caller, path=f"{PATH}/refused")

    assert (refused.status_code, again.status_code, is_replay(again)) == (409, 201, False)
    assert "retry-after" not in refused.headers
    assert await paid(url) == [900]


async def test_a_wrong_body_does_not_use_up_its_key(caller: httpx2.AsyncClient, url: str) -> None:
    wrong, right = await pay(caller, cents=-1), await pay(caller)

    assert (wrong.status_code, right.status_code) == (422, 201)
    assert await paid(url) == [900]


async def test_a_failure_that_is_the_outcome_is_replayed(caller: httpx2.AsyncClient, url: str) -> None:
    first, again = [await pay(caller, path=f"{PATH}/declined") for _ in range(2)]

    assert (first.status_code, again.status_code) == (402, 402)
    assert (again.json(), is_replay(again)) == ({"declined": True}, True)
    assert await paid(url) == [900]


async def test_after_a_day_a_key_is_new_again(caller: httpx2.AsyncClient, url: str) -> None:
    await pay(caller)
    await let_pass(url, hours=23.9)
    before = await pay(caller, cents=900)
    await let_pass(url, hours=0.2)

    after, again = [await pay(caller, cents=800) for _ in range(2)]

    assert is_replay(before)
    assert (after.status_code, is_replay(after), is_replay(again)) == (201, False, True)
    assert await paid(url) == [900, 800]


async def let_pass(url: str, *, hours: float) -> None:
    """As if what is stored had been stored earlier."""
    async with connection_to(url) as connection:
        await connection.execute(f"UPDATE stored_answers SET expires_at = expires_at - interval '{hours} hours'")  # noqa: S608 - a number of ours


async def test_the_largest_answer_is_stored(caller: httpx2.AsyncClient, url: str) -> None:
    path = f"{PATH}/receipts/{LARGEST_BODY_BYTES}"

    first, again = await pay(caller, path=path), await pay(caller, path=path)

    assert (first.status_code, is_replay(again)) == (200, True)
    assert again.content == first.content
    assert await paid(url) == [LARGEST_BODY_BYTES]


@pytest.mark.parametrize("path", [f"{PATH}/receipts/{LARGEST_BODY_BYTES + 1}", f"{PATH}/streamed"])
async def test_an_answer_that_cannot_be_stored_is_a_crash_without_effect(
    caller: httpx2.AsyncClient, url: str, path: str
) -> None:
    with capture_logs() as events:
        crashed = await pay(caller, path=path)
    keyless = await caller.post(path)

    assert (crashed.status_code, keyless.status_code) == (500, 200)
    [crash] = [event for event in events if event["event"] == "crash"]
    assert "take no key" in str(crash["exc_info"])
    assert len(await paid(url)) == 1


async def test_a_request_that_the_database_gave_up_is_run_again_with_its_key(
    running: RunningService, caller: httpx2.AsyncClient, url: str
) -> None:
    running.app.state.tries = 0

    first, again = [await pay(caller, path=f"{PATH}/unlucky") for _ in range(2)]

    assert (first.status_code, is_replay(first), is_replay(again)) == (201, False, True)
    assert running.app.state.tries == 2
    assert await paid(url) == [900]


async def test_a_request_whose_time_is_over_leaves_its_key_free(caller: httpx2.AsyncClient, url: str) -> None:
    async with shut_till(url):
        late = await caller.post(
            f"{PATH}/till", json={"cents": 900}, headers={"Idempotency-Key": KEY, "X-Request-Timeout": "0.2"}
        )

    async def is_done() -> bool:
        return (await pay(caller, path=f"{PATH}/till")).status_code == 201

    assert late.status_code == 504
    await eventually(is_done)  # a connection that is given up in the middle of a statement is closed a moment later
    assert await paid(url) == [900]


async def test_a_body_that_is_read_before_the_key_can_be_compared(caller: httpx2.AsyncClient, url: str) -> None:
    answers = [
        await caller.post(f"{PATH}/form", data={"cents": cents}, headers={"Idempotency-Key": KEY})
        for cents in ("7", "7", "8")
    ]

    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(201, False), (201, True), (422, False)]
    assert await paid(url) == [7]


async def test_a_caller_who_goes_away_in_the_middle_of_the_body_is_no_crash(
    running: RunningService, caller: httpx2.AsyncClient
) -> None:
    authorization = f"Authorization: {caller.headers['authorization']}"
    headers = (authorization, f"Idempotency-Key: {KEY}", "Content-Type: application/json", "Content-Length: 99")
    with capture_logs() as events:
        async with raw_connection(running.client.base_url) as connection:
            await connection.send(head("POST", PATH, *headers), b'{"cents": 1')
        await until(lambda: any(event["event"] == "request" for event in events))

    assert [event["event"] for event in events if event["event"] == "crash"] == []


async def test_a_body_over_the_limit_is_refused_as_without_a_key(
    running: RunningService, caller: httpx2.AsyncClient
) -> None:
    body = b" " * (running.settings.body.limit_bytes + 1)

    refused = await caller.post(
        PATH, content=body, headers={"Idempotency-Key": KEY, "Content-Type": "application/json"}
    )

    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"


async def test_the_document_says_how_a_key_is_sent_and_refused(running: RunningService) -> None:
    document = (await running.client.get("/openapi.json")).json()
    operations = [document["paths"][path]["post"] for path in (PATH, PATH + "/receipts/{size}")]

    for operation in operations:
        [parameter] = [parameter for parameter in operation["parameters"] if parameter["in"] == "header"]
        in_progress, reused = [operation["responses"].get(status, {}) for status in ("409", "422")]
        assert (parameter["name"], parameter["required"]) == ("Idempotency-Key", False)
        assert "done once" in parameter["description"]
        assert "is being worked on" in in_progress.get("description", "")
        assert "with another request" in reused["description"]
        assert in_progress["content"] == reused["content"] == CONTENT
