"""The documents that tell a user what to do, followed by the letter in a generated service."""

from __future__ import annotations

from pathlib import Path

import pytest

from development.bake import bake
from tests.conftest import Bake
from tests.support.answers import WITHOUT_EXAMPLE
from tests.support.documents import steps
from tests.support.text_files import text_files


@pytest.mark.slow
@pytest.mark.timeout(2500)
def test_a_feature_can_be_added_by_the_letter(template: Path, outside: Path) -> None:
    service = bake(template, outside, answers={})
    document = (service / "docs/add-a-feature.md").read_text(encoding="utf-8")

    followed = steps(document)
    for step in followed:
        step.take(service)

    assert followed[-1].text == "make check\n"


def test_the_sample_removed_by_the_letter_is_as_if_it_never_was(template: Path, outside: Path, baked: Bake) -> None:
    never = dict(text_files(baked(WITHOUT_EXAMPLE)))
    service = bake(template, outside, answers={**WITHOUT_EXAMPLE, "include_example": True})
    document = (service / "docs/remove-the-sample.md").read_text(encoding="utf-8")
    for step in steps(document):
        if step.text.strip() != "make check":  # test_baked_service.py runs it where the sample never was
            step.take(service)

    left = dict(text_files(service))

    assert left.keys() == never.keys()
    assert {name: text for name, text in left.items() if text != never[name]} == {}
