"""Routes that can store their answers."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from starlette.requests import ClientDisconnect

from app.web.idempotency.dependencies import CLAIM
from app.web.idempotency.keys import HEADER
from app.web.kept_answers import AlreadyAnswered
from app.web.quick_route import QuickRoute


class IdempotentRoute(QuickRoute):
    """For `APIRouter(route_class=IdempotentRoute)`. Routes that take no key are not changed by it.

    FastAPI commits the request's session after this handler has given it the response, and sends that afterwards. So
    what is stored here is stored with the effect.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # Any: FastAPI's signature
        """FastAPI's handler, whose answer is stored if the request has claimed a key."""
        answer = super().get_route_handler()

        async def answer_once(request: Request) -> Response:
            if HEADER in request.headers:
                await keep_body(request)
            try:
                response = await answer(request)
            except AlreadyAnswered as done:
                return done.response
            if claim := request.scope.get(CLAIM):
                await claim.store(response)
            return response

        return answer_once


async def keep_body(request: Request) -> None:
    """Whole, before a form is read from it: nobody could look at its bytes any more."""
    try:
        await request.body()
    except ClientDisconnect:
        raise HTTPException(400, "The body did not arrive.") from None
