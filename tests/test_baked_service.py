"""A generated service passes its own `make check`, in a folder that knows nothing of the template."""

from __future__ import annotations

from pathlib import Path

import pytest

from development.bake import Answers, bake
from tests.support.answers import NASTY
from tests.support.commands import run_make


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("answers", [{}, {**NASTY, "include_example": False}], ids=["default", "nasty-without-example"])
def test_a_generated_service_passes_its_own_check(template: Path, outside: Path, answers: Answers) -> None:
    service = bake(template, outside, answers=answers)

    run_make(service, "check", timeout=580)
