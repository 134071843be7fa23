"""Who may pass: good keys with the right scope, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import httpx2
import pytest
from structlog.testing import capture_logs

from app import resources
from app.core.ids import new_id
from app.health import watching
from app.observability.context import add_context
from app.security.callers import CACHE_SECONDS, Callers
from app.security.keys import Key, new_key
from tests.support.callers import key_for
from tests.support.clock import Clock
from tests.support.databases import connection_to
from tests.support.doors import router
from tests.support.metrics import scrape
from tests.support.queries import counted_queries
from tests.support.service import RunningService, run_service
from tests.support.settings import settings_for

NOWHERE = "postgresql://nobody@/nothing?host=/nowhere"
INVALID = "The API key is not valid."


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
async def running(worker_database_url: str, clock: Clock) -> AsyncIterator[RunningService]:
    """A service whose memory of keys ages by the tests' own clock, and which asks its database for callers only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "LOOK_SECONDS", 3600.0)
        patch.setattr(resources, "Callers", partial(Callers, clock=clock))
        async with run_service(settings_for(database_url=worker_database_url), routers=[router]) as running:
            yield running


@pytest.fixture
async def doors(running: RunningService, database_url: str) -> RunningService:
    return running


@pytest.fixture
async def key(doors: RunningService) -> Key:
    return await key_for(doors.settings, "doors:pass", tenant=new_id())


async def knock(doors: RunningService, authorization: str) -> httpx2.Response:
    headers = [(b"Authorization", authorization.encode("latin-1"))]
    return await doors.client.get("/v1/doors", headers=headers)


async def change(database_url: str, key: Key, assignment: str) -> None:
    async with connection_to(database_url) as connection:
        await connection.execute(f"UPDATE api_keys SET {assignment} WHERE prefix = $1", key.prefix)  # noqa: S608 - ours


async def test_a_good_key_tells_who_calls(doors: RunningService) -> None:
    tenant = new_id()
    key = await key_for(doors.settings, "doors:pass", tenant=tenant)

    response = await knock(doors, f"Bearer {key.text}")

    assert response.status_code == 200
    assert response.json() == {"subject": f"key:{key.prefix}", "tenant": str(tenant)}


async def test_what_is_public_needs_no_key_and_minds_no_bad_one(doors: RunningService) -> None:
    without = await doors.client.get("/v1/doors/bell")
    with_bad = await doors.client.get("/v1/doors/bell", headers={"Authorization": "Bearer bad"})

    assert (without.status_code, with_bad.status_code) == (200, 200)


@pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Bearer", "Bearer\tx", "apikey_x", "Token x"])
async def test_without_a_key_it_says_what_to_send(doors: RunningService, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization is not None else {}

    response = await doors.client.get("/v1/doors", headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["type"] == "urn:problem:api-key-missing"
    assert response.json()["detail"] == "This needs an API key: send it as `Authorization: Bearer <key>`."


REFUSED: dict[str, Any] = {
    "unknown": lambda _key, _other: new_key().text,
    "wrong-secret": lambda key, _other: f"apikey_{key.prefix}_{new_key().secret}",
    "secret-of-another": lambda key, other: f"apikey_{key.prefix}_{other.secret}",
    "prefix-of-another": lambda key, other: f"apikey_{other.prefix}_{key.secret}",
    "cut-off": lambda key, _other: key.text[:-1],
    "too-long-by-one": lambda key, _other: f"{key.text}x",
    "very-long": lambda key, _other: key.text * 500,
    "other-case": lambda key, _other: key.text.swapcase(),
    "without-marker": lambda key, _other: f"{key.prefix}_{key.secret}",
    "sql": lambda key, _other: f"apikey_{'x OR 1=1 --'.ljust(12)}_{key.secret}",
    "quotes": lambda key, _other: f"apikey_{'0;'.ljust(12, chr(39))}_{key.secret}",
    "wildcards": lambda key, _other: f"apikey_{'%' * 12}_{key.secret}",
    "twice": lambda key, _other: f"Bearer {key.text}",
    "listed": lambda key, _other: f"{key.text}, {key.text}",
    "tab-inside": lambda key, _other: key.text.replace("_", "\t"),
    "accents": lambda _key, _other: "é" * 63,
    "digits-of-another-script": lambda key, _other: f"apikey_{'²' * 12}_{key.secret}",
}


@pytest.mark.parametrize("how", REFUSED)
async def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(doors: RunningService, how: str, key: Key) -> None:
    other = await key_for(doors.settings, "doors:pass", tenant=new_id())

    before = await knock(doors, f"Bearer {key.text}")
    response = await knock(doors, f"Bearer {REFUSED[how](key, other)}")

    assert before.status_code == 200, "the good key is remembered, and must not open the door for the other one"
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.json()["type"] == "urn:problem:api-key-refused"
    assert response.json()["detail"] == INVALID
    assert key.secret not in response.text


@pytest.mark.parametrize("assignment", ["revoked_at = now()", "expires_at = now()"])
async def test_a_useless_key_is_refused_with_the_same_words(
    doors: RunningService, database_url: str, *, assignment: str, key: Key
) -> None:
    await change(database_url, key, assignment)

    response = await knock(doors, f"Bearer {key.text}")

    assert (response.status_code, response.json()["detail"]) == (401, INVALID)


@pytest.mark.parametrize("assignment", ["revoked_at = now()", "expires_at = now()"])
async def test_a_key_that_was_good_stops_working_within_five_seconds(
    doors: RunningService, database_url: str, clock: Clock, *, assignment: str, key: Key
) -> None:
    await knock(doors, f"Bearer {key.text}")
    await change(database_url, key, assignment)

    clock.advance(4.9)
    meanwhile = await knock(doors, f"Bearer {key.text}")
    clock.advance(0.1)
    afterwards = await knock(doors, f"Bearer {key.text}")

    assert CACHE_SECONDS == 5
    assert (meanwhile.status_code, afterwards.status_code) == (200, 401)


async def test_a_verified_key_costs_no_query_for_a_while(doors: RunningService, clock: Clock, key: Key) -> None:
    with counted_queries() as first:
        await knock(doors, f"Bearer {key.text}")
    with counted_queries() as then:
        answers = [await knock(doors, f"Bearer {key.text}") for _ in range(5)]
    clock.advance(CACHE_SECONDS)
    with counted_queries() as later:
        await knock(doors, f"Bearer {key.text}")

    assert [answer.status_code for answer in answers] == [200] * 5
    assert (len(first), len(then), len(later)) == (1, 0, 1)


@pytest.mark.parametrize("how", ["unknown", "wrong-secret"])
async def test_an_unknown_key_costs_what_a_wrong_one_costs(doors: RunningService, how: str, key: Key) -> None:
    with counted_queries() as seen:
        await knock(doors, f"Bearer {REFUSED[how](key, key)}")

    assert len(seen) == 1


@pytest.mark.parametrize("how", ["very-long", "sql", "accents", "wildcards"])
async def test_what_cannot_be_a_key_never_reaches_the_database(doors: RunningService, how: str, key: Key) -> None:
    with counted_queries() as seen:
        await knock(doors, f"Bearer {REFUSED[how](key, key)}")

    assert seen == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_scheme_may_be_written_in_any_case(doors: RunningService, scheme: str, key: Key) -> None:
    assert (await knock(doors, f"{scheme} {key.text}")).status_code == 200
    assert (await knock(doors, f"{scheme}   {key.text}")).status_code == 200


async def test_of_two_headers_none_counts(doors: RunningService, key: Key) -> None:
    good, bad = ("Authorization", f"Bearer {key.text}"), ("authorization", f"Bearer {new_key().text}")

    answers = [
        await doors.client.get("/v1/doors", headers=[*pair]) for pair in ((good, bad), (bad, good), (good, good))
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


@pytest.mark.parametrize("name", ["authorization", "api_key", "access_token", "key"])
async def test_a_key_in_the_query_string_is_ignored(doors: RunningService, name: str, key: Key) -> None:
    response = await doors.client.get("/v1/doors", params={name: f"Bearer {key.text}"})

    assert response.status_code == 401


async def test_a_key_in_another_header_or_a_cookie_is_ignored(doors: RunningService, key: Key) -> None:
    headers = {
        "X-API-Key": key.text,
        "Proxy-Authorization": f"Bearer {key.text}",
        "Cookie": f"authorization={key.text}",
    }

    assert (await doors.client.get("/v1/doors", headers=headers)).status_code == 401


@pytest.mark.parametrize("planted", [b"\x00", b"\r\nX-Planted: yes\r\nX: ", b"\nX-Planted: yes", b"\x7f", b"\xff"])
async def test_nothing_planted_in_the_header_comes_back_or_crashes(
    doors: RunningService, planted: bytes, key: Key
) -> None:
    head = b"GET /v1/doors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "
    with capture_logs() as events:
        answer = await send_raw(doors, head + key.text[:-1].encode() + planted + b"\r\n\r\n")

    assert answer.split()[1] in {b"400", b"401"}
    assert b"planted" not in answer.lower()
    assert [event for event in events if event["log_level"] == "error"] == []


async def send_raw(doors: RunningService, request: bytes) -> bytes:
    """Bytes that no client library would send."""
    url = doors.client.base_url
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


async def test_a_key_without_the_scope_is_told_which_one_it_lacks(doors: RunningService, key: Key) -> None:
    headers = {"Authorization": f"Bearer {key.text}"}

    response = await doors.client.post("/v1/doors", headers=headers, json={"colour": "red"})

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:insufficient-scope"
    assert response.json()["detail"] == "The API key lacks the scope `doors:build`."
    assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="doors:build"'


async def test_each_route_needs_its_own_scopes(doors: RunningService) -> None:
    scopes = [(), ("doors:pass",), ("doors:build",), ("doors:pass", "doors:build"), ("doors:*",), ("doors",)]
    clients = [await doors.client_for(*given) for given in scopes]

    passed = [(await client.get("/v1/doors")).status_code for client in clients]
    built = [(await client.post("/v1/doors", json={"colour": "red"})).status_code for client in clients]
    both = [(await client.get("/v1/doors/locks")).status_code for client in clients]

    assert passed == [403, 200, 403, 200, 403, 403]
    assert built == [403, 403, 201, 201, 403, 403]
    assert both == [403, 403, 403, 200, 403, 403]


async def test_a_stranger_is_not_told_what_a_request_should_look_like(doors: RunningService) -> None:
    wrong = await doors.client.get("/v1/doors/rooms/x")
    incomplete = await doors.client.post("/v1/doors", json={})

    assert (wrong.status_code, incomplete.status_code) == (401, 401)


async def test_with_one_connection_many_new_callers_are_served(database_url: str) -> None:
    settings = settings_for(database_url=database_url, database={"pool_size": 1})
    async with run_service(settings, routers=[router]) as doors:
        callers = [await doors.client_for("doors:pass") for _ in range(8)]

        answers = await asyncio.gather(*(caller.get("/v1/doors/rooms/7") for caller in callers))

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "7")] * 8


async def test_without_a_database_a_caller_is_told_to_come_back() -> None:
    async with run_service(settings_for(database_url=NOWHERE), routers=[router]) as doors:
        response = await knock(doors, f"Bearer {new_key().text}")
        nonsense = await knock(doors, "Bearer nonsense")

    assert response.status_code == 503
    assert response.json()["type"] == "urn:problem:database-unavailable"
    assert response.headers["retry-after"] == "2"
    assert nonsense.status_code == 401


REASONS: dict[str, Any] = {
    "missing": lambda _key: "",
    "malformed": lambda _key: "Bearer nonsense",
    "unknown": lambda _key: f"Bearer {new_key().text}",
    "mismatch": lambda key: f"Bearer apikey_{key.prefix}_{new_key().secret}",
}


async def refusals(doors: RunningService) -> dict[str, float]:
    """How often callers were turned away so far, by reason."""
    found = await scrape(doors.management)
    reasons = found.labels("caller_refusals_total", "reason")
    return {reason: found.value("caller_refusals_total", reason=reason) for reason in reasons}


@pytest.mark.parametrize("reason", REASONS)
async def test_a_refusal_is_one_line_and_one_count(doors: RunningService, reason: str, key: Key) -> None:
    before = await refusals(doors)
    with capture_logs(processors=[add_context]) as events:
        response = await knock(doors, REASONS[reason](key))

    after = await refusals(doors)
    lines = [event for event in events if event["event"] == "caller_refused"]
    assert [(line["reason"], line["log_level"]) for line in lines] == [(reason, "warning")]
    assert lines[0]["request_id"] == response.json()["request_id"]
    assert ("key_prefix" in lines[0]) == (reason in {"unknown", "mismatch"})
    assert {name: after[name] - before[name] for name in after} == {**dict.fromkeys(after, 0.0), reason: 1.0}


async def test_useless_keys_and_missing_scopes_are_counted_apart(
    doors: RunningService, database_url: str, key: Key
) -> None:
    before = await refusals(doors)
    for assignment in ("revoked_at = now()", "expires_at = now()"):
        useless = await key_for(doors.settings, "doors:pass", tenant=new_id())
        await change(database_url, useless, assignment)
        await knock(doors, f"Bearer {useless.text}")
    await doors.client.get("/v1/doors/locks", headers={"Authorization": f"Bearer {key.text}"})

    after = await refusals(doors)
    assert after.keys() == {*REASONS, "revoked", "expired", "insufficient_scope"}
    assert {name for name in after if after[name] == before[name] + 1} == after.keys() - REASONS.keys()


async def test_a_lacking_scope_is_logged_with_its_caller(doors: RunningService, key: Key) -> None:
    with capture_logs(processors=[add_context]) as events:
        await doors.client.get("/v1/doors/locks", headers={"Authorization": f"Bearer {key.text}"})

    refused = next(event for event in events if event["event"] == "caller_refused")
    assert (refused["reason"], refused["scope"], refused["user"]) == (
        "insufficient_scope",
        "doors:build",
        f"key:{key.prefix}",
    )


async def test_clients_of_one_tenant_are_told_apart(doors: RunningService) -> None:
    tenant = new_id()
    ann, bob = [await doors.client_for("doors:pass", tenant=tenant) for _ in range(2)]

    answers = [(await client.get("/v1/doors")).json() for client in (ann, bob)]

    assert {UUID(answer["tenant"]) for answer in answers} == {tenant}
    assert len({answer["subject"] for answer in answers}) == 2
