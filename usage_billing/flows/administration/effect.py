"""From when a version holds that is being made, and what stands in its way: invoices that are final, usage recorded."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.choices import Effective
from usage_billing.core.errors import Conflict
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import period_at
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.metering.models import first_place
from usage_billing.subscriptions.lifecycle import Timeline

EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Before all that can be invoiced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a version is of: a plan's, or one subscription's own; for a usage type, or the base fee (None)."""

    plan_id: str
    usage_type: str | None = None
    subscription_id: str | None = None

    def asked(self, since: datetime) -> dict[str, object]:
        """The parameters of a statement about it, from an instant on."""
        names = {"plan": self.plan_id, "type": self.usage_type, "own": self.subscription_id}
        return names | {"since": since, "first": first_place(since)}


_FINAL = text("""
    SELECT max(i.closes_at)
    FROM invoices AS i
    JOIN subscription_terms AS t ON t.subscription_id = i.subscription_id
    WHERE i.status IN ('finalized', 'paid', 'uncollectible')
        AND i.kind = ANY(CAST(:kinds AS text[]))
        AND i.closes_at > :since
        AND CASE WHEN CAST(:own AS text) IS NULL THEN t.plan_id = :plan ELSE i.subscription_id = :own END
        AND t.starts_at < i.closes_at
        AND (t.ends_at IS NULL OR t.ends_at > :since AND t.ends_at > i.period_start)
""")
# What was recorded from an instant on and counts; with ``cut`` only in segments that the instant divides. A meter's
# segments may be others than those of the recordings that it counts: those stand in the way that either divides.
_LATER = text("""
    SELECT count(*) AS recordings, max(u.occurred_at) AS latest
    FROM (
        SELECT DISTINCT s.id, s.subscription_id
        FROM usage_summaries AS s
        JOIN subscription_terms AS t ON t.subscription_id = s.subscription_id
            AND t.starts_at <= s.period_start AND (t.ends_at IS NULL OR t.ends_at > s.period_start)
        WHERE s.usage_type_id = coalesce((SELECT of FROM usage_types WHERE id = :type), :type)
            AND s.period_end > :since
            AND (NOT :cut OR s.period_start < :since OR s.usage_type_id <> :type AND EXISTS (
                SELECT FROM usage_summaries AS m
                WHERE m.subscription_id = s.subscription_id AND m.usage_type_id = :type
                    AND m.period_start < :since AND m.period_end > greatest(:since, s.period_start)
            ))
            AND s.events > s.voids
            AND CASE WHEN CAST(:own AS text) IS NULL THEN t.plan_id = :plan ELSE s.subscription_id = :own END
    ) AS s
    CROSS JOIN LATERAL (
        SELECT u.occurred_at
        FROM usage AS u
        WHERE hashtextextended(u.subscription_id, 0) = hashtextextended(s.subscription_id, 0)
            AND usage_place(u.occurred_at, u.ordinal) >= :first
            AND u.summary_id = s.id
            AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
    ) AS u
""")


def own_moment(timeline: Timeline, effective: str | datetime, *, now: datetime) -> datetime:
    """From when a version of a subscription's own would hold.

    Raises Conflict for an instant before the start (``not_started``) or after the end (``already_ended``).
    """
    begun, ended = timeline.terms[0].starts_at, timeline.terms[-1].ends_at
    if isinstance(effective, datetime):
        moment = effective
        if moment < begun:
            raise Conflict(f"the subscription starts at {begun.isoformat()}", code="not_started")
    elif effective == Effective.START or now < begun:
        moment = begun
    elif effective == Effective.NOW:
        moment = now
    else:
        running = timeline.term_at(now) or timeline.terms[-1]
        period = period_at(now, zone=timeline.zone, cadence=running.terms.cadence)
        begins = effective == Effective.PERIOD or period.start == now
        moment = max(begun, period.start) if begins else period.end
    if ended is not None and ended <= moment:
        message = f"the subscription ends at {ended.isoformat()}, before {moment.isoformat()}"
        raise Conflict(message, code="already_ended")
    return moment


def after_the_latest(session: Session, scope: Scope, *, now: datetime) -> datetime:
    """``now``, or right after the latest recording in ``scope`` where a sender's clock runs ahead."""
    later = session.execute(_LATER, scope.asked(now) | {"cut": False}).one()
    return now if later.latest is None else max(now, later.latest.astimezone(UTC) + INSTANT)


def check_nothing_is_divided(session: Session, scope: Scope, *, at: datetime) -> None:
    """Raises Conflict (``usage_later``) where ``at`` lies within a segment and usage of the segment lies after it."""
    later = session.execute(_LATER, scope.asked(at) | {"cut": True}).one()
    if later.recordings:
        first = later.latest.astimezone(UTC) + INSTANT
        message = (
            f"{later.recordings} recordings of periods that it would divide occurred after that moment; the first"
            f" possible one is {first.isoformat()}, or the start of a period"
        )
        raise Conflict(message, code="usage_later")


def check_nothing_later(session: Session, scope: Scope, *, since: datetime) -> None:
    """Raises Conflict (``usage_later``) where something ended at ``since`` and usage lies after it."""
    later = session.execute(_LATER, scope.asked(since) | {"cut": False}).one()
    if later.recordings:
        ended = since.astimezone(UTC).isoformat()
        message = f"it ended at {ended}, and {later.recordings} recordings occurred after that; its end stays"
        raise Conflict(message, code="usage_later")


def check_not_invoiced(session: Session, scope: Scope, *, since: datetime, kinds: Collection[InvoiceKind]) -> None:
    """Raises Conflict (``already_invoiced``), which names the first possible instant, where something is final."""
    final: datetime | None = session.scalar(_FINAL, scope.asked(since) | {"kinds": [kind.value for kind in kinds]})
    if final is not None:
        first = final.astimezone(UTC).isoformat()
        message = f"what was due until {first} is invoiced; that is the first possible instant"
        raise Conflict(message, code="already_invoiced")
