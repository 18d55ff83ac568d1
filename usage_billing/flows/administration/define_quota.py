"""A version of a quota, a plan's or a subscription's own: made, and reckoned anew where it holds."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.service import NewQuota
from usage_billing.flows.administration.agree import PLAIN, Precaution
from usage_billing.flows.administration.own_quotas import define_own
from usage_billing.flows.administration.plan_quotas import DefinedQuota, define_for_plan


def define_quota(
    session: Session, new: NewQuota, *, actor: str, now: datetime, precaution: Precaution = PLAIN
) -> DefinedQuota:
    """Store a new version of a quota, and have billing look again at every summary that it applies to.

    Raises InvalidInput for an unknown plan, usage type or subscription, or a wrong price. Raises Conflict for an
    instant before a final invoice (``already_invoiced``), one within a segment that was used after it
    (``usage_later``), where recorded usage would become dearer unasked (``would_reprice``), and where it would not
    charge what was expected (``digest_changed``).
    """
    if new.subscription_id is None:
        return define_for_plan(session, new, actor=actor, now=now, precaution=precaution)
    owner = new.subscription_id
    return DefinedQuota(quota=define_own(session, new, owner, actor=actor, now=now, precaution=precaution))
