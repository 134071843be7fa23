"""Who calls, as a type in a route's signature: each route names the scope that it needs, or says that it is public."""

import re
from typing import Any

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param
from starlette.types import Scope

from app.observability.context import bind_caller
from app.security.principal import Principal
from app.web.dependencies import resources_of
from app.web.middleware.client_address import network_of
from app.web.rate_limits import caller_limits

# Words that need no escaping in a header or on a command line.
SCOPE = re.compile(r"[a-z][a-z0-9-]*:[a-z][a-z0-9-]*")
LONGEST_SCOPE = 64


class ApiKeyInHeader(SecurityBase):
    """The dependency behind every caller: one for each request, asynchronous, with no query while the key is cached."""

    def __init__(self) -> None:
        self.scheme_name = "ApiKey"
        self.model = HTTPBearer(description="An API key, as `app keys create` prints it.")

    async def __call__(self, request: Request, needed: SecurityScopes) -> Principal:
        callers = resources_of(request).callers
        caller = await callers.identify(credentials_in(request.scope), address=network_of(request.scope))
        bind_caller(user=caller.subject, tenant=str(caller.tenant))
        await caller_limits(request).count_caller(request.scope, caller.subject)
        request.state.caller = caller
        for scope in needed.scopes:
            callers.demand(caller, scope)
        return caller


API_KEY = ApiKeyInHeader()


def requires(scope: str) -> Any:  # Any: what stands in an `Annotated`
    """`ReadThings = Annotated[Principal, requires("things:read")]` is the type of a caller who may read things."""
    if len(scope) > LONGEST_SCOPE or not SCOPE.fullmatch(scope):
        raise ValueError(
            f"A scope looks like `things:read`, in lower case, in at most 64 letters; this one is {scope!r}."
        )
    return Security(API_KEY, scopes=[scope])


def caller_of(request: Request) -> Principal:
    """For dependencies that stand behind the caller in a route's signature."""
    caller: Principal = request.state.caller
    return caller


def credentials_in(scope: Scope) -> str | None:
    """What stands behind `Bearer`, in any case. Of several headers none counts: a proxy might have read another one."""
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    if len(headers) > 1:
        return ""
    scheme, credentials = get_authorization_scheme_param(headers[0] if headers else None)
    return credentials if credentials and scheme.lower() == "bearer" else None
