"""Why a job has failed, when its handler did not raise.

JobError
├── UnknownJob           nothing here does it
├── UnreadableJob        what was enqueued does not fit the job's fields (any more)
├── TimeLimitExceeded    it took longer than it may
├── CancelledItself      the handler was cancelled, and nobody had asked for it
├── TriedToExit          the handler wanted to end the process
└── WorkerDied           its worker has given no sign of life
"""


class JobError(Exception):
    """The message is for the operator."""


class UnknownJob(JobError):
    """No handler for this name."""

    def __init__(self) -> None:
        super().__init__("No handler is listed for this name in assembly/jobs.py: add it and retry the job.")


class UnreadableJob(JobError):
    """The payload does not validate. The message names fields, never their values."""


class TimeLimitExceeded(JobError):
    """The handler was stopped."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"It took longer than its time limit of {seconds:g} s.")


class CancelledItself(JobError):
    """The handler let a cancellation of its own escape."""

    def __init__(self) -> None:
        super().__init__("It was cancelled from inside.")


class TriedToExit(JobError):
    """The handler raised `SystemExit` or `KeyboardInterrupt`, which would take every other job along."""

    def __init__(self) -> None:
        super().__init__("It tried to end the worker's process.")


class WorkerDied(JobError):
    """Its worker gave no more sign of life, in the last attempt that it had."""

    def __init__(self) -> None:
        super().__init__("Its worker was lost in its last attempt.")
