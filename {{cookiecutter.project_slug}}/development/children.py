"""A child process in a session of its own, so that Ctrl-C reaches the parent only, and the parent ends it by id."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from development.accounts import Account, identity_of
from development.errors import DevelopmentError
from development.processes import Mark, end_all, mark_of, session_of, wait_until


class ChildFailed(DevelopmentError):
    """A child ended, or didn't become ready, when it should have been serving."""


@dataclass(frozen=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    mark: Mark
    stop_signal: signal.Signals

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self.exit_code
        if code is None:
            return f"{self.name} is running"
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}"

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()

    def end(self, *, within_seconds: float) -> None:
        end_together([self], within_seconds=within_seconds)

    def ask_to_end(self) -> None:
        if self.exit_code is None:
            self.process.send_signal(self.stop_signal)


def end_together(children: Sequence[Child], *, within_seconds: float) -> None:
    """Asks all of them, waits, kills; and then whatever they themselves had started."""
    deadline = time.monotonic() + within_seconds
    for child in children:
        child.ask_to_end()
    if not wait_until(lambda: all(child.exit_code is not None for child in children), within_seconds=within_seconds):
        for child in children:
            child.process.kill()
            child.process.wait()
    remaining_seconds = max(0.5, deadline - time.monotonic())
    left = [process for child in children for process in session_of(child.mark)]
    end_all(left, politely_with=signal.SIGTERM, within_seconds=min(2, remaining_seconds))


def start_child(
    name: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path | None = None,
    account: Account | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Output goes to the log, or without one to the terminal."""
    output = log.open("ab") if log else None
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
            **identity_of(account),
        )
    finally:
        if output:
            output.close()
    return Child(name, process, mark_of(process.pid), stop_signal)


def wait_until_ready(child: Child, is_ready: Callable[[], bool], *, within_seconds: float, log: Path) -> None:
    """Ends the child and shows the end of its log when it doesn't get ready."""
    wait_until(lambda: is_ready() or child.exit_code is not None, within_seconds=within_seconds)
    if child.exit_code is None and is_ready():
        return
    child.end(within_seconds=2)
    last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise ChildFailed(f"{child.name} did not start; its log {log} ends with:\n{last_lines}")
