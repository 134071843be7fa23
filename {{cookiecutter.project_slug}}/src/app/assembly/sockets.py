"""Opens a listening port, or says in one sentence why it cannot be had."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from app.settings import ConfigurationError

# Connections that may wait while the process is busy; the kernel caps it at its own limit.
BACKLOG = 2048


@contextmanager
def listen(host: str, port: int, *, variable: str) -> Iterator[socket.socket]:
    """A listening socket; port 0 lets the system choose. Raises `ConfigurationError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        problem = f"{variable}: cannot listen on {host}:{port} ({error.strerror}). Set {variable} to a free port."
        raise ConfigurationError([problem]) from error
    with opened:
        yield opened
