"""Which recordings a dry run rated, for the real run that is held to it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun, BillingRunPin, RunKind, RunStatus
from usage_billing.billing_runs.pin import Pin, PinKey
from usage_billing.core.clock import as_text
from usage_billing.db.bulk import copy_rows

KEPT = timedelta(days=7)
"""For how long after its start a real run may expect what a dry run showed."""

_COLUMNS = {
    "run_id": "uuid",
    "subscription_id": "text",
    "usage_type_id": "text",
    "period_start": "text",
    "events": "int8",
    "voids": "int8",
}
_FORGET = text("""
    DELETE FROM billing_run_pins AS p
    USING billing_runs AS r
    WHERE r.id = p.run_id AND r.started_at < :before
""")


def add_pins(session: Session, run_id: UUID, pins: Sequence[Pin]) -> None:
    """Store what a slice of a dry run rated."""
    rows = ((run_id, one[0], one[1], as_text(one.period_start), one.events, one.voids) for one in pins)
    copy_rows(session, BillingRunPin.__tablename__, _COLUMNS, rows)


def pins_of(session: Session, run_id: UUID, subscription_ids: Collection[str]) -> dict[PinKey, Pin]:
    """What a dry run rated of these subscriptions."""
    names = list(subscription_ids)
    found = session.scalars(
        select(BillingRunPin).where(BillingRunPin.run_id == run_id, BillingRunPin.subscription_id.in_(names))
    )
    return {
        (row.subscription_id, row.usage_type_id, row.period_start): Pin(
            row.subscription_id, row.usage_type_id, row.period_start, row.events, row.voids
        )
        for row in found
    }


def find_rehearsal(session: Session, digest: str, *, subscription_id: str | None, now: datetime) -> BillingRun | None:
    """The newest dry run over the same subscriptions that showed ``digest`` and whose pins are kept."""
    return session.scalars(
        select(BillingRun)
        .where(
            BillingRun.dry_run,
            BillingRun.kind == RunKind.BILLING,
            BillingRun.digest == digest,
            BillingRun.status == RunStatus.COMPLETED,
            BillingRun.subscription_id.is_not_distinct_from(subscription_id),
            BillingRun.started_at >= now - KEPT,
        )
        .order_by(BillingRun.id.desc())
        .limit(1)
    ).first()


def forget_pins(session: Session, *, now: datetime) -> None:
    """Drop what was kept of dry runs for long enough."""
    session.execute(_FORGET, {"before": now - KEPT})
