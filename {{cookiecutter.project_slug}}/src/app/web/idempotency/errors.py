"""What can be wrong with a request that carries a key, or should.

ServiceError
├── IdempotencyKeyMalformed   not what a key looks like
└── IdempotencyKeyMissing     this route does nothing without one
Conflict
└── RequestInProgress         the same key, at this moment
InvalidRequest
└── IdempotencyKeyReused      the same key, another request
"""

from app.core.errors import Conflict, InvalidRequest, ServiceError


class IdempotencyKeyMalformed(ServiceError):
    """The key cannot be read."""

    def __init__(self) -> None:
        super().__init__(
            "Send one Idempotency-Key of 1 to 255 visible ASCII characters, with or without quotes, such as a UUID."
        )


class IdempotencyKeyMissing(ServiceError):
    """Sent again without a key, the request could be done twice."""

    def __init__(self) -> None:
        super().__init__(
            "Send an Idempotency-Key: a new UUID for each thing that you want done, the same when you repeat it."
        )


class RequestInProgress(Conflict):
    """A request with this key is being worked on."""

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is being worked on: send it again to get its answer.", retry_after=1
        )


class IdempotencyKeyReused(InvalidRequest):
    """This key was sent with another request."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was sent with another request: use a new one for each request.")
