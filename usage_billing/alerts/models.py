"""The tables of alerts."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

import usage_billing.subscriptions.models
import usage_billing.wallets.models  # noqa: F401  rules point to its tables
from usage_billing.core.identifiers import new_id
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Money, Total


class AlertRule(Base):
    """What to watch: of a subscription, a plan's, a customer's, a wallet or, with none of these, everything.

    ``thresholds`` are ascending, in percent, in units or in ``currency``; with ``every`` each multiple of it is a line.
    ``amount`` is what 100 percent are on the basis of spend. A line of a balance is armed again at ``rearm_above``.
    ``told_to`` names the endpoints (None: all that want it).
    Its lines are as they are since ``holds_since``. One that has ``ended_at`` tells nothing more.
    """

    __tablename__ = "alert_rules"
    __table_args__ = (
        CheckConstraint("num_nonnulls(subscription_id, plan_id, customer_id, wallet_id) <= 1", name="scope"),
        CheckConstraint("watches IN ('percent', 'units', 'amount', 'balance', 'projected', 'anomaly')", name="watches"),
        CheckConstraint(
            "(CASE watches WHEN 'percent' THEN basis IN ('allowance', 'allowance+prepaid', 'spend')"
            " WHEN 'balance' THEN basis IS NULL OR basis = 'granted' ELSE basis IS NULL END) IS TRUE",
            name="basis",
        ),
        CheckConstraint(
            "CASE WHEN watches = 'balance' THEN num_nonnulls(subscription_id, plan_id, every) = 0"
            " ELSE num_nonnulls(wallet_id, rearm_above) = 0 END",
            name="balance",
        ),
        CheckConstraint("watches NOT IN ('projected', 'anomaly') OR every IS NULL", name="hourly"),
        CheckConstraint("rearm_above > 0 AND rearm_above < 'NaN'::numeric", name="rearm_above"),
        CheckConstraint(
            "(amount IS NOT NULL) = coalesce(basis = 'spend', false) AND amount > 0 AND amount < 1e44", name="amount"
        ),
        CheckConstraint(
            "watches = 'balance' OR"
            " (currency IS NOT NULL) = (watches IN ('amount', 'projected') OR amount IS NOT NULL)",
            name="currency",
        ),
        CheckConstraint("num_nonnulls(thresholds, every) = 1", name="lines"),
        CheckConstraint(
            "cardinality(thresholds) BETWEEN 1 AND 20 AND array_position(thresholds, NULL) IS NULL", name="thresholds"
        ),
        CheckConstraint("every > 0 AND every < 'NaN'::numeric", name="every"),
        CheckConstraint("rearm IN ('never', 'on_resolve')", name="rearm"),
        CheckConstraint("late IN ('tell', 'silent')", name="late"),
        CheckConstraint("cardinality(told_to) > 0", name="told_to"),
        CheckConstraint("NOT made_by_customer OR num_nonnulls(subscription_id, told_to) = 2", name="made_by_customer"),
        Index("ix_alert_rules_subscription", "subscription_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_alert_rules_customer", "customer_id", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    subscription_id: Mapped[Identifier | None] = mapped_column(ForeignKey("subscriptions.id"))
    plan_id: Mapped[Identifier | None] = mapped_column(ForeignKey("plans.id"))
    customer_id: Mapped[Identifier | None] = mapped_column(ForeignKey("customers.id"))
    wallet_id: Mapped[Identifier | None] = mapped_column(ForeignKey("wallets.id"))
    watches: Mapped[str] = mapped_column(String(16))
    usage_type_id: Mapped[Identifier | None] = mapped_column(ForeignKey("usage_types.id"))
    basis: Mapped[str | None] = mapped_column(String(24))
    amount: Mapped[Money | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    thresholds: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric(40, 12)))
    every: Mapped[Total | None]
    resolve: Mapped[bool] = mapped_column(Boolean, server_default="false")
    rearm: Mapped[str] = mapped_column(String(16), server_default="never")
    rearm_above: Mapped[Total | None]
    late: Mapped[str] = mapped_column(String(16), server_default="tell")
    told_to: Mapped[list[str] | None] = mapped_column(ARRAY(String(128)))
    made_by_customer: Mapped[bool] = mapped_column(Boolean, server_default="false")
    holds_since: Mapped[Instant]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ended_at: Mapped[Instant | None]

    @property
    def is_in_money(self) -> bool:
        """Whether its lines are money of its currency; else they are percent, units or median deviations."""
        return self.watches in ("amount", "projected") or (self.watches == "balance" and self.basis is None)


class AlertFiring(Base):
    """That a line was crossed: once for each rule, subject, period, round and threshold, for which a key is unique.

    ``subject`` is ``subscription/usage type``, the subscription alone, or ``wallet:`` and a wallet, whose period begins
    when it was made and has no end. ``round`` counts how often the line was
    armed again in the period. ``value`` is what was compared, ``base`` what 100 percent are. ``begins`` is the first
    line of one that stands for several of ``every``, ``threshold`` the last. What is told stays; a trigger refuses
    all but its being resolved.
    """

    __tablename__ = "alert_firings"
    __table_args__ = (
        UniqueConstraint("rule_id", "subject", "period_start", "round", "threshold", name="uq_alert_firings_once"),
        CheckConstraint("state IN ('told', 'open', 'back', 'over')", name="state"),
        CheckConstraint("(state IN ('back', 'over')) = (resolved_at IS NOT NULL)", name="resolved"),
        CheckConstraint("round >= 0", name="round"),
        CheckConstraint("(wallet_id IS NULL) = (period_end IS NOT NULL)", name="wallet"),
        Index("ix_alert_firings_open", "period_end", postgresql_where=text("state = 'open'")),
        Index("ix_alert_firings_rule", "rule_id", "id"),
        Index("ix_alert_firings_subscription", "subscription_id", "period_start"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    rule_id: Mapped[Identifier] = mapped_column(ForeignKey("alert_rules.id"))
    subject: Mapped[str] = mapped_column(String(260, collation="C"))
    period_start: Mapped[Instant]
    round: Mapped[int] = mapped_column(Integer)
    threshold: Mapped[Total]
    period_end: Mapped[Instant | None]
    customer_id: Mapped[Identifier]
    subscription_id: Mapped[Identifier | None]
    wallet_id: Mapped[Identifier | None]
    usage_type_id: Mapped[Identifier | None]
    begins: Mapped[Total | None]
    value: Mapped[Decimal] = mapped_column(Numeric(52, 12))
    base: Mapped[Decimal | None] = mapped_column(Numeric(52, 12))
    late: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[str] = mapped_column(String(16))
    fired_at: Mapped[Instant]
    resolved_at: Mapped[Instant | None]


class AlertLook(Base):
    """That the lines of a subscription or of a customer's wallets may have moved: they are judged anew in seconds."""

    __tablename__ = "alert_looks"
    __table_args__ = (CheckConstraint("num_nonnulls(subscription_id, customer_id) = 1", name="one"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subscription_id: Mapped[Identifier | None]
    customer_id: Mapped[Identifier | None]
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class WatchedWallet(Base):
    """A wallet that a rule is for: what lets it fall locks this row before the balance is read.

    ``look_at`` is when the task looks at it next, for the clock alone moves balances too.
    """

    __tablename__ = "alert_wallets"
    __table_args__ = (
        Index("ix_alert_wallets_customer", "customer_id"),
        Index("ix_alert_wallets_look_at", "look_at"),
    )

    wallet_id: Mapped[Identifier] = mapped_column(ForeignKey("wallets.id"), primary_key=True)
    customer_id: Mapped[Identifier]
    look_at: Mapped[Instant] = mapped_column(server_default=func.now())


class AlertProjection(Base):
    """What the last ``hour`` (of those since 1970) foresaw of a subject of a rule, and of which billing period."""

    __tablename__ = "alert_projections"

    rule_id: Mapped[Identifier] = mapped_column(ForeignKey("alert_rules.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(260, collation="C"), primary_key=True)
    period_start: Mapped[Instant]
    hour: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[Decimal] = mapped_column(Numeric(52, 12))


class AlertHour(Base):
    """Up to which subscription what is judged hourly is judged in an ``hour``; null: all."""

    __tablename__ = "alert_hours"
    __table_args__ = (CheckConstraint("watches IN ('projected', 'anomaly')", name="watches"),)

    watches: Mapped[str] = mapped_column(String(16), primary_key=True)
    hour: Mapped[int] = mapped_column(BigInteger)
    upto: Mapped[Identifier | None]
