"""Voids a recording. Before it is invoiced it is as if it had never been; after that an adjustment credits it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict, NotFound
from usage_billing.db.locks import lock_shards
from usage_billing.flows.recording.context import summary_of
from usage_billing.flows.recording.take_back import take_back
from usage_billing.metering.models import Usage, UsageVoid
from usage_billing.metering.recording import shard_of
from usage_billing.metering.service import add_void
from usage_billing.metering.summaries import lock_totals


def void_usage(session: Session, usage_id: UUID, *, reason: str, actor: str, now: datetime) -> UsageVoid:
    """Let a recording count no more; raises NotFound, or Conflict when it was voided already.

    It locks in the order of recording: first the shard, then the summaries of the billing period by their key.
    """
    usage = session.scalars(select(Usage).where(Usage.id == usage_id)).first()
    if usage is None:
        raise NotFound(f"there is no recorded usage {usage_id}")
    lock_shards(session, [shard_of(usage.subscription_id)])
    summary = summary_of(session, usage.summary_id)
    totals = lock_totals(session, [summary])
    session.refresh(usage)  # its mark may have moved until the lock was had
    void = add_void(session, usage, ordinal=totals[summary.key].voids + 1, reason=reason, actor=actor, now=now)
    if void is None:
        raise Conflict(f"usage {usage_id} was taken back already", code="already_voided")
    take_back(session, [summary], totals, gone={summary.key: [usage]})
    note(session, actor=actor, action="usage.voided", subject=f"usage:{usage_id}", at=now, reason=reason)
    return void
