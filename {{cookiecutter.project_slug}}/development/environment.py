"""A virtual environment: making it, and installing what was wished for into it."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from development.errors import SetUpFailed
from development.progress import network_advice, space_advice
from development.wanted import packages_of


@dataclass(frozen=True)
class Wish:
    """What is to be in which folder."""

    venv: Path
    requirements: str
    project: Path | None

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return self.venv / "set-up.stamp"


def make_venv(wish: Wish) -> None:
    if _is_usable(wish):
        return
    if wish.venv.exists() and any(wish.venv.iterdir()) and not (wish.venv / "pyvenv.cfg").exists():
        raise SetUpFailed(f"{wish.venv} is not a virtual environment: move it away and run the same command again.")
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetUpFailed(
            f"Python {version} ({sys.executable}) lacks venv: install it (Debian and Ubuntu: "
            f"apt install python{version}-venv), or set PYTHON to another Python, and run the same command again."
        )
    shutil.rmtree(wish.venv, ignore_errors=True)
    _run([sys.executable, "-m", "venv", wish.venv], dict(os.environ), advice=space_advice(wish.venv))


def _is_usable(wish: Wish) -> bool:
    """A set-up that was cut short goes on in the same environment, unless it was moved or its Python has gone."""
    python = [str(wish.python), "-I", "-c", "import pip, sys; print(sys.version_info >= (3, 11))"]
    try:
        answer = subprocess.run(python, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
        first_line = (wish.venv / "bin" / "pip").read_text().splitlines()[:3]
    except OSError:
        return False
    return answer == "True" and any(str(wish.venv) in line for line in first_line)


def install_uv(wish: Wish, environment: dict[str, str]) -> None:
    uv = next((block for block in packages_of(wish.requirements) if block.startswith("uv==")), None)
    if uv is None:
        raise SetUpFailed("The requirements don't pin uv: add it to the development group and run make lock.")
    with _temporary_file(uv) as file:
        pip = [str(wish.python), "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        _run([*pip, "--require-hashes", "--requirement", file], environment, advice=network_advice(wish.venv))


def install_packages(wish: Wish, environment: dict[str, str]) -> None:
    with _temporary_file(wish.requirements) as file:
        _uv_pip(wish, environment, "sync", "--require-hashes", "--no-build", file)


def install_project(wish: Wish, environment: dict[str, str]) -> None:
    arguments = ["--no-deps", "--no-build-isolation", "--editable", str(wish.project)]
    _uv_pip(wish, environment, "install", *arguments)


def _uv_pip(wish: Wish, environment: dict[str, str], action: str, *arguments: str) -> None:
    uv = [wish.venv / "bin" / "uv", "--no-progress"] if not sys.stderr.isatty() else [wish.venv / "bin" / "uv"]
    command = [*uv, "pip", action, "--quiet", "--python", wish.python, *arguments]
    _run(command, environment, advice=network_advice(wish.venv))


@contextmanager
def _temporary_file(text: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="set-up-") as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text(text)
        yield str(file)


def _run(command: Sequence[str | Path], environment: dict[str, str], *, advice: str) -> None:
    try:
        subprocess.run(command, env=environment, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetUpFailed(f"This step failed ({error}). {advice}") from None
