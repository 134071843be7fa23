"""Writes what the last `make bench` and `make load` measured into docs/performance.md: `make performance-document`."""

import argparse
import re
from pathlib import Path

from development.accounts import PROJECT
from development.errors import DevelopmentError
from performance.bench import goals, plot, results
from performance.commands import run_command
from performance.folders import RESULTS
from performance.load import outcome

DOCUMENT = PROJECT / "docs" / "performance.md"
PLOT = "performance.svg"


class NothingMeasured(DevelopmentError):
    """There are no results to write."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="performance.document", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    parser.add_argument("--document", type=Path, default=DOCUMENT, metavar="FILE")
    arguments = parser.parse_args()
    run_command(lambda: document(arguments.results, arguments.document))


def document(folder: Path, file: Path) -> int:
    """Whatever was measured; the rest stays as it is. Raises `NothingMeasured`."""
    sections = {
        "bench": bench_section(folder / "bench.json", file),
        "load": load_section(folder / "load.json"),
    }
    written = {name: text for name, text in sections.items() if text}
    if not written:
        raise NothingMeasured(f"There are no results in {folder}: run make bench or make load first.")
    text = file.read_text()
    for name, section in written.items():
        text = replaced(text, name, section)
    file.write_text(text)
    print(f"{file} has the results of {' and '.join(written)}.")
    return 0


def bench_section(numbers: Path, file: Path) -> str:
    """And its plot beside the document."""
    if not numbers.exists():
        return ""
    report = results.Report.model_validate_json(numbers.read_bytes())
    file.with_name(PLOT).write_text(plot.draw(report))
    return f"Measured {report.machine}.\n\n{goals.as_table(report)}\n\n{results.as_tables(report)}"


def load_section(numbers: Path) -> str:
    if not numbers.exists():
        return ""
    report = outcome.Report.model_validate_json(numbers.read_bytes())
    return f"Measured {report.machine}.\n\n{outcome.as_table(report)}"


def replaced(text: str, name: str, section: str) -> str:
    """The document with another section between the marks of this name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    between = re.compile(f"{begin}.*?{end}", re.DOTALL)
    return between.sub(lambda _: f"{begin}\n\n{section}\n\n{end}", text)


if __name__ == "__main__":
    main()
