"""The tables of wallets."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
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
from usage_billing.core.limits import MAX_UNIT_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Money, Quantity, Total
from usage_billing.wallets.grant_rules import GRANT_INDEXES, GRANT_RULES, TRANSFER_RULES, WALLET_RULES


class GrantCategory(StrEnum):
    """Where a grant comes from: it was bought, given, corrects another, or has what another had left."""

    PURCHASED = "purchased"
    PROMOTIONAL = "promotional"
    ADJUSTMENT = "adjustment"
    ROLLOVER = "rollover"


class GrantStatus(StrEnum):
    """``pending`` until it is paid, ``active`` until it is ``closed`` after its expiry, or ``void``."""

    PENDING = "pending"
    ACTIVE = "active"
    CLOSED = "closed"
    VOID = "void"


OVERDRAFT = "overdraft"


class Wallet(Base):
    """What a customer holds in one unit: for one subscription, or for all that have no wallet of their own.

    It holds units of usage types, or money: then it pays charges in its ``currency``, and with ``fees`` base fees too.
    What no grant pays for is charged, or owed up to the ``overdraft``. ``unused_at``: when a task looks at allowances.
    """

    __tablename__ = "wallets"
    __table_args__ = (
        *(CheckConstraint(rule, name=name) for name, rule in WALLET_RULES.items()),
        Index(
            "uq_wallets_currency",
            "customer_id",
            text("coalesce(subscription_id, '')"),
            "currency",
            unique=True,
            postgresql_where=text("currency IS NOT NULL"),
        ),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"), index=True)
    subscription_id: Mapped[Identifier | None] = mapped_column(ForeignKey("subscriptions.id"))
    unit_name: Mapped[str | None] = mapped_column(String(MAX_UNIT_NAME))
    created_at: Mapped[Instant] = mapped_column(server_default=func.now())
    currency: Mapped[str | None] = mapped_column(String(3))
    fees: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    unused_at: Mapped[Instant | None]
    uncovered: Mapped[str] = mapped_column(String(16), server_default="charge")
    overdraft: Mapped[Quantity | None]
    closed_at: Mapped[Instant | None]


class WalletScope(Base):
    """A usage type that a wallet pays for. For each subscription ('': all others of the customer) it is in one."""

    __tablename__ = "wallet_scopes"
    __table_args__ = (
        UniqueConstraint("customer_id", "subscription_id", "usage_type_id", name="uq_wallet_scopes_overlap"),
    )

    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"), primary_key=True)
    usage_type_id: Mapped[Identifier] = mapped_column(ForeignKey("usage_types.id"), primary_key=True)
    customer_id: Mapped[Identifier]
    subscription_id: Mapped[Identifier] = mapped_column(server_default="")


class Grant(Base):
    """An amount in a wallet, from when until when, for what, and at what cost.

    ``closes_at`` is when what it did not pay for expires: its expiry, or its reset, and the grace time of invoices.
    ``posted``, ``expired``, ``taken_back``, ``refunded`` are out of it. ``activated_at`` is null until it is paid. What
    is ``unused_of`` a subscription is what its allowance left. What a reset kept of it is in the grant ``kept_in``. An
    ``OVERDRAFT`` is no grant.
    """

    __tablename__ = "wallet_grants"
    __table_args__ = (
        UniqueConstraint("wallet_id", "key"),
        UniqueConstraint("schedule_id", "effective_at"),
        UniqueConstraint("unused_of", "usage_types", "effective_at", name="uq_wallet_grants_unused_of"),
        *(CheckConstraint(rule, name=name) for name, rule in GRANT_RULES.items()),
        *GRANT_INDEXES,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"))
    key: Mapped[Identifier | None]
    category: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16), server_default=GrantStatus.ACTIVE)
    priority: Mapped[int] = mapped_column(Integer)
    usage_types: Mapped[list[str] | None] = mapped_column(ARRAY(String(128, collation="C")))
    subscription_ids: Mapped[list[str] | None] = mapped_column(ARRAY(String(128, collation="C")))
    amount: Mapped[Quantity]
    effective_at: Mapped[Instant]
    expires_at: Mapped[Instant | None]
    covers_since: Mapped[Instant | None]
    closes_at: Mapped[Instant | None]
    cost: Mapped[Money] = mapped_column(server_default="0")
    cost_currency: Mapped[str | None] = mapped_column(String(3))
    posted: Mapped[Total] = mapped_column(server_default="0")
    expired: Mapped[Total] = mapped_column(server_default="0")
    taken_back: Mapped[Total] = mapped_column(server_default="0")
    refunded: Mapped[Total] = mapped_column(server_default="0")
    activated_at: Mapped[Instant | None] = mapped_column(server_default=func.now())
    pending_until_paid: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    starts_when_paid: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[Instant] = mapped_column(server_default=func.now())
    schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("wallet_schedules.id"))
    reset_at: Mapped[Instant | None]
    rolls_from: Mapped[UUID | None] = mapped_column(ForeignKey("wallet_grants.id"), unique=True)
    rollover_max: Mapped[Quantity | None]
    rollover_percent: Mapped[int | None] = mapped_column(Integer)
    rolled_over: Mapped[Total] = mapped_column(server_default="0")
    unused_of: Mapped[Identifier | None] = mapped_column(ForeignKey("subscriptions.id"))
    kept_in: Mapped[UUID | None] = mapped_column(ForeignKey("wallet_grants.id"))

    @property
    def is_kept(self) -> bool:
        """Whether it has what a reset kept of others, which are ``kept_in`` it."""
        return self.category == GrantCategory.ROLLOVER and self.key is not None

    @property
    def out(self) -> Decimal:
        """What is out of it for good."""
        return self.posted + self.expired + self.taken_back + self.refunded + self.rolled_over

    @property
    def ends_at(self) -> datetime | None:
        """From when on it pays for nothing: its expiry, or the reset that came before; None: never."""
        return self.expires_at if self.reset_at is None else self.reset_at

    @property
    def counts(self) -> bool:
        """Whether it was ever active; one that was not neither pays nor divides usage, and is in no balance."""
        return self.activated_at is not None


class WalletDraw(Base):
    """What a grant paid for of a window of a summary, or of a base fee, once that is final."""

    __tablename__ = "wallet_draws"
    __table_args__ = (
        CheckConstraint("posted > 0 AND posted <= 1e27", name="posted"),
        CheckConstraint("num_nonnulls(summary_id, fee_id) = 1", name="cause"),
        Index("ix_wallet_draws_grant", "grant_id"),
        UniqueConstraint(
            *("summary_id", "window_start", "grant_id", "fee_id"),
            name="uq_wallet_draws_need",
            postgresql_nulls_not_distinct=True,
        ),
    )

    summary_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("usage_summaries.id"))
    window_start: Mapped[Instant]
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("wallet_grants.id"))
    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"), index=True)
    posted: Mapped[Total]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    fee_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("fee_charges.id"))


class Transfer(Base):
    """One movement of units or money, and of what it cost, between two accounts of a wallet; only ever added to.

    ``invoice_id`` is the invoice that became final, or void. ``events`` and ``voids`` say what of the summary's
    recordings was known. ``key`` makes a refund once.
    """

    __tablename__ = "wallet_transfers"
    __table_args__ = (
        *(CheckConstraint(rule, name=name) for name, rule in TRANSFER_RULES.items()),
        Index("uq_wallet_transfers_key", "grant_id", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
        Index("ix_wallet_transfers_wallet", "wallet_id", "id"),
        Index("ix_wallet_transfers_grant", "grant_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"))
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("wallet_grants.id"))
    kind: Mapped[str] = mapped_column(String(16))
    debit: Mapped[str] = mapped_column(String(16))
    credit: Mapped[str] = mapped_column(String(16))
    amount: Mapped[Total]
    cost: Mapped[Money]
    at: Mapped[Instant] = mapped_column(server_default=func.now())
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id"))
    summary_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("usage_summaries.id"))
    window_start: Mapped[Instant | None]
    events: Mapped[int | None] = mapped_column(BigInteger)
    voids: Mapped[int | None] = mapped_column(BigInteger)
    key: Mapped[Identifier | None]
    fee_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("fee_charges.id"))


class CoveredSummary(Base):
    """How many units of a summary grants paid for when billing rated it last; without a row: none."""

    __tablename__ = "covered_summaries"
    __table_args__ = (CheckConstraint("covered > 0 AND covered <= 1e27", name="covered"),)

    summary_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("usage_summaries.id"), primary_key=True)
    covered: Mapped[Total]


class PastGrants(Base):
    """How many grants of a wallet are closed or void that ever counted, and what they come to; a trigger keeps it."""

    __tablename__ = "past_grants"

    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"), primary_key=True)
    grants: Mapped[int] = mapped_column(BigInteger)
    granted: Mapped[Total]
    posted: Mapped[Total]
    expired: Mapped[Total]
    taken_back: Mapped[Total]
    refunded: Mapped[Total]
    rolled_over: Mapped[Total]
