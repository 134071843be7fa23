"""Ten thousand connections that are kept open by users who think for long: none fails, none costs much memory."""

from performance.load.outcome import Findings, failures, latency, statuses
from performance.load.scenario import Scenario, Service, Size
from performance.load.users import Users
from performance.machine import allow_open_files
from performance.things import PLAIN
from performance.verdict import Verdict

# A thousand requests a second from ten thousand users.
THINK_SECONDS = 10.0

# What both processes have open beside the connections.
OTHER_FILES = 500

KILOBYTE = 1024
MOST_KILOBYTES = 15
MOST_P99_MS = 1000


class Connections(Scenario):
    """As many as asked for, or as the system lets one process have open."""

    usual = Size(users=10_000, seconds=20)

    async def run(self, service: Service, size: Size) -> Findings:
        count = min(size.users, allow_open_files(size.users + OTHER_FILES) - OTHER_FILES)
        before = service.memory_bytes
        users = Users(service.at(PLAIN), count=count, think_seconds=THINK_SECONDS)
        await users.arrive()
        answers = await users.ask_for(size.seconds)
        each = (service.memory_bytes - before) / count / KILOBYTE
        users.leave()
        return Findings(
            requests=len(answers),
            verdicts=[
                failures(answers, at_most_percent=0),
                Verdict(what="memory of a connection", measured=each, threshold=MOST_KILOBYTES, unit="KB"),
                latency(answers, 99, at_most_ms=MOST_P99_MS),
            ],
            remarks=[*remarks(count, size.users), statuses(answers)],
        )


def remarks(count: int, wanted: int) -> list[str]:
    if count == wanted:
        return [f"{count} connections"]
    return [f"{count} connections instead of {wanted}: the system lets a process open no more files (ulimit -n)"]
