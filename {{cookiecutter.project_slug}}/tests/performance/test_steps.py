"""The rows of the benchmark show the middlewares that the service has."""

import pytest

from performance.bench.applications.ours import first_steps, names_in, names_of_steps, ours
from performance.bench.rows import BARE, rows
from tests.support.settings import settings_for

SETTINGS = settings_for(database_url="postgresql://nobody@localhost/never-connected")


@pytest.mark.parametrize("count", [0, 1, 4, 6, 1000])
def test_a_stack_is_cut_off_after_so_many_steps(count: int) -> None:
    stack = ours(SETTINGS).user_middleware

    kept = [name for middleware in first_steps(stack, count) for name in names_in(middleware)]

    assert kept == names_of_steps(SETTINGS)[:count]


def test_there_is_a_row_for_each_step() -> None:
    names = [row.name for row in rows(SETTINGS)]

    assert [f"+ {name}" for name in names_of_steps(SETTINGS)[:-1]] == [name for name in names if name.startswith("+ ")]
    assert len(names) == len(set(names))


def test_every_row_is_measured_against_one_that_is_there() -> None:
    found = {row.name for row in rows(SETTINGS)}

    assert BARE in found
    assert {row.against for row in rows(SETTINGS)} <= found
