"""A circuit opens when it should, lets so many probes pass and no more, and does what an operator says."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.resilience.circuit_breaker import BreakerOptions, Cause, Change, CircuitBreaker, CircuitOpen, CircuitState
from tests.support.clock import Clock

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
FORCED_OPEN, FORCED_CLOSED = CircuitState.FORCED_OPEN, CircuitState.FORCED_CLOSED

SMALL = BreakerOptions(
    window=6,
    window_seconds=10,
    minimum_calls=4,
    failure_rate=0.5,
    slow_seconds=1,
    slow_rate=0.75,
    open_seconds=5,
    probes=2,
)
QUICK, SLOW = 0.1, 1.0

# Whether a call fails, and its seconds. Mostly it goes well, or no circuit would stay closed for long.
OUTCOMES = st.sampled_from([(False, QUICK)] * 4 + [(True, QUICK)] * 2 + [(False, SLOW)])


def small_breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker("partner", SMALL, clock=clock)


def call(breaker: CircuitBreaker, *, is_failed: bool = False, seconds: float = QUICK) -> None:
    breaker.record(breaker.enter(), seconds=seconds, is_failed=is_failed)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        call(breaker, is_failed=True)


def succeed(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        call(breaker)


def is_refused_by(breaker: CircuitBreaker) -> bool:
    """What is said without taking anything."""
    try:
        breaker.refuse_if_open()
    except CircuitOpen:
        return True
    return False


# --- Against a model ---


@dataclass
class Call:
    """One that was let pass: when and how it ended, if it has."""

    ticket: int
    era: int
    ended_at: float | None = None
    is_failed: bool = False
    is_slow: bool = False


class Model(RuleBasedStateMachine):
    """Remembers every call for ever and counts anew whenever it wants to know something."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.changes: list[Change] = []
        self.breaker = CircuitBreaker("partner", SMALL, clock=self.clock)
        self.breaker.listeners.append(self.changes.append)
        self.calls: list[Call] = []
        self.endings: list[Call] = []  # several may end at the same time, and still one after the other
        self.state = CLOSED
        self.era = 0
        self.open_until = 0.0

    def go(self, state: CircuitState, *, open_seconds: float = 0.0) -> None:
        self.state, self.era, self.open_until = state, self.era + 1, self.clock() + open_seconds

    def of_this_era(self) -> list[Call]:
        return [call for call in self.calls if call.era == self.era]

    def ended(self) -> list[Call]:
        """What counts, the oldest first."""
        found = [one for one in self.endings if one.era == self.era]
        if self.state is HALF_OPEN:
            return found
        return [one for one in found if self.end_of(one) >= self.clock() - SMALL.window_seconds][-SMALL.window :]

    @staticmethod
    def end_of(one: Call) -> float:
        assert one.ended_at is not None
        return one.ended_at

    def lets_pass(self) -> bool:
        if self.state is OPEN and self.clock() >= self.open_until:
            self.go(HALF_OPEN)
        if self.state is HALF_OPEN:
            return len(self.of_this_era()) < SMALL.probes
        return self.state in {CLOSED, FORCED_CLOSED}

    def decide(self) -> None:
        counted = self.ended()
        out_of = SMALL.probes if self.state is HALF_OPEN else len(counted)
        is_enough = self.state is HALF_OPEN or out_of >= SMALL.minimum_calls
        failed, slow = sum(one.is_failed for one in counted), sum(one.is_slow for one in counted)
        if self.state not in {CLOSED, HALF_OPEN} or not is_enough:
            return
        if failed / out_of >= SMALL.failure_rate or slow / out_of >= SMALL.slow_rate:
            self.go(OPEN, open_seconds=SMALL.open_seconds)
        elif self.state is HALF_OPEN and len(counted) == SMALL.probes:
            self.go(CLOSED)

    @rule()
    def somebody_calls(self) -> None:
        is_refused = is_refused_by(self.breaker)
        if self.lets_pass():
            assert not is_refused
            self.calls.append(Call(self.breaker.enter(), self.era))
        else:
            assert is_refused
            with pytest.raises(CircuitOpen) as refused:
                self.breaker.enter()
            assert 1 <= refused.value.retry_after <= SMALL.open_seconds

    @precondition(lambda self: self.state in {CLOSED, FORCED_CLOSED})
    @rule(outcomes=st.lists(OUTCOMES, max_size=8))
    def some_call_one_after_the_other(self, outcomes: list[tuple[bool, float]]) -> None:
        for is_failed, seconds in outcomes:
            if self.lets_pass():
                one = Call(self.breaker.enter(), self.era)
                self.calls.append(one)
                self.breaker.record(one.ticket, seconds=seconds, is_failed=is_failed)
                self.end(one, is_failed=is_failed, is_slow=seconds == SLOW)

    @precondition(lambda self: self.under_way())
    @rule(data=st.data(), is_failed=st.booleans(), seconds=st.sampled_from([QUICK, SLOW]))
    def a_call_ends(self, data: st.DataObject, is_failed: bool, seconds: float) -> None:
        one = data.draw(st.sampled_from(self.under_way()))
        self.breaker.record(one.ticket, seconds=seconds, is_failed=is_failed)
        self.end(one, is_failed=is_failed, is_slow=seconds == SLOW)

    @precondition(lambda self: self.under_way())
    @rule(data=st.data(), seconds=st.sampled_from([QUICK, SLOW]))
    def a_call_is_abandoned(self, data: st.DataObject, seconds: float) -> None:
        one = data.draw(st.sampled_from(self.under_way()))
        self.breaker.abandon(one.ticket, seconds=seconds)
        if seconds == SLOW:
            self.end(one, is_failed=False, is_slow=True)
        else:
            self.calls.remove(one)

    def under_way(self) -> list[Call]:
        return [one for one in self.calls if one.ended_at is None]

    def end(self, one: Call, *, is_failed: bool, is_slow: bool) -> None:
        one.ended_at, one.is_failed, one.is_slow = self.clock(), is_failed, is_slow
        self.endings.append(one)
        if one.era == self.era and (is_failed or is_slow or self.state is HALF_OPEN):
            self.decide()

    @rule(seconds=st.sampled_from([0.125, 1.0, 5.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([1.0, 100.0]))
    def another_process_finds_it_dead(self, seconds: float) -> None:
        self.breaker.open_elsewhere(seconds)
        if self.state is CLOSED and len(self.ended()) < SMALL.minimum_calls:
            self.go(OPEN, open_seconds=min(seconds, SMALL.open_seconds))

    @rule(state=st.sampled_from([FORCED_OPEN, FORCED_CLOSED, None]))
    def an_operator_decides(self, state: CircuitState | None) -> None:
        self.breaker.force(state)
        if state is None and self.state in {FORCED_OPEN, FORCED_CLOSED}:
            self.go(CLOSED)
        elif state is not None and state is not self.state:
            self.go(state)

    @invariant()
    def they_agree(self) -> None:
        assert self.breaker.state is self.state
        assert [change.after for change in self.changes][-1:] == [self.state][: len(self.changes)]
        assert len(self.changes) == self.era

    @invariant()
    def never_more_probes_than_allowed(self) -> None:
        assert self.state is not HALF_OPEN or len(self.of_this_era()) <= SMALL.probes


Model.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
test_it_does_what_the_model_does = Model.TestCase


# --- In words ---


def test_it_opens_when_half_of_enough_calls_have_failed() -> None:
    breaker = small_breaker(Clock())

    succeed(breaker, 2)
    fail(breaker, 1)
    before = breaker.state
    fail(breaker, 1)

    assert (before, breaker.state) == (CLOSED, OPEN)
    with pytest.raises(CircuitOpen, match="partner does not work at the moment"):
        breaker.enter()


def test_calls_that_succeed_slowly_open_it_too() -> None:
    breaker = small_breaker(Clock())

    for _ in range(3):
        call(breaker, seconds=SLOW)
    before = breaker.state
    call(breaker, seconds=SLOW)

    assert (before, breaker.state) == (CLOSED, OPEN)


def test_what_happened_long_ago_is_forgotten() -> None:
    clock = Clock()
    breaker = small_breaker(clock)

    fail(breaker, 3)
    clock.advance(SMALL.window_seconds + 1)
    fail(breaker, 3)

    assert breaker.state is CLOSED


def test_only_so_many_of_the_last_calls_count() -> None:
    breaker = small_breaker(Clock())

    succeed(breaker, 3)
    fail(breaker, 2)
    succeed(breaker, 6)
    fail(breaker, 2)
    before = breaker.state
    fail(breaker, 1)

    assert (before, breaker.state) == (CLOSED, OPEN), "three of the last six"


def test_a_refusal_says_when_it_is_asked_again() -> None:
    clock = Clock()
    breaker = small_breaker(clock)
    fail(breaker, 4)
    clock.advance(1.5)

    with pytest.raises(CircuitOpen) as refused:
        breaker.enter()

    assert refused.value.retry_after == 4


def test_after_its_time_probes_decide() -> None:
    clock = Clock()
    well, unwell = small_breaker(clock), small_breaker(clock)
    for breaker in (well, unwell):
        fail(breaker, 4)
    clock.advance(SMALL.open_seconds)

    succeed(well, SMALL.probes)
    fail(unwell, 1)

    assert (well.state, unwell.state) == (CLOSED, OPEN)


def test_while_all_probes_are_under_way_nobody_need_stand_in_line() -> None:
    clock = Clock()
    breaker = small_breaker(clock)
    fail(breaker, 4)
    clock.advance(SMALL.open_seconds)

    before = is_refused_by(breaker)
    for _ in range(SMALL.probes):
        breaker.enter()

    assert (before, is_refused_by(breaker)) == (False, True)


def test_a_probe_that_is_cancelled_gives_its_place_back() -> None:
    clock = Clock()
    breaker = small_breaker(clock)
    fail(breaker, 4)
    clock.advance(SMALL.open_seconds)
    first, _second = breaker.enter(), breaker.enter()
    with pytest.raises(CircuitOpen):
        breaker.enter()

    breaker.abandon(first, seconds=QUICK)

    assert breaker.enter() == first
    with pytest.raises(CircuitOpen):
        breaker.enter()


def test_probes_that_come_seldom_are_remembered_until_all_have_ended() -> None:
    clock = Clock()
    breaker = small_breaker(clock)
    fail(breaker, 4)

    for _ in range(SMALL.probes):
        clock.advance(100 * SMALL.window_seconds)
        succeed(breaker)

    assert breaker.state is CLOSED


def test_a_call_from_before_it_opened_is_no_probe() -> None:
    clock = Clock()
    breaker = small_breaker(clock)
    late = breaker.enter()
    fail(breaker, 4)
    clock.advance(SMALL.open_seconds)
    breaker.enter()

    breaker.record(late, seconds=QUICK, is_failed=True)

    assert breaker.state is HALF_OPEN


def test_another_process_is_believed_by_whoever_has_not_called_enough_to_know_better() -> None:
    clock = Clock()
    idle, forgetful, busy = small_breaker(clock), small_breaker(clock), small_breaker(clock)
    succeed(forgetful, SMALL.minimum_calls)
    clock.advance(SMALL.window_seconds + 1)
    succeed(busy, SMALL.minimum_calls)

    for breaker in (idle, forgetful, busy):
        breaker.open_elsewhere(2)

    assert (idle.state, forgetful.state, busy.state) == (OPEN, OPEN, CLOSED)


def test_another_process_cannot_keep_it_open_for_longer_than_it_would_itself() -> None:
    clock = Clock()
    breaker = small_breaker(clock)

    breaker.open_elsewhere(1_000_000)
    clock.advance(SMALL.open_seconds)

    breaker.enter()
    assert breaker.state is HALF_OPEN


def test_forced_open_it_refuses_however_well_its_partner_is_and_however_long_it_takes() -> None:
    clock = Clock()
    breaker = small_breaker(clock)

    breaker.force(FORCED_OPEN)
    clock.advance(100 * SMALL.open_seconds)

    with pytest.raises(CircuitOpen):
        breaker.enter()


def test_forced_closed_it_lets_pass_however_much_fails() -> None:
    breaker = small_breaker(Clock())
    breaker.force(FORCED_CLOSED)

    fail(breaker, 100)

    breaker.enter()
    assert breaker.state is FORCED_CLOSED


def test_automatic_again_it_begins_anew() -> None:
    breaker = small_breaker(Clock())
    breaker.force(FORCED_CLOSED)
    fail(breaker, 100)

    breaker.force(None)
    fail(breaker, SMALL.minimum_calls - 1)
    before = breaker.state
    fail(breaker)

    assert (before, breaker.state) == (CLOSED, OPEN)


def test_its_listeners_hear_of_every_change_and_why() -> None:
    clock, heard = Clock(), list[Change]()
    breaker = small_breaker(clock)
    breaker.listeners.append(heard.append)

    fail(breaker, 4)
    clock.advance(SMALL.open_seconds)
    succeed(breaker, SMALL.probes)
    breaker.force(FORCED_OPEN)
    breaker.force(None)

    assert [(change.before, change.after, change.cause) for change in heard] == [
        (CLOSED, OPEN, Cause.FAILURES),
        (OPEN, HALF_OPEN, Cause.TIME),
        (HALF_OPEN, CLOSED, Cause.PROBES),
        (CLOSED, FORCED_OPEN, Cause.OPERATOR),
        (FORCED_OPEN, CLOSED, Cause.OPERATOR),
    ]
    assert heard[0].open_seconds == SMALL.open_seconds


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"window": 5}, "A window of 5 calls never holds the 10 that decide"),
        ({"minimum_calls": 0}, "minimum_calls must be from 1 to window"),
        ({"window": 10, "probes": 20}, "20 probes in a window of 10 calls never close a circuit again"),
        ({"probes": 0}, "probes must be from 1 to window"),
        ({"failure_rate": 0.0}, "must be above 0"),
        ({"slow_rate": 0.0}, "must be above 0"),
    ],
    ids=str,
)
def test_numbers_that_would_switch_it_off_or_wedge_it_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        BreakerOptions(**options)


def test_with_as_many_probes_as_its_window_holds_it_closes_again() -> None:
    clock = Clock()
    breaker = CircuitBreaker("partner", BreakerOptions(window=10, minimum_calls=10, probes=10), clock=clock)
    fail(breaker, 10)
    clock.advance(breaker.options.open_seconds)

    succeed(breaker, 10)

    assert breaker.state is CLOSED
