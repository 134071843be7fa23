"""Keeps secrets and personal data out of logs and error reports."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

# These spell nothing out. A tuple, because `int | float` is built anew at each question.
PLAIN = (int, float, date, time)

# Whatever is nested deeper, or in a circle, is not worth a log that fails.
DEEPEST = 32

# Searched in a key written as lower-case words, so `userEmail` and `X-Api-Key` are caught. Long words may stand
# anywhere, short ones only by themselves: `discard` and `microphone` are harmless, and `tokenizer` is no token.
SENSITIVE = re.compile(
    r"password|passwd|passphrase|secret|authorization|cookie|credential|api_?key|private_?key|email|tokens?(_|$)"
    r"|(^|_)((credit|debit)?card(number|holder)?s?|cvv|cvc|iban|ssn|dsn|pwd|jwt|otp|phone(number)?s?)(_|$)"
)
CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SEPARATORS = re.compile(r"[^a-z0-9]+")
# The cache is bounded: callers choose the names of what they send us.
NAMES_CACHED = 2048
TEXTS_CACHED = 2048
SHORT_TEXT = 64

WORDS = r"(?:password|passwd|passphrase|secret|token|credential|api[-_]?key|private[-_]?key)s?(?:[-_][\w-]{0,30})?"
# `password=…`, `"token": "…"`, `SECRET_KEY: …`; what is quoted may hold spaces.
ASSIGNMENT = re.compile(rf"(?i)({WORDS}[\"']?\s*[=:]\s*)(?:b?\"[^\"]*\"?|b?'[^']*'?|[^\s\"',;&]+)")
# `Authorization: Digest a, b` and `Cookie: a=1; b=2` go on to the end of the line, or of the quotes.
HEADER = re.compile(r"(?i)((?:authorization|cookie)[\"']?\s*[=:]\s*)(?:b?\"[^\"]*\"?|b?'[^']*'?|[^\r\n\"']+)")
# A header as ASGI passes it: `(b'authorization', b'Bearer …')`.
PAIR = re.compile(rf"(?i)((?:authorization|cookie|{WORDS})[\"'],\s*b?)(?:\"[^\"]*\"?|'[^']*'?)")
BARE_TOKEN = re.compile(r"(?i:\bbearer\s+)[\w.~+/=-]{16,}|(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
# Our own API keys (`security/keys.py`), wherever they stand; cut off in the middle they are secrets still.
API_KEY = re.compile(r"apikey_[A-Za-z0-9]{12}_[A-Za-z0-9]+")
# What pydantic says of a value that it refuses: the value may be anybody's.
REFUSED_VALUE = re.compile(r"(\binput_value=).*?(?=, input_type=|$)", re.DOTALL)
URL_PASSWORD = re.compile(r"(\w://[^\s:/@]*:)[^\s/]+(?=@)")
# Most texts have none of these, and then a single search is enough.
SUSPICIOUS = re.compile(r"[=:@'\"]|eyJ|[Bb]earer |BEARER |apikey_")
# The look-behind keeps it linear: without it a long word is tried from each of its letters. A release such as
# `shop@1.2.0.dev1` does not end like a domain.
EMAIL_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}\b")


def redact(value: Any, *, key: str = "", depth: int = 0) -> Any:  # noqa: PLR0911 - one for each kind of value
    """The same value in plain types, with everything sensitive replaced, at any depth."""
    if value is None or value is True or value is False:
        return value  # `email_sent=True` gives nothing away
    if depth > DEEPEST or (key and is_sensitive(key)):
        return REDACTED
    if isinstance(value, str):  # nearly all of a log: asked first, it spares each line half of its cost
        return redact_text(value)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {redact_text(str(name)): redact(item, key=str(name), depth=depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        name = name_of_pair(value)
        return [redact(item, key=name if place == 1 else "", depth=depth + 1) for place, item in enumerate(value)]
    return redact_text(as_text(value))


def redact_field(key: str, value: Any) -> Any:  # Any: whatever people log
    """One field of a line, by its name and its value."""
    is_short = value.__class__ is str and len(value) <= SHORT_TEXT
    return redact_short_field(key, value) if is_short else redact(value, key=key)


@lru_cache(TEXTS_CACHED)
def redact_short_field(key: str, text: str) -> str:
    """Events, methods, routes, callers: most of what a line says was said a moment ago."""
    return REDACTED if is_sensitive(key) else redact_text(text)


def name_of_pair(items: Any) -> str:  # Any: a list, a tuple or a set
    """The name, if these may be a name and its value, as headers often are."""
    is_pair = isinstance(items, Sequence) and len(items) == 2  # noqa: PLR2004 - a pair is two
    return as_text(items[0]) if is_pair and isinstance(items[0], str | bytes) else ""


def as_text(value: Any) -> str:  # Any: whatever people log
    """Text of anything; of bytes without the b'' around it."""
    return value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)


@lru_cache(NAMES_CACHED)
def is_sensitive(key: str) -> bool:
    """Whether a field of this name must never be shown."""
    words = SEPARATORS.sub("_", CAMEL_HUMP.sub("_", key).lower())
    return SENSITIVE.search(words) is not None


def redact_text(text: str) -> str:
    """Running text without the secrets it spells out."""
    if text.replace("-", "").isalnum():
        return text  # an id, a word: every secret that is looked for has a sign in it, or is named by one
    if not SUSPICIOUS.search(text):
        return text
    for pattern in (REFUSED_VALUE, URL_PASSWORD, HEADER, ASSIGNMENT, PAIR):
        text = pattern.sub(rf"\1{REDACTED}", text)
    for pattern in (API_KEY, BARE_TOKEN, EMAIL_ADDRESS):
        text = pattern.sub(REDACTED, text)
    return text
