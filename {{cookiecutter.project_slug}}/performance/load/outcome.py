"""What a scenario found, and whether that is good enough."""

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel

from performance.connection import Answer
from performance.figures import percentile
from performance.tables import table
from performance.verdict import HEADINGS, Verdict, cells

OK = 200


class Findings(BaseModel):
    """Of one scenario."""

    requests: int
    verdicts: list[Verdict]
    remarks: list[str] = []


class Report(BaseModel):
    """A whole run: the findings by scenario."""

    machine: str
    findings: dict[str, Findings]

    @property
    def is_good(self) -> bool:
        return all(verdict.is_met for findings in self.findings.values() for verdict in findings.verdicts)


def latency(answers: Sequence[Answer], percent: float, *, at_most_ms: float) -> Verdict:
    """From when a request was to be sent; refusals and failures count as well."""
    return Verdict(what=f"p{percent:g}", measured=milliseconds(answers, percent), threshold=at_most_ms, unit="ms")


def milliseconds(answers: Sequence[Answer], percent: float) -> float:
    return percentile([answer.seconds for answer in answers], percent) * 1000


def failures(answers: Sequence[Answer], *, at_most_percent: float) -> Verdict:
    """Everything but 200."""
    bad = sum(answer.status != OK for answer in answers)
    return Verdict(what="failures", measured=percent_of(answers, bad), threshold=at_most_percent, unit="%")


def percent_of(answers: Sequence[Answer], count: int) -> float:
    return 100 * count / len(answers) if answers else float("nan")


def statuses(answers: Sequence[Answer]) -> str:
    """How many of each."""
    counted = sorted(Counter(answer.status for answer in answers).items())
    return ", ".join(f"{status or 'no answer'}: {count}" for status, count in counted)


def as_table(report: Report) -> str:
    """Markdown, for people who read it in a terminal, too."""
    rows = [[name, *cells(verdict)] for name, findings in report.findings.items() for verdict in findings.verdicts]
    remarks = [f"- {name}: {remark}" for name, findings in report.findings.items() for remark in findings.remarks]
    return "\n".join([table(["scenario", *HEADINGS], rows), "", *remarks])
