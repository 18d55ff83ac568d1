"""The table of customers."""

from datetime import datetime

from sqlalchemy import DateTime, String, func
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.limits import MAX_EMAIL, MAX_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier


class Customer(Base):
    """A customer, who pays; its id is ``userId`` on the wire."""

    __tablename__ = "customers"

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    email: Mapped[str | None] = mapped_column(String(MAX_EMAIL))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
