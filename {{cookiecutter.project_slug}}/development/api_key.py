"""Makes the API key of this checkout, good for every route, and makes it anew when it no longer is."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from app.assembly.application import create_app
from app.assembly.policies import RoutesRefused, known_scopes
from app.cli.database import opened_database
from app.core.errors import Unavailable
from app.security.callers import fault_of
from app.security.issuing import issue_key, revoke_key
from app.security.keys import Key, parse_key
from app.security.models import ApiKey
from app.security.repository import ApiKeyRepository
from app.settings import Settings, load_settings
from development.errors import DevelopmentError
from development.key_file import keep_key, read_key

# Always the same customer, so that what one key has made the next one finds.
TENANT = UUID(int=1)
# Nobody wants it to expire in the middle of the day's work.
LEAST_LEFT = timedelta(days=7)


class NoKey(DevelopmentError):
    """There is none, which need not keep the service from being served."""


def key_for_development(project: Path) -> None:
    """See to it that the project keeps a key that is good. Raises `NoKey`."""
    settings = load_settings()
    if settings.environment != "development":
        raise NoKey(f"No API key is made, because ENVIRONMENT is {settings.environment}; `app keys create` makes one.")
    try:
        asyncio.run(provide_key(project, settings))
    except (RoutesRefused, Unavailable) as error:
        raise NoKey(f"No API key is made: {error}") from None


async def provide_key(project: Path, settings: Settings) -> None:
    """Keep the key if it is still good, or make another one in its place."""
    scopes = known_scopes(create_app(settings))
    async with opened_database(settings) as database, database.transaction() as session:
        made = await _replacement(read_key(project), ApiKeyRepository(session), scopes=scopes)
    if made:
        keep_key(project, made.text)


async def _replacement(kept: str | None, keys: ApiKeyRepository, *, scopes: list[str]) -> Key | None:
    """A new key, unless the one that is kept does for all these scopes."""
    key = parse_key(kept or "")
    row = await keys.find(key.prefix) if key else None
    if key and row and _does(key, row, scopes):
        return None
    if row:
        await revoke_key(keys, row.prefix)
    made, _ = await issue_key(keys, name="make run", tenant=TENANT, scopes=scopes)
    return made


def _does(key: Key, row: ApiKey, scopes: list[str]) -> bool:
    is_lasting = row.expires_at > datetime.now(UTC) + LEAST_LEFT
    return fault_of(key, row) is None and is_lasting and set(scopes) <= set(row.scopes)
