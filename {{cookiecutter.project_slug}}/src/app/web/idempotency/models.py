"""How an answer is stored until nobody may ask for it again."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.persistence.models import Model, Owned
from app.web.idempotency.keys import LONGEST_KEY


class StoredAnswer(Owned, Model):
    """What a caller was answered to the request that it sent with a key."""

    __tablename__ = "stored_answers"

    key: Mapped[str] = mapped_column(String(LONGEST_KEY))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int]
    headers: Mapped[list[tuple[str, str]]] = mapped_column(JSONB)
    body: Mapped[bytes]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (Index("ix_stored_answers_key", "tenant_id", "created_by", "key", unique=True),)
