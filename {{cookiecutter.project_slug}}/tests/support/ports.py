"""Ports of this machine."""

import random
import socket
from contextlib import ExitStack, suppress

# Below those that outgoing connections get (from 32768 on with Linux, 49152 with macOS): of these, one that is free now
# may be some client's a moment later.
FOR_SERVERS = range(10_000, 32_000)

# Not the usual one: pytest-randomly gives it the same seed in every worker.
CHANCE = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened on a moment ago, all different; for servers that cannot choose their own."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            port = CHANCE.choice(FOR_SERVERS)
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
        return found


def is_listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
