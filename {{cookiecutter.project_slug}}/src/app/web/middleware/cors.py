"""Lets pages of listed origins call the API from a browser."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.web.problems import problem_response


class Cors(CORSMiddleware):
    """Starlette's, with a refused preflight answered as a problem like everything else."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
        headers = {name: value for name, value in response.headers.items() if name.startswith(("access-", "vary"))}
        return problem_response(
            HTTPStatus.BAD_REQUEST, instance="", detail=bytes(response.body).decode(), headers=headers
        )
