"""The table of schedules, by which grants recur."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.identifiers import new_id
from usage_billing.core.periods import Cadence
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Quantity
from usage_billing.prepaid.recurrence import Recurrence

_INTERVALS = "('day', 'week', 'month', 'quarter', 'year')"


class Schedule(Base):
    """A grant that recurs: ``amount`` with each occurrence from ``starts_at`` to before ``ends_at``.

    ``next_at`` is the first occurrence of which no grant is stored; null when there is none to come. Without an
    ``anchor`` occurrences follow the calendar of ``timezone``. What did not pay expires ``grace_seconds`` after a
    grant does. With ``rollover_periods`` the next grant is joined by one that has what is left, at most
    ``rollover_max`` and ``rollover_percent`` of the amount, and holds for so many occurrences.
    """

    __tablename__ = "wallet_schedules"
    __table_args__ = (
        UniqueConstraint("wallet_id", "key"),
        CheckConstraint("category IN ('promotional', 'adjustment')", name="category"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority"),
        CheckConstraint("amount > 0 AND amount <= 1e15", name="amount"),
        CheckConstraint(f"interval IN {_INTERVALS} AND interval_count BETWEEN 1 AND 366", name="interval"),
        CheckConstraint(
            f"num_nulls(validity_interval, validity_count) IN (0, 2) AND validity_interval IN {_INTERVALS}"
            " AND validity_count BETWEEN 1 AND 366",
            name="validity",
        ),
        CheckConstraint("NOT until_next OR validity_interval IS NULL", name="until_next"),
        CheckConstraint(
            "CASE WHEN rollover_periods IS NULL THEN num_nonnulls(rollover_max, rollover_percent) = 0"
            " ELSE until_next AND rollover_periods BETWEEN 1 AND 366 END",
            name="rollover",
        ),
        CheckConstraint("rollover_max > 0 AND rollover_max <= 1e15", name="rollover_max"),
        CheckConstraint("rollover_percent BETWEEN 1 AND 100", name="rollover_percent"),
        CheckConstraint("next_at >= starts_at AND (ends_at IS NULL OR next_at < ends_at)", name="next_at"),
        CheckConstraint("grace_seconds >= 0", name="grace_seconds"),
        Index("ix_wallet_schedules_next", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"))
    key: Mapped[Identifier]
    category: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int] = mapped_column(Integer)
    usage_types: Mapped[list[str] | None] = mapped_column(ARRAY(String(128, collation="C")))
    subscription_ids: Mapped[list[str] | None] = mapped_column(ARRAY(String(128, collation="C")))
    amount: Mapped[Quantity]
    interval: Mapped[str] = mapped_column(String(16))
    interval_count: Mapped[int] = mapped_column(Integer)
    anchor: Mapped[Instant | None]
    timezone: Mapped[str] = mapped_column(String(64))
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant | None]
    until_next: Mapped[bool] = mapped_column(Boolean)
    validity_interval: Mapped[str | None] = mapped_column(String(16))
    validity_count: Mapped[int | None] = mapped_column(Integer)
    grace_seconds: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[Instant | None]
    rollover_periods: Mapped[int | None] = mapped_column(Integer)
    rollover_max: Mapped[Quantity | None]
    rollover_percent: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    @property
    def recurrence(self) -> Recurrence:
        """When its grants begin and end."""
        named = self.validity_interval is not None and self.validity_count is not None
        return Recurrence(
            cadence=Cadence(self.interval, self.interval_count, anchor=self.anchor),
            zone=self.timezone,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            until_next=self.until_next,
            validity=(str(self.validity_interval), int(self.validity_count or 0)) if named else None,
        )

    @property
    def every(self) -> dict[str, object]:
        """How often it makes a grant."""
        return {"interval": self.interval, "intervalCount": self.interval_count}

    @property
    def validity(self) -> dict[str, object] | None:
        """How long a grant holds; None: until the next, or for ever."""
        if self.validity_interval is None:
            return None
        return {"interval": self.validity_interval, "intervalCount": self.validity_count}

    @property
    def rollover(self) -> dict[str, object] | None:
        """What of a grant is carried over to the next; None: nothing is."""
        if self.rollover_periods is None:
            return None
        return {"max": self.rollover_max, "maxPercent": self.rollover_percent, "periods": self.rollover_periods}

    @property
    def follows(self) -> str:
        """Whether occurrences follow the calendar or the schedule's own start."""
        return "calendar" if self.anchor is None else "anniversary"
