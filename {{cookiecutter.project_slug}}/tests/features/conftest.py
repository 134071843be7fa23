"""What holds for every feature, whatever its tests look at."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.assembly.models import METADATA

OWNED = [table.name for table in METADATA.sorted_tables if {"tenant_id", "created_by"} <= set(table.c.keys())]
READS = re.compile(rf'^SELECT\b.*\bFROM "?({"|".join(OWNED) or "nothing"})"?\b', re.DOTALL)


@pytest.fixture(autouse=True)
def every_query_stays_within_a_tenant() -> Iterator[None]:
    """A query that forgets the tenant shows one customer's rows to another."""
    unbounded: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if READS.match(statement) and "tenant_id =" not in statement.partition("WHERE")[2]:
            unbounded.append(statement)

    event.listen(Engine, "before_cursor_execute", look)
    yield
    event.remove(Engine, "before_cursor_execute", look)
    assert unbounded == []
