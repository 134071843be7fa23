"""The one tree of errors that our own code raises.

    ServiceError
    ├── NotFound               nothing is there, or nothing that the caller may see
    ├── Conflict               the present state does not allow it
    ├── InvalidRequest         well-formed, but against a rule
    ├── Unauthenticated        nobody knows who calls
    ├── Forbidden              the caller is known, and may not do this
    ├── PreconditionFailed     what the caller saw has changed since
    ├── PreconditionRequired   the caller must say what it saw
    └── Unavailable            something we need is down, slow or busy: worth trying again

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


class Unavailable(ServiceError):
    """Not now. `retry_after` says in how many seconds it is worth trying again."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
