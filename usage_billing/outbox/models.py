"""The table of the outbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Instant


class OutboxMessage(Base):
    """A fact such as ``quota.exceeded``. ``dedupe_key`` keeps it to one row, however often its cause is replayed."""

    __tablename__ = "outbox_messages"
    __table_args__ = (Index("ix_outbox_messages_waiting", "id", postgresql_where=text("relayed_at IS NULL")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    topic: Mapped[str] = mapped_column(String(64))
    dedupe_key: Mapped[str] = mapped_column(String(512), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    relayed_at: Mapped[Instant | None]
