"""Puts the service under load and judges how it bears it: `make load`."""

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path

from development.errors import DevelopmentError
from performance.commands import run_command
from performance.folders import RESULTS, folder_for_a_while, keep
from performance.load.outcome import Findings, Report, as_table
from performance.load.running import serving, under_load
from performance.load.scenario import Scenario, Size
from performance.load.scenarios import SCENARIOS, USUAL
from performance.machine import allow_open_files, description
from performance.servers import Behind, adopt, production, servers_behind
from performance.things import prepare_database

# Of each process: as many connections as any scenario has, and what else is open.
OPEN_FILES = 11_000


class NoSuchScenario(DevelopmentError):
    """A name that is not on the list."""


class NothingToAsk(DevelopmentError):
    """There is no database here."""


def main() -> None:
    arguments = parse()
    run_command(lambda: load(arguments))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="performance.load", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"some of {', '.join(SCENARIOS)}")
    parser.add_argument("--users", type=int, help="instead of the scenario's own number")
    parser.add_argument("--seconds", type=float, help="instead of the scenario's own time")
    parser.add_argument("--leniency", type=float, default=1.0, help="times the limits on time, for a slow machine")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    return parser.parse_args()


def load(arguments: argparse.Namespace) -> int:
    """The exit code: 1 when a target is missed."""
    chosen = chosen_scenarios(arguments.scenarios)
    report = Report(machine=description(), findings={})
    allow_open_files(OPEN_FILES)
    with folder_for_a_while() as folder, servers_behind(folder) as behind:
        variables = with_database(behind)
        key = asyncio.run(prepare_database(adopt(variables)))
        for name, scenario in chosen.items():
            size = size_of(scenario, arguments)
            print(f"{name}: {size.users} users, {size.seconds:g} s")
            with serving({**variables, **scenario.variables}, key=key, folder=folder / name) as service:
                report.findings[name] = lenient(under_load(scenario, service, size), arguments.leniency)
    return show(report, arguments.results)


def chosen_scenarios(names: list[str]) -> dict[str, Scenario]:
    """Raises `NoSuchScenario`."""
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise NoSuchScenario(f"There is no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}.")
    return {name: SCENARIOS[name] for name in names or USUAL}


def with_database(behind: Behind) -> dict[str, str]:
    """The settings of production. Raises `NothingToAsk`."""
    if behind.database_url is None:
        raise NothingToAsk("\n".join(behind.missing))
    return production(behind)


def size_of(scenario: Scenario, arguments: argparse.Namespace) -> Size:
    wanted = {"users": arguments.users, "seconds": arguments.seconds}
    return replace(scenario.usual, **{name: value for name, value in wanted.items() if value})


def lenient(findings: Findings, times: float) -> Findings:
    verdicts = [verdict.with_leniency(times) for verdict in findings.verdicts]
    return findings.model_copy(update={"verdicts": verdicts})


def show(report: Report, folder: Path) -> int:
    print(f"\n{report.machine}\n\n{as_table(report)}\n")
    file = keep("load.json", report.model_dump_json(indent=2) + "\n", folder)
    print(f"{'All targets are met' if report.is_good else 'Targets are missed'}; the numbers are in {file}.")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    main()
