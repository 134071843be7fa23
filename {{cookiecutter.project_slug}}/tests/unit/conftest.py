"""A folder and an environment that hold nothing of ours."""

import os
from pathlib import Path

import pytest

from app.settings import sources
from app.settings.sections import known_names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a process that nobody configured; `secrets` in it is the folder of secrets."""
    for name in [name for name in os.environ if name.removesuffix("_FILE") in known_names()]:
        monkeypatch.delenv(name)
    (tmp_path / "secrets").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "SECRETS_FOLDER", tmp_path / "secrets")
    return tmp_path
