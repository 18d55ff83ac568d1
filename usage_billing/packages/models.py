"""The tables of packages and of their purchases."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
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
from usage_billing.core.limits import MAX_NAME, MAX_UNIT_NAME
from usage_billing.core.periods import Cadence, period_at
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Money, Quantity


class ChargedBy(StrEnum):
    """How a purchase is charged: on the next invoice, on one of its own at once, or not here, as it was paid."""

    NEXT_INVOICE = "next_invoice"
    NOW = "now"
    PAID = "paid"


class Package(Base):
    """What is sold beforehand: units of usage types, or without any money in its ``currency``.

    How much of it and for how much in that currency, its versions say.
    """

    __tablename__ = "packages"
    __table_args__ = (
        CheckConstraint("cardinality(usage_types) > 0", name="usage_types"),
        CheckConstraint("num_nulls(unit_name, usage_types) IN (0, 2)", name="unit"),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    unit_name: Mapped[str | None] = mapped_column(String(MAX_UNIT_NAME))
    usage_types: Mapped[list[str] | None] = mapped_column(ARRAY(String(128, collation="C")))
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class PackageVersion(Base):
    """What is sold from ``effective_from`` until the next version: ``amount`` units for ``price``; never edited.

    What is bought holds for ``validity_count`` intervals from the purchase on; both null: for ever. ``payment_days``
    is of an invoice of its own.
    """

    __tablename__ = "package_versions"
    __table_args__ = (
        UniqueConstraint("package_id", "effective_from"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("amount > 0 AND amount <= 1e15", name="amount"),
        CheckConstraint("price > 0 AND price <= 1e15", name="price"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority"),
        CheckConstraint("num_nulls(validity_interval, validity_count) IN (0, 2)", name="validity"),
        CheckConstraint("validity_interval IN ('day', 'week', 'month', 'quarter', 'year')", name="validity_interval"),
        CheckConstraint("validity_count BETWEEN 1 AND 366", name="validity_count"),
        CheckConstraint("payment_days >= 0", name="payment_days"),
        CheckConstraint("tax_category IN ('S', 'AA', 'Z', 'E', 'AE', 'G', 'O')", name="tax_category"),
    )

    package_id: Mapped[Identifier] = mapped_column(ForeignKey("packages.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    amount: Mapped[Quantity]
    price: Mapped[Money]
    priority: Mapped[int] = mapped_column(Integer)
    validity_interval: Mapped[str | None] = mapped_column(String(16))
    validity_count: Mapped[int | None] = mapped_column(Integer)
    tax_category: Mapped[str] = mapped_column(String(2))
    payment_days: Mapped[int] = mapped_column(Integer)
    effective_from: Mapped[Instant]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    @property
    def validity(self) -> dict[str, object] | None:
        """How long what is bought holds; None: for ever."""
        if self.validity_interval is None:
            return None
        return {"interval": self.validity_interval, "intervalCount": self.validity_count}

    def expiry_from(self, start: datetime, *, zone: str) -> datetime | None:
        """Until when what begins at ``start`` holds, by the calendar of a time zone; None: for ever."""
        if self.validity_interval is None or self.validity_count is None:
            return None
        cadence = Cadence(self.validity_interval, self.validity_count, anchor=start)
        return period_at(start, zone=zone, cadence=cadence).end


class PurchaseCharge(Base):
    """What is due for a purchase, on the invoices of its subscription or, without one, on an invoice of its own."""

    __tablename__ = "purchase_charges"
    __table_args__ = (
        CheckConstraint("amount >= 0 AND amount <= 1e27", name="amount"),
        CheckConstraint("count > 0", name="count"),
        CheckConstraint("NOT to_charge OR subscription_id IS NOT NULL", name="to_charge"),
        Index("ix_purchase_charges_to_charge", "subscription_id", postgresql_where=text("to_charge")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subscription_id: Mapped[Identifier | None] = mapped_column(ForeignKey("subscriptions.id"))
    package_name: Mapped[str] = mapped_column(String(MAX_NAME))
    count: Mapped[int] = mapped_column(Integer)
    sold_at: Mapped[Instant]
    amount: Mapped[Money]
    currency: Mapped[str] = mapped_column(String(3))
    tax_category: Mapped[str] = mapped_column(String(2))
    payment_days: Mapped[int] = mapped_column(Integer)
    to_charge: Mapped[bool] = mapped_column(Boolean)


class Purchase(Base):
    """That a customer bought a package ``count`` times: the grant that it made, and what charges for it.

    ``charge_id`` is what billing charges, null where it was paid elsewhere. The ``key`` buys once, for ever.
    """

    __tablename__ = "purchases"
    __table_args__ = (
        UniqueConstraint("customer_id", "key"),
        UniqueConstraint("grant_id"),
        UniqueConstraint("charge_id"),
        ForeignKeyConstraint(
            ["package_id", "version"],
            ["package_versions.package_id", "package_versions.version"],
            name="fk_purchases_package_id_version",
        ),
        CheckConstraint("charge IN ('next_invoice', 'now', 'paid')", name="charge"),
        CheckConstraint("(charge = 'paid') = (charge_id IS NULL)", name="charge_id"),
        CheckConstraint("charge <> 'next_invoice' OR subscription_id IS NOT NULL", name="next_invoice"),
        CheckConstraint("count > 0", name="count"),
        Index("ix_purchases_package", "package_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"))
    subscription_id: Mapped[Identifier | None] = mapped_column(ForeignKey("subscriptions.id"))
    package_id: Mapped[Identifier]
    version: Mapped[int] = mapped_column(Integer)
    key: Mapped[Identifier]
    count: Mapped[int] = mapped_column(Integer)
    charge: Mapped[str] = mapped_column(String(16))
    reference: Mapped[str | None] = mapped_column(String(MAX_NAME))
    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"))
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("wallet_grants.id"))
    charge_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("purchase_charges.id"))
    at: Mapped[Instant]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
