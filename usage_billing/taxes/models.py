"""The table of tax rates."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, Identity, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Rate


class TaxRate(Base):
    """What a category of a country costs from a day on, in per cent.

    Of two for one country, category and day the later said holds. Rows are added and never change.
    """

    __tablename__ = "tax_rates"
    __table_args__ = (
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
        CheckConstraint("category IN ('S', 'AA')", name="category"),
        CheckConstraint("rate >= 0 AND rate <= 100", name="rate"),
        Index("ix_tax_rates_day", "country", "category", "effective_from", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    country: Mapped[str] = mapped_column(String(2))
    category: Mapped[str] = mapped_column(String(2))
    rate: Mapped[Rate]
    effective_from: Mapped[date] = mapped_column(Date)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
