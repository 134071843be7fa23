"""API keys: their shape, and what is kept of them."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import new_id
from app.security.callers import Refusal, fault_of
from app.security.keys import ALPHABET, KEY_LENGTH, SECRET_LENGTH, Key, new_key, parse_key
from app.security.models import ApiKey

NOW = datetime.now(UTC)


def row_of(key: Key, *, expires_at: datetime = NOW + timedelta(days=1), revoked_at: datetime | None = None) -> ApiKey:
    return ApiKey(
        name="a test's",
        prefix=key.prefix,
        digest=key.digest,
        tenant_id=new_id(),
        scopes=[],
        expires_at=expires_at,
        revoked_at=revoked_at,
    )


def test_a_key_is_read_back_as_it_was_made() -> None:
    key = new_key()

    assert parse_key(key.text) == key
    assert len(key.text) == KEY_LENGTH
    assert key.text.startswith("apikey_")


def test_a_secret_has_256_random_bits_at_least() -> None:
    assert SECRET_LENGTH * log2(len(set(ALPHABET))) >= 256


def test_no_two_keys_have_anything_in_common() -> None:
    keys = [new_key() for _ in range(100)]

    assert len({key.prefix for key in keys}) == len({key.secret for key in keys}) == 100


def test_only_the_sha256_of_the_secret_is_kept() -> None:
    key = new_key()

    assert key.digest == hashlib.sha256(key.secret.encode()).digest()


def test_a_key_does_not_show_its_secret_in_a_traceback() -> None:
    key = new_key()

    assert key.secret not in repr(key)
    assert key.secret not in str(key)


@given(st.text() | st.text(alphabet="apikey_AZ09é\x00", min_size=KEY_LENGTH, max_size=KEY_LENGTH))
def test_anything_else_is_no_key(text: str) -> None:
    assert parse_key(text) is None


@given(place=st.integers(0, KEY_LENGTH - 1), character=st.sampled_from("_- '\"%\x00\n\té😀"))
def test_a_key_with_one_strange_character_is_no_key(place: int, character: str) -> None:
    text = "apikey_" + "a" * 12 + "_" + "b" * 43
    changed = text[:place] + character + text[place + 1 :]

    assert (parse_key(changed) is None) == (changed != text)


@pytest.mark.parametrize("size", [10**3, 10**7])
def test_a_text_of_any_other_length_is_refused_before_it_is_looked_at(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.security.keys.SHAPE", None)

    assert parse_key("apikey_" + "a" * size) is None


def test_a_good_key_has_no_fault() -> None:
    key = new_key()

    assert fault_of(key, row_of(key)) is None


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (lambda _key: None, Refusal.UNKNOWN),
        (lambda _key: row_of(new_key()), Refusal.MISMATCH),
        (lambda key: row_of(key, revoked_at=NOW), Refusal.REVOKED),
        (lambda key: row_of(key, expires_at=NOW), Refusal.EXPIRED),
        (lambda key: row_of(key, expires_at=NOW, revoked_at=NOW), Refusal.REVOKED),
        (lambda _key: row_of(new_key(), expires_at=NOW, revoked_at=NOW), Refusal.MISMATCH),
    ],
    ids=["unknown", "wrong", "revoked", "expired", "revoked-and-expired", "wrong-and-useless"],
)
def test_each_fault_is_found_after_one_comparison_in_constant_time(
    row: Callable[[Key], ApiKey | None], fault: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", compare)
    key = new_key()

    assert fault_of(key, row(key)) == fault
    assert compared == [(32, 32)]
