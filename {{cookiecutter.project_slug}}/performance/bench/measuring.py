"""Measures what a request costs: all applications in turn, again and again, so that a noisy moment hits all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import uvloop

from development.errors import DevelopmentError
from performance.bench.rows import Row
from performance.closed_loop import closed_loop
from performance.connection import Answer, Target
from performance.machine import cpu_seconds
from performance.servers import Running

WARM_UP_SECONDS = 0.05
OK = 200


class NotMeasurable(DevelopmentError):
    """An application answers something else than what is to be measured."""


@dataclass(frozen=True)
class Contestant:
    """An application that runs, and what was measured of it: a number of each round."""

    row: Row
    process: Running
    target: Target
    microseconds: list[float] = field(default_factory=list)


def measure(contestants: Sequence[Contestant], *, rounds: int, seconds: float, tell: Callable[[str], None]) -> None:
    """So many more rounds. Raises `NotMeasurable`."""
    for number in range(rounds):
        tell(f"Round {number + 1} of {rounds}")
        for contestant in contestants:
            contestant.microseconds.append(uvloop.run(cost_of_a_request(contestant, seconds)))


async def cost_of_a_request(contestant: Contestant, seconds: float) -> float:
    """CPU time in microseconds, of a request or of each thing that it does in a batch.

    Opening the connections and what a process does first are not counted.
    """
    row = contestant.row
    async with closed_loop(contestant.target, connections=row.connections) as loop:
        await loop.run(WARM_UP_SECONDS)
        before = cpu_seconds(contestant.process.pid)
        answers = await loop.run(seconds)
        used = cpu_seconds(contestant.process.pid) - before
    check_all_well(contestant, answers)
    return used / (len(answers) * row.batch) * 1e6


def check_all_well(contestant: Contestant, answers: Sequence[Answer]) -> None:
    bad = [answer.status for answer in answers if answer.status != OK]
    if bad:
        raise NotMeasurable(
            f"{contestant.row.name}: {len(bad)} of {len(answers)} requests were not answered with 200, the first with "
            f"{bad[0] or 'nothing'}; its log ends with:\n{contestant.process.last_words()}"
        )
