"""What the chaos suite measured: `build/chaos/report.json`, the same as Markdown, and the table of the docs.

`python -m tests.support.chaos_report` writes what was measured last into docs/degradation.md.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from development.locks import held
from performance.document import replaced
from performance.machine import cores, processor
from performance.tables import table
from tests.support.chaos import Ordeal
from tests.support.commands import PROJECT
from tests.support.switching import nothing

# Git ignores it, and `make clean` removes it.
FOLDER = PROJECT / "build" / "chaos"
DOCUMENT = PROJECT / "docs" / "degradation.md"

HEADINGS = ["fault", "requests", "errors that callers saw", "longest answer", "well again after", "lost", "doubled"]


class Row(BaseModel):
    """One fault. It was over with the last answer that was an error, or took more than two seconds."""

    fault: str
    requests: int
    errors: dict[str, int]
    worst_seconds: float
    recovery_seconds: float
    lost: int | None
    doubled: int | None

    def cells(self) -> list[str]:
        errors = ", ".join(f"{count} times {answer}" for answer, count in sorted(self.errors.items())) or "none"
        times = [f"{self.worst_seconds:.2f} s", f"{self.recovery_seconds:.2f} s"]
        return [self.fault, str(self.requests), errors, *times, counted(self.lost), counted(self.doubled)]


def counted(number: int | None) -> str:
    return "not counted" if number is None else str(number)


class Report(BaseModel):
    """The last measurement of each fault."""

    machine: str = ""
    rows: dict[str, Row] = {}

    def as_markdown(self) -> str:
        cells = [row.cells() for _, row in sorted(self.rows.items())]
        return f"Measured {self.machine}.\n\n{table(HEADINGS, cells)}"


def record(fault: str, ordeal: Ordeal, *, folder: Path = FOLDER) -> Row:
    """Add it to the report; tests in several processes do so at the same time."""
    row = Row(
        fault=fault,
        requests=len(ordeal.outcomes),
        errors={str(answer): count for answer, count in ordeal.errors.items()},
        worst_seconds=ordeal.worst_seconds,
        recovery_seconds=ordeal.recovery_seconds,
        lost=ordeal.lost,
        doubled=ordeal.doubled,
    )
    with held(folder / "report.lock", when_taken=nothing):
        report = read(folder)
        report.machine = machine()
        report.rows[fault] = row
        (folder / "report.json").write_text(report.model_dump_json(indent=2) + "\n")
        (folder / "report.md").write_text(report.as_markdown() + "\n")
    return row


def read(folder: Path) -> Report:
    file = folder / "report.json"
    return Report.model_validate_json(file.read_bytes()) if file.exists() else Report()


def machine() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    today = datetime.now(UTC).date().isoformat()
    return f"{today}, {len(cores())} cores ({processor()}), Python {version}, callers and servers on the same machine"


def write_document(folder: Path = FOLDER, file: Path = DOCUMENT) -> None:
    """Raises `SystemExit` with a sentence when nothing was measured."""
    report = read(folder)
    if not report.rows:
        sys.exit(f"There is no report in {folder}: run the tests in tests/chaos first.")
    file.write_text(replaced(file.read_text(), "chaos", report.as_markdown()))


if __name__ == "__main__":
    write_document()
