"""What routes ask for, as types in their signatures.

All of these are asynchronous, though few wait for anything: FastAPI runs an ordinary function in a thread, which costs
a request more than its whole way through the middlewares. They ask for the request and not for each other where they
can: each dependency of a dependency costs another 15 µs.
"""

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.queue import JobQueue
from app.persistence.reader import Reader
from app.resources import Resources
from app.web.pagination import Cursor, Cursors, Limit, PageRequest


def resources_of(request: Request) -> Resources:
    """What the lifespan opened."""
    return cast("Resources", request.scope["state"]["resources"])


async def get_resources(request: Request) -> Resources:
    return resources_of(request)


CurrentResources = Annotated[Resources, Depends(get_resources)]


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction for the request."""
    async with resources_of(request).database.transaction() as session:
        yield session


# `function`: commit before the answer goes out. FastAPI's default would answer 201 first and then commit, or fail to.
Session = Annotated[AsyncSession, Depends(open_session, scope="function")]


async def get_reader(request: Request) -> Reader:
    """For what only reads."""
    return Reader(resources_of(request).database)


CurrentReader = Annotated[Reader, Depends(get_reader)]


async def get_jobs(session: Session) -> JobQueue:
    """Jobs are enqueued in the request's own transaction."""
    return JobQueue(session)


Jobs = Annotated[JobQueue, Depends(get_jobs)]


async def get_page_request(request: Request, limit: Limit = 20, cursor: Cursor = None) -> PageRequest:
    """Its cursors are signed with this service's key."""
    return PageRequest(Cursors(resources_of(request).secret_key), limit=limit, cursor=cursor)


Paging = Annotated[PageRequest, Depends(get_page_request)]
