"""Which requests are the same, and whose keys they carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import new_id
from app.web.idempotency.errors import IdempotencyKeyMalformed
from app.web.idempotency.keys import LONGEST_KEY, CallersKey, fingerprint_of, parse_key

Parts = tuple[str, str, bytes, bytes]

METHODS = st.sampled_from(["POST", "PUT", "PATCH", "DELETE"])
# Of few letters, so that parts that look alike are found: what ends one may begin the next.
PARTS = st.tuples(METHODS, st.text("/aé"), st.text("a&=").map(str.encode), st.binary(max_size=8))
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


def fingerprint(parts: Parts) -> bytes:
    method, path, query, body = parts
    return fingerprint_of(method=method, path=path, query=query, body=body)


@given(PARTS, PARTS)
def test_two_requests_have_the_same_fingerprint_if_they_are_the_same(one: Parts, other: Parts) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@given(PARTS, st.data())
def test_what_moves_from_one_part_to_the_next_is_noticed(parts: Parts, data: st.DataObject) -> None:
    method, path, query, body = parts
    whole = query + body
    cut = data.draw(st.integers(0, len(whole)))
    moved = (method, path, whole[:cut], whole[cut:])

    assert (fingerprint(moved) == fingerprint(parts)) == (moved == parts)


@given(st.text(VISIBLE, min_size=1, max_size=LONGEST_KEY))
def test_every_visible_character_can_stand_in_quotes(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')

    assert parse_key(f'"{escaped}"') == text


@given(st.text(st.characters(max_codepoint=0xFF), max_size=300))
def test_what_is_read_as_a_key_can_be_stored(field: str) -> None:
    try:
        key = parse_key(field)
    except IdempotencyKeyMalformed:
        return

    assert 1 <= len(key) <= LONGEST_KEY
    assert all("!" <= character <= "~" for character in key)


@pytest.mark.parametrize("field", ["x" * LONGEST_KEY, '"' + r"\"" * LONGEST_KEY + '"'])
def test_the_longest_key_is_one(field: str) -> None:
    assert len(parse_key(field)) == LONGEST_KEY


def test_a_lock_belongs_to_one_key_of_one_caller() -> None:
    tenant, other = new_id(), new_id()
    keys = [CallersKey(tenant, "key:a", "k"), CallersKey(tenant, "key:b", "k"), CallersKey(other, "key:a", "k")]

    locks = {key.lock for key in keys}

    assert len(locks) == len(keys)
    assert all(-(2**63) <= lock < 2**63 for lock in locks)
