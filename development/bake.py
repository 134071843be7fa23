"""Generates services from the files that belong to the template, whatever else lies beside them."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[1]
SERVICE = "{{cookiecutter.project_slug}}"
PARTS = ("cookiecutter.json", "hooks", SERVICE)

Answers = Mapping[str, str | bool]


def list_files(root: Path, parts: tuple[str, ...] = PARTS) -> list[Path]:
    """Return the files, relative to root, that git tracks or would add; every file if git can't tell."""
    options = ["-z", "--cached", "--others", "--exclude-standard"]
    command = ["git", "--literal-pathspecs", "ls-files", *options, "--", *parts]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError):
        return _walk(root, parts)
    paths = {Path(name) for name in listed.decode().split("\0") if name}
    # Git still lists a file that was deleted and not yet committed.
    return sorted(path for path in paths if (root / path).is_file())


def copy_files(files: list[Path], source: Path, *, target: Path) -> None:
    """Copy the listed files, making folders as needed."""
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / file, target / file)


def bake(template: Path, output: Path, *, answers: Answers) -> Path:
    """Generate a service into the output folder and return its folder; nothing is kept in the home folder."""
    with scratch_folder() as scratch:
        config = {"cookiecutters_dir": f"{scratch}/cloned", "replay_dir": f"{scratch}/replay"}
        # JSON is YAML, which is what cookiecutter reads.
        config_file = scratch / "config.yaml"
        config_file.write_text(json.dumps(config), encoding="utf-8")
        folder = cookiecutter(
            str(template),
            no_input=True,
            extra_context=dict(answers),
            output_dir=str(output),
            config_file=str(config_file),
        )
    return Path(folder)


def bake_checkout(output: Path, *, answers: Answers, root: Path = ROOT) -> Path:
    """Generate a service from this checkout, as a user would get it from a fresh clone."""
    with scratch_folder() as scratch:
        template = scratch / "prodready"
        copy_files(list_files(root), root, target=template)
        return bake(template, output, answers=answers)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for a while, also for the copies of hooks that cookiecutter would leave in the system's."""
    usual = tempfile.tempdir
    with tempfile.TemporaryDirectory() as scratch:
        tempfile.tempdir = scratch
        try:
            yield Path(scratch)
        finally:
            tempfile.tempdir = usual


def refresh(fresh: Path, kept: Path) -> None:
    """Make the kept service equal to the fresh one, without touching what its users and tools put beside."""
    record = kept.with_name(f"{kept.name}.files.json")
    files = sorted(path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file())
    earlier = json.loads(record.read_text(encoding="utf-8")) if record.exists() else []
    for name in set(earlier) - {file.as_posix() for file in files}:
        _remove_file(kept / name, upto=kept)
    # Unchanged files keep their times, so that set-up doesn't begin anew.
    changed = [file for file in files if not _is_same(fresh / file, kept / file)]
    copy_files(changed, fresh, target=kept)
    record.write_text(json.dumps([file.as_posix() for file in files], indent=0), encoding="utf-8")


def _walk(root: Path, parts: tuple[str, ...]) -> list[Path]:
    found: set[Path] = set()
    for part in parts:
        found.update([root / part] if (root / part).is_file() else (root / part).rglob("*"))
    files = (path.relative_to(root) for path in found if path.is_file())
    return sorted(file for file in files if file.parts[0] != "build")


def _remove_file(path: Path, *, upto: Path) -> None:
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == upto or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes() and one.stat().st_mode == other.stat().st_mode
