"""A pytest plugin that switches one feature off for the whole run.

`SWITCHED_OFF=cors python -m pytest -p tests.support.switched_off`
"""

import os

import pytest

from tests.support.switches import SWITCHES


def pytest_configure() -> None:
    """Before any application is made."""
    SWITCHES[os.environ["SWITCHED_OFF"]](pytest.MonkeyPatch())
