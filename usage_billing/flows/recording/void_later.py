"""Taking back all that was recorded from an instant on, because the subscription did not run any more by then."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict
from usage_billing.flows.recording.context import summary_of
from usage_billing.flows.recording.take_back import take_back
from usage_billing.metering.summaries import lock_totals
from usage_billing.metering.voids import LaterUsage, counting_usage, insert_voids

MOST = 100_000
"""More recordings than this are not taken back in one transaction."""


def check_few(later: LaterUsage) -> None:
    """Raises Conflict (``usage_later``) where there is more than is taken back in one transaction."""
    if later.recordings > MOST:
        message = f"{later.recordings} recordings lie after that moment; at most {MOST} are taken back at once"
        raise Conflict(message, code="usage_later")


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

    Their keys stay used. The caller holds the shard's lock, and has asked ``check_few``.
    """
    stop_counting(session, subscription_id, since=since, until=until, actor=actor, now=now)
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


def stop_counting(
    session: Session, subscription_id: str, *, since: datetime, until: datetime | None, actor: str, now: datetime
) -> None:
    """As ``void_later``, and the audit log is told nothing."""
    ids = counting_usage(session, subscription_id, since=since, until=until)
    summaries = {id: summary_of(session, id) for id in ids}
    totals = lock_totals(session, list(summaries.values()))
    # Read again: billing may have moved their marks until the locks were had.
    found = counting_usage(session, subscription_id, since=since, until=until)
    insert_voids(session, found, reason="the subscription did not run", by=actor, now=now)
    gone = {summaries[id].key: usage for id, usage in found.items()}
    take_back(session, list(summaries.values()), totals, gone=gone)
