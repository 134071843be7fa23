"""What callers see of a fault: real processes under real load while something is done to what they need."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.core.ids import new_id
from app.web.problems import MEDIA_TYPE, Problem
from tests.support import notes
from tests.support.callers import key_for
from tests.support.commands import for_production
from tests.support.jobs import select
from tests.support.ports import free_ports
from tests.support.running_app import RunningApp
from tests.support.serving_app import ServingApp, serving
from tests.support.settings import UNLIMITED, settings_for
from tests.support.steady_load import Call, Outcome, SteadyLoad, steady_load
from tests.support.waiting import wait_until
from tests.support.working_app import WorkingApp, launched

SERVICE = "tests.support.chaos_service"

# After so many answers in a row each kind of request counts as well again.
IN_A_ROW = 8

# An answer that takes longer is none that a caller would call well, on a machine that may be busy with others.
SLOW_SECONDS = 2.0

# Lines of the log that stand for a mistake of ours. A stack trace that is no line of the log cannot even be read.
CRASHES = {"crash", "job_failed"}

WELL_SECONDS = 60.0
DELIVERED_SECONDS = 60.0

NUMBERS = random.SystemRandom()


def a_note() -> dict[str, int]:
    """One that nobody else writes."""
    return {"number": NUMBERS.getrandbits(62)}


READ = Call("GET", "/v1/notes/last", per_second=4)
WRITE = Call("POST", "/v1/notes", make_body=a_note, per_second=4)
WRITE_PERSISTENTLY = Call("POST", "/v1/notes", make_body=a_note, is_persistent=True, per_second=4)
RECALL = Call("GET", "/v1/notes/remembered", per_second=8)
WITHOUT_ANYTHING = Call("GET", "/v1/notes/help", per_second=4)

# More need the database than its pool has connections. All together are no more than the service lets in when it has no
# time at all (`adaptive_limit.py`): what it turns away because the machine is busy with others is not the fault's.
CALLS = [*[READ] * 6, *[WRITE] * 3, *[WRITE_PERSISTENTLY] * 3, *[RECALL] * 2, *[WITHOUT_ANYTHING] * 2]


@dataclass(frozen=True)
class Ordeal:
    """What callers saw, from the fault's beginning until all was well again. `None`: that was not counted."""

    outcomes: list[Outcome]
    fault_ended: float
    lost: int | None = None
    doubled: int | None = None

    def of(self, call: Call) -> Counter[int | str]:
        """How those of one kind were answered."""
        return Counter(answer_of(outcome) for outcome in self.outcomes if outcome.call is call)

    @property
    def errors(self) -> Counter[int | str]:
        """What callers got instead of what they wanted."""
        return Counter(answer_of(outcome) for outcome in self.outcomes if not outcome.is_done)

    @property
    def reasons(self) -> Counter[str]:
        """What they were told."""
        return Counter(outcome.refusal.json()["detail"] for outcome in self.outcomes if outcome.refusal)

    @property
    def error_share(self) -> float:
        return self.errors.total() / len(self.outcomes)

    @property
    def worst_seconds(self) -> float:
        return max(outcome.seconds for outcome in self.outcomes)

    @property
    def recovery_seconds(self) -> float:
        """From the fault's end to the last answer that was an error, or slow."""
        ill = [outcome.ended for outcome in self.outcomes if not outcome.is_done or outcome.seconds > SLOW_SECONDS]
        return max([0.0, *(moment - self.fault_ended for moment in ill)])

    @property
    def nothing_lost_or_doubled(self) -> bool:
        return (self.lost, self.doubled) == (0, 0)


def answer_of(outcome: Outcome) -> int | str:
    """Its status, or the name of what went wrong with the connection."""
    return outcome.status or outcome.error.partition("(")[0]


