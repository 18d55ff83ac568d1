"""A change of a plan that is held to what a rehearsal of it showed."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.core.errors import Conflict
from usage_billing.flows.administration.agree import Precaution
from usage_billing.flows.billing.plan_change import PlanChange
from usage_billing.flows.billing.reckoned_ahead import ReckonedAhead, reckon_ahead


def reckon_expected(session: Session, change: PlanChange, precaution: Precaution, *, now: datetime) -> ReckonedAhead:
    """What ``change`` would do to every subscription of the plan, before anything is locked.

    That takes about as long as the rehearsal did. Raises Conflict (``digest_changed``) where it is not what was
    expected.
    """
    ahead = reckon_ahead(session, change, now=now, adjust_within=precaution.adjust_within)
    _compare(ahead, precaution)
    return ahead


def check_digest(session: Session, change: PlanChange, ahead: ReckonedAhead, precaution: Precaution) -> None:
    """Raises Conflict (``digest_changed``) where ``change`` would not do what was expected of it.

    All that it is reckoned from is locked. What has changed since ``ahead`` was reckoned is reckoned anew, however
    much that is: no more than changed while the last round before the locks was reckoned, so it takes about as long as
    that. It ends at the first slice that differs.
    """
    if change != ahead.change or not ahead.comes_to_the_same(session, ahead.moved(session)):
        raise _differs()
    _compare(ahead, precaution)


def _compare(ahead: ReckonedAhead, precaution: Precaution) -> None:
    if ahead.digest_text() != precaution.expected_digest:
        raise _differs()


def _differs() -> Conflict:
    message = "the change would charge something else than expected; look at it again"
    return Conflict(message, code="digest_changed")
