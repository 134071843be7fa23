"""Exact, hashed requirements for every platform: renews them from pyproject, and checks offline that they fit it."""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from development.installer import installer_environment

OLDEST_PYTHON = "3.11"
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?P<rest>.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Lists:
    """The two lists in pyproject that people edit."""

    runtime: list[str]
    development: list[str]


@dataclass(frozen=True)
class LockFile:
    path: Path
    wanted: list[str]

    @property
    def header(self) -> str:
        digest = hashlib.sha256("\n".join([OLDEST_PYTHON, *sorted(self.wanted)]).encode()).hexdigest()
        return f"# Made by `make lock` from pyproject.toml; edit that.\n# wanted: {digest}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the files fit pyproject.toml")
    runtime, development = lock_files(read_lists(Path("pyproject.toml")), Path("requirements"))
    if not parser.parse_args().check:
        renew(runtime, constraint=None)
        renew(development, constraint=runtime.path)
    problems = [*problems_of(runtime), *problems_of(development), *differences(runtime.path, development.path)]
    if problems:
        sys.exit("\n".join([*problems, "Run make lock and commit requirements/."]))


def lock_files(lists: Lists, folder: Path) -> tuple[LockFile, LockFile]:
    """What runs in production, and the same with the tools on top."""
    everything = [*lists.runtime, *lists.development]
    return LockFile(folder / "runtime.txt", lists.runtime), LockFile(folder / "development.txt", everything)


def renew(lock: LockFile, *, constraint: Path | None) -> None:
    venv = Path(sys.prefix)
    # Through stdin, because uv takes no dependency groups from a project that it doesn't manage; and so that no path
    # of this machine gets into the file.
    command: list[str | Path] = [
        venv / "bin" / "uv",
        "pip",
        "compile",
        "-",
        "--universal",
        "--python-version",
        OLDEST_PYTHON,
    ]
    command += ["--generate-hashes", "--no-build", "--no-header", "--no-annotate", "--quiet"]
    command += ["--python", venv / "bin" / "python"]
    if constraint:
        command += ["--constraint", constraint]
    print(f"Resolving {lock.path} ...", flush=True)
    compiled = subprocess.run(
        command,
        input="\n".join(lock.wanted),
        env=resolver_environment(venv),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if compiled.returncode != 0:
        sys.exit(f"{lock.path} was left as it is, because uv found no solution or no package index (see above).")
    lock.path.write_text(lock.header + compiled.stdout)


def resolver_environment(venv: Path) -> dict[str, str]:
    """Without pip's extra indexes: a mirror may hold one file of a release, and the lock would have only its hash."""
    extra = {"UV_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"} - os.environ.keys()
    return {name: value for name, value in installer_environment(venv).items() if name not in extra}


def problems_of(lock: LockFile) -> list[str]:
    text = lock.path.read_text() if lock.path.exists() else ""
    pins = _pins(text)
    problems = [] if text.startswith(lock.header) else [f"{lock.path} was made from another list of dependencies."]
    problems += [f"{lock.path} has {name} without hashes." for name in _without_hashes(text)]
    problems += [f"{lock.path} names an address." for _ in re.findall(r"https?://|file:", text)[:1]]
    for requirement in map(Requirement, lock.wanted):
        versions = pins.get(canonicalize_name(requirement.name), [])
        if not versions or not all(map(requirement.specifier.contains, versions)):
            problems.append(f"{lock.path} has {' and '.join(versions) or 'nothing'} for {requirement}.")
    return problems


def differences(runtime: Path, development: Path) -> list[str]:
    """Tests must run with the versions that production runs with."""
    tested = _pins(development.read_text()) if development.exists() else {}
    shipped = _pins(runtime.read_text()) if runtime.exists() else {}
    return [
        f"{name} is {versions} in {runtime} and {tested.get(name)} in {development}."
        for name, versions in shipped.items()
        if tested.get(name) != versions
    ]


def read_lists(pyproject: Path) -> Lists:
    project = tomllib.loads(pyproject.read_text())
    return Lists(project["project"]["dependencies"], project["dependency-groups"]["development"])


def _pins(text: str) -> dict[str, list[str]]:
    """One name can have several versions, each for some platforms."""
    pins: dict[str, list[str]] = {}
    for match in PIN.finditer(text):
        pins.setdefault(canonicalize_name(match["name"]), []).append(match["version"])
    return pins


def _without_hashes(text: str) -> list[str]:
    return [match["name"] for match in PIN.finditer(text) if not text[match.end() :].startswith("\n    --hash=")]


if __name__ == "__main__":
    main()
