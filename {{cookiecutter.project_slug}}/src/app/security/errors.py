"""Why a caller is turned away, in words that tell an attacker nothing; and what an operator has mistaken.

Unauthenticated
├── ApiKeyMissing       nothing was sent that could be a key
└── ApiKeyRefused       malformed, unknown, wrong, revoked or expired: the caller is not told which
Forbidden
└── InsufficientScope   a good key that was not made for this
NotFound
└── ApiKeyNotFound      no key has this prefix
"""

from app.core.errors import Forbidden, NotFound, Unauthenticated


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


class ApiKeyNotFound(NotFound):
    """No API key has this prefix."""

    def __init__(self) -> None:
        super().__init__("There is no API key with this prefix: `app keys list` shows them.")
