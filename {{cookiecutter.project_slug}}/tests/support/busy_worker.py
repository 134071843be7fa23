"""The real command line, with a worker that does the tests' jobs too, and tries again without delay.

`python -m tests.support.busy_worker worker`. With `TICKING` in the environment it also counts the seconds; it looks for
jobs of which nobody told it every `POLL_SECONDS`.
"""

import os

from app import cli
from app.assembly.jobs import HANDLERS, SCHEDULES
from app.jobs import attempt, worker
from app.jobs.handler import Handler, Schedule
from app.resilience.backoff import Backoff
from tests.support import jobs
from tests.support.switched_off import switch_off_what_is_asked

if __name__ == "__main__":
    switch_off_what_is_asked()
    attempt.RETRY = Backoff(first_seconds=0.01, longest_seconds=0.05)
    worker.POLL_SECONDS = float(os.environ.get("POLL_SECONDS", worker.POLL_SECONDS))
    HANDLERS += [
        Handler(jobs.Mark, jobs.mark),
        Handler(jobs.Fail, jobs.fail),
        Handler(jobs.Recover, jobs.recover),
        Handler(jobs.Linger, jobs.linger),
        Handler(jobs.LingerOnce, jobs.linger),
        Handler(jobs.Block, jobs.block),
        Handler(jobs.Dawdle, jobs.dawdle),
        Handler(jobs.KillWorker, jobs.kill_worker),
        Handler(jobs.Tick, jobs.tick),
    ]
    # The service's own would come in between at some minutes of the hour.
    SCHEDULES[:] = [Schedule("* * * * * *", jobs.Tick())] if "TICKING" in os.environ else []
    cli.main()
