"""URLs that come from data lead to the internet, and never into our own network."""

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.abc import ResolveResult
from structlog.testing import capture_logs

from app.clients.ssrf_guard import UrlRules
from app.resilience.policy import Policy
from tests.support.errands import running_errands
from tests.support.partner import Behaviour, Partner, open_partner
from tests.support.service import RunningService

POLICY = Policy(deadline_seconds=2, attempt_seconds=0.5)


@pytest.fixture
async def receiver() -> AsyncIterator[Partner]:
    async with open_partner() as receiver:
        yield receiver


@pytest.fixture
async def strict_service(worker_database_url: str, receiver: Partner) -> AsyncIterator[RunningService]:
    """May call this port, wherever it is public."""
    rules = UrlRules(schemes=frozenset({"http"}), ports=frozenset({receiver.port}))
    async with running_errands(worker_database_url, POLICY, rules=rules) as running:
        yield running


@pytest.fixture
async def service(worker_database_url: str, receiver: Partner) -> AsyncIterator[RunningService]:
    """And on 127.0.0.1, where the receiver is."""
    networks = (ip_network("127.0.0.1/32"),)
    rules = UrlRules(schemes=frozenset({"http"}), ports=frozenset({receiver.port}), networks=networks)
    async with running_errands(worker_database_url, POLICY, rules=rules) as running:
        yield running


class Names:
    """Instead of the system's resolver: what it finds for any name, one answer after another, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int) -> list[ResolveResult]:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]


def name_leads_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    names = Names(*answers)
    resolver = "app.clients.lookups.Lookups.resolve"
    monkeypatch.setattr(resolver, lambda _self, host, port, _family: names.resolve(host, port))


async def test_a_url_does_not_lead_into_our_own_network(strict_service: RunningService, receiver: Partner) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        response = await call(strict_service, f"http://{host}:{receiver.port}/")

        assert (response.status_code, response.json().get("type")) == (422, "urn:problem:url-refused"), host
    assert receiver.requests == []


async def test_a_name_is_called_at_the_address_that_was_checked(
    service: RunningService, receiver: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_leads_to(monkeypatch, ["127.0.0.1"])

    response = await call(service, f"http://receiver.example:{receiver.port}/hook?a=1")

    assert response.json()["status"] == 200
    [request] = receiver.requests
    assert request.headers["host"] == f"receiver.example:{receiver.port}"
    assert (request.path, request.query, request.body) == ("/hook", "a=1", b'{"event":"made"}')
    assert "authorization" not in request.headers


@pytest.mark.parametrize("others", [["127.0.0.1", "10.0.0.7"], ["10.0.0.7"], ["127.0.0.1", "::1"]])
async def test_a_name_with_an_address_of_ours_is_refused(
    service: RunningService, receiver: Partner, monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    name_leads_to(monkeypatch, others)

    response = await call(service, f"http://receiver.example:{receiver.port}/")

    assert response.json().get("type") == "urn:problem:url-refused"
    assert "10.0.0.7" not in response.text
    assert receiver.requests == []


async def test_a_name_that_changes_its_address_wins_nothing(
    service: RunningService, receiver: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.2 is where the service of this test must never be led to."""
    receiver.behave(headers={"Connection": "close"}, fault="closes")
    name_leads_to(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])

    responses = [await call(service, f"http://receiver.example:{receiver.port}/") for _ in range(3)]

    assert [response.status_code for response in responses] == [200, 422, 422]
    assert len(receiver.requests) == 1


async def test_a_redirect_into_our_own_network_is_not_followed(service: RunningService, receiver: Partner) -> None:
    receiver.behave("/", status=307, headers={"Location": f"http://127.0.0.1:{receiver.port}/secret"})

    response = await call(service, f"http://127.0.0.1:{receiver.port}/")

    assert response.json()["status"] == 307
    assert receiver.asked("/secret") == []


async def test_a_receiver_that_is_dead_does_not_keep_others_from_being_called(
    service: RunningService, receiver: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_leads_to(monkeypatch, ["127.0.0.1"])
    receiver.follow(lambda request: Behaviour(status=500 if request.headers["host"].startswith("dead.") else 200))

    dead = [await call(service, f"http://dead.example:{receiver.port}/") for _ in range(30)]
    other = await call(service, f"http://other.example:{receiver.port}/")

    assert dead[-1].json()["type"] == "urn:problem:partner-not-asked"
    assert other.json()["status"] == 200


async def test_what_a_log_says_of_a_url_is_its_host(service: RunningService, receiver: Partner) -> None:
    """Receivers of webhooks are known by the secret in their path."""
    receiver.behave(status=500)
    with capture_logs() as lines:
        await call(service, f"http://127.0.0.1:{receiver.port}/hooks/T0/s3cr3t")

    [line] = [line for line in lines if line["event"] == "partner_call_failed"]
    assert line["host"] == "127.0.0.1"
    assert "s3cr3t" not in str(lines)


async def call(service: RunningService, url: str) -> Any:
    return await service.client.post("/v1/errands/url", headers={"url": url})
