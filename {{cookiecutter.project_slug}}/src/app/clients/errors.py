"""What a partner did to us, or did not do for us.

AttemptFailed (an Unavailable: unhandled it becomes a 503)
└── PartnerUnavailable           one `except`, or one `or_else`, answers all of these
    ├── PartnerNotConfigured     nobody said where it is
    ├── PartnerNotAsked          its circuit is open, or too many calls are under way
    ├── PartnerUnreachable       no connection: no such name, refused, its certificate is not valid
    ├── PartnerSlow              no answer within the time that there was
    ├── PartnerBroke             the connection ended in the middle, or what came is no HTTP
    ├── PartnerAnswerTooLarge    larger than anybody here would want
    ├── PartnerAnswerUnreadable  not what was agreed upon
    ├── PartnerFailed            it says itself that it failed: 5xx
    └── PartnerBusy              it says that we ask too much: 429

They name the partner and never what it was asked: URLs and headers may hold secrets. `cause` is for the log.
"""

from math import ceil
from typing import ClassVar

from app.resilience.attempt import AttemptFailed


class PartnerUnavailable(AttemptFailed):
    """A partner did not do what it is there for. `outcome` is also a metric's label."""

    outcome: ClassVar[str]
    fact: ClassVar[str]

    def __init__(
        self,
        partner: str,
        *,
        cause: str | None = None,
        retry_after: int = 1,
        is_held_against: bool = True,
        may_have_happened: bool = True,
        is_worth_repeating: bool = True,
        wait_seconds: float = 0.0,
    ) -> None:
        super().__init__(
            f"{partner} {self.fact}.{' Try again shortly.' if is_worth_repeating else ''}",
            retry_after=max(retry_after, ceil(wait_seconds)),
            is_held_against=is_held_against,
            may_have_happened=may_have_happened,
            is_worth_repeating=is_worth_repeating,
            wait_seconds=wait_seconds,
        )
        self.partner = partner
        self.cause = cause


class PartnerNotConfigured(PartnerUnavailable):
    """Its address is not set."""

    outcome = "not_configured"
    fact = "is not set up here"

    def __init__(self, partner: str) -> None:
        cause = f"{partner.upper()}_URL is not set"
        super().__init__(partner, cause=cause, is_held_against=False, may_have_happened=False, is_worth_repeating=False)


class PartnerNotAsked(PartnerUnavailable):
    """It is known not to work, or not to keep up."""

    outcome = "not_asked"
    fact = "is not available at the moment"


class PartnerUnreachable(PartnerUnavailable):
    """Nothing was asked, so any request may be sent again."""

    outcome = "unreachable"
    fact = "cannot be reached"

    def __init__(self, partner: str, *, cause: str, is_worth_repeating: bool = True) -> None:
        super().__init__(partner, cause=cause, may_have_happened=False, is_worth_repeating=is_worth_repeating)


class PartnerSlow(PartnerUnavailable):
    """Whether it did what it was asked is unknown."""

    outcome = "slow"
    fact = "did not answer in time"


class PartnerBroke(PartnerUnavailable):
    """The same."""

    outcome = "broke"
    fact = "broke off its answer"


class PartnerAnswerTooLarge(PartnerUnavailable):
    """It would be as large the next time."""

    outcome = "too_large"
    fact = "answered with too much"

    def __init__(self, partner: str) -> None:
        super().__init__(partner, is_worth_repeating=False)


class PartnerAnswerUnreadable(PartnerUnavailable):
    """Well-formed HTTP that holds something else than was agreed upon."""

    outcome = "unreadable"
    fact = "answered with something else than agreed"

    def __init__(self, partner: str, *, status: int) -> None:
        super().__init__(partner, cause=f"status {status}", is_worth_repeating=False)


class PartnerFailed(PartnerUnavailable):
    """5xx."""

    outcome = "failed"
    fact = "failed"


class PartnerBusy(PartnerUnavailable):
    """429: it works, and has done nothing."""

    outcome = "busy"
    fact = "takes no more requests at the moment"

    def __init__(self, partner: str, *, wait_seconds: float) -> None:
        super().__init__(
            partner, cause="status 429", is_held_against=False, may_have_happened=False, wait_seconds=wait_seconds
        )
