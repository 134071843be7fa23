"""Commands as processes of their own, with an environment that holds nothing but what a test gives them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

APP = Path(sys.executable).with_name("app")
PROJECT = Path(__file__).parents[2]

COMMAND_SECONDS = 60.0

# Long and random enough for production; it opens nothing.
STRONG_KEY = "".join(("k3Jw9", "Zq7Lx", "Tn2Vb", "8Rc5H", "gM4Fd", "Yp6Ws", "1Ae0U"))


@dataclass(frozen=True)
class Finished:
    """How a command ended and what it said."""

    exit_code: int
    stdout: str
    stderr: str


def run_app(*arguments: str, folder: Path, **variables: str) -> Finished:
    """Run the console script to its end."""
    return run_command(str(APP), *arguments, folder=folder, **variables)


def run_python(script: str, *, folder: Path, **variables: str) -> Finished:
    """Run some lines of Python to their end."""
    return run_command(sys.executable, "-c", script, folder=folder, **variables)


def run_command(*command: str, folder: Path, **variables: str) -> Finished:
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(variables),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Only what every process needs, what tests themselves say, and the given variables."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "COVERAGE_", "SWITCHED_OFF"))}
    return {**kept, **variables}


def for_production(database_url: str) -> dict[str, str]:
    """The least that production starts with."""
    return {
        "ENVIRONMENT": "production",
        "SECRET_KEY": STRONG_KEY,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database_url,
        "DATABASE_TLS": "off",
    }
