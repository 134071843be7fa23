"""Opens a listening port, or says in one sentence why it cannot be had."""

import errno
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
        advice = f"Set {variable} to a free port." if error.errno == errno.EADDRINUSE else f"Check HOST and {variable}."
        reason = str(error.strerror).partition(" (")[0]  # the address again follows in brackets
        problem = f"{variable}: cannot listen on {host}:{port} ({reason}). {advice}"
        raise ConfigurationError([problem]) from error
    with opened:
        # An answer's last packet must not wait for an acknowledgement that the caller delays. uvloop says so to the
        # kernel by itself; asyncio's own loop does not know that this socket is TCP.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield opened
