"""The tables of subscriptions."""

from datetime import datetime
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
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant
from usage_billing.subscriptions.anchors import Anchor

SEAL = r"substr(sha256(decode(replace(id, '\', '\\'), 'escape')), 1, 3)"
"""Three bytes of a hash of a subscription's id: ids of what its allowance left have them, so that it is found."""


class Subscription(Base):
    """A customer on a plan, with the time zone its periods are computed in.

    Billing locks this row (``FOR NO KEY UPDATE``) before it touches anything of the subscription's. ``plan_id`` is the
    plan of its last term; ``version`` counts its changes. ``opens_at`` is from when on billing has not yet looked for
    base fees and minimums, which are due without any usage; it is null when there are none.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at > started_at", name="span"),
        CheckConstraint("anchor IN ('calendar', 'anniversary')", name="anchor"),
        CheckConstraint(
            "anchor_day IS NULL OR (anchor_day BETWEEN 1 AND 31 AND anchor = 'calendar')", name="anchor_day"
        ),
        Index("ix_subscriptions_periods_due", "opens_at", postgresql_where=text("opens_at IS NOT NULL")),
        Index("ix_subscriptions_seal", text(SEAL)),
    )

    id: Mapped[Identifier] = mapped_column(primary_key=True)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"), index=True)
    plan_id: Mapped[Identifier] = mapped_column(ForeignKey("plans.id"), index=True)
    started_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    anchor: Mapped[str] = mapped_column(String(16), server_default=Anchor.CALENDAR)
    anchor_day: Mapped[int | None] = mapped_column(Integer)
    opens_at: Mapped[Instant | None]
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class SubscriptionChange(Base):
    """What was agreed of a subscription: a plan, a pause, that it goes on, its end. Its terms are the fold of these.

    The first is the plan that it began on. One that was taken back counts no more, and stays for the record. ``cuts``
    keeps a division of the terms that is older than this table.
    """

    __tablename__ = "subscription_changes"
    __table_args__ = (
        CheckConstraint("kind IN ('plan', 'pause', 'resume', 'end')", name="kind"),
        CheckConstraint("(kind = 'plan') = (plan_id IS NOT NULL)", name="plan"),
        Index("ix_subscription_changes_subscription", "subscription_id", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subscription_id: Mapped[Identifier] = mapped_column(ForeignKey("subscriptions.id"))
    at: Mapped[Instant]
    kind: Mapped[str] = mapped_column(String(16))
    plan_id: Mapped[Identifier | None] = mapped_column(ForeignKey("plans.id"))
    cuts: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    made_at: Mapped[Instant]
    made_by: Mapped[str] = mapped_column(String(160))
    taken_back_at: Mapped[Instant | None]
    taken_back_by: Mapped[str | None] = mapped_column(String(160))


class SubscriptionTerm(Base):
    """A span of a subscription on one plan, or paused. Terms of one subscription cannot overlap.

    They are written from its changes, for those who record and bill.
    """

    __tablename__ = "subscription_terms"
    __table_args__ = (
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="span"),
        ExcludeConstraint(
            ("subscription_id", "="),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            name="ex_subscription_terms_no_overlap",
            using="gist",
        ),
        # For a look-up by the subscription alone, the index of the constraint above is ten times slower.
        Index("ix_subscription_terms_subscription", "subscription_id", "starts_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subscription_id: Mapped[Identifier] = mapped_column(ForeignKey("subscriptions.id"))
    plan_id: Mapped[Identifier] = mapped_column(ForeignKey("plans.id"))
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant | None]
    paused: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class TermStamp(Base):
    """The stamp of the last transactions that changed what terms are read from: triggers write it as they commit.

    A stamp never was before, so all of them together are other ones after each such transaction. A transaction writes
    the slot of its server process, so that those of other processes seldom wait for it.
    """

    __tablename__ = "term_stamps"

    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    stamp: Mapped[UUID]
