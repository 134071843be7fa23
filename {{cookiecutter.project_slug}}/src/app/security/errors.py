"""Why a caller is turned away, in words that tell an attacker nothing; and what an operator has mistaken.

Unauthenticated
├── ApiKeyMissing       nothing was sent that could be a key
└── ApiKeyRefused       malformed, unknown, wrong, revoked or expired: the caller is not told which
Forbidden
└── InsufficientScope   a good key that was not made for this
TooManyRequests
└── TooManyKeysRefused  from this address; not even a good one is looked up
NotFound
└── ApiKeyNotFound      no key has this prefix
"""

from app.core.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated


class ApiKeyMissing(Unauthenticated):
    """The request carries no API key."""

    def __init__(self) -> None:
        super().__init__("This needs an API key: send it as `Authorization: Bearer <key>`.")


class ApiKeyRefused(Unauthenticated):
    """The API key is not valid."""

    def __init__(self) -> None:
        super().__init__("The API key is not valid.", is_refused=True)


class InsufficientScope(Forbidden):
    """The API key has not the scope that this needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"The API key lacks the scope `{scope}`.", scope=scope)


class TooManyKeysRefused(TooManyRequests):
    """Keys that are not valid came from this address again and again."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("Too many API keys from this address were not valid.", retry_after=retry_after)


class ApiKeyNotFound(NotFound):
    """No API key has this prefix."""

    def __init__(self) -> None:
        super().__init__("There is no API key with this prefix: `app keys list` shows them.")
