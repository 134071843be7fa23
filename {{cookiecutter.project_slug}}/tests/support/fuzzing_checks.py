"""What schemathesis also asks of every answer. It loads this module by itself, in a process of its own."""

from http import HTTPStatus
from typing import Any

from schemathesis import Case, CheckContext, Response, check

from app.web.middleware.security_headers import ONLY_ON_HTTPS, security_headers
from app.web.problems import MEDIA_TYPE, Problem

SECURITY = {name.decode(): [value.decode()] for name, value in security_headers() if name != ONLY_ON_HTTPS}


@check
def id_and_security_headers(_ctx: CheckContext, response: Response, _case: "Case[Any]") -> None:
    """Each of them once, whatever the answer is."""
    assert {name: response.headers.get(name) for name in SECURITY} == SECURITY
    assert len(response.headers.get("x-request-id") or ()) == 1
    assert not response.headers.get("server")


@check
def failures_are_problems(_ctx: CheckContext, response: Response, _case: "Case[Any]") -> None:
    """All but an answer to HEAD, which has no body."""
    if response.status_code < HTTPStatus.BAD_REQUEST or response.request.method == "HEAD":
        return
    assert response.headers["content-type"] == [MEDIA_TYPE]
    problem = Problem.model_validate_json(response.content, strict=True)
    assert problem.status == response.status_code
    assert [problem.request_id] == response.headers["x-request-id"]
    assert problem.instance
