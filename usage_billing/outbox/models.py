"""The table of the outbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, LargeBinary, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant


class OutboxMessage(Base):
    """A fact such as ``quota.exceeded``. ``dedupe_key`` keeps it to one row, however often its cause is replayed.

    The relay makes an event of it: it gives the ``position`` among all events and the ``sequence`` among those of its
    customer, both from 1 without a gap. They never change (a trigger refuses). What was relayed before events had
    positions has none. The row stays for ever, for its dedupe key.
    """

    __tablename__ = "outbox_messages"
    __table_args__ = (
        Index("ix_outbox_messages_waiting", "id", postgresql_where=text("relayed_at IS NULL")),
        Index("uq_outbox_messages_public_id", "public_id", unique=True),
        Index("uq_outbox_messages_position", "position", unique=True),
        Index("uq_outbox_messages_sequence", "customer_id", "sequence", unique=True),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    topic: Mapped[str] = mapped_column(String(64))
    dedupe_key: Mapped[str] = mapped_column(String(512), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    relayed_at: Mapped[Instant | None]
    public_id: Mapped[UUID | None] = mapped_column(server_default=func.gen_random_uuid())
    customer_id: Mapped[Identifier | None]
    position: Mapped[int | None] = mapped_column(BigInteger)
    sequence: Mapped[int | None] = mapped_column(BigInteger)


class EventBody(Base):
    """The bytes of an event by one version: made once by the relay, signed and sent as they are, kept for 90 days."""

    __tablename__ = "event_bodies"

    event_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("outbox_messages.id"), primary_key=True)
    version: Mapped[str] = mapped_column(String(16), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
