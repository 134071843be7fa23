"""A feature whose routes take a value of every kind, in every place where a request can carry one; for fuzzing."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app.core.errors import NotFound
from app.core.ids import new_id
from app.security.principal import Principal
from app.web.authentication import requires
from app.web.dependencies import Session
from app.web.openapi import problems
from app.web.pagination import ListItem

router = APIRouter(prefix="/v1/toys", tags=["toys"])

UseToys = Annotated[Principal, requires("toys:use")]

Colour = Literal["red", "green"]


class ToyMissing(NotFound):
    """There is no such toy."""


class Part(BaseModel):
    """A toy is made of some."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=50, examples=["wheel"])]
    weight: Annotated[float, Field(gt=0, le=1000, examples=[0.5])]


class NewToy(BaseModel):
    """What a caller sends."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["Bear"])]
    count: Annotated[int, Field(ge=0, le=1_000_000, examples=[3])]
    colour: Colour | None = None
    made_on: date | None = None
    parts: Annotated[list[Part], Field(max_length=5, examples=[[]])] = []
    labels: Annotated[dict[str, str], Field(max_length=5, examples=[{}])] = {}


class Search(BaseModel):
    """What to look for."""

    name: Annotated[str | None, Field(max_length=50)] = None
    colours: Annotated[list[Colour], Field(max_length=2)] = []
    least: Annotated[int | None, Field(ge=-(2**31), lt=2**31)] = None
    since: datetime | None = None


class Toy(NewToy, ListItem):
    """What a caller sees."""


# Until the process ends.
MADE: dict[UUID, Toy] = {}


@router.post("", summary="Make a toy", status_code=status.HTTP_201_CREATED)
async def make_toy(caller: UseToys, toy: NewToy, session: Session, response: Response) -> Toy:
    """Its name makes the way through the database."""
    name = await session.scalar(text("SELECT CAST(:name AS text)"), {"name": toy.name})
    made = Toy(id=new_id(), **{**toy.model_dump(), "name": name})
    MADE[made.id] = made
    response.headers["Location"] = f"{router.prefix}/{made.id}"
    return made


@router.get("", summary="Search for toys")
async def search_toys(
    caller: UseToys,
    session: Session,
    wanted: Annotated[Search, Query()],
    age: Annotated[int | None, Header(ge=0, le=99)] = None,
) -> list[str]:
    """Finds what was searched for."""
    given = {"name": wanted.name, "least": wanted.least}
    [row] = await session.execute(text("SELECT CAST(:name AS text), CAST(:least AS int)"), given)
    return [str(value) for value in (*row, *wanted.colours, wanted.since, age) if value is not None]


@router.get("/named/{name}/{number}", summary="Look at a part")
async def look_at_part(caller: UseToys, name: str, number: Annotated[int, Path(ge=0, le=9)], session: Session) -> str:
    """Says which."""
    return f"{await session.scalar(text('SELECT CAST(:name AS text)'), {'name': name})} {number}"


@router.get("/{toy_id}", summary="Read a toy", responses=problems(ToyMissing))
async def read_toy(caller: UseToys, toy_id: UUID) -> Toy:
    """As it was made."""
    return found(toy_id, MADE.get(toy_id))


@router.delete(
    "/{toy_id}", summary="Throw a toy away", status_code=status.HTTP_204_NO_CONTENT, responses=problems(ToyMissing)
)
async def throw_away(caller: UseToys, toy_id: UUID) -> None:
    """For good."""
    found(toy_id, MADE.pop(toy_id, None))


def found(toy_id: UUID, toy: Toy | None) -> Toy:
    if toy is None:
        raise ToyMissing(f"There is no toy {toy_id}.")
    return toy
