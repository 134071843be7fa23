"""The log's way out: nobody waits for who reads it, and what is lost on the way is told."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from app.observability import log_output
from app.observability.log_output import LogOutput
from tests.support.waiting import wait_until

# More than any pipe holds.
LONG_LINE = b"x" * 2_000_000


@dataclass
class Pipe:
    """A log and its reader."""

    reader: int
    output: LogOutput
    dropped: list[int] = field(default_factory=list)

    def read_until(self, end: bytes) -> list[bytes]:
        """The lines up to this one."""
        found = b""
        while not found.endswith(end + b"\n"):
            found += os.read(self.reader, 65_536)
        return found.splitlines()

    def block(self) -> None:
        """A line is being written that nobody reads."""
        self.output.msg(LONG_LINE)
        wait_until(lambda: self.output.is_writing and not self.output.lines, what="the write")


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    found = Pipe(reader, LogOutput(writer))
    found.output.on_drop = found.dropped.append
    yield found
    os.close(reader)
    found.output.drain()
    os.close(writer)


def test_lines_come_out_as_they_came(pipe: Pipe) -> None:
    for number in range(100):
        pipe.output.msg(b"%d" % number)

    assert pipe.read_until(b"99") == [b"%d" % number for number in range(100)]


def test_what_finds_no_place_is_dropped_counted_and_told_where_it_is_missing(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_output, "MOST_LINES", 3)
    pipe.block()

    for number in range(10):
        pipe.output.msg(b"kept %d" % number)
    first = pipe.read_until(b"kept 2")
    pipe.output.msg(b"later")
    second = pipe.read_until(b"later")

    assert sum(pipe.dropped) == 7
    notices = [json.loads(line) for line in [*first, *second] if line.startswith(b"{")]
    assert [(notice["event"], notice["lines"]) for notice in notices] == [("log_lines_dropped", 7)]
    assert notices[0].keys() == {"event", "level", "lines", "timestamp"}


def test_after_a_write_that_failed_the_next_line_stands_by_itself(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all = log_output.write_all

    def tear(descriptor: int, data: bytes) -> None:
        if descriptor != pipe.output.descriptor:  # this process' own log, with lines of other tests
            write_all(descriptor, data)
            return
        monkeypatch.undo()
        os.write(descriptor, data[:4])
        raise OSError

    monkeypatch.setattr(log_output, "write_all", tear)
    pipe.output.msg(b"torn apart")
    wait_until(lambda: pipe.dropped == [1], what="the count")

    pipe.output.msg(b"whole")

    torn, told, whole = pipe.read_until(b"whole")
    assert (torn, json.loads(told)["lines"], whole) == (b"torn", 1, b"whole")


def test_a_pipe_that_never_waits_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.output.descriptor, False)

    pipe.output.msg(LONG_LINE)
    pipe.output.msg(b"end")

    assert pipe.read_until(b"end") == [LONG_LINE, b"end"]
    assert pipe.dropped == []


def test_at_the_end_what_is_left_is_written(pipe: Pipe) -> None:
    pipe.output.msg(b"last")

    pipe.output.drain()

    os.set_blocking(pipe.reader, False)
    assert os.read(pipe.reader, 100) == b"last\n"


def test_at_the_end_nobody_waits_for_ever(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "CLOSING_SECONDS", 0.05)
    pipe.block()

    waiting = threading.Thread(target=pipe.output.drain, daemon=True)
    waiting.start()
    waiting.join(timeout=10)

    assert not waiting.is_alive()
    pipe.read_until(LONG_LINE)
