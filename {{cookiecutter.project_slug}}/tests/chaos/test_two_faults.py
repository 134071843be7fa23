"""Two things go wrong at once, which is when each relies on the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chaos import RECALL, WITHOUT_ANYTHING, scene
from tests.support.chaos_report import record
from tests.support.databases import Databases
from tests.support.faults import all_of, killed, paused
from tests.support.outages import BreakablePostgres, BreakableValkey

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

RECOVERY_SECONDS = 5.0
WORST_SECONDS = 12.0


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[BreakablePostgres]:
    with BreakablePostgres(tmp_path / "postgres", fast=True) as server:
        yield server


@pytest.mark.parametrize("seconds", [pytest.param(3), pytest.param(10, marks=pytest.mark.long)])
def test_postgresql_paused_while_redis_is_killed(
    postgres: BreakablePostgres, valkey: BreakableValkey, tmp_path: Path, seconds: int
) -> None:
    with Databases(postgres.url).migrated() as url, scene(url, folder=tmp_path, REDIS_URL=valkey.url) as service:
        ordeal = service.endure(all_of(killed(valkey), paused(postgres)), seconds=seconds)

    record(f"PostgreSQL paused and Redis killed for {seconds} s", ordeal)
    assert ordeal.errors.keys() <= {503, 504}, ordeal.reasons
    assert set(ordeal.of(WITHOUT_ANYTHING)) == {200}
    assert set(ordeal.of(RECALL)) == {200}
    assert ordeal.worst_seconds < WORST_SECONDS
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled


@pytest.mark.long
def test_redis_paused_while_postgresql_is_restarted(
    postgres: BreakablePostgres, valkey: BreakableValkey, tmp_path: Path
) -> None:
    with Databases(postgres.url).migrated() as url, scene(url, folder=tmp_path, REDIS_URL=valkey.url) as service:
        ordeal = service.endure(all_of(paused(valkey), killed(postgres)), seconds=5)

    record("Redis paused and PostgreSQL killed for 5 s", ordeal)
    assert ordeal.errors.keys() <= {503, 504}, ordeal.reasons
    assert set(ordeal.of(WITHOUT_ANYTHING)) == {200}
    assert set(ordeal.of(RECALL)) == {200}
    assert ordeal.recovery_seconds < RECOVERY_SECONDS
    assert ordeal.nothing_lost_or_doubled
