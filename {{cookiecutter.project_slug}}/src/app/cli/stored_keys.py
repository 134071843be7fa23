"""What `app keys` does in the database, and how it shows a key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.persistence.database import Database
from app.security.issuing import issue_key, revoke_key
from app.security.models import ApiKey
from app.security.repository import ApiKeyRepository


async def make(database: Database, *, name: str, scopes: Sequence[str], tenant: UUID, days: int) -> dict[str, Any]:
    """The new key with its secret, for this one time."""
    async with database.transaction() as session:
        key, row = await issue_key(ApiKeyRepository(session), name=name, tenant=tenant, scopes=scopes, days=days)
    return {"key": key.text, **shown(row)}


async def find_all(database: Database) -> list[dict[str, Any]]:
    async with database.transaction() as session:
        return [shown(row) for row in await ApiKeyRepository(session).oldest_first()]


async def take_back(database: Database, prefix: str) -> bool:
    async with database.transaction() as session:
        return await revoke_key(ApiKeyRepository(session), prefix)


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
