"""Tables as the commands print them, for a terminal and for a pipe alike: no cell is ever cut."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

# Wider than any row. What is wider than the terminal goes on in its next line, and can be selected in one piece.
WIDTH = 100_000


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print each row as one line, however long."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    # Without emoji: a scope such as `vault:key:read` would lose its middle to one.
    Console(width=WIDTH, markup=False, emoji=False).print(table)
