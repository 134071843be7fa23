"""What the costs are meant to be, and whether they are."""

from performance.bench import rows
from performance.bench.results import Report, difference, ratio
from performance.tables import table
from performance.verdict import HEADINGS, Verdict, cells


def goals(report: Report) -> list[Verdict]:
    """Those whose rows were measured."""
    wanted = [
        times(report, rows.EVERYTHING, rows.BARE, most=1.6),
        times(report, rows.OUR_ROW, rows.BARE_ROW, most=1.10),
        times(report, rows.SHARED_ROW, rows.BARE_ROW, most=1.10),
        more(report, rows.MANY_ROUTES, rows.EVERYTHING, most=60),
        more(report, rows.SHARED, rows.WITH_KEY, most=100),
    ]
    calls = [
        times(report, rows.CLIENT, rows.HTTPX, most=0.35),
        more(report, rows.GUARDED, rows.UNGUARDED, most=35),
    ]
    peers = [times(report, rows.HEALTH, each.name, most=0.65) for each in report.of_table(rows.PEERS)[1:]]
    return [goal for goal in [*wanted, *calls, *peers] if goal]


def times(report: Report, name: str, other: str, *, most: float) -> Verdict | None:
    one, two = report.named(name), report.named(other)
    if not (one and two):
        return None
    return Verdict(what=f"{name} ÷ {other}", measured=ratio(one.samples, two.samples), threshold=most)


def more(report: Report, name: str, other: str, *, most: float) -> Verdict | None:
    one, two = report.named(name), report.named(other)
    if not (one and two):
        return None
    return Verdict(what=f"{name} - {other}", measured=difference(one.samples, two.samples), threshold=most, unit="µs")


def as_table(report: Report) -> str:
    """Markdown."""
    return table(HEADINGS, [cells(goal) for goal in goals(report)])
