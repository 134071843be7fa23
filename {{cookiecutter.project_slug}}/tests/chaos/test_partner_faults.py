"""A partner is slow, dead, flapping, lying: what has a fallback gives no error, what has none a proper refusal."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.support.breakable_partner import BreakablePartner, breakable_partner
from tests.support.chaos import Scene, scene
from tests.support.chaos_report import record
from tests.support.databases import Databases
from tests.support.faults import killed, misbehaving, paused
from tests.support.steady_load import Call
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

WITH_FALLBACK = Call("GET", "/v1/forecasts", per_second=8)
WITHOUT_FALLBACK = Call("POST", "/v1/forecasts", per_second=8)
CALLS = [*[WITH_FALLBACK] * 6, *[WITHOUT_FALLBACK] * 3]

# A call takes three seconds at most, all its attempts included; the rest is for a busy machine.
WORST_SECONDS = 5.0
RECOVERY_SECONDS = 5.0


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[BreakablePartner]:
    with breakable_partner(tmp_path) as partner:
        yield partner


@dataclass(frozen=True)
class Case:
    """What the partner does, and for how long."""

    fault: str
    begin: Callable[[BreakablePartner], AbstractContextManager[None]]
    seconds: float


CASES = [
    pytest.param(Case("Partner killed for 3 s", killed, 3), id="killed"),
    pytest.param(Case("Partner killed for 12 s", killed, 12), id="killed-long", marks=pytest.mark.long),
    pytest.param(Case("Partner frozen for 8 s", paused, 8), id="frozen", marks=pytest.mark.long),
    pytest.param(
        Case("Partner slow (2 s) for 10 s", partial(misbehaving, delay_seconds=2), 10),
        id="slow",
        marks=pytest.mark.long,
    ),
    pytest.param(
        Case("Partner flapping for 10 s", partial(misbehaving, status=503, share=0.5), 10),
        id="flapping",
        marks=pytest.mark.long,
    ),
    pytest.param(
        Case("Partner fails (500) for 10 s", partial(misbehaving, status=500), 10), id="failing", marks=pytest.mark.long
    ),
    pytest.param(
        Case(
            "Partner asks for patience (429) for 5 s", partial(misbehaving, status=429, headers={"Retry-After": "1"}), 5
        ),
        id="busy",
        marks=pytest.mark.long,
    ),
    *[
        pytest.param(
            Case(f"Partner lies ({fault}) for 5 s", partial(misbehaving, fault=fault), 5),
            id=fault,
            marks=pytest.mark.long,
        )
        for fault in ("garbage", "half", "too_long", "reset", "reset_midway", "trickle", "closes")
    ],
    pytest.param(Case("Partner lies (something else) for 3 s", partial(misbehaving, body=["?"]), 3), id="unreadable"),
]


@pytest.mark.parametrize("case", CASES)
def test_what_has_a_fallback_gives_no_error_and_what_has_none_a_proper_one(
    case: Case, partner: BreakablePartner, databases: Databases, tmp_path: Path
) -> None:
    with (
        databases.migrated() as url,
        scene(url, folder=tmp_path, has_worker=False, WEATHER_ADDRESS=partner.url) as service,
    ):
        ordeal = service.endure(case.begin(partner), seconds=case.seconds, calls=CALLS)

    record(case.fault, ordeal)
    assert set(ordeal.of(WITH_FALLBACK)) == {200}, ordeal.reasons
    assert set(ordeal.of(WITHOUT_FALLBACK)) <= {200, 503}, ordeal.reasons
    assert ordeal.worst_seconds < WORST_SECONDS
    assert ordeal.recovery_seconds < RECOVERY_SECONDS


@pytest.mark.long
def test_even_when_it_works_again_right_after_it_was_probed_all_is_well_in_time(
    partner: BreakablePartner, databases: Databases, tmp_path: Path
) -> None:
    with (
        databases.migrated() as url,
        scene(url, folder=tmp_path, has_worker=False, WEATHER_ADDRESS=partner.url) as service,
    ):
        ordeal = service.endure(failing_until_probed(partner, service), seconds=0, calls=CALLS)

    record("Partner fails until it was probed", ordeal)
    assert set(ordeal.of(WITH_FALLBACK)) == {200}, ordeal.reasons
    assert ordeal.recovery_seconds < RECOVERY_SECONDS


@contextmanager
def failing_until_probed(partner: BreakablePartner, scene: Scene) -> Iterator[None]:
    """The circuit has opened, was probed in vain, and is open again."""
    with misbehaving(partner, status=500):
        wait_until(lambda: len(scene.service.named("circuit_opened")) == 2, what="the probes")
        yield
