"""Verified keys are remembered for a moment, and not too many of them."""

import pytest

from app.core.ids import new_id
from app.security.keys import Key, new_key
from app.security.principal import Principal
from app.security.verified_keys import VerifiedKeys
from tests.support.clock import Clock

CALLER = Principal(subject="key:a", tenant=new_id(), scopes=frozenset())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verified(clock: Clock) -> VerifiedKeys:
    return VerifiedKeys(seconds=5, most=3, clock=clock)


def put(verified: VerifiedKeys, *keys: Key) -> None:
    for key in keys:
        verified.put(key, CALLER, asked_at=verified.clock())


def test_a_key_is_remembered_until_its_time_is_over(verified: VerifiedKeys, clock: Clock) -> None:
    key = new_key()
    put(verified, key)

    clock.advance(4.9)
    before = verified.get(key)
    clock.advance(0.1)

    assert before is CALLER
    assert verified.get(key) is None


def test_the_time_counts_from_the_question_and_not_from_a_slow_answer(verified: VerifiedKeys, clock: Clock) -> None:
    key, asked_at = new_key(), clock()
    clock.advance(4)
    verified.put(key, CALLER, asked_at=asked_at)

    clock.advance(1)

    assert verified.get(key) is None


def test_the_same_prefix_with_another_secret_is_another_key(verified: VerifiedKeys) -> None:
    key = new_key()
    put(verified, key)

    assert verified.get(Key(prefix=key.prefix, secret=new_key().secret)) is None
    assert verified.get(Key(prefix=new_key().prefix, secret=key.secret)) is None


def test_of_too_many_keys_the_oldest_is_forgotten(verified: VerifiedKeys) -> None:
    first, second, third, fourth = (new_key() for _ in range(4))
    put(verified, first, second, third)

    put(verified, first, fourth)

    assert [verified.get(key) for key in (first, second, third, fourth)] == [CALLER, None, CALLER, CALLER]
    assert len(verified.found) == 3


def test_no_secret_is_kept_in_memory(verified: VerifiedKeys) -> None:
    key = new_key()
    put(verified, key)

    assert key.secret not in repr(verified.found)


def test_a_key_was_good_until_it_is_found_to_be_bad(verified: VerifiedKeys, clock: Clock) -> None:
    key, never_seen = new_key(), new_key()
    put(verified, key)
    clock.advance(60)

    before = verified.has_been_good(key)
    verified.forget(key)
    verified.forget(never_seen)

    assert before
    assert not verified.has_been_good(key)
    assert not verified.has_been_good(never_seen)
