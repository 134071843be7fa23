"""A service started with `make run`: waiting for it, talking to it, and seeing what is left of it."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

# The first start also installs everything.
START_SECONDS = 300
STOP_SECONDS = 15

FOR_SERVERS = range(10_000, 32_000)
CHANCE = random.SystemRandom()


class RunningService:
    """What a user at the terminal and at the browser can do with the service."""

    def __init__(self, process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def wait_until_ready(self) -> None:
        """Return when the service says it is ready and its key has been printed; fail if make ends first."""
        wait_until(self._is_ready, seconds=START_SECONDS, otherwise=self._log_text)

    def place_order(self) -> str:
        """Place an order and return its id."""
        order = {"sku": "TEA-001", "quantity": 2, "unit_price_cents": 450}
        return str(self._call("POST", "/v1/orders", order)["id"])

    def list_orders(self) -> list[str]:
        """Return the ids of the orders on the first page."""
        return [order["id"] for order in self._call("GET", "/v1/orders")["items"]]

    def stop(self) -> None:
        """Send make the signal that a process manager sends, and wait until everything it started has gone."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        assert started
        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        self.process.wait(STOP_SECONDS)
        _, alive = psutil.wait_procs(started, timeout=max(0, deadline - time.monotonic()))
        assert alive == [], self._log_text()

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self._log_text()
        try:
            self._call("GET", "/health/ready")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return self._printed_key() is not None

    def _call(self, method: str, path: str, body: object = None) -> Any:  # the body of an answer is any JSON
        request = urllib.request.Request(  # noqa: S310 - the address is ours
            self.url + path,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._printed_key()}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the address is ours
            return json.load(answer)

    def _printed_key(self) -> str | None:
        """Return the API key that `make run` printed; a second start appends to the same log."""
        found = re.findall(r"API key +(\S+)", self.log.read_text(encoding="utf-8", errors="replace"))
        return found[-1] if found else None

    def _log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-8000:]


def wait_until(condition: Callable[[], bool], *, seconds: float, otherwise: Callable[[], str]) -> None:
    """Return when the condition holds; fail with the other message if it doesn't within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)  # between two looks at the condition


def processes_of(folder: Path) -> list[str]:
    """Return the commands of processes that name the folder or work in it."""
    return [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["cmdline", "cwd"])
        if any(str(folder) in place for place in [*(process.info["cmdline"] or []), process.info["cwd"] or ""])
    ]


def free_port() -> int:
    """Return a port that nobody listens on, of those that outgoing connections do not get."""
    while True:
        port = CHANCE.choice(FOR_SERVERS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
