"""The real command line, serving a service that also has routes which log and crash.

`python -m tests.support.talkative_service serve`. The secret comes with the request, so that no
line of source, which tracebacks show, holds it.
"""

import asyncio
import logging
import os
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request

from app import cli
from app.assembly.routes import ROUTERS
from app.core.errors import NotFound
from app.observability import log_output
from app.observability.context import bind_caller
from app.security.principal import Principal
from app.security.public import public
from app.web.authentication import requires
from tests.support.ports import is_listening
from tests.support.switched_off import switch_off_what_is_asked
from tests.support.waiting import until

router = APIRouter(prefix="/talk")

log = structlog.get_logger()
third_party = logging.getLogger("third.party.library")

Secret = Annotated[str, Header(alias="X-Token")]


@router.get("/ours")
@public
async def log_ours(token: Secret) -> None:
    """Our own events, with secrets wherever they may be."""
    bind_caller(user="user-1", tenant="tenant-1")
    log.info(
        "ours",
        password=token,
        nested={"headers": [("authorization", token)], "deep": [{"apiKey": token}]},
        note=f"token={token} for jane@example.com",
        harmless="monkey",
    )
    log.debug("ours_in_detail")


@router.get("/caller")
async def log_carelessly(caller: Annotated[Principal, requires("talk:listen")], request: Request) -> None:
    """Whatever came with the caller's request."""
    key = request.headers["authorization"].split()[1]
    log.info("careless", line=f"{caller.subject} sent {key} as it is", address=str(request.url))
    third_party.warning("refusing %s", key)


@router.get("/theirs")
@public
async def log_theirs(token: Secret) -> None:
    """What a library would write."""
    third_party.error(
        "connecting to postgresql://app:%s@db/app", token, extra={"cookie": token, "details": {"email": token}}
    )


@router.get("/crash")
@public
async def crash(token: Secret) -> None:
    """With secrets in the message, in the cause and in local variables."""
    password = token
    try:
        raise ValueError(f"password={password}")
    except ValueError as error:
        raise RuntimeError(f"cannot use redis://:{token}@cache:6379") from error


@router.get("/last")
@public
async def outlast_the_signal(request: Request) -> str:
    """Answers when the process has closed the port that this request came to."""
    log.info("last_began")
    _host, port = request.scope["server"]
    await until(lambda: not is_listening(port))
    return "done"


@router.get("/endless")
@public
async def never_end() -> None:
    """Has to be cut off."""
    log.info("endless_began")
    await asyncio.Event().wait()


@router.get("/missing")
@public
async def miss() -> None:
    """Something that is expected to happen."""
    raise NotFound("There is no such thing.")


if __name__ == "__main__":
    switch_off_what_is_asked()
    log_output.MOST_LINES = int(os.environ.get("MOST_LINES", log_output.MOST_LINES))
    ROUTERS.append(router)
    cli.main()
