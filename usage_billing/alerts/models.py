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

import usage_billing.subscriptions.models  # noqa: F401  rules point to its tables
from usage_billing.core.identifiers import new_id
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Money, Total


class AlertRule(Base):
    """What to watch: of a subscription, a plan's, a customer's or, with none of the three, all subscriptions.

    ``thresholds`` are ascending, in percent, in units or in ``currency``; with ``every`` each multiple of it is a line.
    ``amount`` is what 100 percent are on the basis of spend. ``told_to`` names the endpoints (None: all that want it).
    Its lines are as they are since ``holds_since``. One that has ``ended_at`` tells nothing more.
    """

    __tablename__ = "alert_rules"
    __table_args__ = (
        CheckConstraint("num_nonnulls(subscription_id, plan_id, customer_id) <= 1", name="scope"),
        CheckConstraint("watches IN ('percent', 'units', 'amount')", name="watches"),
        CheckConstraint(
            "(watches = 'percent') = (basis IS NOT NULL) AND basis IN ('allowance', 'allowance+prepaid', 'spend')",
            name="basis",
        ),
        CheckConstraint(
            "(amount IS NOT NULL) = coalesce(basis = 'spend', false) AND amount > 0 AND amount < 1e44", name="amount"
        ),
        CheckConstraint("(currency IS NOT NULL) = (watches = 'amount' OR amount IS NOT NULL)", name="currency"),
        CheckConstraint("num_nonnulls(thresholds, every) = 1", name="lines"),
        CheckConstraint(
            "cardinality(thresholds) BETWEEN 1 AND 20 AND array_position(thresholds, NULL) IS NULL", name="thresholds"
        ),
        CheckConstraint("every > 0 AND every < 'NaN'::numeric", name="every"),
        CheckConstraint("rearm IN ('never', 'on_resolve')", name="rearm"),
        CheckConstraint("late IN ('tell', 'silent')", name="late"),
        CheckConstraint("cardinality(told_to) > 0", name="told_to"),
        Index("ix_alert_rules_subscription", "subscription_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_alert_rules_customer", "customer_id", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    subscription_id: Mapped[Identifier | None] = mapped_column(ForeignKey("subscriptions.id"))
    plan_id: Mapped[Identifier | None] = mapped_column(ForeignKey("plans.id"))
    customer_id: Mapped[Identifier | None] = mapped_column(ForeignKey("customers.id"))
    watches: Mapped[str] = mapped_column(String(16))
    usage_type_id: Mapped[Identifier | None] = mapped_column(ForeignKey("usage_types.id"))
    basis: Mapped[str | None] = mapped_column(String(24))
    amount: Mapped[Money | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    thresholds: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric(40, 12)))
    every: Mapped[Total | None]
    resolve: Mapped[bool] = mapped_column(Boolean, server_default="false")
    rearm: Mapped[str] = mapped_column(String(16), server_default="never")
    late: Mapped[str] = mapped_column(String(16), server_default="tell")
    told_to: Mapped[list[str] | None] = mapped_column(ARRAY(String(128)))
    holds_since: Mapped[Instant]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ended_at: Mapped[Instant | None]


class AlertFiring(Base):
    """That a line was crossed: once for each rule, subject, period, round and threshold, for which a key is unique.

    ``subject`` is ``subscription/usage type``, or the subscription alone. ``round`` counts how often the line was
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
    period_end: Mapped[Instant]
    customer_id: Mapped[Identifier]
    subscription_id: Mapped[Identifier | None]
    usage_type_id: Mapped[Identifier | None]
    begins: Mapped[Total | None]
    value: Mapped[Decimal] = mapped_column(Numeric(52, 12))
    base: Mapped[Decimal | None] = mapped_column(Numeric(52, 12))
    late: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[str] = mapped_column(String(16))
    fired_at: Mapped[Instant]
    resolved_at: Mapped[Instant | None]


class AlertLook(Base):
    """That the lines of a subscription may have moved: they are judged anew within some seconds."""

    __tablename__ = "alert_looks"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subscription_id: Mapped[Identifier]
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
