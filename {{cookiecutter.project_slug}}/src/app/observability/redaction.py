"""Keeps secrets and personal data out of logs and error reports."""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

# Matched inside the lower-cased key without separators, so `X-Api-Key` and `user_email` are caught too.
SENSITIVE = re.compile(
    r"password|passwd|secret|token|authorization|cookie|credential|apikey|privatekey|card|cvv|iban|email|phone|ssn|dsn"
)
SEPARATORS = re.compile(r"[-_. ]")

# In running text: `password=…`, `"token": "…"`, `Authorization: Bearer …`.
ASSIGNMENT = re.compile(
    r"(?i)((?:password|passwd|secret|token|authorization|cookie|api[-_]?key)[\"']?\s*[=:]\s*[\"']?)"
    r"(?:bearer |basic )?[^\s\"',;&]+"
)
URL_PASSWORD = re.compile(r"(\w://[^\s:/@]*:)[^\s/]+(?=@)")
EMAIL_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


def redact(value: Any, *, key: str = "") -> Any:  # Any: whatever people log
    """The same value with everything sensitive replaced, at any depth."""
    if key and is_sensitive(key):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {name: redact(item, key=str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def is_sensitive(key: str) -> bool:
    """Whether a field of this name must never be shown."""
    return SENSITIVE.search(SEPARATORS.sub("", key.lower())) is not None


def redact_text(text: str) -> str:
    """Running text without the secrets it spells out."""
    if "=" in text or ":" in text:
        text = ASSIGNMENT.sub(rf"\1{REDACTED}", text)
        text = URL_PASSWORD.sub(rf"\1{REDACTED}", text)
    return EMAIL_ADDRESS.sub(REDACTED, text) if "@" in text else text
