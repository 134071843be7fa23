"""What one attempt at a call to a partner may end with, besides its result."""

from app.core.errors import Unavailable


class AttemptFailed(Unavailable):
    """The partner did not do what it is there for: no connection, half an answer, garbage, a 5xx.

    Raised by the operation that a guard runs; `AttemptTimedOut` by the guard itself. What is an answer is returned,
    a 404 too; any other exception is taken for a mistake of ours: it passes as it is, is not
    tried again and is not held against the partner.

    - `is_held_against` the partner, so that its circuit may open for it. A 429 need not be.
    - `may_have_happened`: the partner may have done it all the same, so that only what is repeatable is tried again.
      False for a refused connection.
    - `is_worth_repeating`: False if it would only fail again, as with a certificate that is not valid.
    - `wait_seconds` that the partner asks for (`Retry-After`).
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: int = 1,
        is_held_against: bool = True,
        may_have_happened: bool = True,
        is_worth_repeating: bool = True,
        wait_seconds: float = 0.0,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.is_held_against = is_held_against
        self.may_have_happened = may_have_happened
        self.is_worth_repeating = is_worth_repeating
        self.wait_seconds = wait_seconds


class AttemptTimedOut(AttemptFailed):
    """The partner did not answer in the time that there was."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} did not answer in time. Try again shortly.")
