"""Secrets and personal data do not survive; harmless words do."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.logging import to_json
from app.observability.redaction import REDACTED, is_sensitive, redact, redact_text
from app.security.keys import new_key

PLANTED = "pl4nted-s3cret"

SENSITIVE_KEYS = [
    "password",
    "db_password",
    "userPassword",
    "Authorization",
    "Proxy-Authorization",
    "Set-Cookie",
    "cookies",
    "X-Api-Key",
    "apiKey",
    "secret_key",
    "accessToken",
    "refresh_token",
    "csrftoken",
    "tokens",
    "card",
    "cardNumber",
    "credit_card",
    "creditcard",
    "cvv",
    "email",
    "userEmail",
    "e.mail.password",
    "phone_number",
    "iban",
    "SENTRY_DSN",
    "private-key",
]
HARMLESS_KEYS = [
    "monkey",
    "key",
    "author",
    "authorized_by",
    "cardinal",
    "discard",
    "cardboard",
    "tokenizer_name",
    "microphone",
    "session",
    "caliban",
    "request_id",
    "path",
]


@pytest.mark.parametrize("key", SENSITIVE_KEYS)
def test_the_value_of_a_sensitive_key_is_gone(key: str) -> None:
    assert redact({key: PLANTED}) == {key: REDACTED}


@pytest.mark.parametrize("key", HARMLESS_KEYS)
def test_the_value_of_a_harmless_key_stays(key: str) -> None:
    assert redact({key: "seen"}) == {key: "seen"}


leaves = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.just(PLANTED.encode())
nested = st.recursive(
    st.just(PLANTED) | leaves,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


def buried(secret: Any, wrappers: list[Callable[[Any], Any]]) -> Any:
    for wrap in wrappers:
        secret = wrap(secret)
    return secret


@given(
    key=st.sampled_from(SENSITIVE_KEYS),
    value=nested,
    wrappers=st.lists(
        st.sampled_from(
            [
                lambda inner: [1, inner],
                lambda inner: (inner,),
                lambda inner: {"outer": inner},
                lambda inner: {3: inner, "other": "x"},
            ]
        ),
        max_size=60,
    ),
)
def test_no_secret_under_a_sensitive_key_survives_at_any_depth(
    key: str, value: Any, wrappers: list[Callable[[Any], Any]]
) -> None:
    event = buried({key: [PLANTED, value]}, wrappers)

    assert PLANTED.encode() not in to_json(None, "info", {"event": redact(event)})


@given(key=st.sampled_from(SENSITIVE_KEYS), as_bytes=st.booleans(), in_list=st.booleans())
def test_no_secret_survives_as_a_header(key: str, *, as_bytes: bool, in_list: bool) -> None:
    pair: Any = (key.encode(), PLANTED.encode()) if as_bytes else (key, PLANTED)

    assert PLANTED not in str(redact({"headers": [list(pair) if in_list else pair]}))


@pytest.mark.parametrize(
    "text",
    [
        f"password={PLANTED}",
        f"password = '{PLANTED} with spaces'",
        f'password="unfinished {PLANTED}',
        f'{{"token": "{PLANTED}", "x": 1}}',
        f"SECRET_KEY={PLANTED}",
        f"client_secret: {PLANTED}",
        f"api-key: {PLANTED}",
        f"Authorization: Bearer {PLANTED}",
        f"authorization: Digest user, response={PLANTED}",
        f"Cookie: a=1; session={PLANTED}",
        f"{{'cookie': 'a=1; session={PLANTED}'}}",
        f"(b'authorization', b'Bearer {PLANTED}')",
        f"sent bearer {PLANTED}-and-more",
        f"postgresql://app:{PLANTED}@db/app",
        f"redis://:{PLANTED}@cache:6379/0",
        f"https://user:p@{PLANTED}@host/",
        f"?access_token={PLANTED}&page=2",
        f"eyJhbGciOiJIUzI1NiJ9.{PLANTED}.x",
        f"{PLANTED}@example.com could not log in",
    ],
)
def test_no_secret_that_a_text_spells_out_survives(text: str) -> None:
    assert PLANTED not in redact_text(f"before {text}")


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer: bert, author: Jane, monkey=1",
        "the password is wrong",
        "authorization failed",
        "GET https://api.example.com:8080/v1/things?page=2 took 3 ms",
        "postgresql://app@db/app",
        "bearer of bad news",
        "at 12:30 = noon",
        "",
    ],
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "around", ["{}", "x{}y", "/v1/{}/x", "?k={}&b=1", '"{}"', "bearer {}", "Basic {}", "{}@host", "a\n{}\n"]
)
def test_an_api_key_survives_nowhere_in_a_line(around: str) -> None:
    key = new_key()

    assert key.secret not in redact_text(around.format(key.text))
    assert key.secret[:30] not in redact_text(around.format(key.text[:-13])), "cut off, too"


def test_the_prefix_of_a_key_may_be_shown() -> None:
    subject = f"key:{new_key().prefix}"

    assert redact_text(f"{subject} passed") == f"{subject} passed"
    assert redact({"user": subject, "key_prefix": "k3Jw9Zq7Lx2b"}) == {"user": subject, "key_prefix": "k3Jw9Zq7Lx2b"}


def test_what_surrounds_a_secret_stays_readable() -> None:
    assert redact_text("GET /x?token=abc&page=2") == f"GET /x?token={REDACTED}&page=2"
    assert redact_text("postgresql://app:abc@db/app") == f"postgresql://app:{REDACTED}@db/app"


class Login:
    def __str__(self) -> str:
        return f"Login(user='jane', password='{PLANTED}')"


@pytest.mark.parametrize(
    "value",
    [Login(), ValueError(f"password={PLANTED}"), f"token={PLANTED}".encode(), {f"token={PLANTED}"}, [Login()]],
)
def test_objects_are_redacted_in_the_form_in_which_they_are_written(value: Any) -> None:
    assert PLANTED not in str(redact(value))


def test_plain_values_keep_their_type() -> None:
    values = [None, True, 3, 2.5, datetime(2026, 1, 1, tzinfo=UTC)]

    assert redact(values) == values


def test_a_circle_ends() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle

    assert REDACTED in str(redact(circle))


@pytest.mark.parametrize("value", [2**70, "\ud800", {"deep": [2**64, "\udfff"]}])
def test_nothing_that_is_logged_makes_the_log_fail(value: Any) -> None:
    line = to_json(None, "info", {"event": "x", "value": redact(value)})

    assert b'"event"' in line


@pytest.mark.parametrize(
    "text",
    [
        "a" * 60_000 + " @",
        "apikey_" * 9_000 + "=",
        "password" * 8_000 + "=",
        "token_" * 9_000 + "=",
        "://" * 20_000 + "@",
        "'," * 30_000,
    ],
    ids=lambda text: text[:6],
)
def test_a_hostile_text_costs_little(text: str) -> None:
    began = time.process_time()

    redact_text(text)

    # About 30 ms at most; an expression that tries every pair of places takes minutes.
    assert time.process_time() - began < 2


def test_names_are_remembered_but_not_without_bound() -> None:
    assert is_sensitive.cache_info().maxsize


def test_what_is_redacted_is_json() -> None:
    assert orjson.loads(to_json(None, "info", {"event": redact({("a", 1): b"x", None: {1}})})) == {
        "event": {"('a', 1)": "x", "None": [1]}
    }


@pytest.mark.parametrize("release", ["shop@0.1.0", "shop@1.2.0.dev1", "my-shop@2.0.0-rc.1", "shop@1.0.post1"])
def test_a_release_is_no_email_address(release: str) -> None:
    assert redact({"release": release}) == {"release": release}


def test_whether_something_secret_is_there_is_no_secret() -> None:
    facts = {"email_sent": True, "has_password": False, "token": None}

    assert redact(facts) == facts


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["eyJ-", "a.", "a@", "token=", "x:y@", "bearer ", "'cookie',"])
def test_a_long_text_made_to_be_slow_is_not(unit: str) -> None:
    """A pattern that looks back over what it has seen takes minutes for this, a good one milliseconds."""
    assert redact_text(unit * 100_000)
