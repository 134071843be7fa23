"""Lets pages of listed origins call the API from a browser."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.web.middleware.edge import exchange_of
from app.web.problems import problem_response


class Cors(CORSMiddleware):
    """Starlette's, with a refused preflight answered as a problem like everything else."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.has_something_to_say(scope):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def has_something_to_say(self, scope: Scope) -> bool:
        """If anybody's pages are let in, and one of them may be asking: looked up here, where it costs nothing."""
        return (self.allow_all_origins or bool(self.allow_origins)) and b"origin" in exchange_of(scope).request_headers

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
        headers = {name: value for name, value in response.headers.items() if name.startswith(("access-", "vary"))}
        return RefusedPreflight(bytes(response.body).decode(), headers=headers)


class RefusedPreflight(Response):
    """A problem that is written when the path is known."""

    def __init__(self, reason: str, *, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=HTTPStatus.BAD_REQUEST)
        self.reason = reason
        self.kept = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = problem_response(self.status_code, instance=scope["path"], detail=self.reason, headers=self.kept)
        await problem(scope, receive, send)
