"""When a partner wants to be asked again."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# Whoever asks for more has made a mistake, or wants us never to come back.
MOST_SECONDS = 3600.0


def seconds_to_wait(headers: Mapping[str, str]) -> float:
    """What `Retry-After` says in either of its forms (RFC 9110, section 10.2.3); 0 without one that can be read."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return min(float(value), MOST_SECONDS)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), MOST_SECONDS)
