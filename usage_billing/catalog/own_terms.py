"""Terms that are a subscription's own, and that end with a change of it, or go on when that is taken back."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.ends import end_at, take_end_back, tell_ends
from usage_billing.catalog.models import PlanVersion, UsageQuota
from usage_billing.catalog.plan_versions import plan_versions
from usage_billing.catalog.service import own_versions


class OwnEnds(NamedTuple):
    """Whether a subscription's own quotas end, and its own base fee."""

    quotas: bool
    base_fee: bool


NOTHING_ENDS = OwnEnds(quotas=False, base_fee=False)


def end_own_terms(session: Session, subscription_id: str, ends: OwnEnds, *, at: datetime, by: int) -> None:
    """Let terms of a locked subscription's own hold until ``at`` at most, for the change ``by``."""
    found: list[UsageQuota | PlanVersion] = []
    if ends.quotas:
        found += _quotas(session, subscription_id)
    if ends.base_fee:
        found += plan_versions(session, "", subscription_id=subscription_id)
    for one in found:
        end_at(one, at, by=by)
    _tell(session, subscription_id)


def restore_own_terms(session: Session, subscription_id: str, *, by: int) -> None:
    """Let terms go on that the change ``by`` of a locked subscription was to end, unless something else ends them."""
    found: list[UsageQuota | PlanVersion] = [*_quotas(session, subscription_id)]
    found += plan_versions(session, "", subscription_id=subscription_id)
    for one in found:
        take_end_back(one, by=by)
    _tell(session, subscription_id)


def own_terms_after(
    session: Session, subscription_id: str, ends: OwnEnds, *, at: datetime
) -> tuple[Sequence[UsageQuota], PlanVersion | None]:
    """Its own quotas that hold at ``at`` or later, and its own base fee, unless they end then."""
    kept = [one for one in _quotas(session, subscription_id) if _goes_on(one, at) and not ends.quotas]
    fees = [one for one in plan_versions(session, "", subscription_id=subscription_id) if _goes_on(one, at)]
    return kept, fees[-1] if fees and not ends.base_fee else None


def _goes_on(one: UsageQuota | PlanVersion, at: datetime) -> bool:
    return one.effective_until is None or one.effective_until > at


def _quotas(session: Session, subscription_id: str) -> list[UsageQuota]:
    statement = select(UsageQuota).where(UsageQuota.subscription_id == subscription_id)
    return list(session.scalars(statement.order_by(UsageQuota.usage_type_id, UsageQuota.id)))


def _tell(session: Session, subscription_id: str) -> None:
    for usage_type in {one.usage_type_id for one in _quotas(session, subscription_id)}:
        tell_ends(session, own_versions(session, subscription_id, usage_type))
    tell_ends(session, plan_versions(session, "", subscription_id=subscription_id))
