"""FastAPI and nothing else, as its tutorial has it: what everything is compared with."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.persistence.engine import create_engine
from app.resources import connection_options
from app.security.callers import CACHE_SECONDS, MOST_CACHED, fault_of
from app.security.keys import parse_key
from app.security.principal import Principal
from app.security.repository import ApiKeyRepository
from app.security.verified_keys import VerifiedKeys
from app.settings import Settings
from performance.things import SCOPE, StoredThing, Thing, thing_of

Sessions = async_sessionmaker[AsyncSession]


def bare(_settings: Settings) -> FastAPI:
    """One route, no middleware."""
    app = FastAPI()

    @app.get("/v1/things/{thing_id}")
    async def read_thing(thing_id: int) -> Thing:
        return thing_of(thing_id)

    return app


def bare_with_database(settings: Settings) -> FastAPI:
    """A row by its key through SQLAlchemy's ORM, after the same check of the caller's key as ours."""
    engine = create_engine(connection_options(settings), pool_size=settings.database.pool_size)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    callers = KnownCallers(sessions)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    async def open_session() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/stored-things/{thing_id}")
    async def read_thing(
        thing_id: int,
        _caller: Annotated[Principal, Depends(callers.identify)],
        session: Annotated[AsyncSession, Depends(open_session)],
    ) -> Thing:
        found = await session.get(StoredThing, thing_id)
        if found is None:
            raise HTTPException(404)
        return Thing.model_validate(found)

    return app


class KnownCallers:
    """The check itself, without anything around it: a key is looked up once in `CACHE_SECONDS`."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.verified = VerifiedKeys(seconds=CACHE_SECONDS, most=MOST_CACHED, clock=time.monotonic)

    async def identify(self, request: Request) -> Principal:
        key = parse_key(request.headers.get("authorization", "").removeprefix("Bearer "))
        if key is None:
            raise HTTPException(401)
        caller = self.verified.get(key)
        if caller is None:
            async with self.sessions() as session:
                row = await ApiKeyRepository(session).find(key.prefix)
            if row is None or fault_of(key, row):
                raise HTTPException(401)
            caller = Principal(subject=row.prefix, tenant=row.tenant_id, scopes=frozenset(row.scopes))
            self.verified.put(key, caller, asked_at=time.monotonic())
        if SCOPE not in caller.scopes:
            raise HTTPException(403)
        return caller
