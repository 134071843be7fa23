"""Making API keys, and taking them back."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.security.errors import ApiKeyNotFound
from app.security.keys import DEFAULT_DAYS, Key, new_key
from app.security.models import ApiKey
from app.security.repository import ApiKeyRepository


async def issue_key(
    keys: ApiKeyRepository, *, name: str, tenant: UUID, scopes: Iterable[str], days: int = DEFAULT_DAYS
) -> tuple[Key, ApiKey]:
    """A new key and its row. The secret is in the first only, and cannot be had again."""
    key = new_key()
    row = ApiKey(
        name=name,
        prefix=key.prefix,
        digest=key.digest,
        tenant_id=tenant,
        scopes=sorted(set(scopes)),
        expires_at=datetime.now(UTC) + timedelta(days=days),
        revoked_at=None,
    )
    await keys.add(row)
    return key, row


async def revoke_key(keys: ApiKeyRepository, prefix: str) -> bool:
    """Take a key back; False if that was done before. Raises `ApiKeyNotFound`.

    Processes that have verified it a moment ago accept it for `CACHE_SECONDS` of `callers.py` more.
    """
    row = await keys.find(prefix)
    if row is None:
        raise ApiKeyNotFound
    if row.revoked_at is not None:
        return False
    row.revoked_at = datetime.now(UTC)
    return True
