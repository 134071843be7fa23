"""How an API key is stored: enough to recognise it, not enough to use it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.persistence.models import Model


class ApiKey(Model):
    """A key that was handed out once. `prefix` is its public part; of the secret part only the SHA-256 is kept."""

    __tablename__ = "api_keys"

    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    tenant_id: Mapped[UUID] = mapped_column(index=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
