"""For tests that send what never becomes a request."""

from collections.abc import Iterator

import pytest

from tests.support.impatience import impatience


@pytest.fixture(scope="module")
def impatient() -> Iterator[None]:
    with impatience():
        yield
