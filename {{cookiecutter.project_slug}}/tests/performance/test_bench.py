"""`make bench` measures, and keeps what it found; `make bench-check` fails on what has become slower."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from performance.bench.results import Report
from performance.bench.rows import BARE, EVERYTHING
from tests.support.commands import PROJECT, Finished, run_command

pytestmark = pytest.mark.timeout(240)


def bench(results: Path, *options: str) -> Finished:
    rows = ["--only", BARE, EVERYTHING]
    few = ["--rounds", "2", "--seconds", "0.05", "--results", str(results)]
    return run_command(sys.executable, "-m", "performance.bench", *few, *options, *rows, folder=PROJECT)


def test_it_measures_rows_and_keeps_numbers_and_a_plot(tmp_path: Path) -> None:
    done = bench(tmp_path)

    assert done.exit_code == 0, done.stdout + done.stderr
    report = Report.model_validate_json((tmp_path / "bench.json").read_bytes())
    assert [(result.name, len(result.samples)) for result in report.results] == [(BARE, 2), (EVERYTHING, 2)]
    assert all(result.microseconds > 0 for result in report.results)
    plot = ET.fromstring((tmp_path / "bench.svg").read_text())  # noqa: S314 - we have written it
    bars = plot.iter("{http://www.w3.org/2000/svg}rect")
    assert len(list(bars)) == sum(len(report.of_table(title)) for title in report.titles()) > 0
    assert f"| {EVERYTHING}" in done.stdout


@pytest.mark.parametrize(("ratio", "exit_code"), [(0.01, 1), (1000.0, 0)])
def test_the_check_fails_on_a_row_that_has_become_slower(tmp_path: Path, ratio: float, exit_code: int) -> None:
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps({"machine": "another", "ratios": {EVERYTHING: ratio}}))

    done = bench(tmp_path, "--check", "--baseline", str(baseline))

    assert done.exit_code == exit_code, done.stdout + done.stderr
    slower = done.stdout.rpartition("slower than the baseline")[2]
    assert (EVERYTHING in slower) == bool(exit_code)
