"""Other templates, as they ship: generated with default answers, installed as they pin, run as their documents say.

Only when asked for (`PEERS=1`): it takes minutes and the network. What cannot be had is said with the reason.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from development.errors import DevelopmentError
from performance.bench import rows
from performance.bench.rows import Row
from performance.servers import PORT, Program, running

STEP_SECONDS = 600
LONGEST_REASON = 300


class PeerMissing(DevelopmentError):
    """It cannot be generated or installed here."""


@dataclass(frozen=True)
class Peer:
    """A generator on the package index, and what it takes to serve what it makes."""

    name: str
    generate: Sequence[str]
    project: str
    serve: Sequence[str]
    path: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def row(self) -> Row:
        return Row(self.name, (rows.PEERS,), None, against=rows.HEALTH, path=self.path, is_ours=False)


WORDS = "fastapi_template --name peer --quiet --api-type rest --db postgresql --orm sqlalchemy --ci none --migrations"

PEERS = [
    Peer(
        "fastapi_template",
        # Without these words it asks on a terminal; without migrations it does not start when there is no database.
        generate=WORDS.split(),
        project="peer",
        serve=["python", "-m", "peer"],
        path="/api/health",
        variables={"PEER_PORT": PORT, "PEER_RELOAD": "False"},
    ),
    Peer(
        "fastapi-fullstack",
        generate=["fastapi-fullstack", "create", "peer", "--output", "."],
        project="peer/backend",
        serve=["python", "-m", "cli.commands", "server", "run", "--host", "127.0.0.1", "--port", PORT],
        path="/api/v1/health",
    ),
]


def installed(
    peers: Sequence[Peer], folder: Path, tell: Callable[[str], None]
) -> tuple[list[tuple[Row, Program]], list[str]]:
    """Those that can be served, and a sentence for each that cannot."""
    guests, missing = [], []
    for peer in peers:
        tell(f"Generating and installing {peer.name}")
        try:
            guests.append((peer.row, install(peer, folder / peer.name)))
        except (DevelopmentError, OSError, subprocess.TimeoutExpired) as error:
            missing.append(f"{peer.name} is not measured: {error}")
    return guests, missing


def install(peer: Peer, folder: Path) -> Program:
    """Raises `PeerMissing`."""
    folder.mkdir()
    run(["uv", "venv", "--quiet", "--python", sys.executable, "generator"], folder)
    run(["uv", "pip", "install", "--quiet", "--python", "generator/bin/python", peer.name], folder)
    run([f"generator/bin/{peer.generate[0]}", *peer.generate[1:]], folder)
    project = folder / peer.project
    run(["uv", "sync", "--quiet", "--no-dev"], project)
    command = [str(project / ".venv" / "bin" / peer.serve[0]), *peer.serve[1:]]
    program = Program(peer.name, command, peer.variables, folder=project)
    with running([program], folder / "logs"):
        return program  # it starts


def run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    if done.returncode:
        raise PeerMissing(f"{' '.join(command[:3])} failed: {reason_in(done.stderr or done.stdout)}")


def reason_in(output: str) -> str:
    """The first line about an error, or else the last."""
    lines = output.strip().splitlines() or ["it said nothing"]
    return next((line for line in lines if "error" in line.lower()), lines[-1])[:LONGEST_REASON]


def environment() -> dict[str, str]:
    """Ours, with uv in reach, and none of our virtual environment. `UV_PYTHON` chooses the Python of the peers."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    tools = str(Path(sys.executable).parent)
    return {**kept, "PATH": f"{tools}{os.pathsep}{kept.get('PATH', os.defpath)}", "UV_PYTHON_DOWNLOADS": "never"}
