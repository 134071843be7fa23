"""The machine that is measured on: its cores, its limit of open files, and its description."""

import contextlib
import os
import platform
import resource
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psutil

CAN_PIN = hasattr(os, "sched_setaffinity")


@cache
def cores() -> list[int]:
    """Those that this process could use at first, before it was pinned to some of them."""
    return sorted(os.sched_getaffinity(0)) if CAN_PIN else list(range(os.cpu_count() or 1))


def pin_apart(servers: list[int]) -> bool:
    """Give the last core to the servers (their process ids) and all others to us; False where that cannot be done.

    To us and all else that we have started: a database that takes its time from the core of a server, or a client that
    does, would be measured with it.
    """
    *ours, theirs = cores()
    if not CAN_PIN or not ours:
        return False
    for process in family(os.getpid()):
        pin(process, set(ours))
    for pid in servers:
        for process in family(pid):
            pin(process, {theirs})
    return True


def pin(process: psutil.Process, wanted: set[int]) -> None:
    for thread in process.threads():
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(thread.id, wanted)


def family(pid: int) -> list[psutil.Process]:
    """A process and everything below it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """The time that a process and everything below it has spent on a core so far."""
    return sum(cpu_seconds_of(process) for process in family(pid))


def cpu_seconds_of(process: psutil.Process) -> float:
    """To the nanosecond on Linux, where every process has a clock of its own (`clock_getcpuclockid(3)`)."""
    if platform.system() == "Linux":
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


def memory_bytes(pid: int) -> int:
    """What a process and everything below it hold in memory."""
    return sum(int(process.memory_info().rss) for process in family(pid))


def allow_open_files(wanted: int) -> int:
    """Raise our limit, which our children inherit, as far as the system lets us; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return max(soft, most)


def description() -> str:
    """For whoever reads the numbers later."""
    today = datetime.now(UTC).date().isoformat()
    apart = "pinned to cores of their own" if CAN_PIN and len(cores()) > 1 else "sharing their cores"
    return (
        f"{today}, {len(cores())} cores ({processor()}), {platform.system()}, Python {platform.python_version()}, "
        f"client and server {apart}"
    )


def processor() -> str:
    """Its name, as far as the system knows one."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
