"""Versions of a plan's quota: made, and looked at before that."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun
from usage_billing.catalog import service
from usage_billing.catalog.models import Plan, UsageQuota
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.service import NewQuota
from usage_billing.core.choices import Effective
from usage_billing.db.locks import lock_shards
from usage_billing.flows.administration.agree import PLAIN, Precaution
from usage_billing.flows.administration.check_cells import check_cells
from usage_billing.flows.administration.effect import (
    EVER,
    Scope,
    after_the_latest,
    check_not_invoiced,
)
from usage_billing.flows.administration.held_change import check_digest, reckon_expected
from usage_billing.flows.administration.quota_effects import (
    check_price,
    check_undivided,
    moves_with_terms,
    note_quota,
    reckon_quota_anew,
    unstored,
    with_version,
)
from usage_billing.flows.billing.marks import Marks
from usage_billing.flows.billing.open_run import open_rehearsal
from usage_billing.flows.billing.plan_change import PlanChange
from usage_billing.flows.billing.reckoned_ahead import ReckonedAhead
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.metering.recording import SHARDS
from usage_billing.rating.price import has_minimum
from usage_billing.subscriptions.openings import lock_to_open

# Usage that was recorded for subscriptions made before the first quota, and that this does not price.
_UNBILLED = text("""
    SELECT coalesce(sum(s.events - s.voids), 0) AS recordings, coalesce(sum(s.total), 0) AS quantity,
        count(DISTINCT s.subscription_id) AS subscriptions
    FROM usage_summaries AS s
    JOIN subscription_terms AS t ON t.subscription_id = s.subscription_id
        AND t.starts_at <= s.period_start AND (t.ends_at IS NULL OR t.ends_at > s.period_start)
    WHERE t.plan_id = :plan AND s.usage_type_id = :type AND s.quota_id IS NULL AND s.events > s.voids
        AND CASE WHEN :by_period THEN s.bills_at <= :since ELSE s.period_start < :since END
""")
_USAGE = (InvoiceKind.PERIOD,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbilled:
    """Usage from before the first quota that stays without a price: how many recordings, how much, of how many."""

    recordings: int
    quantity: Decimal
    subscriptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedQuota:
    """A version that was made; ``unbilled`` is None where no usage stays without a price."""

    quota: UsageQuota
    unbilled: Unbilled | None = None


def define_for_plan(
    session: Session, new: NewQuota, *, actor: str, now: datetime, precaution: Precaution = PLAIN
) -> DefinedQuota:
    """Store a version of a plan's quota; raises as ``define_quota`` does.

    What takes long, and what it is refused for, is looked at before anything is locked: what usage would cost, of each
    subscription of the plan. Under the locks that is done again only where something has changed.
    """
    ahead: ReckonedAhead | None = None
    known = Marks()
    foreseen, _ = _next_version(session, new, now=now, lock=False, known=known)
    if precaution.expected_digest is not None:
        ahead = reckon_expected(session, _change(session, foreseen, now=now), precaution, now=now)
    if new.effective == Effective.NOW or isinstance(new.effective, datetime) or ahead is not None:
        # It may cut a period. While the shards are locked no worker records on either side of the cut, nor while what
        # it would charge is compared with what was expected.
        lock_shards(session, range(SHARDS))
    if has_minimum(new.price) or moves_with_terms(session, new.usage_type):
        lock_to_open(session, plan_id=new.plan_id)
    quota, since = _next_version(session, new, now=now, lock=True, known=known)
    if ahead is not None:
        check_digest(session, _change(session, quota, now=now), ahead, precaution)
    service.store_quota_version(session, new, quota)
    reckon_quota_anew(session, quota, since=since, now=now)
    note_quota(session, quota, action="quota.defined", actor=actor, now=now)
    return DefinedQuota(quota=quota, unbilled=_unbilled(session, quota, since=since) if quota.version == 1 else None)


def rehearse_for_plan(session: Session, new: NewQuota, *, actor: str, now: datetime) -> BillingRun:
    """Open a run that looks what a version of a plan's quota would charge and give back.

    Raises as ``define_quota`` does. Nothing but the run is stored.
    """
    quota, _ = _next_version(session, new, now=now, lock=False, known=Marks())
    return open_rehearsal(session, _change(session, quota, now=now), requested_by=actor, now=now)


def _next_version(
    session: Session, new: NewQuota, *, now: datetime, lock: bool, known: Marks
) -> tuple[UsageQuota, datetime]:
    """The version that would be stored, and from when on it may change what is owed."""
    scope, effective = Scope(plan_id=new.plan_id, usage_type=new.usage_type), new.effective
    at: datetime | None = None
    if effective == Effective.NOW:
        at = after_the_latest(session, scope, now=now)
    elif isinstance(effective, datetime):
        at = effective
        check_not_invoiced(session, scope, since=at, kinds=_USAGE)
    elif effective == Effective.START:
        check_not_invoiced(session, scope, since=EVER, kinds=_USAGE)
    check_cells(session, new.usage_type, new.price, now=now, lock=lock)
    quota = service.next_quota_version(session, new, now=now, holds_from=at, lock=lock)
    since, alter = EVER if effective == Effective.START else at or now, with_version(quota, now=now)
    if isinstance(effective, datetime):
        check_undivided(session, scope, at=effective, repriced=new.reprice_usage, alter=alter)
    comes = isinstance(effective, datetime) and effective >= now
    if quota.version > 1 and quota.effective not in {Effective.NEXT_PERIOD, Effective.NOW} and not comes:
        check_price(session, scope, since=since, repriced=new.reprice_usage, alter=alter, known=known)
    return quota, since


def _change(session: Session, quota: UsageQuota, *, now: datetime) -> PlanChange:
    return PlanChange(
        plan_id=quota.plan_id,
        currency=get_named(session, Plan, quota.plan_id).currency,
        usage_type=quota.usage_type_id,
        quota=unstored(quota, now=now),
    )


def _unbilled(session: Session, quota: UsageQuota, *, since: datetime) -> Unbilled | None:
    """What was recorded before the first quota holds, for those that were subscribed before it."""
    if quota.effective == Effective.START:
        return None
    asked = {"plan": quota.plan_id, "type": quota.usage_type_id, "since": since}
    row = session.execute(_UNBILLED, asked | {"by_period": quota.effective == Effective.PERIOD}).one()
    if not row.recordings:
        return None
    return Unbilled(recordings=int(row.recordings), quantity=row.quantity, subscriptions=row.subscriptions)
