"""`make load` puts the service under load, and fails when a target is missed."""

import sys
from pathlib import Path

import pytest

from performance.load.outcome import Report
from tests.support.commands import PROJECT, Finished, run_command

pytestmark = pytest.mark.timeout(240)


def load(results: Path, *options: str) -> Finished:
    few = ["--users", "5", "--seconds", "2", "--results", str(results)]
    return run_command(sys.executable, "-m", "performance.load", *options, *few, folder=PROJECT)


@pytest.mark.parametrize(("leniency", "exit_code"), [("1000", 0), ("0.000001", 1)])
def test_it_ends_with_1_when_a_target_is_missed(tmp_path: Path, leniency: str, exit_code: int) -> None:
    done = load(tmp_path, "reads", "--leniency", leniency)

    assert done.exit_code == exit_code, done.stdout + done.stderr
    report = Report.model_validate_json((tmp_path / "load.json").read_bytes())
    assert report.is_good == (exit_code == 0)
    assert report.findings["reads"].requests > 0
    assert ("**missed**" in done.stdout) == (exit_code == 1)


def test_a_scenario_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = load(tmp_path, "nothing")

    assert done.exit_code == 1
    assert done.stderr.strip().startswith("There is no scenario 'nothing'; there are users, reads")
