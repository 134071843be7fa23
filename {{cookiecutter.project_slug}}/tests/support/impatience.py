"""A service that waits for the head of a request only as long as a test can wait too."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.web import protocol

SECONDS = 0.3


@contextmanager
def impatience() -> Iterator[None]:
    """For every application that serves meanwhile, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "HEAD_SECONDS", SECONDS)
        yield
