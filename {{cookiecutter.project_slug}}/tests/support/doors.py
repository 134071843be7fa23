"""A tiny feature whose routes need scopes."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import text

from app.security.principal import Principal
from app.security.public import public
from app.web.authentication import requires
from app.web.dependencies import Session

router = APIRouter(prefix="/v1/doors", tags=["doors"])

PassDoors = Annotated[Principal, requires("doors:pass")]
BuildDoors = Annotated[Principal, requires("doors:build")]


class NewDoor(BaseModel):
    colour: Annotated[str, Field(examples=["red"])]


@router.get("", summary="Pass through")
async def pass_door(caller: PassDoors) -> dict[str, str]:
    """Says who passed."""
    return {"subject": caller.subject, "tenant": str(caller.tenant)}


@router.post("", summary="Build a door", status_code=201)
async def build_door(door: NewDoor, caller: BuildDoors) -> NewDoor:
    """Says which."""
    return door


@router.get("/rooms/{number}", summary="Look into a room")
async def look_into_room(number: int, caller: PassDoors, session: Session) -> int:
    """Asks the database."""
    return int(await session.scalar(text("SELECT CAST(:number AS int)"), {"number": number}) or 0)


@router.get("/locks", summary="Change the lock")
async def change_lock(caller: PassDoors, builder: BuildDoors) -> str:
    """Needs two scopes."""
    return f"{caller.subject} {builder.subject}"


@router.get("/bell", summary="Ring")
@public
async def ring() -> str:
    """Anybody may."""
    return "ding"
