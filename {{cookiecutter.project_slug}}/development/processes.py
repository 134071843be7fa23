"""Recognising processes that we started, and ending them by id: never one that merely got the same number."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Mark:
    """A process as it can be recognised later: numbers are used again, a number with its start time is not."""

    pid: int
    started: float


def mark_of(pid: int) -> Mark:
    return Mark(pid, psutil.Process(pid).create_time())


def session_of(leader: Mark) -> list[psutil.Process]:
    """The living processes of the session that this leader opened, whether or not it lives itself."""
    if _is_taken_by_another(leader):
        return []
    return [process for process in map(_process, psutil.pids()) if process and _is_in_session(process, leader.pid)]


def end_all(processes: Iterable[psutil.Process], *, politely_with: signal.Signals, within_seconds: float) -> None:
    """Ask politely; whoever is still there after the time is killed."""
    asked = list(processes)
    _send(asked, politely_with)
    if not wait_until(lambda: not any(map(is_alive, asked)), within_seconds=within_seconds):
        _send(asked, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, asked)), within_seconds=2)


def is_alive(process: psutil.Process) -> bool:
    """A zombie counts as ended: where process 1 reaps nobody, orphans stay zombies for ever."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(is_so: Callable[[], bool], *, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_taken_by_another(leader: Mark) -> bool:
    # As long as one process of a session lives, the system gives the leader's number to nobody else. So a process
    # with that number and another start time means that the session has ended.
    process = _process(leader.pid)
    return process is not None and abs(process.create_time() - leader.started) > 1


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _is_in_session(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and is_alive(process)
    except (ProcessLookupError, PermissionError):
        return False


def _send(processes: Iterable[psutil.Process], what: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(what)
