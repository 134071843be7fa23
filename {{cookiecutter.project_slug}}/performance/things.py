"""What is asked for while we measure: a small model from memory, and the same as a row of the database."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, bindparam, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.cache.kinds import Kind, Lifetime
from app.core.errors import NotFound
from app.core.ids import new_id
from app.persistence.database import open_database
from app.persistence.migrations import migrate
from app.persistence.reader import Reader
from app.resources import connection_options
from app.security.issuing import issue_key
from app.security.principal import Principal
from app.security.public import public
from app.security.repository import ApiKeyRepository
from app.settings import Settings
from app.web.authentication import requires
from app.web.dependencies import CurrentReader, CurrentResources
from app.web.shared_answers.dependencies import shared_answer
from app.web.shared_answers.route import SharingRoute

SCOPE = "things:read"
ROWS = 1000

PLAIN = "/v1/things/7"
SECURED = "/v1/secured-things/7"
STORED = "/v1/stored-things/7"
CALLS = "/v1/calls"
REMEMBERED = "/v1/remembered-things/7"
ANSWERED = "/v1/answered-things/7"


class Base(DeclarativeBase):
    """Tables of our own, which the service's migrations do not know."""


class StoredThing(Base):
    """A row."""

    __tablename__ = "performance_things"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    name: Mapped[str]
    price_cents: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


THING_BY_ID = select(StoredThing).where(StoredThing.id == bindparam("thing_id"))


class Thing(BaseModel):
    """What is answered, either way."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    owner: UUID
    name: str
    price_cents: int
    created_at: datetime


OWNER = UUID(int=1)
MADE = datetime(2026, 1, 1, tzinfo=UTC)

ReadThings = Annotated[Principal, requires(SCOPE)]

router = APIRouter(prefix="/v1")
sharing_router = APIRouter(prefix="/v1", route_class=SharingRoute)

# Longer than any measurement.
THINGS: Kind[Thing] = Kind("things", Thing, Lifetime(3600))
Shared = Annotated[None, shared_answer(fresh=3600)]


@router.get("/things/{thing_id}")
@public
async def read_thing(thing_id: int) -> Thing:
    return thing_of(thing_id)


@router.get("/secured-things/{thing_id}")
async def read_secured_thing(_caller: ReadThings, thing_id: int) -> Thing:
    return thing_of(thing_id)


@router.get("/stored-things/{thing_id}")
async def read_stored_thing(_caller: ReadThings, thing_id: int, reader: CurrentReader) -> Thing:
    return await find_thing(reader, thing_id)


@router.get("/remembered-things/{thing_id}")
async def read_remembered_thing(_caller: ReadThings, thing_id: int, resources: CurrentResources) -> Thing:
    async def load() -> Thing:
        return await find_thing(Reader(resources.database), thing_id)

    return (await resources.cache.get(THINGS, str(thing_id), load, tenant=None)).value


@sharing_router.get("/answered-things/{thing_id}")
async def answer_with_thing(_caller: ReadThings, thing_id: int, _shared: Shared, reader: CurrentReader) -> Thing:
    return await find_thing(reader, thing_id)


def thing_of(thing_id: int) -> Thing:
    return Thing(id=thing_id, owner=OWNER, name="A thing", price_cents=450, created_at=MADE)


async def find_thing(reader: Reader, thing_id: int) -> Thing:
    found = await reader.find(StoredThing, THING_BY_ID, thing_id=thing_id)
    if found is None:
        raise NotFound("There is no such thing.")
    return Thing.model_validate(found)


async def prepare_database(settings: Settings) -> str:
    """The service's schema, our rows, and a key that may read them; returns the key."""
    await migrate(connection_options(settings))
    database = open_database(connection_options(settings), pool_size=1, wait_seconds=5)
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(insert(StoredThing), [thing_of(number).model_dump() for number in range(ROWS)])
        async with database.transaction() as session:
            key, _ = await issue_key(ApiKeyRepository(session), name="performance", tenant=new_id(), scopes=[SCOPE])
    finally:
        await database.close()
    return key.text
