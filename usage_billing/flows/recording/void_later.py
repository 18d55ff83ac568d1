"""Taking back all that was recorded from an instant on, because the subscription did not run any more by then."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import Conflict
from usage_billing.metering.digest import hash_of
from usage_billing.metering.service import remark
from usage_billing.metering.split import beyond
from usage_billing.metering.summaries import lock_total, save_totals
from usage_billing.metering.voids import LaterUsage, counting_usage, insert_voids

MOST = 100_000
"""More recordings than this are not taken back in one transaction."""


def void_later(
    session: Session,
    subscription_id: str,
    later: LaterUsage,
    *,
    since: datetime,
    until: datetime | None,
    actor: str,
    now: datetime,
) -> int:
    """Let what occurred from ``since`` to before ``until`` count no more; returns how many recordings that were.

    Their keys stay used. The caller holds the shard's lock. Raises Conflict when there are more than 100,000.
    """
    if later.recordings > MOST:
        message = f"{later.recordings} recordings lie after that moment; at most {MOST} are taken back at once"
        raise Conflict(message, code="usage_later")
    found = counting_usage(session, subscription_id, since=since, until=until)
    totals = [lock_total(session, summary_id) for summary_id in sorted(found)]
    insert_voids(session, found, reason="the subscription did not run", by=actor, now=now)
    for total in totals:
        for usage in found[total.id]:
            total.voids += 1
            total.total = EXACT.subtract(total.total, usage.quantity)
            total.digest -= hash_of(usage.id, usage.quantity)
        total.beyond_events = remark(session, total.id, limit=total.allowance)
        total.beyond_limit = beyond(total.total, total.allowance)
    save_totals(session, totals)
    note(
        session,
        actor=actor,
        action="usage.voided_later",
        subject=f"subscription:{subscription_id}",
        at=now,
        since=since.isoformat(),
        recordings=later.recordings,
    )
    return later.recordings
