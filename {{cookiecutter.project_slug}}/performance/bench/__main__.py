"""Measures what a request costs: `make bench`, `make bench-check`, `make bench-baseline`."""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from performance.bench import goals
from performance.bench.contest import contest
from performance.bench.measuring import Contestant, measure
from performance.bench.peers import PEERS, installed
from performance.bench.plot import draw
from performance.bench.regression import (
    BASELINE,
    Baseline,
    Regression,
    as_table,
    confirmed,
    not_compared,
    read_baseline,
    regressions,
    write_baseline,
)
from performance.bench.results import Report, Result, as_tables, results_of
from performance.bench.rows import Row
from performance.commands import run_command
from performance.folders import RESULTS, folder_for_a_while, keep
from performance.machine import description
from performance.servers import Program

# Enough for medians that move by 2 % from run to run; all together it takes two to three minutes.
ROUNDS = 7
SECONDS = 0.35

# How often a row that seems to have become slower is measured again before we say so.
REPEATS = 2


def main() -> None:
    arguments = parse()
    run_command(lambda: bench(arguments))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="performance.bench", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail if a row has become slower than the baseline")
    what.add_argument("--renew", action="store_true", help="write the baseline anew")
    parser.add_argument("--peers", action="store_true", help="install and measure other templates, too")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="rows to measure; otherwise all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each row in each round")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.renew and arguments.only:
        parser.error("--renew writes the whole baseline, so it measures every row: leave --only away")
    return arguments


def bench(arguments: argparse.Namespace) -> int:
    """The exit code."""
    baseline = read_baseline(arguments.baseline) if arguments.check else None
    wanted, machine = arguments.only, description()
    with ExitStack() as stack:
        guests, unable = peers(stack) if arguments.peers else ([], [])
        print("Starting the applications")
        contestants, missing = stack.enter_context(
            contest(lambda row: wanted is None or row.name in wanted, guests=guests)
        )
        print(f"{len(contestants)} of them are up, and are asked in turn")
        measure(contestants, rounds=arguments.rounds, seconds=arguments.seconds, tell=print)
        report = Report(machine=machine, results=results_of(contestants), missing=[*missing, *unable])
        show(report, arguments.results)
        slower = again_and_again(contestants, report.results, baseline, arguments) if baseline else []
    if arguments.renew:
        write_baseline(report, arguments.baseline)
        print(f"The baseline is written: {arguments.baseline}")
    return verdict(slower, not_compared(report.results, baseline.ratios)) if baseline else 0


def peers(stack: ExitStack) -> tuple[list[tuple[Row, Program]], list[str]]:
    """Outside of this folder, whose path their generators would have to bear."""
    return installed(PEERS, stack.enter_context(folder_for_a_while()), print)


def show(report: Report, folder: Path) -> None:
    print(f"\n{report.machine}\n\n{as_tables(report)}\n\n{goals.as_table(report)}\n")
    keep("bench.json", report.model_dump_json(indent=2) + "\n", folder)
    plot = keep("bench.svg", draw(report), folder)
    print(f"The plot is {plot}, the numbers lie beside it.")


def again_and_again(
    contestants: Sequence[Contestant], results: Sequence[Result], baseline: Baseline, arguments: argparse.Namespace
) -> list[Regression]:
    """What is slower than the baseline each time that it is measured."""
    slower = regressions(results, baseline.ratios)
    for _ in range(REPEATS):
        if not slower:
            break
        print(f"\nMeasuring again: {', '.join(repr(each.name) for each in slower)}")
        chosen = concerned(contestants, {each.name for each in slower})
        measure(chosen, rounds=arguments.rounds, seconds=arguments.seconds, tell=print)
        slower = confirmed(slower, regressions(results_of(chosen), baseline.ratios))
    return slower


def concerned(contestants: Sequence[Contestant], names: set[str]) -> list[Contestant]:
    """Those, and what they are measured against, with nothing measured yet."""
    against = {contestant.row.against for contestant in contestants if contestant.row.name in names}
    return [replace(each, microseconds=[]) for each in contestants if each.row.name in names | against]


def verdict(slower: Sequence[Regression], remarks: Sequence[str]) -> int:
    print("\n" + "\n".join([*remarks, as_table(slower) if slower else "Nothing is slower than the baseline."]))
    return 1 if slower else 0


if __name__ == "__main__":
    main()
