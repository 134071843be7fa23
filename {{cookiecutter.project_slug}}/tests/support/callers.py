"""API keys for tests, made as operators make them."""

from uuid import UUID

from app.persistence.database import open_database
from app.resources import connection_options
from app.security.issuing import issue_key
from app.security.keys import Key
from app.security.repository import ApiKeyRepository
from app.settings import Settings


async def key_for(settings: Settings, *scopes: str, tenant: UUID) -> Key:
    """A new key, stored over a connection of its own so that the service's pool notices nothing."""
    database = open_database(connection_options(settings), pool_size=1, wait_seconds=5)
    try:
        async with database.transaction() as session:
            key, _row = await issue_key(ApiKeyRepository(session), name="a test's", tenant=tenant, scopes=scopes)
    finally:
        await database.close()
    return key
