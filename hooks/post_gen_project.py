"""Turns the copied files into the service that was asked for: cleans up, applies options, records the answers."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

MANIFEST = ".prodready-options.json"
LICENCES = "licences"
RECORD = ".prodready.json"

# Cookiecutter copies every file it finds, so a template that was used in place brings these along.
LEFT_AT_THE_TOP = (
    ".venv",
    ".venv.lock",
    ".run",
    ".env",
    ".env.[!e]*",  # .env.local and the like, not .env.example
    "build",
    "dist",
    "htmlcov",
    "coverage.xml",
)
LEFT_ANYWHERE = (
    "__pycache__",
    "*.py[cod]",
    "*.egg-info",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".import_linter_cache",
    ".coverage",
    ".coverage.*",
    ".DS_Store",
    ".idea",
    ".vscode",
)

# A tag ends its line: `# option: example`, or `<!-- option: example -->` in Markdown and HTML.
TAG = re.compile(rb"[ \t]*(?:# option: ([a-z_]+)|<!-- option: ([a-z_]+) -->)[ \t]*(?=\r?$)", re.MULTILINE)


def main() -> None:
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    service = Path.cwd()
    remove_leftovers(service)
    apply_options(service, answers)
    choose_licence(service, answers["license"])
    record_answers(service, answers)
    print(next_commands(answers["project_slug"]))


def remove_leftovers(service: Path) -> None:
    """Remove environments, local data and tool caches."""
    for parent, folders, files in os.walk(service):
        is_top = Path(parent) == service
        found = [name for name in folders + files if is_leftover(name, is_top=is_top)]
        folders[:] = [name for name in folders if name not in found]
        for name in found:
            _remove(Path(parent, name))


def is_leftover(name: str, *, is_top: bool) -> bool:
    """Say whether a file or folder of that name, at the top of the service or below, is no part of it."""
    patterns = LEFT_ANYWHERE + LEFT_AT_THE_TOP if is_top else LEFT_ANYWHERE
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def apply_options(service: Path, answers: dict[str, Any]) -> None:
    """Delete what belongs to options that were declined, and the marks of those that were chosen."""
    manifest = json.loads((service / MANIFEST).read_text(encoding="utf-8"))
    chosen = {name for name, option in manifest.items() if answers[option["answer"]]}
    for name in manifest.keys() - chosen:
        for path in manifest[name]["paths"]:
            _remove(service / path)
    for path in service.rglob("*"):
        if path.is_file():
            _rewrite(path, chosen)
    (service / MANIFEST).unlink()


def apply_tags(text: bytes, chosen: set[str]) -> bytes:
    """Return the text without the tags of chosen options and without the lines tagged with any other."""
    kept = (_apply_tag(line, chosen) for line in text.splitlines(keepends=True))
    return b"".join(kept)


def choose_licence(service: Path, licence: str) -> None:
    """Keep the chosen licence as LICENSE and remove the others."""
    (service / LICENCES / f"{licence}.txt").replace(service / "LICENSE")
    shutil.rmtree(service / LICENCES)


def record_answers(service: Path, answers: dict[str, Any]) -> None:
    """Write down the answers and the template's version, the same bytes on every system."""
    public = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    record = {"answers": public, "template": "prodready", "template_version": answers["_template_version"]}
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (service / RECORD).write_bytes(text.encode("utf-8"))


def next_commands(slug: str) -> str:
    """Return what to tell whoever generated the service."""
    return (
        f"{slug} is ready. Two commands in its folder:\n"
        "  make run     sets it up and serves it on http://127.0.0.1:8000\n"
        "  make test    runs its tests"
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()


def _rewrite(path: Path, chosen: set[str]) -> None:
    before = path.read_bytes()
    after = apply_tags(before, chosen)
    if after != before:
        path.write_bytes(after)


def _apply_tag(line: bytes, chosen: set[str]) -> bytes:
    tag = TAG.search(line)
    if tag is None:
        return line
    name = (tag[1] or tag[2]).decode()
    return line[: tag.start()] + line[tag.end() :] if name in chosen else b""


if __name__ == "__main__":
    main()
