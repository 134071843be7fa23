"""Looks for secrets in the project's own files, inside or outside a git checkout."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Tools' folders, `.env` (never committed, and meant to hold secrets), hashes and vendored code.
SKIPPED = {".git", ".venv", ".venv.lock", ".env", ".run", ".hypothesis", "build", "dist", "htmlcov", "requirements"}
SKIPPED |= {".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", "__pycache__", "assets"}

# The word itself stands where a secret would, as in postgresql://USER:PASSWORD@HOST.
PLACEHOLDER = ["--exclude-secrets", "^(password|PASSWORD)$"]

# The ids of revisions look random, and are no secrets.
ENTROPY = ("HexHighEntropyString", "Base64HighEntropyString")

# Tests are full of made-up passwords; there only the keys of known providers and private keys are looked for.
GUESSING = ("BasicAuthDetector", "KeywordDetector", *ENTROPY)


def main() -> None:
    migrations = list(own_files(Path("migrations")))
    tests = list(own_files(Path("tests")))
    others = [path for path in own_files(Path()) if path not in {*migrations, *tests}]
    found = [
        scan(others, PLACEHOLDER),
        scan(migrations, [*PLACEHOLDER, *without(ENTROPY)]),
        scan(tests, without(GUESSING)),
    ]
    sys.exit(any(found))


def without(detectors: tuple[str, ...]) -> list[str]:
    return [word for detector in detectors for word in ("--disable-plugin", detector)]


def scan(files: list[Path], options: list[str]) -> bool:
    """True when something was found, and then it has been shown."""
    scanner = Path(sys.executable).with_name("detect-secrets-hook")
    return subprocess.run([scanner, "--no-verify", *options, *files], check=False).returncode != 0


def own_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in SKIPPED or path.is_symlink():
            continue
        if path.is_dir():
            yield from own_files(path)
        else:
            yield path


if __name__ == "__main__":
    main()
