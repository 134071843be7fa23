"""Settings for tests, untouched by the environment of whoever runs them."""

import os
from typing import Any

from app.settings import Settings
from app.settings.sections import known_names

SECRET_KEY = "only-for-tests-0123456789-abcdefghij"

# Tests of limits give their own.
NEVER_REACHED = "1000000/minute"

# The same, for processes of their own.
UNLIMITED = dict.fromkeys(("RATE_LIMIT_DEFAULT", "RATE_LIMIT_ADDRESS"), NEVER_REACHED)


def forget_environment() -> dict[str, str]:
    """Take our variables out of the environment; returns what was there."""
    given = {name: os.environ.pop(name) for name in known_names() if name in os.environ}
    os.environ["ENVIRONMENT"] = "test"
    return given


def settings_for(
    *, database_url: str, redis_url: str | None = None, kind: type[Settings] = Settings, **overrides: Any
) -> Settings:
    """What production would read from its environment. Ports of 0: the system chooses."""
    values: dict[str, Any] = {
        "environment": "test",
        "secret_key": SECRET_KEY,
        "port": 0,
        "management": {"port": 0},
        "database": {"url": database_url, "pool_size": 4},
        "redis": {"url": redis_url},
        "rate": dict.fromkeys(("limit_default", "limit_address", "limit_refused"), NEVER_REACHED),
    }
    for name, value in overrides.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    return kind(**values)
