"""Tells whether we have become slower than the baseline that is committed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from development.errors import DevelopmentError
from performance.bench.results import Report, Result
from performance.tables import table

BASELINE = Path(__file__).resolve().parent.parent / "baseline.json"

# Ratios move by 3 to 5 % between two runs of the same code; what costs more than this did not come by chance.
TOLERANCE = 0.10


class Baseline(BaseModel):
    """The ratios of our rows at the time when somebody found them good."""

    machine: str
    ratios: dict[str, float]


class NoBaseline(DevelopmentError):
    """There is nothing to compare with."""


@dataclass(frozen=True)
class Regression:
    """A row that has become slower in comparison with the one that it is measured against."""

    name: str
    before: float
    now: float

    @property
    def change(self) -> float:
        return self.now / self.before - 1


def read_baseline(file: Path = BASELINE) -> Baseline:
    """Raises `NoBaseline`."""
    try:
        return Baseline.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        raise NoBaseline(f"{file} is missing or broken: write it anew with make bench-baseline.") from None


def write_baseline(report: Report, file: Path = BASELINE) -> None:
    ratios = {result.name: round(result.ratio, 3) for result in report.results if result.is_ours}
    file.write_text(Baseline(machine=report.machine, ratios=ratios).model_dump_json(indent=2) + "\n")


def regressions(results: Iterable[Result], baseline: Mapping[str, float]) -> list[Regression]:
    """Rows that nobody has found good yet are no regressions."""
    known = [result for result in results if result.name in baseline]
    compared = [Regression(result.name, baseline[result.name], result.ratio) for result in known]
    return [each for each in compared if each.change > TOLERANCE]


def confirmed(before: Sequence[Regression], again: Sequence[Regression]) -> list[Regression]:
    """Those that were found again; noise hits somebody else the second time. Of two measurements the better one."""
    found = {each.name: each for each in again}
    return [min(each, found[each.name], key=lambda one: one.change) for each in before if each.name in found]


def not_compared(results: Iterable[Result], baseline: Mapping[str, float]) -> list[str]:
    """A sentence about each row that stands on one side only."""
    measured = {result.name for result in results if result.is_ours}
    new, gone = sorted(measured - set(baseline)), sorted(set(baseline) - measured)
    return [
        *(f"{name!r} is not in the baseline yet: make bench-baseline adds it." for name in new),
        *(f"{name!r} of the baseline was not measured." for name in gone),
    ]


def as_table(found: Sequence[Regression]) -> str:
    rows = [[each.name, f"{each.before:.2f}", f"{each.now:.2f}", f"{each.change:+.0%}"] for each in found]
    return table(["slower than the baseline", "ratio then", "ratio now", "change"], rows)
