"""Six times more requests at once than connections to the database: nobody is served at another's expense."""

from typing import ClassVar

from performance.closed_loop import closed_loop
from performance.load.outcome import Findings, failures, milliseconds
from performance.load.scenario import Scenario, Service, Size
from performance.things import STORED
from performance.verdict import Verdict

POOL_SIZE = 3
TIMES = 6
WARM_UP_SECONDS = 1.0
MOST_P99_TO_P50 = 2.5


class Fairness(Scenario):
    """In a fair queue everybody waits about as long; in an unfair one some wait for ever.

    The pool is small so that the queue in front of it stays short enough for overload protection to let it be.
    """

    usual = Size(users=POOL_SIZE * TIMES, seconds=8)
    variables: ClassVar = {"DATABASE_POOL_SIZE": str(POOL_SIZE)}

    async def run(self, service: Service, size: Size) -> Findings:
        async with closed_loop(service.at(STORED), connections=size.users) as loop:
            await loop.run(WARM_UP_SECONDS)
            answers = await loop.run(size.seconds)
        half, most = milliseconds(answers, 50), milliseconds(answers, 99)
        return Findings(
            requests=len(answers),
            verdicts=[
                Verdict(what="p99 ÷ p50", measured=most / half, threshold=MOST_P99_TO_P50),
                failures(answers, at_most_percent=0),
            ],
            remarks=[f"p50 {half:.1f} ms, p99 {most:.1f} ms"],
        )
