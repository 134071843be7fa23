"""A crowd of users who think and ask: what each of them waits."""

from dataclasses import dataclass

from performance.load.outcome import Findings, failures, latency, statuses
from performance.load.scenario import Scenario, Service, Size
from performance.load.users import Users

THINK_SECONDS = 1.0

# Until all have asked once: connections are opened then, and the service's pool and caches fill.
WARM_UP_SECONDS = 3.0

MOST_FAILURES_PERCENT = 0.1


@dataclass(frozen=True)
class Crowd(Scenario):
    """A thousand of them, each asking once a second on average."""

    path: str
    p95_ms: float
    p99_ms: float
    usual = Size(users=1000, seconds=25)

    async def run(self, service: Service, size: Size) -> Findings:
        users = Users(service.at(self.path), count=size.users, think_seconds=THINK_SECONDS)
        await users.arrive()
        await users.ask_for(WARM_UP_SECONDS)
        answers = await users.ask_for(size.seconds)
        users.leave()
        return Findings(
            requests=len(answers),
            verdicts=[
                latency(answers, 95, at_most_ms=self.p95_ms),
                latency(answers, 99, at_most_ms=self.p99_ms),
                failures(answers, at_most_percent=MOST_FAILURES_PERCENT),
            ],
            remarks=[statuses(answers)],
        )
