"""Generating from a checkout takes the template's own files, and generating again keeps what isn't ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from development.bake import list_files, refresh


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    write(folder, {"hooks/new.py": "", "hooks/ignored.pyc": "", "hooks/gone.py": "", ".gitignore": "*.pyc\n"})
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True, timeout=60)
    subprocess.run(["git", "add", "hooks/gone.py"], cwd=folder, check=True, timeout=60)
    (folder / "hooks/gone.py").unlink()
    return folder


def test_files_that_git_ignores_or_that_are_gone_are_left_out(checkout: Path) -> None:
    assert list_files(checkout, ("hooks",)) == [Path("hooks/new.py")]


def test_without_git_every_file_outside_build_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"hooks/one.py": "", "cookiecutter.json": "", "elsewhere.txt": "", "build/made.txt": ""})
    monkeypatch.setenv("PATH", "")

    assert list_files(tmp_path, (".",)) == [
        Path(name) for name in ("cookiecutter.json", "elsewhere.txt", "hooks/one.py")
    ]
    assert list_files(tmp_path, ("hooks", "cookiecutter.json")) == [Path("cookiecutter.json"), Path("hooks/one.py")]


def test_generating_again_keeps_data_and_removes_what_the_template_dropped(tmp_path: Path) -> None:
    first, second, kept = (tmp_path / name for name in ("first", "second", "kept"))
    write(first, {"app.py": "one", "dropped/old.py": "old", "same.py": "same"})
    refresh(first, kept)
    write(kept, {".run/base": "rows", ".env": "SECRET_KEY=mine", "notes.txt": "mine"})
    time_before = (kept / "same.py").stat().st_mtime_ns
    write(second, {"app.py": "two", "same.py": "same", "added.py": "new"})

    refresh(second, kept)

    assert read(kept) == {
        ".run/base": "rows",
        ".env": "SECRET_KEY=mine",
        "added.py": "new",
        "app.py": "two",
        "notes.txt": "mine",
        "same.py": "same",
    }
    assert not (kept / "dropped").exists()
    assert (kept / "same.py").stat().st_mtime_ns == time_before


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below the folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    """Return what every file below the folder holds."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
