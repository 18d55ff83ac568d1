"""The table of subscriptions."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, String, func
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant


class Subscription(Base):
    """A customer on a plan, with the time zone its periods are computed in.

    Billing locks this row (``FOR NO KEY UPDATE``) before it touches anything of the subscription's.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at > started_at", name="span"),
        CheckConstraint("anchor IN ('calendar')", name="anchor"),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"), index=True)
    plan_id: Mapped[Identifier] = mapped_column(ForeignKey("plans.id"), index=True)
    started_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    anchor: Mapped[str] = mapped_column(String(16), server_default="calendar")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
