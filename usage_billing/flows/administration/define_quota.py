"""A version of a quota, a plan's or a subscription's own: made, ended, and reckoned anew where it holds."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.catalog import service
from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.service import NewQuota
from usage_billing.core.choices import Effective
from usage_billing.core.errors import InvalidInput
from usage_billing.db.locks import lock_shards
from usage_billing.flows.administration.agree import PLAIN, AgreedChange, Precaution
from usage_billing.flows.administration.effect import (
    EVER,
    Scope,
    after_the_latest,
    check_not_invoiced,
    check_nothing_is_divided,
)
from usage_billing.flows.administration.own_quotas import define_own, foresee_own
from usage_billing.flows.administration.quota_effects import check_price, note_quota, reckon_quota_anew, with_version
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


def define_quota(
    session: Session, new: NewQuota, *, actor: str, now: datetime, precaution: Precaution = PLAIN
) -> DefinedQuota:
    """Store a new version of a quota, and have billing look again at every summary that it applies to.

    Raises InvalidInput for an unknown plan, usage type or subscription, or a wrong price. Raises Conflict for an
    instant before a final invoice (``already_invoiced``), one within a segment that was used after it
    (``usage_later``), and where recorded usage would become dearer unasked (``would_reprice``).
    """
    if new.subscription_id is not None:
        owner = new.subscription_id
        return DefinedQuota(quota=define_own(session, new, owner, actor=actor, now=now, precaution=precaution))
    if precaution.expected_digest is not None:
        raise _only_own("/expectedDigest")
    scope, effective = Scope(plan_id=new.plan_id, usage_type=new.usage_type), new.effective
    at: datetime | None = None
    if effective == Effective.NOW or isinstance(effective, datetime):
        # It may cut a period. While the shards are locked no worker records on either side of the cut.
        lock_shards(session, range(SHARDS))
    if has_minimum(new.price):
        lock_to_open(session, plan_id=new.plan_id)
    if effective == Effective.NOW:
        at = after_the_latest(session, scope, now=now)
    elif isinstance(effective, datetime):
        at = effective
        check_not_invoiced(session, scope, since=at, kinds=_USAGE)
        check_nothing_is_divided(session, scope, at=at)
    elif effective == Effective.START:
        check_not_invoiced(session, scope, since=EVER, kinds=_USAGE)
    quota = service.next_quota_version(session, new, now=now, holds_from=at)
    since = EVER if effective == Effective.START else at or now
    if quota.version > 1 and quota.effective not in {Effective.NEXT_PERIOD, Effective.NOW}:
        check_price(session, scope, since=since, repriced=new.reprice_usage, alter=with_version(quota, now=now))
    service.store_quota_version(session, new, quota)
    reckon_quota_anew(session, quota, since=since)
    note_quota(session, quota, action="quota.defined", actor=actor, now=now)
    return DefinedQuota(quota=quota, unbilled=_unbilled(session, quota, since=since) if quota.version == 1 else None)


def foresee_quota(session: Session, new: NewQuota, *, now: datetime, precaution: Precaution) -> AgreedChange:
    """What a version of a subscription's own would charge and give back; nothing is locked or stored.

    Raises as ``define_quota`` does, and InvalidInput for a plan's.
    """
    if new.subscription_id is None:
        raise _only_own("/dryRun")
    return foresee_own(session, new, new.subscription_id, now=now, precaution=precaution)


def _only_own(pointer: str) -> InvalidInput:
    message = "is for a quota of a subscription's own: name the subscriptionId"
    return InvalidInput.field(pointer, message, code="not_supported")


def _unbilled(session: Session, quota: UsageQuota, *, since: datetime) -> Unbilled | None:
    """What was recorded before the first quota holds, for those that were subscribed before it."""
    if quota.effective == Effective.START:
        return None
    asked = {"plan": quota.plan_id, "type": quota.usage_type_id, "since": since}
    row = session.execute(_UNBILLED, asked | {"by_period": quota.effective == Effective.PERIOD}).one()
    if not row.recordings:
        return None
    return Unbilled(recordings=int(row.recordings), quantity=row.quantity, subscriptions=row.subscriptions)
