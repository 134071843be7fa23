"""Routes that can share their answers."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from app.web.idempotency.route import IdempotentRoute
from app.web.shared_answers.dependencies import TURN, VARIES
from app.web.shared_answers.turn import Turn


class SharingRoute(IdempotentRoute):
    """For `APIRouter(route_class=SharingRoute)`: routes that share answers, and others that take an Idempotency-Key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # Any: FastAPI's signature
        """FastAPI's handler, whose answer goes to all who wait for it."""
        answer = super().get_route_handler()

        async def answer_for_all(request: Request) -> Response:
            response = await answer_in_turn(request, answer)
            if varies := request.scope.get(VARIES):
                response.headers.add_vary_header(varies)
            return response

        return answer_for_all


async def answer_in_turn(request: Request, answer: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
    """The answer to this request, given to others as well if it has its turn."""
    try:
        response = await answer(request)
    except Exception as error:
        turn = turn_of(request)
        if turn is None:
            raise
        return await turn.fail(error)
    else:
        if turn := turn_of(request):
            await turn.answer(response)
        return response
    finally:
        if turn := request.scope.pop(TURN, None):
            turn.give_up()


def turn_of(request: Request) -> Turn | None:
    turn: Turn | None = request.scope.get(TURN)
    return turn
