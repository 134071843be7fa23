"""The right to do what a request with a key asks for: had once, and used up by storing the answer."""

from datetime import timedelta

from starlette.responses import Response

from app.web.idempotency.errors import IdempotencyKeyReused, RequestInProgress
from app.web.idempotency.keys import CallersKey
from app.web.idempotency.repository import StoredAnswerRepository
from app.web.kept_answers import AlreadyAnswered, answer_again, body_of, headers_of

# Each is kept for IDEMPOTENCY_KEEP_HOURS, and none that people read is longer.
LARGEST_BODY_BYTES = 64 * 1024

REPLAYED = ("idempotency-replayed", "true")


class AnswerCannotBeStored(Exception):
    """A mistake of the route. Nothing that it has done remains, or its caller could have it done twice."""


class Claim:
    """Nobody else has this key until the transaction ends."""

    def __init__(
        self, answers: StoredAnswerRepository, key: CallersKey, *, fingerprint: bytes, keep: timedelta
    ) -> None:
        self.answers = answers
        self.key = key
        self.fingerprint = fingerprint
        self.keep = keep

    async def make(self) -> None:
        """Raises `RequestInProgress`, `IdempotencyKeyReused`, and `AlreadyAnswered` with what was answered."""
        if not await self.answers.lock(self.key):
            raise RequestInProgress
        stored = await self.answers.find(self.key)
        if stored is None:
            return
        if stored.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused
        again = answer_again(stored.status, stored.headers, stored.body, note=REPLAYED)
        raise AlreadyAnswered(again)

    async def store(self, response: Response) -> None:
        """Raises `AnswerCannotBeStored`, and `RequestInProgress` if somebody was faster all the same."""
        is_stored = await self.answers.add(
            self.key,
            keep=self.keep,
            fingerprint=self.fingerprint,
            status=response.status_code,
            headers=headers_of(response),
            body=body_to_store(response),
        )
        if not is_stored:  # only if the transaction saw an older state than the lock, which its isolation rules out
            raise RequestInProgress


def body_to_store(response: Response) -> bytes:
    body = body_of(response)
    if body is None or len(body) > LARGEST_BODY_BYTES:
        raise AnswerCannotBeStored(
            f"A route that takes an Idempotency-Key answers with at most {LARGEST_BODY_BYTES} bytes, and never with a "
            "stream or a file: answer with the address of what was made, or take no key."
        )
    return body
