"""The queries about stored answers, each about one caller's key but the one that forgets; nothing else knows SQL."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.web.idempotency.keys import CallersKey
from app.web.idempotency.models import StoredAnswer


class StoredAnswerRepository:
    """The stored answers of one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def lock(self, key: CallersKey) -> bool:
        """Keep others from using the key until this transaction ends; whether nobody else does so already.

        A statement of its own: what its holder before us has stored is seen by the next one.
        """
        return bool(await self.session.scalar(select(func.pg_try_advisory_xact_lock(literal(key.lock, BigInteger)))))

    async def find(self, key: CallersKey) -> StoredAnswer | None:
        """What was answered, unless it has expired."""
        return await self.session.scalar(
            select(StoredAnswer).where(
                StoredAnswer.tenant_id == key.tenant,
                StoredAnswer.created_by == key.subject,
                StoredAnswer.key == key.text,
                StoredAnswer.expires_at > func.now(),
            )
        )

    async def add(self, key: CallersKey, *, keep: timedelta, **answer: Any) -> bool:  # Any: columns of every type
        """Store an answer, in the place of one that has expired; whether there was none that has not."""
        facts = {**answer, "created_at": func.now(), "expires_at": func.now() + keep}
        owner = {"tenant_id": key.tenant, "created_by": key.subject, "key": key.text}
        statement = insert(StoredAnswer).values(**owner, **facts)
        stored: UUID | None = await self.session.scalar(
            statement.on_conflict_do_update(
                index_elements=list(owner), set_=facts, where=StoredAnswer.expires_at <= func.now()
            ).returning(StoredAnswer.id)
        )
        return stored is not None

    async def forget_expired(self, *, limit: int) -> int:
        """Delete the first that have expired, and say how many."""
        expired = select(StoredAnswer.id).where(StoredAnswer.expires_at <= func.now())
        batch = expired.order_by(StoredAnswer.expires_at).limit(limit)
        forgotten = await self.session.scalars(
            delete(StoredAnswer).where(StoredAnswer.id.in_(batch)).returning(StoredAnswer.id)
        )
        return len(forgotten.all())
