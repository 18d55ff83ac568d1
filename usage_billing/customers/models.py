"""The tables of the parties of an invoice."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Identity, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.limits import (
    MAX_BUYER_REFERENCE,
    MAX_EMAIL,
    MAX_LANGUAGE,
    MAX_LEGAL_NAME,
    MAX_NAME,
    MAX_TAX_ID,
)
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier


class Customer(Base):
    """A customer, who pays; its id is ``userId`` on the wire. Its ``address`` is as ``parties.Address`` is kept."""

    __tablename__ = "customers"

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    email: Mapped[str | None] = mapped_column(String(MAX_EMAIL))
    legal_name: Mapped[str | None] = mapped_column(String(MAX_LEGAL_NAME))
    address: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    tax_id: Mapped[str | None] = mapped_column(String(MAX_TAX_ID))
    language: Mapped[str | None] = mapped_column(String(MAX_LANGUAGE))
    buyer_reference: Mapped[str | None] = mapped_column(String(MAX_BUYER_REFERENCE))
    tax_exempt: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class SellerVersion(Base):
    """Who bills, as it was said at one time (``parties.Seller`` as it is kept); the newest holds."""

    __tablename__ = "sellers"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    said: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    @property
    def taxes(self) -> dict[str, Any]:
        """How its tax is reckoned: ``{"mode": ...}``; not at all where a version before taxes said it."""
        taxes: dict[str, Any] = self.said.get("taxes") or {"mode": "none"}
        return taxes

    @property
    def language(self) -> str | None:
        """That of documents for customers who said none."""
        found: str | None = self.said.get("language")
        return found
