"""The last resort for a process that was asked to end and does not."""

import os
import threading

import structlog

from app.observability.log_output import STDOUT

log = structlog.get_logger()


def end_within(seconds: float, *, event: str) -> None:
    """Log the event and end with exit code 1, unless the process has ended by then.

    Threads cannot be interrupted, and Python waits for all of them.
    """

    def cut_off() -> None:
        log.warning(event, seconds=seconds)
        STDOUT.drain()
        os._exit(1)

    watchdog = threading.Timer(seconds, cut_off)
    watchdog.daemon = True  # if nothing is left, the process ends before it rings
    watchdog.start()
