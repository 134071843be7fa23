"""The machine's clocks jump: all that was remembered for a time has expired at once."""

from pathlib import Path

import pytest

from tests.support.chaos import scene
from tests.support.chaos_report import record
from tests.support.databases import Databases
from tests.support.faults import clocks_ahead
from tests.support.outages import BreakableValkey

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

JUMPING = "tests.support.jumping_service"

WORST_SECONDS = 3.0
RECOVERY_SECONDS = 5.0


@pytest.mark.parametrize("jumps", [pytest.param(1), pytest.param(10, marks=pytest.mark.long)])
def test_when_clocks_jump_a_day_ahead_only_what_is_under_way_is_given_up(
    databases: Databases, valkey: BreakableValkey, tmp_path: Path, jumps: int
) -> None:
    with (
        databases.migrated() as url,
        scene(url, module=JUMPING, folder=tmp_path, REDIS_URL=valkey.url) as service,
    ):
        ordeals = [service.endure(clocks_ahead(service), seconds=1) for _ in range(jumps)]

    worst = max(ordeals, key=lambda ordeal: ordeal.recovery_seconds)
    record(f"Clocks jump a day ahead (the worst of {jumps})", worst)
    # Those that seem to have taken a day, and a few that are turned away because of them.
    assert all(ordeal.errors.keys() <= {503, 504} for ordeal in ordeals), worst.reasons
    assert worst.worst_seconds < WORST_SECONDS
    assert worst.recovery_seconds < RECOVERY_SECONDS
    assert all(ordeal.nothing_lost_or_doubled for ordeal in ordeals)
