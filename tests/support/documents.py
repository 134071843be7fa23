"""Following a document by the letter: its files, its changes and its commands, in the order of the text."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import outside_environment

# A fenced block, with the path that the line above it may name: "In `src/app/x.py`:"
_BLOCK = re.compile(r"(?:^(?P<above>[^\n]*):\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"`([^`]+)`")
COMMAND_SECONDS = 2400


@dataclass(frozen=True)
class Step:
    """One block of a document, and the file that it speaks of."""

    language: str
    path: str | None
    text: str

    def take(self, service: Path) -> None:
        """Do what the block says in the service's folder."""
        if self.language == "console":
            for command in self.text.splitlines():
                run(command, folder=service)
            return
        assert self.path, f"no line above says which file this is:\n{self.text}"
        file = service / self.path
        if self.language == "diff":
            file.write_text(changed(file.read_text(encoding="utf-8"), self.text), encoding="utf-8")
            return
        assert not file.exists(), f"{self.path} is there already"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.text, encoding="utf-8")


def steps(document: str) -> list[Step]:
    """Return every block of the document."""
    found = list(_blocks(document))
    assert len(found) == document.count("\n```") // 2, "a block was not understood"
    return found


def changed(text: str, diff: str) -> str:
    """Return the text with each part of the diff applied; a line of dots stands between two parts."""
    for part in re.split(r"^ *…\n", diff, flags=re.MULTILINE):
        lines = part.splitlines(keepends=True)
        old, new = _side(lines, "-"), _side(lines, "+")
        assert text.count(old) == 1, f"found {text.count(old)} times instead of once:\n{old}"
        text = text.replace(old, new)
    return text


def run(command: str, *, folder: Path) -> None:
    """Run a line of a shell as a user would; fail with what it said."""
    shell = ["bash", "-euo", "pipefail", "-c", command]
    done = subprocess.run(
        shell,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=outside_environment(),
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-8000:]}{done.stderr[-2000:]}"


def _blocks(document: str) -> Iterator[Step]:
    for block in _BLOCK.finditer(document):
        named = _PATH.findall(block["above"] or "")
        yield Step(block["language"], named[-1] if named else None, block["text"])


def _side(lines: list[str], sign: str) -> str:
    """Return the lines before the change (`-`) or after it (`+`)."""
    return "".join(line[1:] if line[0] in " " + sign else line for line in lines if line[0] in "\n " + sign)
