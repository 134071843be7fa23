"""The queries about API keys."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.security.models import ApiKey

# Good or not.
KEY_BY_PREFIX = select(ApiKey).where(ApiKey.prefix == bindparam("prefix"))


class ApiKeyRepository:
    """The API keys of one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, key: ApiKey) -> None:
        """Store a new key; the database fills in the time."""
        self.session.add(key)
        await self.session.flush()

    async def find(self, prefix: str) -> ApiKey | None:
        """The key with this prefix, good or not."""
        return await self.session.scalar(KEY_BY_PREFIX, {"prefix": prefix})

    async def oldest_first(self) -> Sequence[ApiKey]:
        """Every key, good or not."""
        return (await self.session.scalars(select(ApiKey).order_by(ApiKey.id))).all()
