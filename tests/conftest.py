"""A clean copy of the template, and services generated from it, once per test process."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from development.bake import ROOT, Answers, bake, copy_files, list_files

Bake = Callable[[Answers], Path]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as git sees it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("template") / "prodready"
    copy_files(list_files(ROOT), ROOT, target=folder)
    return folder


@pytest.fixture(scope="session")
def baked(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """Generates a service for a set of answers, or returns the one generated before; don't change it."""
    made: dict[str, Path] = {}

    def bake_once(answers: Answers) -> Path:
        key = json.dumps(answers, sort_keys=True)
        if key not in made:
            made[key] = bake(template, tmp_path_factory.mktemp("baked"), answers=answers)
        return made[key]

    return bake_once


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder outside the checkout that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="generator-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