class Scene:
    """The service, its worker, and callers who write down what they sent."""

    def __init__(self, url: str, *, module: str, folder: Path, variables: Mapping[str, str]) -> None:
        [port] = free_ports(1)
        self.url = url
        self.module = module
        self.folder = folder
        self.variables = {**variables, "PORT": str(port)}
        self.base_url = f"http://127.0.0.1:{port}"
        self.stack = ExitStack()
        self.started: list[RunningApp] = []
        self.service: ServingApp
        self.worker: WorkingApp

    def start_service(self) -> None:
        """Again at the same address, if it was killed."""
        self.service = self.stack.enter_context(serving(folder=self.folder, module=self.module, **self.variables))
        self.started.append(self.service)

    def start_worker(self) -> None:
        """And do not wait until it is ready."""
        self.worker = self.stack.enter_context(launched(folder=self.folder, module=self.module, **self.variables))
        self.started.append(self.worker)

    def endure(
        self, fault: AbstractContextManager[None], *, seconds: float, calls: Sequence[Call] = tuple(CALLS)
    ) -> Ordeal:
        """Stage the fault under load, for so many seconds. Raises `AssertionError` if not all is well afterwards."""
        with steady_load(self.base_url, calls, headers=self.caller()) as load:
            wait_until_well(load, calls)
            begun = time.monotonic()
            with fault:
                time.sleep(seconds)  # this long is the fault
            ended = time.monotonic()
            wait_until_well(load, calls)
        wait_until(self.all_is_delivered, within_seconds=DELIVERED_SECONDS, what="the delivery of all notes")
        outcomes = [outcome for outcome in load.outcomes if outcome.ended >= begun]
        assert_refusals_are_proper(outcomes)
        crashes = [line for process in self.started for line in process.events if line["event"] in CRASHES]
        assert crashes == [], crashes
        return Ordeal(outcomes, ended, *self.lost_and_doubled(load))

    def caller(self) -> dict[str, str]:
        key = asyncio.run(key_for(settings_for(database_url=self.url), "notes:use", tenant=new_id()))
        return {"Authorization": f"Bearer {key.text}"}

    def all_is_delivered(self) -> bool:
        return not select(self.url, notes.UNDELIVERED)

    def lost_and_doubled(self, load: SteadyLoad) -> tuple[int, int]:
        """Notes that were confirmed and are not there, and those that were taken or delivered more than once."""
        taken, delivered = notes.taken(self.url), notes.delivered(self.url)
        confirmed = {outcome.sent["number"] for outcome in load.outcomes if outcome.sent and outcome.is_done}
        lost = confirmed - taken.keys() | confirmed - delivered.keys()
        doubled = [number for number in taken if taken[number] > 1 or delivered[number] > 1]
        return len(lost), len(doubled)


def wait_until_well(load: SteadyLoad, calls: Sequence[Call]) -> None:
    """From now on, each call is answered as it should be, several times in a row."""
    since, moment = len(load.outcomes), time.monotonic()

    def is_well() -> bool:
        recent = [outcome for outcome in load.outcomes[since:] if outcome.began >= moment]
        return all(ends_well([outcome for outcome in recent if outcome.call is call]) for call in calls)

    wait_until(is_well, within_seconds=WELL_SECONDS, what=f"the time when all is well ({load.statuses()})")


def ends_well(outcomes: Sequence[Outcome]) -> bool:
    last = outcomes[-IN_A_ROW:]
    return len(last) == IN_A_ROW and all(outcome.is_done and outcome.seconds < SLOW_SECONDS for outcome in last)


def assert_refusals_are_proper(outcomes: Sequence[Outcome]) -> None:
    """Problems that say when to come back, and tell nothing of our insides."""
    for refusal in (outcome.refusal for outcome in outcomes if outcome.refusal is not None):
        assert refusal.headers["content-type"] == MEDIA_TYPE, refusal.text
        problem = Problem.model_validate_json(refusal.content, strict=True)
        assert (problem.status, problem.request_id) == (refusal.status_code, refusal.headers["x-request-id"])
        assert refusal.json().keys() <= Problem.model_fields.keys()
        assert refusal.status_code != httpx2.codes.SERVICE_UNAVAILABLE or "retry-after" in refusal.headers


@contextmanager
def scene(
    url: str,
    *,
    folder: Path,
    make_scene: Callable[..., Scene] = Scene,
    module: str = SERVICE,
    database_url: str | None = None,
    has_worker: bool = True,
    **variables: str,
) -> Iterator[Scene]:
    """Until the end of the block. The processes know the database by `database_url`, if it is another than ours."""
    known = {**for_production(database_url or url), **UNLIMITED, "JOBS_STALLED_SECONDS": "2", **variables}
    found = make_scene(url, module=module, folder=folder, variables=known)
    with notes.notes_tables(url), found.stack:
        if has_worker:
            found.start_worker()
        found.start_service()
        yield found
