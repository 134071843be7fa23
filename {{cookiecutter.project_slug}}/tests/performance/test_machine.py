"""What is measured has a core of its own, each time that something is measured."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from performance.machine import CAN_PIN, cores, pin, pin_apart

WAITING = [sys.executable, "-c", "input()"]


@pytest.fixture
def child() -> Iterator[int]:
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def unpinned_afterwards() -> Iterator[None]:
    yield
    pin(psutil.Process(), set(cores()))


@pytest.mark.skipif(not CAN_PIN or len(cores()) < 2, reason="needs two cores, and Linux")
@pytest.mark.usefixtures("unpinned_afterwards")
def test_also_the_second_server_is_pinned_to_another_core_than_ours(child: int) -> None:
    pin_apart([child])
    first = affinities(child)
    pin_apart([child])

    assert affinities(child) == first
    assert first == ({cores()[-1]}, set(cores()[:-1]))


def affinities(child: int) -> tuple[set[int], set[int]]:
    """Of the child, and of this process."""
    return os.sched_getaffinity(child), os.sched_getaffinity(0)
