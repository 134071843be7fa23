"""`app keys`: making, listing and revoking API keys."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from app.assembly.application import create_app
from app.assembly.policies import known_scopes
from app.cli.options import AsJson
from app.core.ids import new_id
from app.persistence.database import open_database
from app.persistence.schema_check import SchemaCheck
from app.resources import connection_options
from app.security.issuing import DEFAULT_DAYS, LONGEST_NAME, MOST_DAYS, issue_key, revoke_key
from app.security.models import ApiKey
from app.security.repository import ApiKeyRepository
from app.settings import Settings, load_settings

WAIT_SECONDS = 5.0

commands = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


def checked_name(name: str) -> str:
    """One line that a table can show."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise typer.BadParameter(f"Give the key a name of 1 to {LONGEST_NAME} printable characters.")
    return name.strip()


@commands.command()
def create(
    name: Annotated[str, typer.Argument(callback=checked_name, help="What the key is for, such as `shop in Berlin`.")],
    *,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="What it may do; repeat it for more.")] = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="Whatever any route needs today.")] = False,
    tenant: Annotated[UUID | None, typer.Option(help="Whose rows it sees. Without: a new tenant's.")] = None,
    expires_in_days: Annotated[int, typer.Option(min=1, max=MOST_DAYS)] = DEFAULT_DAYS,
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is printed once and cannot be had again."""
    settings = load_settings()
    scopes = chosen_scopes(scope or [], known=known_scopes(create_app(settings)), all_scopes=all_scopes)
    made = asyncio.run(make(settings, name=name, scopes=scopes, tenant=tenant or new_id(), days=expires_in_days))
    print(json.dumps(made, indent=2) if as_json else in_words(made))  # noqa: T201 - the command's output


@commands.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """Print every API key, good or not; secrets are not stored."""
    found = asyncio.run(find_all(load_settings()))
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - the command's output
        return
    table = Table("prefix", "name", "tenant", "scopes", "created", "expires", "revoked")
    for key in found:
        table.add_row(*(" ".join(value) if isinstance(value, list) else value or "" for value in key.values()))
    Console(markup=False).print(table)


@commands.command()
def revoke(prefix: Annotated[str, typer.Argument(help="The key's second part, as `app keys list` shows it.")]) -> None:
    """Make an API key useless, within a few seconds. Doing it again changes nothing."""
    is_new = asyncio.run(take_back(load_settings(), prefix))
    print(f"The key {prefix} {'is revoked now' if is_new else 'was revoked before'}.")  # noqa: T201 - the command's output


def chosen_scopes(named: Sequence[str], *, known: Sequence[str], all_scopes: bool) -> Sequence[str]:
    """Raises typer's error, which lists what can be chosen."""
    choice = f"Routes need these: {', '.join(known) or 'none so far'}."
    if all_scopes == bool(named):
        raise typer.BadParameter(f"Name what the key may do with --scope, or say --all-scopes. {choice}")
    if unknown := [scope for scope in named if scope not in known]:
        raise typer.BadParameter(f"No route needs {', '.join(unknown)}. {choice}")
    return known if all_scopes else named


async def make(settings: Settings, *, name: str, scopes: Sequence[str], tenant: UUID, days: int) -> dict[str, Any]:
    """The new key with its secret, for this one time."""
    async with opened_keys(settings) as keys:
        key, row = await issue_key(keys, name=name, tenant=tenant, scopes=scopes, days=days)
    return {"key": key.text, **shown(row)}


async def find_all(settings: Settings) -> list[dict[str, Any]]:
    async with opened_keys(settings) as keys:
        return [shown(row) for row in await keys.oldest_first()]


async def take_back(settings: Settings, prefix: str) -> bool:
    async with opened_keys(settings) as keys:
        return await revoke_key(keys, prefix)


@asynccontextmanager
async def opened_keys(settings: Settings) -> AsyncIterator[ApiKeyRepository]:
    """One transaction. Raises `Unavailable` without a database and `CheckFailed` without its tables."""
    database = open_database(connection_options(settings), pool_size=1, wait_seconds=WAIT_SECONDS)
    try:
        await SchemaCheck(database).probe()
        async with database.transaction() as session:
            yield ApiKeyRepository(session)
    finally:
        await database.close()


def shown(row: ApiKey) -> dict[str, Any]:  # Any: JSON
    """Everything but the digest."""
    return {
        "prefix": row.prefix,
        "name": row.name,
        "tenant": str(row.tenant_id),
        "scopes": row.scopes,
        "created": as_text(row.created_at),
        "expires": as_text(row.expires_at),
        "revoked": as_text(row.revoked_at),
    }


def as_text(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None


def in_words(made: dict[str, Any]) -> str:  # Any: JSON
    """For a person's terminal. The key stands alone on its line, so that it can be selected."""
    scopes = ", ".join(made["scopes"])
    return (
        f"{made['key']}\n\n"
        f"This is the key of {made['name']!r}. Keep it now: it is stored nowhere and will not be shown again.\n"
        f"It may do {scopes} for the tenant {made['tenant']} until {made['expires']}.\n"
        f"Send it as `Authorization: Bearer <key>`; `app keys revoke {made['prefix']}` makes it useless."
    )
