"""What is measured has a core of its own, each time that something is measured."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from performance.machine import CAN_PIN, cores, family, pin, pin_apart

WAITING = [sys.executable, "-c", "input()"]


pytestmark = pytest.mark.skipif(not CAN_PIN or len(cores()) < 2, reason="needs two cores, and Linux")


@contextmanager
def child() -> Iterator[int]:
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def server() -> Iterator[int]:
    with child() as pid:
        yield pid


@pytest.fixture
def database() -> Iterator[int]:
    with child() as pid:
        yield pid


@pytest.fixture(autouse=True)
def unpinned_afterwards() -> Iterator[None]:
    yield
    for process in family(os.getpid()):
        pin(process, set(cores()))


def test_also_the_second_server_is_pinned_to_another_core_than_ours(server: int) -> None:
    pin_apart([server])
    first = affinities(server)
    pin_apart([server])

    assert affinities(server) == first
    assert first == ({cores()[-1]}, set(cores()[:-1]))


def test_what_else_we_have_started_takes_no_time_of_the_server(server: int, database: int) -> None:
    pin_apart([server])

    assert affinities(database) == (set(cores()[:-1]), set(cores()[:-1]))


def affinities(process: int) -> tuple[set[int], set[int]]:
    """Of that process, and of this one."""
    return os.sched_getaffinity(process), os.sched_getaffinity(0)
