"""The one tree of errors that our own code raises.

    ServiceError
    ├── NotFound               nothing is there, or nothing that the caller may see
    ├── Conflict               the present state does not allow it
    ├── InvalidRequest         well-formed, but against a rule
    ├── Unauthenticated        nobody knows who calls
    ├── Forbidden              the caller is known, and may not do this
    ├── PreconditionFailed     what the caller saw has changed since
    ├── PreconditionRequired   the caller must say what it saw
    ├── TooManyRequests        the caller has to wait
    ├── Unavailable            something we need is down, slow or busy: worth trying again
    └── DeadlineExceeded       the time for answering is over

The edge (`web/problems.py`) chooses status and headers; the message is written for the caller.
"""


class ServiceError(Exception):
    """Something that the caller is told about. The message must be safe to show."""


class NotFound(ServiceError):
    """What was asked for does not exist for this caller."""


class Conflict(ServiceError):
    """The request is fine, the present state is not. `retry_after` says in how many seconds it may be, if ever."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidRequest(ServiceError):
    """The request breaks a rule that its schema cannot express."""


class Unauthenticated(ServiceError):
    """The caller did not prove who it is. `is_refused` says that it tried, and that its proof is not good."""

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


class Forbidden(ServiceError):
    """The caller may not do this. `scope` is the one that it lacks, if a scope would help."""

    def __init__(self, message: str, *, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class PreconditionFailed(ServiceError):
    """What the request was made for is not there any more in that form."""


class PreconditionRequired(ServiceError):
    """The request must name the form of the thing that it was made for."""


class TooManyRequests(ServiceError):
    """There were too many. `retry_after` says in how many seconds there may be another."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ServiceError):
    """Not now. `retry_after` says in how many seconds it is worth trying again."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceeded(ServiceError):
    """The request was not answered in its time. Nobody knows how far it came."""

    def __init__(self) -> None:
        super().__init__("The request took longer than it may. What was not committed by then was undone.")
