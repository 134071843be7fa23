"""A file of the running children, so that the next start can end what a killed supervisor left behind."""

import json
import shutil
import signal
from pathlib import Path

from development.children import Child
from development.processes import Mark, end_all, session_of


class Ledger:
    """One entry per child; gone after a proper end."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._entries: list[dict[str, str | int | float]] = []

    def add(self, child: Child, *, temporary_folder: Path | None = None) -> None:
        self._entries.append(
            {
                "name": child.name,
                "pid": child.mark.pid,
                "started": child.mark.started,
                "signal": child.stop_signal,
                "folder": str(temporary_folder or ""),
            }
        )
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(json.dumps(self._entries, indent=1))
        unfinished.rename(self.file)

    def end_leftovers(self) -> list[str]:
        """Ends them in reverse order and returns their names."""
        if not self.file.exists():
            return []
        try:
            entries = json.loads(self.file.read_text())
        except ValueError:
            print(f"{self.file} cannot be read and is ignored.")
            entries = []
        ended = [entry["name"] for entry in reversed(entries) if _end(entry)]
        self.clear()
        return ended

    def clear(self) -> None:
        self._entries = []
        self.file.unlink(missing_ok=True)


def _end(entry: dict[str, str | int | float]) -> bool:
    left = session_of(Mark(int(entry["pid"]), float(entry["started"])))
    end_all(left, politely_with=signal.Signals(int(entry["signal"])), within_seconds=8)
    folder = Path(str(entry["folder"]))
    if folder.name.startswith("prodready-"):
        shutil.rmtree(folder, ignore_errors=True)
    return bool(left)
