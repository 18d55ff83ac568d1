"""The tables of billing runs. Progress is kept as rows, so that any worker on any machine can take a run up again."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.billing_runs.foreseen import ForeseenChange
from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_ACTOR
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant


class RunStatus(StrEnum):
    """How far a run is, in this order; a completed and a failed one stay as they are."""

    OPENED = "opened"
    INVOICING = "invoicing"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"


class RunKind(StrEnum):
    """What a run does: it bills, or it rehearses a change of a plan and changes nothing."""

    BILLING = "billing"
    REHEARSAL = "rehearsal"


class RunOutcome(StrEnum):
    """What is to be said of a completed run."""

    CLEAN = "clean"
    WARNINGS = "warnings"


class SlicePhase(StrEnum):
    """What a slice does with its subscriptions."""

    INVOICE = "invoice"
    FINALIZE = "finalize"


class BillingRun(Base):
    """One run of the daily chain over everything that is due up to ``as_of``.

    ``key`` makes a scheduled run unique: two beats at one tick open one run. A run with ``expected_digest`` is held to
    the dry run ``rehearsal_id``: it rates the recordings that the dry run rated. One of the kind ``rehearsal`` looks
    what the ``plan_change`` would charge and give back, which is then ``foreseen``.
    """

    __tablename__ = "billing_runs"
    __table_args__ = (
        CheckConstraint("status IN ('opened', 'invoicing', 'finalizing', 'completed', 'failed')", name="status"),
        CheckConstraint(
            "CASE kind WHEN 'billing' THEN plan_change IS NULL"
            " WHEN 'rehearsal' THEN plan_change IS NOT NULL AND dry_run ELSE false END",
            name="kind",
        ),
        Index("uq_billing_runs_key", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
        Index(
            "ix_billing_runs_unfinished",
            "id",
            postgresql_where=text("status IN ('opened', 'invoicing', 'finalizing')"),
        ),
        Index("ix_billing_runs_digest", "digest", "id", postgresql_where=text("dry_run")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str | None] = mapped_column(String(64))
    as_of: Mapped[Instant]
    subscription_id: Mapped[Identifier | None]
    dry_run: Mapped[bool] = mapped_column(Boolean)
    status: Mapped[str] = mapped_column(String(16))
    requested_by: Mapped[str] = mapped_column(String(MAX_ACTOR))
    started_at: Mapped[Instant]
    heartbeat_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]
    subscriptions: Mapped[int] = mapped_column(BigInteger, server_default="0")
    invoices: Mapped[int] = mapped_column(BigInteger, server_default="0")
    items: Mapped[int] = mapped_column(BigInteger, server_default="0")
    finalized: Mapped[int] = mapped_column(BigInteger, server_default="0")
    amounts: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    prepaid_applied: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    digest: Mapped[str | None] = mapped_column(String(64))
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    error: Mapped[str | None] = mapped_column(Text)
    expected_digest: Mapped[str | None] = mapped_column(String(64))
    rehearsal_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(16), server_default=RunKind.BILLING)
    plan_change: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    found: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    @property
    def foreseen(self) -> ForeseenChange | None:
        """What a completed rehearsal found."""
        return None if self.found is None else ForeseenChange.from_json(self.found)

    @property
    def outcome(self) -> RunOutcome | None:
        """Whether a completed run could bill every subscription; None before it is completed."""
        if self.status != RunStatus.COMPLETED:
            return None
        return RunOutcome.WARNINGS if self.warnings else RunOutcome.CLEAN


class BillingRunPin(Base):
    """How much a dry run knew of a summary that it rated: the ordinals of its last recording and its last void."""

    __tablename__ = "billing_run_pins"
    __table_args__ = (CheckConstraint("events >= 0 AND voids >= 0", name="ordinals"),)

    run_id: Mapped[UUID] = mapped_column(ForeignKey("billing_runs.id", ondelete="CASCADE"), primary_key=True)
    subscription_id: Mapped[Identifier] = mapped_column(primary_key=True)
    usage_type_id: Mapped[Identifier] = mapped_column(primary_key=True)
    period_start: Mapped[Instant] = mapped_column(primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)
    voids: Mapped[int] = mapped_column(BigInteger)


class BillingRunSlice(Base):
    """A part of a run: the subscriptions from ``first_id`` to ``last_id``, both included, done in one transaction."""

    __tablename__ = "billing_run_slices"
    __table_args__ = (
        CheckConstraint("phase IN ('invoice', 'finalize')", name="phase"),
        Index("ix_billing_run_slices_pending", "run_id", "phase", "position", postgresql_where=text("NOT done")),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey("billing_runs.id", ondelete="CASCADE"), primary_key=True)
    phase: Mapped[str] = mapped_column(String(16), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    first_id: Mapped[Identifier]
    last_id: Mapped[Identifier]
    done: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    outcome: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
