"""The tables of the catalogue."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.catalog.fees import FeeTiming
from usage_billing.catalog.rollover import QuotaRollover
from usage_billing.core.choices import Effective
from usage_billing.core.clock import instant_text
from usage_billing.core.limits import MAX_NAME, MAX_UNIT_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Price, Quantity
from usage_billing.rating.tax.categories import TaxCategory

_TAX_CATEGORY = "tax_category IN ('S', 'AA', 'Z', 'E', 'AE', 'G', 'O')"


class Plan(Base):
    """What is sold: a name, a currency, a billing interval, perhaps a base fee for each period.

    ``proration`` says how a period is divided when something changes in it: by exact ``time``, by local ``days``, or
    ``none``: not at all. With ``prorates_edges`` a first period that the subscription covers only in part is divided as
    well, and so is the last fee. ``on_downgrade`` says what becomes of usage that was free when the plan is left and
    the allowance that follows does not cover it: it stays free (``keep``) or is charged (``charge``). ``payment_days``
    is how many days after its finalization an invoice is due. ``tax_category`` says how its base fee is taxed.
    With ``customer_alerts`` its customers may set alerts on their subscriptions.
    """

    __tablename__ = "plans"
    __table_args__ = (
        CheckConstraint("interval IN ('day', 'week', 'month', 'quarter', 'year')", name="interval"),
        CheckConstraint("interval_count BETWEEN 1 AND 366", name="interval_count"),
        CheckConstraint("base_fee >= 0 AND base_fee <= 1e12", name="base_fee"),
        CheckConstraint("base_fee_timing IN ('advance', 'arrears')", name="base_fee_timing"),
        CheckConstraint("proration IN ('time', 'days', 'none')", name="proration"),
        CheckConstraint("on_downgrade IN ('keep', 'charge')", name="on_downgrade"),
        CheckConstraint("payment_days BETWEEN 0 AND 366", name="payment_days"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint(_TAX_CATEGORY, name="tax_category"),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    currency: Mapped[str] = mapped_column(String(3))
    interval: Mapped[str] = mapped_column(String(16), server_default="month")
    interval_count: Mapped[int] = mapped_column(Integer, server_default="1")
    base_fee: Mapped[Price | None]
    base_fee_timing: Mapped[str] = mapped_column(String(16), server_default=FeeTiming.ARREARS)
    proration: Mapped[str] = mapped_column(String(16), server_default="time")
    prorates_edges: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    payment_days: Mapped[int] = mapped_column(Integer, server_default="30")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    on_downgrade: Mapped[str] = mapped_column(String(16), server_default="keep")
    tax_category: Mapped[str] = mapped_column(String(2), server_default=TaxCategory.STANDARD)
    customer_alerts: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class PlanVersion(Base):
    """A version of the base fee of a plan after the one it was made with, or one that is a subscription's own.

    From when it holds is told as of a ``UsageQuota``. The first version is the plan's own fields, so these begin at 2.
    """

    __tablename__ = "plan_versions"
    __table_args__ = (
        Index("uq_plan_versions_version", "plan_id", text("coalesce(subscription_id, '')"), "version", unique=True),
        Index("ix_plan_versions_subscription", "subscription_id", postgresql_where=text("subscription_id IS NOT NULL")),
        CheckConstraint("base_fee >= 0 AND base_fee <= 1e12", name="base_fee"),
        CheckConstraint("base_fee_timing IN ('advance', 'arrears')", name="base_fee_timing"),
        CheckConstraint("effective IN ('next_period', 'period', 'now', 'start', 'instant')", name="effective"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    plan_id: Mapped[Identifier] = mapped_column(ForeignKey("plans.id"))
    subscription_id: Mapped[Identifier | None]
    version: Mapped[int] = mapped_column(Integer)
    base_fee: Mapped[Price]
    base_fee_timing: Mapped[str] = mapped_column(String(16))
    effective: Mapped[str] = mapped_column(String(16))
    immediate: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    asked_at: Mapped[Instant]
    effective_from: Mapped[Instant]
    effective_until: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]
    ends: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}", default=dict)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    @property
    def asked_effective(self) -> str:
        """How it was asked to take effect: a word, or the time that was given."""
        return instant_text(self.effective_from) if self.effective == Effective.INSTANT else self.effective


class UsageType(Base):
    """What is counted, and how recordings of it become one quantity.

    With ``of`` it is a meter: it has no recordings of its own, and counts those of that other type. ``tax_category``
    says how charges for it are taxed.
    """

    __tablename__ = "usage_types"
    __table_args__ = (
        CheckConstraint(
            "aggregation IN ('sum', 'count', 'max', 'min', 'latest', 'unique_count', 'average', 'level')",
            name="aggregation",
        ),
        CheckConstraint(_TAX_CATEGORY, name="tax_category"),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    unit_name: Mapped[str] = mapped_column(String(MAX_UNIT_NAME))
    aggregation: Mapped[str] = mapped_column(String(16), server_default="sum")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    of: Mapped[Identifier | None] = mapped_column(ForeignKey("usage_types.id"))
    tax_category: Mapped[str] = mapped_column(String(2), server_default=TaxCategory.STANDARD)


class QuantityDefinition(Base):
    """A version of how a usage type makes the quantity of its recordings; never edited.

    ``value`` is an expression over metadata; with null the sender gives the quantity. It holds for what occurred at
    ``effective_from`` or later and is recorded at ``made_at`` or later, by the clock of the database.
    """

    __tablename__ = "quantity_definitions"

    usage_type_id: Mapped[Identifier] = mapped_column(ForeignKey("usage_types.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)
    effective_from: Mapped[Instant]
    made_at: Mapped[Instant]


class UsageQuota(Base):
    """For a plan and a usage type: the allowance per period and the price beyond it.

    A row is a version and is never edited, except that its successor ends it. ``effective`` says how it was asked to
    take effect, ``asked_at`` (null: ``effective_from``) for which moment. An ``immediate`` version holds from
    ``effective_from`` itself; from when another does depends on the subscription (``core.versions``), and
    ``effective_from`` tells it for periods by the calendar in UTC. It holds until before ``effective_until`` (null: for
    ever). Versions of one plan and type cannot overlap. A version with a ``subscription_id`` is that subscription's
    own, on whatever plan it is, and goes before the plan's. ``ended_at`` is from when on an own one holds no more,
    the first of its ``ends``: by who asked for each, the id of a change of the subscription or 0 for a request that it
    end. With ``rollover_periods`` what is left of the allowance when a period ends is carried over for so many more, as
    ``QuotaRollover`` has it.
    """

    __tablename__ = "usage_quotas"
    __table_args__ = (
        Index(
            "uq_usage_quotas_version",
            "plan_id",
            "usage_type_id",
            text("coalesce(subscription_id, '')"),
            "version",
            unique=True,
        ),
        Index("ix_usage_quotas_subscription", "subscription_id", postgresql_where=text("subscription_id IS NOT NULL")),
        CheckConstraint("monthly_limit IS NULL OR monthly_limit BETWEEN 0 AND 1e15", name="monthly_limit"),
        CheckConstraint("effective IN ('next_period', 'period', 'now', 'start', 'instant')", name="effective"),
        CheckConstraint("effective_until IS NULL OR effective_until >= effective_from", name="span"),
        CheckConstraint(
            "CASE WHEN rollover_periods IS NULL"
            " THEN num_nonnulls(rollover_max, rollover_percent, rollover_grace_seconds) = 0"
            " ELSE monthly_limit IS NOT NULL AND rollover_grace_seconds IS NOT NULL AND rollover_grace_seconds >= 0"
            " AND rollover_periods BETWEEN 1 AND 366 END",
            name="rollover",
        ),
        CheckConstraint("rollover_max > 0 AND rollover_max <= 1e15", name="rollover_max"),
        CheckConstraint("rollover_percent BETWEEN 1 AND 100", name="rollover_percent"),
        Index("ix_usage_quotas_rollover", "plan_id", postgresql_where=text("rollover_periods IS NOT NULL")),
        ExcludeConstraint(
            ("plan_id", "="),
            ("usage_type_id", "="),
            (text("coalesce(subscription_id, '')"), "="),
            (text("tstzrange(effective_from, effective_until)"), "&&"),
            name="ex_usage_quotas_no_overlap",
            using="gist",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    plan_id: Mapped[Identifier] = mapped_column(ForeignKey("plans.id"))
    usage_type_id: Mapped[Identifier] = mapped_column(ForeignKey("usage_types.id"), index=True)
    subscription_id: Mapped[Identifier | None]
    version: Mapped[int] = mapped_column(Integer)
    immediate: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    monthly_limit: Mapped[Quantity | None]
    price: Mapped[dict[str, Any]] = mapped_column(JSONB)
    unit_name: Mapped[str] = mapped_column(String(MAX_UNIT_NAME))
    effective_from: Mapped[Instant]
    effective_until: Mapped[Instant | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    effective: Mapped[str] = mapped_column(String(16), server_default=Effective.NEXT_PERIOD)
    asked_at: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]
    ends: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}", default=dict)
    rollover_periods: Mapped[int | None] = mapped_column(Integer)
    rollover_max: Mapped[Quantity | None]
    rollover_percent: Mapped[int | None] = mapped_column(Integer)
    rollover_grace_seconds: Mapped[int | None] = mapped_column(Integer)

    @property
    def asked_effective(self) -> str:
        """How it was asked to take effect: a word, or the time that was given."""
        return instant_text(self.effective_from) if self.effective == Effective.INSTANT else self.effective

    @property
    def rollover(self) -> QuotaRollover | None:
        """What is carried over when a period ends; None: nothing is."""
        if self.rollover_periods is None:
            return None
        return QuotaRollover(
            max=self.rollover_max,
            max_percent=self.rollover_percent,
            periods=self.rollover_periods,
            grace_seconds=self.rollover_grace_seconds or 0,
        )
