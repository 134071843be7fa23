"""Calls to others: whatever a partner does, it stays the partner's trouble."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from app.clients import calls
from app.resilience.circuit_breaker import BreakerOptions
from app.resilience.policy import Policy
from tests.support.errands import SECRET, running_errands
from tests.support.metrics import scrape
from tests.support.partner import Behaviour, Partner, Seen, open_partner
from tests.support.ports import free_ports
from tests.support.service import RunningService
from tests.support.waiting import eventually

NEVER_OPENS = BreakerOptions(failure_rate=1.1, slow_rate=1.1)

# Three attempts, and time for all of them.
POLICY = Policy(deadline_seconds=2.5, attempt_seconds=0.5, breaker=NEVER_OPENS)

# One attempt, and time for a test to look around meanwhile.
PATIENT = Policy(deadline_seconds=15, attempt_seconds=15, attempts=1, breaker=NEVER_OPENS)

QUOTE = {"cents": 490}


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with open_partner() as partner:
        yield partner


@pytest.fixture
async def service(worker_database_url: str, partner: Partner) -> AsyncIterator[RunningService]:
    async with running_errands(worker_database_url, POLICY, helper=partner.url) as running:
        yield running


def first(**behaviour: Any) -> Any:
    """So behaves the first request of each path, and all later ones well."""
    seen: set[str] = set()

    def decide(request: Seen) -> Behaviour:
        is_first = request.path not in seen
        seen.add(request.path)
        return Behaviour(**behaviour) if is_first else Behaviour()

    return decide


@pytest.mark.parametrize(
    ("behaviour", "type_"),
    [
        ({"fault": "garbage"}, "partner-broke"),
        ({"fault": "half"}, "partner-broke"),
        ({"fault": "reset"}, "partner-broke"),
        ({"fault": "reset_midway"}, "partner-broke"),
        ({"fault": "endless_head"}, "partner-broke"),
        ({"headers": {"Content-Encoding": "gzip"}}, "partner-broke"),
        ({"fault": "hang"}, "partner-slow"),
        ({"fault": "trickle"}, "partner-slow"),
        ({"delay_seconds": 5}, "partner-slow"),
        ({"fault": "endless"}, "partner-answer-too-large"),
        ({"status": 500}, "partner-failed"),
        ({"status": 503}, "partner-failed"),
        ({"status": 429}, "partner-busy"),
        ({"body": "<html>Sorry</html>"}, "partner-answer-unreadable"),
        ({"body": {"pounds": 4}}, "partner-answer-unreadable"),
        ({"status": 404, "body": QUOTE}, "partner-answer-unreadable"),
    ],
)
async def test_whatever_a_partner_does_it_is_unavailable_and_no_crash(
    service: RunningService, partner: Partner, behaviour: dict[str, Any], type_: str
) -> None:
    partner.behave(**behaviour)

    with capture_logs() as lines:
        response = await service.client.get("/v1/errands/quote")

    problem = response.json()
    assert (response.status_code, problem["type"]) == (503, f"urn:problem:{type_}")
    assert int(response.headers["Retry-After"]) >= 1
    assert problem["detail"].startswith("helper ")
    assert partner.url not in response.text
    told = [line for line in lines if line["event"] == "partner_call_failed"]
    assert [(line["partner"], line["method"], line["path"]) for line in told] == [("helper", "GET", "/quote")]
    found = await scrape(service.management)
    assert found.value("partner_calls_total", partner="helper", outcome=told[0]["outcome"]) == 1


async def test_a_partner_that_nobody_can_reach_is_unavailable(worker_database_url: str) -> None:
    [port] = free_ports(1)
    for address in (f"http://127.0.0.1:{port}", "http://nobody.invalid", "http://no..body.invalid"):
        async with running_errands(worker_database_url, POLICY, helper=address) as service:
            response = await service.client.post("/v1/errands/to/it")

            assert (response.status_code, response.json()["type"]) == (503, "urn:problem:partner-unreachable")


async def test_a_partner_whose_address_is_not_set_is_unavailable(worker_database_url: str) -> None:
    async with running_errands(worker_database_url, POLICY) as service:
        with capture_logs() as lines:
            response = await service.client.get("/v1/errands/quote")
            with_fallback = await service.client.get("/v1/errands/quote-or-flat-rate")
        counted = await scrape(service.management)

    assert (response.status_code, response.json()["type"]) == (503, "urn:problem:partner-not-configured")
    assert response.json()["detail"] == "helper is not set up here."
    assert with_fallback.json() == {"cents": 500, "instead_of": "not_configured"}
    told = [line["cause"] for line in lines if line["event"] == "partner_call_failed"]
    assert told == ["HELPER_URL is not set"], "once, however often it is called"
    assert counted.value("partner_calls_total", partner="helper", outcome="not_configured") == 2


async def test_what_a_partner_answers_is_a_result_also_if_it_is_a_refusal(
    service: RunningService, partner: Partner
) -> None:
    partner.behave("/none", status=404, body="no such thing")

    found = await service.client.get("/v1/errands/to/none")

    assert found.json()["status"] == 404
    assert found.json()["body"] == "no such thing"
    counted = await scrape(service.management)
    assert counted.value("partner_calls_total", partner="helper", outcome="answered") == 1


@pytest.mark.parametrize("fault", ["too_long", "too_long_later"])
async def test_surplus_of_an_answer_is_never_taken_for_the_next(
    service: RunningService, partner: Partner, fault: str
) -> None:
    partner.behave("/first", fault=fault)

    await service.client.get("/v1/errands/to/first")
    partner.release()
    await scrape(service.management)  # takes longer than what was released, so that has arrived
    following = await service.client.get("/v1/errands/to/second")

    assert json.loads(following.json()["body"]) == {"ok": True}


async def test_a_kept_connection_that_was_closed_is_no_failure(service: RunningService, partner: Partner) -> None:
    partner.behave(fault="closes")

    responses = [await service.client.get(f"/v1/errands/to/{number}") for number in range(10)]

    assert {response.status_code for response in responses} == {200}


async def test_a_call_takes_no_longer_than_the_request_that_it_is_made_for(
    service: RunningService, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "SECONDS_TO_GO_ON", 0.25)  # this machine may be busy
    partner.behave(fault="hang")

    with capture_logs() as lines:
        began = time.monotonic()
        answers = [
            await service.client.get(f"/v1/errands/{path}", headers={"X-Request-Timeout": "0.7"})
            for path in ("quote-or-flat-rate", "quote")
        ]
        took = time.monotonic() - began

    assert [answer.status_code for answer in answers] == [200, 503]
    assert answers[0].json() == {"cents": 500, "instead_of": "slow"}
    assert took < 2.5
    told = [line["cause"] for line in lines if line["event"] == "partner_call_failed"]
    assert told == ["the request's own deadline"] * 2


async def test_a_partner_is_not_to_blame_for_a_request_that_has_no_time_left(
    service: RunningService, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "SECONDS_TO_GO_ON", 60)

    with capture_logs() as lines:
        response = await service.client.get("/v1/errands/quote")

    assert (response.status_code, response.json()["type"]) == (503, "urn:problem:partner-not-asked")
    assert partner.requests == []
    assert "partner_call_failed" not in {line["event"] for line in lines}


async def test_an_attempt_that_hangs_is_given_up_for_another(service: RunningService, partner: Partner) -> None:
    partner.follow(first(fault="hang"))

    response = await service.client.get("/v1/errands/to/it", headers={"X-Request-Timeout": "2"})

    assert response.status_code == 200
    one, two = partner.asked("/it")
    assert 0.3 <= two.at - one.at < 1.5


async def test_only_what_may_be_done_twice_is_tried_again(service: RunningService, partner: Partner) -> None:
    partner.follow(first(fault="reset"))

    asked = {
        "/read": await service.client.get("/v1/errands/to/read"),
        "/replace": await service.client.put("/v1/errands/to/replace"),
        "/pay": await service.client.post("/v1/errands/to/pay"),
        "/pay-with-key": await service.client.post("/v1/errands/to/pay-with-key?key=payment-1"),
    }

    statuses = {path: (response.status_code, len(partner.asked(path))) for path, response in asked.items()}
    assert statuses == {"/read": (200, 2), "/replace": (200, 2), "/pay": (503, 1), "/pay-with-key": (200, 2)}
    assert {request.headers["idempotency-key"] for request in partner.asked("/pay-with-key")} == {"payment-1"}


async def test_who_would_have_to_wait_for_too_long_is_told_so_at_once(
    service: RunningService, partner: Partner
) -> None:
    partner.behave(status=503, headers={"Retry-After": "30"})

    response = await service.client.get("/v1/errands/to/it")

    assert response.headers["Retry-After"] == "30"
    assert len(partner.requests) == 1


async def test_the_health_report_says_whose_circuit_is_open(
    worker_database_url: str, partner: Partner, no_cache: None
) -> None:
    policy = Policy(attempts=1, breaker=BreakerOptions(minimum_calls=1, open_seconds=60))
    partner.behave(status=500)

    async with running_errands(worker_database_url, policy, helper=partner.url) as service:
        before = (await service.client.get("/health/ready")).json()
        await service.client.get("/v1/errands/to/it")
        asked = len(partner.requests)
        response = await service.client.get("/health/ready")

    assert before["components"].get("helper", {}).get("status") == "pass"
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["components"]["helper"]["error"] == "its circuit is open"
    assert len(partner.requests) == asked


async def test_identical_reads_at_the_same_time_are_one(worker_database_url: str, partner: Partner) -> None:
    partner.behave(fault="held")

    async with running_errands(worker_database_url, PATIENT, helper=partner.url) as service:
        answers = await read_at_once(15, "/v1/errands/to/it?a=1", service, partner)
        other = await service.client.get("/v1/errands/to/it?a=2")
        change = await service.client.post("/v1/errands/to/it?a=1")

    assert {answer.status_code for answer in [*answers, other, change]} == {200}
    assert len(partner.requests) == 3


async def test_of_identical_reads_that_fail_the_one_call_is_one_line(
    worker_database_url: str, partner: Partner
) -> None:
    partner.behave(fault="held", status=500)

    async with running_errands(worker_database_url, PATIENT, helper=partner.url) as service:
        with capture_logs() as lines:
            answers = await read_at_once(15, "/v1/errands/quote", service, partner)
        counted = await scrape(service.management)

    assert {answer.json()["type"] for answer in answers} == {"urn:problem:partner-failed"}
    assert len([line for line in lines if line["event"] == "partner_call_failed"]) == 1
    assert counted.value("partner_calls_total", partner="helper", outcome="failed") == 15


async def read_at_once(times: int, path: str, service: RunningService, partner: Partner) -> list[httpx2.Response]:
    """The partner, which holds them, answers when all have come."""
    tasks = [asyncio.create_task(service.client.get(path)) for _ in range(times)]

    async def have_come() -> bool:
        return (await scrape(service.management)).value("http_requests_in_flight") == times

    await eventually(have_come)
    partner.release()
    return await asyncio.gather(*tasks)


async def test_an_answer_is_bounded_also_when_it_is_unpacked(service: RunningService, partner: Partner) -> None:
    partner.behave(fault="gzip_bomb")

    response = await service.client.get("/v1/errands/to/it")

    assert response.status_code == 503
    assert response.json()["type"] == "urn:problem:partner-answer-too-large"


async def test_redirects_are_not_followed(service: RunningService, partner: Partner) -> None:
    async with open_partner() as elsewhere:
        partner.behave(status=302, headers={"Location": elsewhere.url})

        response = await service.client.get("/v1/errands/to/it")

    assert elsewhere.requests == []
    assert response.json()["status"] == 302


async def test_a_partner_is_told_which_request_it_is_called_for(service: RunningService, partner: Partner) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {"X-Request-ID": "request-number-1", "traceparent": trace}

    await service.client.get("/v1/errands/to/it", headers=headers)

    [request] = partner.requests
    assert request.headers.get("x-request-id") == "request-number-1"
    version, trace_id, span_id, flags = request.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "00")
    assert span_id != "00f067aa0ba902b7"


async def test_a_partners_key_goes_to_that_partner_alone(worker_database_url: str, partner: Partner) -> None:
    async with (
        open_partner() as stranger,
        running_errands(worker_database_url, POLICY, helper=partner.url, stranger=stranger.url) as service,
    ):
        await service.client.get("/v1/errands/to/it")
        await service.client.get("/v1/errands/stranger")

    assert partner.requests[0].headers.get("authorization") == f"Bearer {SECRET}"
    assert SECRET not in str(stranger.requests[0].headers)


@pytest.mark.parametrize("behaviour", [{"fault": "garbage"}, {"fault": "half"}, {"status": 500}])
async def test_neither_a_key_nor_a_query_gets_into_the_log(
    service: RunningService, partner: Partner, behaviour: dict[str, Any]
) -> None:
    partner.behave(**behaviour)

    with capture_logs() as lines:
        await service.client.get("/v1/errands/to/it?customer=jane")

    written = [line for line in lines if line["event"] != "request"]
    assert "partner_call_failed" in {line["event"] for line in written}
    assert SECRET not in str(lines)
    assert "jane" not in str(written)


async def test_a_fallback_stands_in_for_a_partner_and_is_counted(service: RunningService, partner: Partner) -> None:
    partner.behave(body=QUOTE)
    good = await service.client.get("/v1/errands/quote-or-flat-rate")
    partner.behave(status=500)

    response = await service.client.get("/v1/errands/quote-or-flat-rate")

    assert good.json() == QUOTE
    assert (response.status_code, response.json()) == (200, {"cents": 500, "instead_of": "failed"})
    found = await scrape(service.management)
    assert found.value("partner_fallbacks_total", partner="helper", outcome="failed") == 1


@pytest.mark.parametrize("path", ["%2e%2e/admin", "a/%2e%2e", "a%5Cb", "a%3Fadmin=1", "a%23b"])
async def test_a_path_does_not_lead_out_of_the_partners_address(
    service: RunningService, partner: Partner, path: str
) -> None:
    url = httpx2.URL(service.client.base_url).copy_with(raw_path=f"/v1/errands/to/{path}".encode())

    response = await service.client.get(url)

    assert response.status_code == 422
    assert partner.requests == []
