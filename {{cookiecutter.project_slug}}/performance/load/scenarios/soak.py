"""The same load for long: what leaks shows."""

from performance.load.outcome import Findings, failures, latency
from performance.load.scenario import Scenario, Service, Size
from performance.load.scenarios.crowd import MOST_FAILURES_PERCENT, THINK_SECONDS
from performance.load.users import Users
from performance.things import STORED
from performance.verdict import Verdict

MEGABYTE = 1024 * 1024
MOST_GROWTH_PERCENT = 10
MOST_P99_MS = 25

# By then everything that is filled once is full.
SETTLED = 0.2


class Soak(Scenario):
    """Five hundred users who read rows. `SECONDS=3600` makes it an hour."""

    usual = Size(users=500, seconds=120)

    async def run(self, service: Service, size: Size) -> Findings:
        users = Users(service.at(STORED), count=size.users, think_seconds=THINK_SECONDS)
        await users.arrive()
        await users.ask_for(SETTLED * size.seconds)
        before = service.memory_bytes
        answers = await users.ask_for((1 - SETTLED) * size.seconds)
        after = service.memory_bytes
        users.leave()
        return Findings(
            requests=len(answers),
            verdicts=[
                Verdict(
                    what="growth of memory",
                    measured=100 * (after / before - 1),
                    threshold=MOST_GROWTH_PERCENT,
                    unit="%",
                ),
                latency(answers, 99, at_most_ms=MOST_P99_MS),
                failures(answers, at_most_percent=MOST_FAILURES_PERCENT),
            ],
            remarks=[f"{before / MEGABYTE:.0f} MB at first, {after / MEGABYTE:.0f} MB at last"],
        )
