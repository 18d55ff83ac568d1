"""The tables of metering.

``usage`` carries no foreign keys. The flows that write it by COPY hold the shard's lock and have just read the rows it
refers to, and those rows are never deleted. The unique keys stay: they are what keeps a recording from counting twice.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    and_,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.instants import INSTANT
from usage_billing.core.limits import MAX_ACTOR
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Quantity, Total
from usage_billing.metering.states import QuarantineStatus

KEY = "usage_key_digest(subscription_id, source, idempotency_key)"
"""What the unique index holds of a recording's key: 15 bytes for a key of up to 386. Three bytes are of the
subscription's hash, so that a subscription's keys lie together. Twelve are of the digest of the whole key. One byte
more would make each index entry 8 bytes wider."""

SUBSCRIPTION_HASH = "hashtextextended(subscription_id, 0)"
"""A subscription in 8 bytes. With ``PLACE`` it makes an index entry of 16 bytes. The index grows at as many points as
there are subscriptions, and 16 bytes is the widest entry with which it still leaves its pages full."""

PLACE = "usage_place(occurred_at, ordinal)"
"""Where a recording stands among those of its subscription, in 8 bytes: its microsecond, then ten bits of its ordinal.
64 recordings in a row share those ten bits. The number grows with each recording: numbers in no order would leave the
index's pages half empty."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = 1024  # in one microsecond
# 8 bytes reach some 285 years before and after the epoch.
_FIRST, _LAST = datetime(1700, 1, 1, tzinfo=UTC), datetime(2250, 1, 1, tzinfo=UTC)


