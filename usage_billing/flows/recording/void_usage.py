"""Voids a recording. Before it is invoiced it is as if it had never been; after that an adjustment credits it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import Conflict, NotFound
from usage_billing.db.locks import lock_shards
from usage_billing.metering.digest import hash_of
from usage_billing.metering.models import Usage, UsageVoid
from usage_billing.metering.recording import shard_of
from usage_billing.metering.service import add_void, remark
from usage_billing.metering.split import beyond
from usage_billing.metering.summaries import lock_total, save_totals


def void_usage(session: Session, usage_id: UUID, *, reason: str, actor: str, now: datetime) -> UsageVoid:
    """Let a recording count no more; raises NotFound, or Conflict when it was voided already.

    It locks in the order of recording: first the shard, then the summary.
    """
    usage = session.scalars(select(Usage).where(Usage.id == usage_id)).first()
    if usage is None:
        raise NotFound(f"there is no recorded usage {usage_id}")
    lock_shards(session, [shard_of(usage.subscription_id)])
    total = lock_total(session, usage.summary_id)
    void = add_void(session, usage, ordinal=total.voids + 1, reason=reason, actor=actor, now=now)
    if void is None:
        raise Conflict(f"usage {usage_id} was taken back already", code="already_voided")
    total.voids += 1
    total.total = EXACT.subtract(total.total, usage.quantity)
    total.digest -= hash_of(usage.id, usage.quantity)
    total.beyond_events = remark(session, total.id, limit=total.allowance)
    total.beyond_limit = beyond(total.total, total.allowance)
    save_totals(session, [total])
    note(session, actor=actor, action="usage.voided", subject=f"usage:{usage_id}", at=now, reason=reason)
    return void
