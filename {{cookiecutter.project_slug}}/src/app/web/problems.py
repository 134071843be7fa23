"""Answers for what went wrong: `application/problem+json` (RFC 9457), the same shape for everything."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic_core import to_json
from slowapi.errors import RateLimitExceeded
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.core.errors import (
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    ServiceError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from app.observability.context import current_request_id
from app.web.allowed_methods import allowed_methods
from app.web.middleware.edge import exchange_of

MEDIA_TYPE = "application/problem+json"

# A body with a million wrong fields must not become an answer that is larger still.
MOST_ERRORS = 20
LONGEST_NAME = 100

STATUS_OF: dict[type[ServiceError], HTTPStatus] = {
    ServiceError: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}

Found = TypeVar("Found")


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    field: str
    message: str


class Problem(BaseModel):
    """Why a request failed."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str
    request_id: str | None = None
    errors: list[FieldError] | None = None


def problem_response(
    status: int,
    *,
    instance: str,
    type_: str = "about:blank",
    detail: str | None = None,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for one problem. `detail` is shown to the caller: no internals."""
    problem = Problem(
        type=type_,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=instance,
        request_id=current_request_id(),
        errors=errors,
    )
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def problem_of(error: Exception, *, instance: str) -> Response:
    """The answer for any exception. One that we did not expect says nothing about itself."""
    if not isinstance(error, ServiceError):
        detail = "The service failed. It has been told; quote the request id if you ask about it."
        return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, instance=instance, detail=detail)
    kind = type(error)
    headers = nearest(HEADERS_OF, kind)(error)
    return problem_response(status_of(kind), instance=instance, type_=type_of(kind), detail=str(error), headers=headers)


class PreparedProblem:
    """One that is always the same but for the path and the request's id: made for a quarter of what `problem_of` costs.

    Prepared outside of any request.
    """

    def __init__(self, error: ServiceError) -> None:
        answer = problem_of(error, instance="")
        self.status = answer.status_code
        self.headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        self.beginning = bytes(answer.body).removesuffix(b'""}')

    def response(self, *, instance: str) -> Response:
        """The answer for the request being served."""
        return Response(self.body(instance=instance, request_id=current_request_id()), self.status, self.headers)

    def body(self, *, instance: str, request_id: str | None) -> bytes:
        return b'%b%b,"request_id":%b}' % (self.beginning, to_json(instance), to_json(request_id))


def no_headers(_error: ServiceError) -> dict[str, str]:
    return {}


def challenge(error: Unauthenticated) -> dict[str, str]:
    """RFC 6750, section 3.1: whoever sent nothing is told no error code."""
    return {"WWW-Authenticate": 'Bearer error="invalid_token"' if error.is_refused else "Bearer"}


def missing_scope(error: Forbidden) -> dict[str, str]:
    """RFC 6750, section 3.1, too."""
    return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.scope}"'} if error.scope else {}


def time_to_wait(error: Conflict | TooManyRequests | Unavailable) -> dict[str, str]:
    return {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}


HEADERS_OF: dict[type[ServiceError], Callable[[Any], dict[str, str]]] = {  # Any: each takes its own kind of error
    ServiceError: no_headers,
    Unauthenticated: challenge,
    Forbidden: missing_scope,
    Conflict: time_to_wait,
    TooManyRequests: time_to_wait,
    Unavailable: time_to_wait,
}


def status_of(error: type[ServiceError]) -> HTTPStatus:
    """The status of the nearest class in the tree."""
    return nearest(STATUS_OF, error)


def nearest(table: Mapping[type[ServiceError], Found], error: type[ServiceError]) -> Found:
    """What a table says about the nearest class in the tree."""
    return next(table[kind] for kind in error.__mro__ if kind in table)


def type_of(error: type[ServiceError]) -> str:
    """A name that programs can compare: `DatabaseBusy` is `urn:problem:database-busy`."""
    return "urn:problem:" + re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """What Starlette and FastAPI raise themselves: 404, 405, 400 for a broken body, …"""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    detail = error.detail if error.detail != HTTPStatus(error.status_code).phrase else None
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := allowed_methods(request)):
        headers["Allow"] = ", ".join(methods)
    return problem_response(error.status_code, instance=request.url.path, detail=detail, headers=headers)


async def answer_rate_limit(request: Request, error: Exception) -> Response:
    """slowapi's exception."""
    assert isinstance(error, RateLimitExceeded)  # noqa: S101 - registered for nothing else
    type_ = exchange_of(request.scope).problem = "urn:problem:rate-limit-exceeded"
    return problem_response(429, instance=request.url.path, type_=type_, detail=error.detail, headers=error.headers)


async def answer_validation_error(request: Request, error: Exception) -> Response:
    """422 that names each field; never the value, which may be a secret. 400 for a body that is not JSON."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return problem_response(HTTPStatus.BAD_REQUEST, instance=request.url.path, detail="The body is not valid JSON.")
    errors = error.errors()[:MOST_ERRORS]
    fields = [FieldError(field=field_name(item["loc"]), message=item["msg"]) for item in errors]
    return problem_response(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        instance=request.url.path,
        detail="The request is not valid; see `errors`.",
        errors=fields,
    )


def field_name(location: tuple[int | str, ...]) -> str:
    """`body.lines.0.quantity`; the caller chose the name of a field that should not be there."""
    return ".".join(str(part)[:LONGEST_NAME] for part in location)


HANDLERS: dict[Any, Any] = {  # Any: Starlette's own type for this argument
    HTTPException: answer_http_exception,
    RateLimitExceeded: answer_rate_limit,
    RequestValidationError: answer_validation_error,
}
