"""A pytest plugin that switches one feature off for the whole run, and in the processes that tests start.

`SWITCHED_OFF=cors python -m pytest -p tests.support.switched_off`
"""

import os

import pytest


def switch_off_what_is_asked() -> None:
    """Before any application is made."""
    if name := os.environ.get("SWITCHED_OFF"):
        from tests.support.switches import SWITCHES  # the whole service: most processes need not import it

        SWITCHES[name](pytest.MonkeyPatch())


def pytest_configure() -> None:
    switch_off_what_is_asked()
