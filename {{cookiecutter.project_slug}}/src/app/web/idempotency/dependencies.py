"""The key as a type in a route's signature. It stands behind the caller, whose key it is."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Header, Request

from app.web.authentication import caller_of
from app.web.dependencies import CurrentResources, Session
from app.web.idempotency.claims import Claim
from app.web.idempotency.errors import IdempotencyKeyMissing
from app.web.idempotency.keys import HEADER, CallersKey, fingerprint_of, parse_key
from app.web.idempotency.repository import StoredAnswerRepository

# In the request's scope: where the route finds what its dependency has claimed.
CLAIM = "app.idempotency.claim"

DESCRIPTION = (
    "Makes it safe to send this request again: it is done once, and answered the same, with `Idempotency-Replayed: "
    "true`. A new UUID for each thing that you want done."
)
EXAMPLE = "0192f5a4-7c1e-7d3a-9b56-2f8e4c0d1a37"

KeyInHeader = Annotated[str | None, Header(alias=HEADER, description=DESCRIPTION, examples=[EXAMPLE])]
RequiredKeyInHeader = Annotated[str | None, Header(alias=HEADER, description=f"{DESCRIPTION} Required.")]


async def accept_key(
    request: Request, session: Session, resources: CurrentResources, field: KeyInHeader = None
) -> str | None:
    """The caller's key, which nobody else uses until the end of the request's transaction; `None` without one.

    Raises what `Claim.make` does, and `IdempotencyKeyMalformed`.
    """
    if field is None:
        return None
    # FastAPI hands over one of several; two must not pass for one.
    key = parse_key(", ".join(request.headers.getlist(HEADER)))
    caller = caller_of(request)
    claim = Claim(
        StoredAnswerRepository(session),
        CallersKey(caller.tenant, caller.subject, key),
        fingerprint=await fingerprint(request),
        keep=timedelta(hours=resources.keep_answers_hours),
    )
    await claim.make()
    request.scope[CLAIM] = claim
    return key


async def require_key(
    _field: RequiredKeyInHeader = None, key: Annotated[str | None, Depends(accept_key)] = None
) -> str:
    """The same. Raises `IdempotencyKeyMissing` without one."""
    if key is None:
        raise IdempotencyKeyMissing
    return key


async def fingerprint(request: Request) -> bytes:
    """Of the request as it came."""
    scope = request.scope
    return fingerprint_of(
        method=scope["method"], path=scope["path"], query=scope["query_string"], body=await request.body()
    )


IdempotencyKey = Annotated[str | None, Depends(accept_key)]
RequiredIdempotencyKey = Annotated[str, Depends(require_key)]
