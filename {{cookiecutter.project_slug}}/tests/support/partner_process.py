"""The misbehaving partner as a process of its own: several processes can use it, and it can be frozen or killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.support.partner import SEEN, Seen
from tests.support.ports import free_ports, is_listening
from tests.support.running_app import started
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class PartnerProcess:
    """Told and asked over its control path, so not while it is frozen."""

    port: int
    process: subprocess.Popen[str]
    control: httpx2.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def behave(self, path: str | None = None, **behaviour: Any) -> None:
        """As `Partner.behave`."""
        self.control.put("behaviour", json={"path": path, **behaviour}).raise_for_status()

    def recover(self) -> None:
        """Everything gets a good answer."""
        self.control.delete("behaviour").raise_for_status()

    def requests(self) -> list[Seen]:
        """All that it has got."""
        return SEEN.validate_json(self.control.get("requests").raise_for_status().content)

    def forget_requests(self) -> None:
        self.control.delete("requests").raise_for_status()


@contextmanager
def partner_process(folder: Path, *, port: int | None = None) -> Iterator[PartnerProcess]:
    """Listening until the end of the block; a port that is given is that of one which was killed."""
    port = port or free_ports(1)[0]
    command = [sys.executable, "-m", "tests.support.partner", str(port)]
    with (
        started(command, folder=folder, environment={}) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}/_control/", timeout=10) as control,
    ):
        wait_until(lambda: is_listening(port), what="the partner")
        yield PartnerProcess(port, process, control)
