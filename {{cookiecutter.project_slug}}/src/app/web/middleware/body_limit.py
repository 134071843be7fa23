"""Refuses bodies that are too large, too slow or compressed, while they arrive and before anything keeps them."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware, RequestBodyLimitResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.middleware.edge import announces_body

TOO_LARGE = 413


class BodyLimit(RequestBodyLimitMiddleware):
    """413 for a body of more than `limit_bytes`, 408 for one that takes longer than `seconds`.

    A route that needs more says so: `@router.post("/uploads", max_body_size=50_000_000)`.
    """

    def __init__(self, app: ASGIApp, *, limit_bytes: int, seconds: float) -> None:
        super().__init__(app, max_body_size=limit_bytes)
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not announces_body(scope):
            await self.app(scope, receive, send)
            return
        body = LimitedBody(self.app, self.max_body_size, seconds=self.seconds)
        await body(scope, receive, send)


class LimitedBody(RequestBodyLimitResponder):
    """One request's. Starlette counts; its refusals become exceptions that FastAPI hands to our handlers."""

    def __init__(self, app: ASGIApp, limit_bytes: int, *, seconds: float) -> None:
        super().__init__(app, limit_bytes)
        self.seconds = seconds
        self.ends_at: float | None = None
        self.is_complete = False
        self.is_refused = False

    async def receive_with_limit(self) -> Message:
        if self.is_complete:
            return await self.receive()  # the end of the connection: a streamed answer waits for it as long as it runs
        if self.ends_at is None:
            self.ends_at = asyncio.get_running_loop().time() + self.seconds
            self.refuse_compressed()
        message = await self.receive_until(self.ends_at)
        self.is_complete = not message.get("more_body", False)
        return message

    def refuse_compressed(self) -> None:
        """Before anything of it is read, or asked for with `100 Continue`."""
        coding = Headers(scope=self.scope).get("content-encoding", "").strip().lower()
        if coding not in {"", "identity"}:
            detail = "Send the body as it is: a compressed one could unfold into any size."
            raise self.refusal(415, detail, {"Accept-Encoding": "identity"})

    async def receive_until(self, end: float) -> Message:
        try:
            async with asyncio.timeout_at(end):
                return await super().receive_with_limit()
        except TimeoutError:
            raise self.refusal(408, f"The body did not arrive within {self.seconds:g} s.") from None
        except HTTPException as error:
            if error.status_code != TOO_LARGE:
                raise  # of somebody further out
            detail = f"The body is larger than {self.max_body_size} bytes, the most that is read here."
            raise self.refusal(413, detail) from None

    def refusal(self, status: int, detail: str, headers: dict[str, str] | None = None) -> HTTPException:
        """The connection ends with the answer: what is left of the body stands in the next request's place."""
        self.is_refused = True
        return HTTPException(status, detail, {**(headers or {}), "Connection": "close"})

    async def send_with_limit(self, message: Message) -> None:
        """As it is: Starlette would put a plain text in the place of our problem."""
        if self.is_refused and message["type"] == "http.response.body" and not message.get("more_body", False):
            await self.send({**message, "more_body": True})
            await self.discard_rest()
            message = {"type": "http.response.body"}
        await self.send(message)

    async def discard_rest(self) -> None:
        """Closed while the caller still sends, the connection would be reset, and the caller never read the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self.ends_at):
                while (await self.receive()).get("more_body", False):
                    pass
