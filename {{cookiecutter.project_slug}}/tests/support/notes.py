"""A tiny feature of which nothing may be lost and nothing happen twice: notes are taken, and delivered by a job."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from app.cache.kinds import Kind, Lifetime
from app.jobs.job import Job
from app.resources import Resources
from app.security.principal import Principal
from app.security.public import public
from app.web.authentication import requires
from app.web.dependencies import CurrentResources, Jobs, Session
from app.web.idempotency.dependencies import IdempotencyKey
from app.web.idempotency.route import IdempotentRoute
from tests.support.databases import execute
from tests.support.jobs import select

router = APIRouter(prefix="/v1/notes", tags=["notes"], route_class=IdempotentRoute)

UseNotes = Annotated[Principal, requires("notes:use")]

SLOWLY_SECONDS = 0.2

LAST_NOTE: Kind[int] = Kind("last-note", int, Lifetime(fresh=0.5, while_refreshing=0.5, if_failing=600))

UNDELIVERED = "SELECT id FROM notes WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE note = notes.id) LIMIT 1"


class Note(BaseModel):
    """Its writer gives it a number, and nobody checks whether there is one already."""

    number: int


class Deliver(Job):
    """A note, unless it is delivered."""

    name = "test.deliver"
    note: int


async def deliver(job: Deliver, resources: Resources) -> None:
    async with resources.database.transaction() as session:
        await session.execute(text("SELECT 1 FROM notes WHERE id = :id FOR UPDATE"), {"id": job.note})
        is_done = await session.scalar(text("SELECT 1 FROM deliveries WHERE note = :id"), {"id": job.note})
        if not is_done:
            await session.execute(text("INSERT INTO deliveries (note) VALUES (:id)"), {"id": job.note})


@router.post("", summary="Take a note", status_code=201)
async def take_note(caller: UseNotes, _key: IdempotencyKey, note: Note, session: Session, jobs: Jobs) -> Note:
    """And have it delivered."""
    statement = text("INSERT INTO notes (number) VALUES (:number) RETURNING id")
    number = await session.scalar(statement, {"number": note.number})
    await jobs.enqueue(Deliver(note=int(number or 0)))
    return note


@router.post("/slowly", summary="Take a note slowly", status_code=201)
async def take_note_slowly(caller: UseNotes, _key: IdempotencyKey, note: Note, session: Session, jobs: Jobs) -> Note:
    """Long enough to be interrupted when it is written and not committed."""
    await take_note(caller, _key, note, session, jobs)
    await asyncio.sleep(SLOWLY_SECONDS)
    return note


@router.get("/last", summary="Read the last note")
async def read_last_note(caller: UseNotes, resources: CurrentResources) -> int:
    """Or 0, if there is none."""
    return await last_number(resources)


async def last_number(resources: Resources) -> int:
    query = text("SELECT number FROM notes ORDER BY id DESC LIMIT 1")
    return int(await resources.database.read(lambda connection: connection.scalar(query)) or 0)


@router.get("/remembered", summary="Recall the last note")
@public
async def recall_last_note(resources: CurrentResources) -> int:
    """As it was a moment ago; as it was at all, when nobody can say what it is now."""

    found = await resources.cache.get(LAST_NOTE, "last", partial(last_number, resources), tenant=None)
    return found.value


@router.get("/help", summary="Ask what notes are")
@public
async def explain_notes() -> str:
    """Needs nothing that could be gone."""
    return "Notes are taken and delivered."


@contextmanager
def notes_tables(url: str) -> Iterator[None]:
    execute(
        url,
        "CREATE TABLE notes (id bigserial PRIMARY KEY, number bigint NOT NULL)",
        "CREATE TABLE deliveries (note bigint NOT NULL)",
    )
    try:
        yield
    finally:
        execute(url, "DROP TABLE notes, deliveries")


def taken(url: str) -> Counter[int]:
    """How often each number was written down."""
    return Counter(select(url, "SELECT number FROM notes"))


def delivered(url: str) -> Counter[int]:
    """How often each number was delivered."""
    return Counter(select(url, "SELECT number FROM deliveries JOIN notes ON notes.id = note"))
