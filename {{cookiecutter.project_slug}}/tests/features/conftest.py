"""What holds for every feature, whatever its tests look at."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.assembly.models import METADATA

OWNED = [table.name for table in METADATA.sorted_tables if {"tenant_id", "created_by"} <= set(table.c.keys())]
NAMES_ONE = re.compile(rf"\b({'|'.join(OWNED) or '(?!)'})\b")


@pytest.fixture(autouse=True)
def every_query_stays_within_a_tenant() -> Iterator[None]:
    """A query that forgets the tenant shows one customer's rows to another."""
    unbounded: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if NAMES_ONE.search(statement) and not is_bounded(statement):
            unbounded.append(statement)

    event.listen(Engine, "before_cursor_execute", look)
    yield
    event.remove(Engine, "before_cursor_execute", look)
    assert unbounded == []


def is_bounded(statement: str) -> bool:
    """An insert says whose row it is; an update of a row that was read within the tenant is found by its key."""
    if statement.startswith(("INSERT ", "UPDATE ")):
        return True
    return "tenant_id =" in statement.partition("WHERE")[2]
