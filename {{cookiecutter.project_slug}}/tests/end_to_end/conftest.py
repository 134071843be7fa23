"""A checkout for each test, with whatever it left elsewhere removed."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.checkout import Checkout


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    # Not pytest's folder: that one is private, and an ordinary account must get through to the data.
    folder = Path(tempfile.mkdtemp(prefix="checkout of mine "))
    folder.chmod(0o755)
    copy = Checkout(folder / "service")
    yield copy
    cleaned = copy.run(sys.executable, "-m", "development.clean")
    shutil.rmtree(folder)
    assert cleaned.returncode == 0, cleaned.stderr
