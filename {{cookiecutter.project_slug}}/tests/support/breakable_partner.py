"""The partner that makes forecasts: a process that a test may kill, freeze, and tell to misbehave."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.forecasts import GOOD
from tests.support.partner_process import PartnerProcess, partner_process
from tests.support.ports import free_ports


class BreakablePartner:
    """At the same address whenever it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = ExitStack()
        [self.port] = free_ports(1)
        self.running: PartnerProcess

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """And answer as it should."""
        self.running = self.stack.enter_context(partner_process(self.folder, port=self.port))
        self.answer_well()

    def answer_well(self) -> None:
        self.running.behave(body=GOOD)

    def misbehave(self, **behaviour: Any) -> None:
        """As `Partner.behave`; what it does not say is as it should be."""
        self.running.behave(**{"body": GOOD, **behaviour})

    def kill(self) -> None:
        """Nobody is told."""
        self.running.process.kill()
        self.running.process.wait(timeout=10)

    def revive(self) -> None:
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        self.running.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        self.running.process.send_signal(signal.SIGCONT)


@contextmanager
def breakable_partner(folder: Path) -> Iterator[BreakablePartner]:
    """Running, until the end of the block."""
    partner = BreakablePartner(folder)
    with partner.stack:
        partner.start()
        yield partner
