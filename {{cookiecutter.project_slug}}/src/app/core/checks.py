"""What a health check is: a name, a way to find out, and how much it matters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


class CheckFailed(Exception):
    """A check found something wrong; the message is written for the operator and safe to show."""


@dataclass(frozen=True)
class Check:
    """One thing the service depends on.

    `probe` returns when it is well and raises when it is not. A failing critical check takes the
    service out of the load balancer; a failing other one only marks it as degraded.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    is_critical: bool
    timeout_seconds: float = 1.0
