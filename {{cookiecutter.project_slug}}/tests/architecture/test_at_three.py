"""Whoever is woken by an alert finds everything that the page for the night names."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.health.watching import LOOK_SECONDS
from app.jobs.attempt import RETRY
from app.jobs.job import Job
from app.settings.sections import known_names
from tests.support.metrics import exported_names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/at-three-in-the-morning.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([^`]+)`", PAGE)))

COMMANDS = [name for name in NAMED if re.match(r"app [a-z]", name)]
VARIABLES = [name for name in NAMED if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name)]
# Of one word are fields of lines, labels and their values, and a few events.
WORDS = [name for name in NAMED if re.fullmatch(r"[a-z]+(_[a-z]+)+", name)]

LONGEST_PAGE = 80


@pytest.fixture(scope="module")
def quoted() -> set[str]:
    """Every word that stands in quotes in the source, which is how events and fields get their names."""
    files = (ROOT / "src").rglob("*.py")
    return {word for file in files for word in re.findall(r'"([a-z_]+)"', file.read_text(encoding="utf-8"))}


def test_the_page_is_short_and_names_what_it_is_read_for() -> None:
    assert len(PAGE.splitlines()) <= LONGEST_PAGE
    assert min(len(COMMANDS), len(VARIABLES), len(WORDS)) > 5


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_and_option_is_understood(command: str) -> None:
    result = CliRunner().invoke(cli.commands, [*command.split()[1:], "--help"])

    assert result.exit_code == 0, result.output


def test_each_variable_metric_and_event_exists(quoted: set[str]) -> None:
    of_jobs = {name for name in vars(Job) if not name.startswith("_")}

    assert set(VARIABLES) - known_names() == set()
    assert set(WORDS) - exported_names() - quoted - of_jobs == set()


def test_each_file_that_it_leads_to_is_there() -> None:
    linked = [ROOT / "docs" / path for path in re.findall(r"\]\(([^)]+)\)", PAGE)]
    named = [ROOT / name for name in NAMED if name.endswith(".py")]

    assert [path for path in (*linked, *named) if not path.is_file()] == []


def test_what_it_says_of_times_is_what_the_code_does() -> None:
    limits = [RETRY.limit(failures) for failures in range(1, Job.max_attempts)]
    *shorter, last = [f"{limit:g}" for limit in limits]
    minutes = sum(limits) / 60

    told = " ".join(PAGE.split())

    assert (Job.max_attempts, LOOK_SECONDS) == (10, 5)
    assert f"up to a limit: {', '.join(shorter)} and {last} s." in told
    assert f"{minutes / 2:.0f} minutes after its first attempt on average and {minutes:.0f} at most" in told
