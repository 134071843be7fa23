"""Draws the tables as bars: an SVG that reads on light and on dark pages."""

from collections.abc import Iterator, Sequence
from html import escape

from performance.bench.results import Report, Shown, shown

WIDTH = 760
LABELS = 220
BARS = 400
BAR_HEIGHT = 14
ROW_HEIGHT = 22
TITLE_HEIGHT = 44

# Grey text has a contrast of at least 4.5 on white and on black; pages that are dark get a lighter one.
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; font-size: 13px }
.ours { fill: #2f81f7 }
.others { fill: #8b949e }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
"""


def draw(report: Report) -> str:
    """One panel for each table, each with a scale of its own."""
    panels: list[str] = []
    height = 0
    for title in report.titles():
        rows = shown(report.of_table(title))
        panels.append(f'<g transform="translate(0 {height})">{"".join(panel(title, rows))}</g>')
        height += TITLE_HEIGHT + ROW_HEIGHT * len(rows)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 8}" role="img" '
        'aria-label="CPU time of a request, in microseconds">'
    )
    return "\n".join([opening, f"<style>{STYLE}</style>", *panels, "</svg>", ""])


def panel(title: str, rows: Sequence[Shown]) -> Iterator[str]:
    longest = max(row.result.microseconds for row in rows)
    yield f'<text class="title" x="0" y="{TITLE_HEIGHT - 14}">{escape(title)}: CPU µs a request</text>\n'
    for number, row in enumerate(rows):
        yield bar(row, y=TITLE_HEIGHT + ROW_HEIGHT * number, longest=longest)


def bar(row: Shown, *, y: int, longest: float) -> str:
    result = row.result
    width = max(1.0, BARS * result.microseconds / longest)
    middle = y + BAR_HEIGHT - 3
    kind = "ours" if result.is_ours else "others"
    return (
        f'<text x="{LABELS - 8}" y="{middle}" text-anchor="end">{escape(result.name)}</text>'
        f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2"/>'
        f'<text x="{LABELS + width + 8:.1f}" y="{middle}">{result.microseconds:.0f} · {row.ratio:.2f}&#215;</text>\n'
    )
