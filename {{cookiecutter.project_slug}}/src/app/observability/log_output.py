"""Where the log goes: to standard output, from a thread of its own, so that no request waits for whoever reads it.

A pipe whose reader has stopped blocks who writes to it, and a full disk refuses. Lines wait while there is room, and
then they are dropped and counted: a service that answers without a log is better than one that does not answer.
"""

import atexit
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Lock, Thread

import orjson

# Some megabytes: a few seconds of a busy process.
MOST_LINES = 5_000

# Lines that come together are written together.
GATHER_SECONDS = 0.005

# At the end of the process, for what has not been written.
CLOSING_SECONDS = 2.0


class LogOutput:
    """A structlog logger and a stream of the standard library in one; takes lines from any thread."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.on_drop: Callable[[int], None] = lambda _lines: None
        self.begin()

    def begin(self) -> None:
        """Without a thread: the first line starts one. Also in a process that was forked, which has none."""
        self.lines: deque[bytes] = deque()
        self.dropped = 0
        self.is_torn = False
        self.lock = Lock()
        self.has_lines = Event()
        self.is_writing = False
        self.thread: Thread | None = None

    def msg(self, line: bytes) -> None:
        """Write one line, later."""
        if len(self.lines) >= MOST_LINES:
            self.drop(1)
            return
        self.lines.append(line)
        if not self.has_lines.is_set():
            self.wake()

    debug = info = warning = warn = error = critical = fatal = exception = log = msg

    def write(self, text: str) -> None:
        """As a stream."""
        if line := text.rstrip("\n"):
            self.msg(line.encode())

    def flush(self) -> None:
        """As a stream, which writes when it can."""

    def wake(self) -> None:
        self.has_lines.set()
        with self.lock:
            if self.thread is None:
                self.thread = Thread(target=self.run, name="log", daemon=True)
                self.thread.start()

    def run(self) -> None:
        """Write what there is, again and again."""
        while True:
            self.has_lines.wait()
            time.sleep(GATHER_SECONDS)
            self.is_writing = True
            self.has_lines.clear()
            self.write_lines()
            self.is_writing = False

    def write_lines(self) -> None:
        told, taken = self.dropped, [self.lines.popleft() for _ in range(len(self.lines))]
        beginning = b"\n" if self.is_torn else b""
        try:
            write_all(self.descriptor, beginning + b"".join([line + b"\n" for line in [*notice(told), *taken]]))
        except OSError:  # a full disk, a reader that has gone; some of it may be written, to the middle of a line
            self.is_torn = True
            self.drop(len(taken))
        else:
            self.is_torn = False
            self.count(-told)

    def drop(self, lines: int) -> None:
        self.count(lines)
        self.on_drop(lines)

    def count(self, lines: int) -> None:
        """From either thread: while the one waits for its reader, the others drop what does not fit."""
        with self.lock:
            self.dropped += lines

    def drain(self) -> None:
        """Wait until all is written, or until that takes too long: the process is about to end."""
        end = time.monotonic() + CLOSING_SECONDS
        while (self.lines or self.is_writing) and time.monotonic() < end:
            time.sleep(GATHER_SECONDS)


def notice(dropped: int) -> list[bytes]:
    """Whoever reads the log learns what is missing in it, and where."""
    if not dropped:
        return []
    line = {"event": "log_lines_dropped", "level": "error", "lines": dropped, "timestamp": datetime.now(UTC)}
    return [orjson.dumps(line, option=orjson.OPT_UTC_Z)]


def write_all(descriptor: int, data: bytes) -> None:
    """The system takes as much at a time as it likes. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # a pipe that somebody has made non-blocking, for us, too
            select.select([], [descriptor], [])


def standard_output() -> int:
    """If it was closed, its number may be that of a socket by now."""
    return sys.__stdout__.fileno() if sys.__stdout__ else os.open(os.devnull, os.O_WRONLY)


STDOUT = LogOutput(standard_output())
atexit.register(STDOUT.drain)
os.register_at_fork(after_in_child=STDOUT.begin)
