"""What SIGHUP does to the processes that a test starts, which they inherit."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hang_up_means(action: signal.Handlers) -> Iterator[None]:
    """Whatever it means to the tests, which may have been started with `nohup` themselves."""
    before = signal.signal(signal.SIGHUP, action)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
