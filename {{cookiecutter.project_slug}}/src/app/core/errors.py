"""The one tree of errors that our own code raises.

    ServiceError
    ├── NotFound         nothing is there, or nothing that the caller may see
    ├── Conflict         the present state does not allow it
    ├── InvalidRequest   well-formed, but against a rule
    └── Unavailable      something we need is down, slow or busy: worth trying again

The edge (`web/problems.py`) chooses status and headers; the message is written for the caller.
"""


class ServiceError(Exception):
    """Something that the caller is told about. The message must be safe to show."""


class NotFound(ServiceError):
    """What was asked for does not exist for this caller."""


class Conflict(ServiceError):
    """The request is fine, the present state is not."""


class InvalidRequest(ServiceError):
    """The request breaks a rule that its schema cannot express."""


class Unavailable(ServiceError):
    """Not now. `retry_after` says in how many seconds it is worth trying again."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
