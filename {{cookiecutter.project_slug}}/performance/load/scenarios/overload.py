"""More requests than can be answered: some are refused at once, so that the others are answered in time."""

from collections.abc import Sequence
from dataclasses import dataclass

from development.errors import DevelopmentError
from performance.closed_loop import closed_loop
from performance.connection import Answer
from performance.load.arrivals import Arrivals, Phase
from performance.load.outcome import OK, Findings, failures, latency, percent_of, statuses
from performance.load.scenario import Scenario, Service, Size
from performance.things import STORED
from performance.verdict import Verdict

# What nobody has to wait for: overload protection always lets in so many.
CLIENTS = 16
CAPACITY_SECONDS = 4.0

CALM = 0.5
CALM_SECONDS = 3.0
RECOVERY_SECONDS = 1.0

REFUSED = 503
MOST_P95_MS = 100
MOST_FAILURES_PERCENT = 0.1


class NoCapacity(DevelopmentError):
    """There is nothing to multiply."""


@dataclass(frozen=True)
class Overload(Scenario):
    """So many times the capacity, which is measured first: calm, overload, a second to recover, calm."""

    times: float
    least_goodput_percent: float
    usual = Size(users=CLIENTS, seconds=8)

    async def run(self, service: Service, size: Size) -> Findings:
        capacity = await capacity_of(service, size)
        calm = Phase(CALM * capacity, CALM_SECONDS)
        phases = [calm, Phase(self.times * capacity, size.seconds), Phase(calm.rate, RECOVERY_SECONDS), calm]
        _, during, _, after = await Arrivals(service.at(STORED)).ask(phases)
        return Findings(
            requests=len(during),
            verdicts=[
                goodput(during, capacity * size.seconds, at_least_percent=self.least_goodput_percent),
                latency(during, 95, at_most_ms=MOST_P95_MS),
                neither_answered_nor_refused(during),
                failures(after, at_most_percent=MOST_FAILURES_PERCENT).named("failures a second later"),
                latency(after, 95, at_most_ms=MOST_P95_MS).named("p95 a second later"),
            ],
            remarks=[f"the capacity is {capacity:.0f} requests a second; {statuses(during)}"],
        )


async def capacity_of(service: Service, size: Size) -> float:
    """Good answers a second to clients who never pause."""
    async with closed_loop(service.at(STORED), connections=size.users) as loop:
        await loop.run(CAPACITY_SECONDS / 4)
        answers = await loop.run(CAPACITY_SECONDS)
    good = sum(answer.status == OK for answer in answers)
    if not good:
        raise NoCapacity(f"Nothing was answered with 200: {statuses(answers)}.")
    return good / CAPACITY_SECONDS


def goodput(answers: Sequence[Answer], capacity: float, *, at_least_percent: float) -> Verdict:
    """What is answered well, of what could be answered if nobody else asked."""
    good = sum(answer.status == OK for answer in answers)
    return Verdict(what="goodput", measured=100 * good / capacity, threshold=at_least_percent, unit="%", is_floor=True)


def neither_answered_nor_refused(answers: Sequence[Answer]) -> Verdict:
    """A refusal is a 503 that says when to come back."""
    bad = sum(answer.status != OK and not (answer.status == REFUSED and answer.has_retry_after) for answer in answers)
    return Verdict(what="neither 200 nor a good 503", measured=percent_of(answers, bad), threshold=0, unit="%")
