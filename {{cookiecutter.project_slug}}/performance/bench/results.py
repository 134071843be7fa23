"""What the benchmark found, and the tables that show it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from pydantic import BaseModel

from performance.bench.measuring import Contestant
from performance.figures import spread
from performance.tables import table

HEADINGS = ["application", "µs a request", "spread", "ratio", "adds µs"]


class Result(BaseModel):
    """One row. `ratio` is the one to the row that it is measured against."""

    name: str
    tables: tuple[str, ...]
    is_ours: bool
    microseconds: float
    spread: float
    ratio: float
    # One for each round; all rows of a run have the same rounds.
    samples: list[float]


class Report(BaseModel):
    """A whole run; what could not be measured is said in a sentence each."""

    machine: str
    results: list[Result]
    missing: list[str]

    def titles(self) -> list[str]:
        """Of tables that compare something."""
        counted = Counter(title for result in self.results for title in result.tables)
        return [title for title, count in counted.items() if count > 1]

    def named(self, name: str) -> Result | None:
        return next((result for result in self.results if result.name == name), None)

    def of_table(self, title: str) -> list[Result]:
        return [result for result in self.results if title in result.tables]


@dataclass(frozen=True)
class Shown:
    """A row as one table shows it: compared with the first row, and with the one before."""

    result: Result
    ratio: float
    adds: float


def results_of(contestants: Sequence[Contestant]) -> list[Result]:
    """One for each contestant whose counterpart was measured as well."""
    by_name = {contestant.row.name: contestant for contestant in contestants}
    return [result_of(each, by_name[each.row.against]) for each in contestants if each.row.against in by_name]


def result_of(contestant: Contestant, other: Contestant) -> Result:
    return Result(
        name=contestant.row.name,
        tables=contestant.row.tables,
        is_ours=contestant.row.is_ours,
        microseconds=median(contestant.microseconds),
        spread=spread(contestant.microseconds),
        ratio=ratio(contestant.microseconds, other.microseconds),
        samples=contestant.microseconds,
    )


def ratio(samples: Iterable[float], others: Iterable[float]) -> float:
    """Taken within each round, where the same noise hits both; then the median."""
    return median(one / other for one, other in zip(samples, others, strict=True))


def difference(samples: Iterable[float], others: Iterable[float]) -> float:
    """The same."""
    return median(one - other for one, other in zip(samples, others, strict=True))


def shown(results: Sequence[Result]) -> list[Shown]:
    first = results[0]
    following = [
        Shown(result, ratio(result.samples, first.samples), difference(result.samples, before.samples))
        for before, result in pairwise(results)
    ]
    return [Shown(first, 1.0, 0.0), *following]


def as_tables(report: Report) -> str:
    """Markdown, for people who read it in a terminal, too."""
    parts = [f"**{title}**\n\n{as_table(report.of_table(title))}" for title in report.titles()]
    return "\n\n".join([*parts, *report.missing])


def as_table(results: Sequence[Result]) -> str:
    return table(HEADINGS, [cells(each) for each in shown(results)])


def cells(each: Shown) -> list[str]:
    result = each.result
    return [
        result.name,
        f"{result.microseconds:.0f}",
        f"{result.spread:.1%}",
        f"{each.ratio:.2f}",
        f"{each.adds:+.1f}" if each.adds else "",
    ]
