"""Makes the virtual environment with exactly the pinned requirements in it; needs only Python itself."""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Run as a file, by a Python that knows nothing of the project yet.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from development.environment import Wish, install_packages, install_project, install_uv, make_venv
from development.errors import SetUpFailed
from development.installer import installer_environment
from development.locks import held
from development.progress import say, step
from development.wanted import requirements_here


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
            with held(wish.venv.with_name(f"{wish.venv.name}.lock"), when_taken=say_that_it_waits):
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
    say(f"Setting up {wish.venv} (only once; later only when requirements change)")
    with step(f"1/{steps} virtual environment, Python {sys.version.split()[0]}"):
        make_venv(wish)
    environment = installer_environment(wish.venv)
    with step(f"2/{steps} uv, the installer"):
        install_uv(wish, environment)
    with step(f"3/{steps} the pinned packages ({wish.requirements.count('==')})"):
        install_packages(wish, environment)
    if wish.project:
        with step(f"4/{steps} the service itself, editable"):
            install_project(wish, environment)
    wish.stamp.write_text(stamp_of(wish))
    say(f"Set up in {time.monotonic() - started:.0f} s")


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


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", default=".venv", metavar="DIR")
    parser.add_argument("--requirements", default="requirements/development.txt", metavar="FILE", type=Path)
    parser.add_argument("--check", action="store_true", help="do nothing; exit with 1 if there is something to do")
    parser.add_argument("--no-project", action="store_true", help="install the requirements only")
    return parser.parse_args(arguments)


def say_that_it_waits() -> None:
    say("Another set-up is at work in this folder; waiting for it")


if __name__ == "__main__":
    main()