class Usage(Base):
    """One immutable recorded fact of use (an "event").

    ``ordinal`` numbers the recordings of a summary from 1, in the order recorded. The split into within and beyond the
    limit follows that order. ``recorded_by`` is the number of the API key that it came with. ``made`` says that its
    usage type made the quantity from metadata (null: its sender gave it).

    ``fingerprint`` (16 bytes) shows whether a repeated key came with other content.
    """

    __tablename__ = "usage"
    __table_args__ = (
        UniqueConstraint("summary_id", "ordinal", name="uq_usage_ordinal"),
        # The upper bound keeps NaN out too: PostgreSQL sorts NaN above every number.
        CheckConstraint("quantity > 0 AND quantity <= 1e15 OR (quantity = 0 AND made IS TRUE)", name="quantity"),
        CheckConstraint("beyond_limit >= 0 AND beyond_limit <= quantity", name="beyond_limit"),
        Index("uq_usage_key_digest", text(KEY), unique=True),
        Index("ix_usage_place", text(SUBSCRIPTION_HASH), text(PLACE)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    summary_id: Mapped[int] = mapped_column(BigInteger)
    ordinal: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[Instant]
    received_at: Mapped[Instant]
    recorded_at: Mapped[Instant]
    subscription_id: Mapped[Identifier]
    usage_type_id: Mapped[Identifier]
    source: Mapped[Identifier]
    idempotency_key: Mapped[Identifier]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    quantity: Mapped[Quantity]
    beyond_limit: Mapped[Quantity]
    usage_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    recorded_by: Mapped[int | None] = mapped_column(Integer)
    made: Mapped[bool | None] = mapped_column(Boolean)

    @property
    def within_limit(self) -> Decimal:
        """The part of the quantity that the allowance covers."""
        return self.quantity - self.beyond_limit

    @classmethod
    def of(cls, subscription_id: str) -> ColumnElement[bool]:
        """Whether a recording is of this subscription. With ``since`` or ``before`` it uses the index ix_usage_place.

        Two subscriptions share a hash about once in 10**18 pairs, so the name is compared as well. ``coalesce`` hides
        that comparison from the planner, which would take the two conditions for independent and expect next to no
        rows.
        """
        hashed = literal_column(SUBSCRIPTION_HASH) == func.hashtextextended(subscription_id, 0)
        return and_(hashed, func.coalesce(cls.subscription_id == subscription_id, False))

    @classmethod
    def since(cls, instant: datetime) -> ColumnElement[bool]:
        """Whether a recording occurred at ``instant`` or later."""
        return func.usage_place(cls.occurred_at, cls.ordinal) >= first_place(instant)

    @classmethod
    def before(cls, instant: datetime) -> ColumnElement[bool]:
        """Whether a recording occurred before ``instant``."""
        return func.usage_place(cls.occurred_at, cls.ordinal) < first_place(instant)


def first_place(instant: datetime) -> int:
    """The lowest place of a recording that occurred at ``instant``. Outside 1700 to 2250 it is that of the bound."""
    return (min(max(instant, _FIRST), _LAST) - _EPOCH) // INSTANT * _PLACES


class UsageDuplicate(Base):
    """An acceptance that turned out to repeat the recording ``usage_id``: it is answered, and not counted again."""

    __tablename__ = "usage_duplicates"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    usage_id: Mapped[UUID] = mapped_column(index=True)
    received_at: Mapped[Instant]


class UsageVoid(Base):
    """A recording that was taken back and counts no more. ``ordinal`` numbers the voids of a summary from 1."""

    __tablename__ = "usage_voids"
    __table_args__ = (UniqueConstraint("summary_id", "ordinal"),)

    usage_id: Mapped[UUID] = mapped_column(primary_key=True)
    summary_id: Mapped[int] = mapped_column(BigInteger)
    ordinal: Mapped[int] = mapped_column(BigInteger)
    voided_at: Mapped[Instant]
    voided_by: Mapped[str] = mapped_column(String(160))
    reason: Mapped[str] = mapped_column(Text)


class UsageSummary(Base):
    """The running total of one usage type, subscription and period, kept as usage arrives.

    Its "period" is a segment: the billing period, or a part of it in which nothing changed. ``bills_at`` is when it is
    invoiced. ``allowance`` is what earlier segments left of the period's budget under ``quota_id`` (null: nothing is
    ever beyond), and the recordings' ``beyond_limit`` follows it. ``events`` is the number of ordinals given, ``voids``
    the number of recordings taken back. ``events_hash`` is the sum of the hashes of the recordings that count.
    ``beyond_events`` is the number of recordings of which a part lies beyond the limit, ``boundary`` the ordinal of the
    first of them (null: none, or not known). ``to_rate`` says that billing has not seen the present total yet. With
    ``frozen`` the allowance stays for ever, whatever the terms say. ``next_alert`` is the period's total from which on
    alerts look at it (null: no rule is for it; 0: whether one is has not been looked at yet).
    """

    __tablename__ = "usage_summaries"
    __table_args__ = (
        UniqueConstraint("subscription_id", "usage_type_id", "period_start"),
        CheckConstraint("total >= 0 AND total < 'NaN'::numeric", name="total"),
        CheckConstraint("beyond_limit >= 0 AND beyond_limit <= total", name="beyond_limit"),
        CheckConstraint("beyond_events >= 0 AND beyond_events <= events", name="beyond_events"),
        CheckConstraint("period_end > period_start", name="period"),
        CheckConstraint("bills_at >= period_end", name="bills_at"),
        CheckConstraint("length(events_hash) = 32", name="events_hash"),
        Index("ix_usage_summaries_to_rate", "subscription_id", postgresql_where=text("to_rate")),
        # Billing settles these rows all day, and a batch may touch all of a page. Room for one more version of each row
        # keeps those updates on their page and off the indexes.
        {"postgresql_with": {"fillfactor": "50"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subscription_id: Mapped[Identifier] = mapped_column(ForeignKey("subscriptions.id"))
    usage_type_id: Mapped[Identifier] = mapped_column(ForeignKey("usage_types.id"))
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    bills_at: Mapped[Instant]
    quota_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("usage_quotas.id"))
    allowance: Mapped[Quantity | None]
    total: Mapped[Total]
    beyond_limit: Mapped[Total]
    events: Mapped[int] = mapped_column(BigInteger)
    beyond_events: Mapped[int] = mapped_column(BigInteger)
    voids: Mapped[int] = mapped_column(BigInteger, server_default="0")
    events_hash: Mapped[bytes] = mapped_column(LargeBinary)
    to_rate: Mapped[bool] = mapped_column(Boolean)
    boundary: Mapped[int | None] = mapped_column(BigInteger)
    frozen: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    next_alert: Mapped[Decimal | None] = mapped_column(Numeric, server_default=text("0"))


class QuarantinedUsage(Base):
    """An accepted recording that could not be counted: the reason, and the whole recording, ready to be replayed."""

    __tablename__ = "quarantined_usage"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'replayed', 'discarded')", name="status"),
        Index("ix_quarantined_usage_open", "id", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    customer_id: Mapped[Identifier | None] = mapped_column(index=True)
    subscription_id: Mapped[Identifier | None]
    received_at: Mapped[Instant]
    quarantined_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    status: Mapped[str] = mapped_column(String(16), server_default=QuarantineStatus.OPEN)
    resolved_at: Mapped[Instant | None]
    resolved_by: Mapped[str | None] = mapped_column(String(MAX_ACTOR))
