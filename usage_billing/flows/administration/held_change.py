"""A change of a plan that is held to what a rehearsal of it showed."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.core.errors import Conflict
from usage_billing.flows.administration.agree import Precaution
from usage_billing.flows.billing.foresee_plan import foresee_whole_plan
from usage_billing.flows.billing.plan_change import PlanChange


def check_digest(session: Session, change: PlanChange, precaution: Precaution, *, now: datetime) -> None:
    """Raises Conflict (``digest_changed``) where ``change`` would not do what was expected of it.

    Every subscription of the plan is reckoned, so that takes about as long as the rehearsal did.
    """
    outcome, _ = foresee_whole_plan(session, change, now=now, adjust_within=precaution.adjust_within)
    if outcome.digest_text() != precaution.expected_digest:
        message = "the change would charge something else than expected; look at it again"
        raise Conflict(message, code="digest_changed")
