"""A tiny feature that must not happen twice: payments."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import text
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.core.errors import Conflict
from app.persistence.errors import TransactionRolledBack
from app.security.principal import Principal
from app.web.authentication import requires
from app.web.dependencies import Session
from app.web.idempotency.dependencies import IdempotencyKey, RequiredIdempotencyKey
from app.web.idempotency.route import IdempotentRoute
from tests.support.databases import connection_to, execute, fetch
from tests.support.waiting import eventually

router = APIRouter(prefix="/v1/payments", tags=["payments"], route_class=IdempotentRoute)

MakePayments = Annotated[Principal, requires("payments:make")]

# Whoever holds this advisory lock keeps the till shut.
TILL = 424_242

log = structlog.get_logger()


class Payment(BaseModel):
    """How much is paid."""

    cents: Annotated[int, Field(gt=0, examples=[900])]


class Receipt(Payment):
    """That it was paid, and as which payment."""

    number: int


@contextmanager
def payments_table(url: str) -> Iterator[None]:
    execute(url, "CREATE TABLE payments (number serial PRIMARY KEY, cents int NOT NULL)")
    try:
        yield
    finally:
        execute(url, "DROP TABLE payments")


async def paid(url: str) -> list[int]:
    """What was paid, in the order of the payments."""
    return await fetch(url, "SELECT cents FROM payments ORDER BY number")


@asynccontextmanager
async def shut_till(url: str) -> AsyncIterator[None]:
    """Payments at the till do not end before the block does."""
    async with connection_to(url) as connection:
        await connection.execute(f"SELECT pg_advisory_lock({TILL})")
        yield
        await connection.execute(f"SELECT pg_advisory_unlock({TILL})")


async def wait_at_the_till(url: str, *, payers: int = 1) -> None:
    """Until so many payments have been entered and wait for the till to open."""

    async def are_there() -> bool:
        waiting = f"SELECT count(*) FROM pg_locks WHERE objid = {TILL} AND NOT granted"  # noqa: S608 - a number
        return await fetch(url, waiting) == [payers]

    await eventually(are_there)


async def enter(session: Session, cents: int) -> Receipt:
    number = await session.scalar(
        text("INSERT INTO payments (cents) VALUES (:cents) RETURNING number"), {"cents": cents}
    )
    return Receipt(number=int(number or 0), cents=cents)


@router.post("", summary="Pay", status_code=201)
async def pay(
    caller: MakePayments, _key: IdempotencyKey, payment: Payment, session: Session, response: Response
) -> Receipt:
    """Sets every header that an answer may need."""
    receipt = await enter(session, payment.cents)
    response.headers["Location"] = f"/v1/payments/{receipt.number}"
    response.headers["ETag"] = '"1"'
    response.headers.append("Link", '</v1/payments>; rel="collection"')
    response.headers.append("Link", '</docs>; rel="help"')
    response.set_cookie("session", "secret")
    return receipt


@router.put("", summary="Pay otherwise", status_code=201)
async def pay_otherwise(caller: MakePayments, _key: IdempotencyKey, payment: Payment, session: Session) -> Receipt:
    """By another method."""
    return await enter(session, payment.cents)


@router.post("/required", summary="Pay with a key", status_code=201)
async def pay_with_key(
    caller: MakePayments, _key: RequiredIdempotencyKey, payment: Payment, session: Session
) -> Receipt:
    """Or not at all."""
    return await enter(session, payment.cents)


@router.post("/till", summary="Pay at the till", status_code=201)
async def pay_at_the_till(caller: MakePayments, _key: IdempotencyKey, payment: Payment, session: Session) -> Receipt:
    """Ends when the till is open."""
    receipt = await enter(session, payment.cents)
    log.info("paid")
    await session.execute(text(f"SELECT pg_advisory_xact_lock_shared({TILL})"))
    return receipt


@router.post("/refused", summary="Pay too much", status_code=201)
async def pay_too_much(
    caller: MakePayments, _key: IdempotencyKey, payment: Payment, session: Session, request: Request
) -> Receipt:
    """Refused while the till is empty, after something was written."""
    receipt = await enter(session, payment.cents)
    if request.app.state.till_is_empty:
        raise Conflict("There is no change.")
    return receipt


@router.post("/declined", summary="Pay with a bad card")
async def pay_with_a_bad_card(
    caller: MakePayments, _key: IdempotencyKey, payment: Payment, session: Session
) -> Response:
    """A failure that is an outcome: what was written stays."""
    await enter(session, payment.cents)
    return JSONResponse({"declined": True}, status_code=402)


async def read_fields(request: Request) -> dict[str, list[str]]:
    """As FastAPI reads forms: from the stream."""
    return parse_qs(b"".join([piece async for piece in request.stream()]).decode())


@router.post("/form", summary="Pay by form", status_code=201)
async def pay_by_form(
    caller: MakePayments,
    fields: Annotated[dict[str, list[str]], Depends(read_fields)],
    _key: IdempotencyKey,
    session: Session,
) -> Receipt:
    """Its body is read before the key."""
    return await enter(session, int(fields["cents"][0]))


@router.post("/receipts/{size}", summary="Pay and get a long receipt")
async def pay_for_a_receipt(caller: MakePayments, _key: IdempotencyKey, size: int, session: Session) -> Response:
    """Of so many bytes."""
    await enter(session, size)
    return Response(b"x" * size, media_type="text/plain")


@router.post("/streamed", summary="Pay and get a stream")
async def pay_for_a_stream(caller: MakePayments, _key: IdempotencyKey, session: Session) -> StreamingResponse:
    """Of which nothing is left to be stored."""
    await enter(session, 1)
    return StreamingResponse(iter([b"paid"]))


@router.post("/unlucky", summary="Pay at the second try", status_code=201)
async def pay_at_the_second_try(
    caller: MakePayments, _key: IdempotencyKey, payment: Payment, session: Session, request: Request
) -> Receipt:
    """The database gives the first up."""
    receipt = await enter(session, payment.cents)
    request.app.state.tries += 1
    if request.app.state.tries == 1:
        raise TransactionRolledBack
    return receipt


class StuckAnswer(JSONResponse):
    """Never sent: what it tells has happened all the same."""

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        log.info("committed")
        await asyncio.Event().wait()


@router.post("/stuck", summary="Pay and never hear of it")
async def pay_and_never_hear(
    caller: MakePayments, _key: IdempotencyKey, payment: Payment, session: Session
) -> Response:
    """Gets stuck between the commit and the answer."""
    receipt = await enter(session, payment.cents)
    return StuckAnswer(receipt.model_dump(), status_code=201)
