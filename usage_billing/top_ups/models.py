"""The tables of top-ups: the rule by which a wallet asks for more, and each time that it did."""

from datetime import datetime
from enum import StrEnum
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
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Quantity, Total


class TopUpState(StrEnum):
    """``asked`` until it is answered (``paid`` or ``failed``), or ``expired`` where it was not in time."""

    ASKED = "asked"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


class TopUpRule(Base):
    """When a wallet asks for more: once less than ``below`` is available.

    It asks for ``amount``, for what brings it ``up_to``, or for a package; at most ``most_count`` times in
    ``most_per``, and again no sooner than ``cooldown_seconds`` after it asked. Its row is locked before the balance is
    read that it is compared with. ``cycle`` counts what was asked, ``failures`` what was not paid since something was;
    before ``waits_until`` it does not ask. ``look_at`` is when the task looks at it next. ``is_depleted``: nothing was
    available when it was looked at last; ``depletions`` counts how often that came, ``depleted_at`` says when.
    """

    __tablename__ = "top_up_rules"
    __table_args__ = (
        CheckConstraint("below > 0 AND below <= 1e15", name="below"),
        CheckConstraint("amount > 0 AND amount <= 1e15", name="amount"),
        CheckConstraint("up_to > below AND up_to <= 1e15", name="up_to"),
        CheckConstraint("num_nonnulls(amount, up_to, package_id) = 1", name="one_of"),
        CheckConstraint("num_nonnulls(most_count, most_per) IN (0, 2) AND most_count > 0", name="most"),
        CheckConstraint("most_per IN ('hour', 'day', 'week', 'month')", name="most_per"),
        CheckConstraint("least(cooldown_seconds, cycle, failures, depletions) >= 0", name="counts"),
        Index("ix_top_up_rules_customer", "customer_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_top_up_rules_look_at", "look_at", postgresql_where=text("ended_at IS NULL")),
    )

    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"), primary_key=True)
    customer_id: Mapped[Identifier]
    below: Mapped[Quantity]
    amount: Mapped[Quantity | None]
    up_to: Mapped[Quantity | None]
    package_id: Mapped[Identifier | None] = mapped_column(ForeignKey("packages.id"))
    most_count: Mapped[int | None] = mapped_column(Integer)
    most_per: Mapped[str | None] = mapped_column(String(16))
    cooldown_seconds: Mapped[int] = mapped_column(Integer)
    cycle: Mapped[int] = mapped_column(Integer, server_default="0")
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    depletions: Mapped[int] = mapped_column(Integer, server_default="0")
    is_depleted: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    depleted_at: Mapped[Instant | None]
    waits_until: Mapped[Instant | None]
    look_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ended_at: Mapped[Instant | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class TopUp(Base):
    """A request for ``amount`` more, or for a package, made when only ``available`` was left; one at a time a wallet.

    Its foreign key is that of its rule, whose row is locked: a drain must not wait for the wallet.
    """

    __tablename__ = "wallet_top_ups"
    __table_args__ = (
        UniqueConstraint("wallet_id", "cycle"),
        UniqueConstraint("grant_id"),
        CheckConstraint("state IN ('asked', 'paid', 'failed', 'expired')", name="state"),
        CheckConstraint("amount > 0 AND amount <= 1e15", name="amount"),
        CheckConstraint("cycle > 0", name="cycle"),
        CheckConstraint("expires_at > asked_at", name="expires_at"),
        CheckConstraint("(state = 'asked') = (answered_at IS NULL)", name="answered_at"),
        CheckConstraint("(state = 'paid') = (grant_id IS NOT NULL)", name="grant_id"),
        Index("uq_wallet_top_ups_asked", "wallet_id", unique=True, postgresql_where=text("state = 'asked'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("top_up_rules.wallet_id"))
    cycle: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    amount: Mapped[Quantity]
    package_id: Mapped[Identifier | None] = mapped_column(ForeignKey("packages.id"))
    available: Mapped[Total]
    asked_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    answered_at: Mapped[Instant | None]
    grant_id: Mapped[UUID | None] = mapped_column(ForeignKey("wallet_grants.id"))
    reference: Mapped[str | None] = mapped_column(String(MAX_NAME))
    reason: Mapped[str | None] = mapped_column(String(MAX_NAME))
