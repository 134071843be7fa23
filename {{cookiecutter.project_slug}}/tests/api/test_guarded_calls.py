"""A partner that fails, hangs or is slow costs callers little, and is not made worse by us."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack

import httpx2
from structlog.testing import capture_logs

from app.resilience.backoff import Backoff
from app.resilience.bulkhead import BulkheadOptions
from app.resilience.circuit_breaker import BreakerOptions
from app.resilience.policy import Policy
from app.resilience.retry_budget import BudgetOptions
from tests.support.errands import running_errands
from tests.support.metrics import scrape
from tests.support.partner import Behaviour, Partner, open_partner
from tests.support.service import RunningService
from tests.support.waiting import comes_true

AT_ONCE = Backoff(first_seconds=0, longest_seconds=0)
ONCE = Policy(
    attempts=1,
    attempt_seconds=9,
    deadline_seconds=9,
    breaker=BreakerOptions(minimum_calls=4, open_seconds=2, slow_seconds=9, probes=2),
)
NEVER_OPEN = BreakerOptions(failure_rate=1.1, slow_rate=1.1)


class Errands:
    """A service that asks a partner, and the partner."""

    def __init__(self, service: RunningService, partner: Partner) -> None:
        self.service = service
        self.partner = partner

    async def run(self) -> httpx2.Response:
        return await self.service.client.get("/v1/errands/to/thing", params={"no": next_number()})

    async def run_often(self, times: int) -> Counter[int]:
        """One after the other; how they were answered."""
        return Counter([(await self.run()).status_code for _ in range(times)])

    async def run_at_once(self, times: int, *, refused: int) -> Counter[int]:
        """The partner answers nobody before so many were refused, or there is no hope of that."""
        self.partner.behave(fault="held")
        tasks = [asyncio.create_task(self.run()) for _ in range(times)]
        await comes_true(lambda: sum(task.done() for task in tasks) >= refused, within_seconds=6)
        self.partner.release()
        return Counter(answer.status_code for answer in await asyncio.gather(*tasks))

    @property
    def times_asked(self) -> int:
        return len(self.partner.requests)


numbers = iter(range(1_000_000))


def next_number() -> int:
    """No two reads are identical: those that come at the same time would be one."""
    return next(numbers)


def failing(is_failing: bool, **headers: str) -> Behaviour:
    return Behaviour(status=503, headers=headers) if is_failing else Behaviour()


async def open_errands(stack: AsyncExitStack, database_url: str, policy: Policy) -> Errands:
    partner = await stack.enter_async_context(open_partner())
    service = await stack.enter_async_context(running_errands(database_url, policy, helper=partner.url))
    return Errands(service, partner)


async def test_a_partner_that_fails_is_left_alone_and_tried_again_carefully(
    stack: AsyncExitStack, database_url: str
) -> None:
    errands = await open_errands(stack, database_url, ONCE)
    with capture_logs() as lines:
        errands.partner.behave(status=500)
        await errands.run_often(4)
        refused = await errands.run_often(10)
        asked_meanwhile = errands.times_asked - 4
        is_open = await circuit(errands, "open")
        await asyncio.sleep(ONCE.breaker.open_seconds)  # nothing tells of its end: the next call finds it out
        probed = await errands.run_at_once(50, refused=50 - ONCE.breaker.probes)

    told = [line["event"] for line in lines if line.get("circuit") == "helper"]
    assert (refused, asked_meanwhile, is_open) == ({503: 10}, 0, True)
    assert probed == {200: ONCE.breaker.probes, 503: 50 - ONCE.breaker.probes}
    assert told == ["circuit_opened", "circuit_half_open", "circuit_closed"]
    assert await circuit(errands, "closed")
    assert await errands.run_often(2) == {200: 2}


async def circuit(errands: Errands, state: str) -> bool:
    found = await scrape(errands.service.management)
    return found.value("circuit_state", circuit="helper", state=state) == 1


async def test_a_refusal_says_when_to_come_back(stack: AsyncExitStack, database_url: str) -> None:
    policy = Policy(attempts=1, breaker=BreakerOptions(minimum_calls=1, open_seconds=30))
    errands = await open_errands(stack, database_url, policy)
    errands.partner.behave(status=500)
    await errands.run()

    refused = await errands.run()

    assert refused.status_code == 503
    assert 25 <= int(refused.headers["retry-after"]) <= 30
    assert refused.headers["content-type"] == "application/problem+json"


async def test_a_partner_that_is_slow_is_left_alone_too(stack: AsyncExitStack, database_url: str) -> None:
    breaker = BreakerOptions(minimum_calls=4, slow_seconds=0.05, open_seconds=30)
    errands = await open_errands(stack, database_url, Policy(attempts=1, breaker=breaker))
    errands.partner.behave(delay_seconds=0.1)

    answers = await errands.run_often(10)

    assert answers == {200: 4, 503: 6}


async def test_a_read_that_fails_is_tried_again(stack: AsyncExitStack, database_url: str) -> None:
    errands = await open_errands(stack, database_url, Policy(backoff=AT_ONCE))
    errands.partner.follow(lambda _request: failing(errands.times_asked <= 2))

    answer = await errands.run()

    assert answer.status_code == 200
    assert errands.times_asked == 3


async def test_a_failure_that_opens_the_circuit_is_told_as_what_it_was(
    stack: AsyncExitStack, database_url: str
) -> None:
    breaker = BreakerOptions(minimum_calls=1, open_seconds=30)
    errands = await open_errands(stack, database_url, Policy(backoff=AT_ONCE, breaker=breaker))
    errands.partner.behave(status=500)

    with capture_logs() as lines:
        answer = await errands.service.client.post("/v1/errands/to/thing?key=payment-1")

    assert (answer.json()["type"], errands.times_asked) == ("urn:problem:partner-failed", 1)
    told = [line["outcome"] for line in lines if line["event"] == "partner_call_failed"]
    assert told == ["failed"]
    found = await scrape(errands.service.management)
    assert found.value("partner_call_duration_seconds_count", partner="helper") == 1


async def test_a_change_without_a_key_is_never_tried_again(stack: AsyncExitStack, database_url: str) -> None:
    errands = await open_errands(stack, database_url, Policy(backoff=AT_ONCE))
    errands.partner.behave(status=500)

    answer = await errands.service.client.post("/v1/errands/to/thing")

    assert answer.status_code == 503
    assert errands.times_asked == 1


async def test_what_a_partner_asks_to_wait_is_waited_for(stack: AsyncExitStack, database_url: str) -> None:
    errands = await open_errands(stack, database_url, Policy(backoff=AT_ONCE))
    errands.partner.follow(lambda _request: failing(errands.times_asked <= 1, **{"Retry-After": "1"}))

    answer = await errands.run()

    first, second = errands.partner.requests
    assert answer.status_code == 200
    assert second.at - first.at >= 1


async def test_callers_of_a_failing_partner_ask_it_little_more_often_than_they_are_asked(
    stack: AsyncExitStack, database_url: str
) -> None:
    policy = Policy(backoff=AT_ONCE, budget=BudgetOptions(most=5), breaker=NEVER_OPEN)
    errands = await open_errands(stack, database_url, policy)
    errands.partner.behave(status=500)

    answers = await errands.run_often(200)

    # A tenth of the calls, what was saved up, and a repetition for each 10 s that it took.
    assert answers == {503: 200}
    assert 200 + 20 <= errands.times_asked <= 200 + 20 + 5 + 5


async def test_a_slow_partner_takes_only_so_much_of_the_service(stack: AsyncExitStack, database_url: str) -> None:
    bulkhead = BulkheadOptions(calls=3, places=2, wait_seconds=9)
    policy = Policy(deadline_seconds=9, attempt_seconds=9, bulkhead=bulkhead, breaker=NEVER_OPEN)
    errands = await open_errands(stack, database_url, policy)

    answers = await errands.run_at_once(20, refused=15)

    assert answers == {200: 5, 503: 15}
    assert errands.partner.most_in_flight == 3


async def test_a_caller_waits_no_longer_than_the_deadline_of_the_call(stack: AsyncExitStack, database_url: str) -> None:
    policy = Policy(deadline_seconds=1.0, attempt_seconds=0.6, attempts=10, backoff=AT_ONCE, breaker=NEVER_OPEN)
    errands = await open_errands(stack, database_url, policy)
    errands.partner.behave(fault="hang")
    began = time.monotonic()

    answer = await errands.run()

    assert answer.status_code == 503
    assert time.monotonic() - began < 3
