"""Copies of the template with something added."""

from __future__ import annotations

import shutil
from pathlib import Path

from development.bake import SERVICE

# What tools and a running service leave in the folder; cookiecutter could neither render nor parse it.
LEFTOVERS = (
    ".venv/lib/site-packages/page.html",
    ".venv.lock",
    ".run/postgresql/base",
    ".env",
    ".env.local",
    ".coverage",
    ".coverage.host.1",
    ".hypothesis/examples",
    ".import_linter_cache/graph",
    ".mypy_cache/3.11/app.json",
    ".pytest_cache/README.md",
    ".ruff_cache/entry",
    "build/report.html",
    "dist/app.whl",
    "htmlcov/index.html",
    "src/app.egg-info/PKG-INFO",
    "src/.DS_Store",
    "src/.idea/workspace.xml",
    "src/app/__pycache__/cli.cpython-311.pyc",
    "tests/__pycache__/page.html",
)


def template_with_leftovers(template: Path, folder: Path) -> Path:
    """Return a copy of the template as it looks after work in place."""
    shutil.copytree(template, folder)
    for name in LEFTOVERS:
        _add(folder / SERVICE / name, "{% not for rendering {" + "{")
    return folder


def template_with_probe(template: Path, folder: Path, *, value: str) -> Path:
    """Return a copy of the template with a file that holds one answer, quoted and as Markdown."""
    shutil.copytree(template, folder)
    quoted, markdown = (f"{{{{ cookiecutter.__{value}_{form} }}}}" for form in ("quoted", "markdown"))
    _add(folder / SERVICE / "probe.txt", f'"{quoted}"\n{markdown}\n')
    return folder


def _add(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
