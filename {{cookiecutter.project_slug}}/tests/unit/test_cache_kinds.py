"""What is one key, and for how long a value is good."""

from uuid import UUID

import pytest

from app.cache.kinds import Kind, Lifetime
from app.cache.memory import Entry, Memory
from tests.support.clock import Clock

LIFETIME = Lifetime(60, while_refreshing=30, if_failing=600)
NUMBERS: Kind[int] = Kind("numbers", int, LIFETIME)
TENANT = UUID(int=1)


def test_no_two_keys_are_one() -> None:
    long = "x" * 101
    hashed = NUMBERS.key(long, None).rpartition(":")[2]
    keys = ["", "a", "-:a", f"{TENANT}:a", "#", hashed, long, long + "x", "é" * 101]

    made = {NUMBERS.key(key, tenant) for key in keys for tenant in (None, TENANT)}

    assert len(made) == 2 * len(keys)
    assert max(map(len, made)) < 200


@pytest.mark.parametrize(
    "other", [Kind("other", int, LIFETIME), Kind("numbers", str, LIFETIME), Kind("numbers", int, LIFETIME, version=2)]
)
def test_another_kind_shape_or_version_has_other_keys(other: Kind[object]) -> None:
    assert other.key("a", None) != NUMBERS.key("a", None)


def test_the_same_declaration_has_the_same_keys_in_every_process() -> None:
    again: Kind[int] = Kind("numbers", int, Lifetime(5))

    assert again.key("a", None) == NUMBERS.key("a", None) == "numbers:1-f0765dbf:-:a"


@pytest.mark.parametrize("name", ["", "Numbers", "a:b", "a b", "1a"])
def test_a_name_is_a_word(name: str) -> None:
    with pytest.raises(ValueError, match="one word in lower case"):
        Kind(name, int, LIFETIME)


@pytest.mark.parametrize(
    ("age", "is_servable", "is_fallback"),
    [(0, True, True), (59, True, True), (89, True, True), (90, False, True), (659, False, True), (660, False, False)],
)
def test_what_is_too_old_to_be_served_may_still_be_better_than_nothing(
    age: float, is_servable: bool, is_fallback: bool
) -> None:
    entry = Entry(1, fresh_until=60, lifetime=LIFETIME, tags=(), size=1)

    assert (entry.is_servable(age), entry.is_fallback(age)) == (is_servable, is_fallback)


@pytest.mark.parametrize("age", [10, 70, 300])
def test_what_is_doubted_is_not_served_and_lasts_no_longer(age: float) -> None:
    entry = Entry(1, fresh_until=60, lifetime=LIFETIME, tags=(), size=1)

    entry.doubt(age)
    entry.doubt(age)

    assert not entry.is_servable(age)
    assert entry.is_fallback(age)
    assert entry.is_fallback(min(age, 60) + 599)
    assert not entry.is_fallback(min(age, 60) + 600)


def test_memory_forgets_its_tags_with_its_values() -> None:
    memory = Memory(most_bytes=10_000, clock=Clock())
    for number in range(100):
        memory.put(f"key {number}", Entry(number, 1, LIFETIME, tags=[f"tag {number}", "all"], size=100))

    assert len(memory.keys_of) == len(memory.entries) + 1 == 9
    memory.drop_tagged(["all"])
    assert (memory.bytes, memory.entries, memory.keys_of) == (0, {}, {})
