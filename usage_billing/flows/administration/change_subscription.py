"""Moving to another plan, pausing, resuming and cancelling: at once, at the end of the period, or at an instant."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan
from usage_billing.catalog.own_terms import OwnEnds
from usage_billing.core.choices import Own
from usage_billing.core.errors import InvalidInput
from usage_billing.flows.administration.agree import PLAIN, AgreedChange, Precaution, agree, enter, lock, withdraw
from usage_billing.flows.administration.decide import DesiredChange
from usage_billing.flows.administration.situation import When
from usage_billing.subscriptions.agreed_changes import get_change
from usage_billing.subscriptions.changes import ChangeKind
from usage_billing.subscriptions.moments import REFUSE, VOID

_ACTIONS = {
    ChangeKind.PLAN: "subscription.plan_changed",
    ChangeKind.PAUSE: "subscription.paused",
    ChangeKind.RESUME: "subscription.resumed",
    ChangeKind.END: "subscription.ended",
}
"""What the audit calls each kind."""


def change(
    session: Session,
    subscription_id: str,
    desired: DesiredChange,
    *,
    actor: str,
    now: datetime,
    precaution: Precaution = PLAIN,
) -> AgreedChange:
    """Agree to a change of a subscription, or only look at what it would do.

    Raises InvalidInput for an unknown plan or one in another currency, Conflict where the change does not fit.
    """
    subscription = enter(session, subscription_id, precaution)
    if desired.plan_id is not None:
        _check_plan(session, subscription.plan_id, desired.plan_id)
    action = _ACTIONS[desired.kind]
    return agree(session, subscription, desired, action=action, actor=actor, now=now, precaution=precaution)


def change_plan(
    session: Session,
    subscription_id: str,
    *,
    plan_id: str,
    when: When,
    actor: str,
    now: datetime,
    own: Mapping[str, str] = MappingProxyType({}),
    precaution: Precaution = PLAIN,
) -> AgreedChange:
    """Move to another plan in the same currency; the period under way is divided at the moment of change.

    What is paused stays so, and what is planned for later stays planned. ``own`` says of the subscription's own
    ``quotas`` and ``base_fee`` whether to ``keep`` or ``end`` them; unless said quotas stay and the fee ends.
    """
    desired = DesiredChange(kind=ChangeKind.PLAN, when=when, plan_id=plan_id, ends=own_ends(**own))
    return change(session, subscription_id, desired, actor=actor, now=now, precaution=precaution)


def pause(
    session: Session,
    subscription_id: str,
    *,
    when: When,
    actor: str,
    now: datetime,
    later_usage: str = REFUSE,
    precaution: Precaution = PLAIN,
) -> AgreedChange:
    """From then on nothing may be recorded and nothing is charged, until it is resumed."""
    desired = DesiredChange(kind=ChangeKind.PAUSE, when=when, voids_later=later_usage == VOID)
    return change(session, subscription_id, desired, actor=actor, now=now, precaution=precaution)


def resume(
    session: Session,
    subscription_id: str,
    *,
    when: When,
    actor: str,
    now: datetime,
    precaution: Precaution = PLAIN,
) -> AgreedChange:
    """Go on with the plan that it is on by then."""
    desired = DesiredChange(kind=ChangeKind.RESUME, when=when)
    return change(session, subscription_id, desired, actor=actor, now=now, precaution=precaution)


def cancel(
    session: Session,
    subscription_id: str,
    *,
    when: When,
    actor: str,
    now: datetime,
    later_usage: str = REFUSE,
    precaution: Precaution = PLAIN,
) -> AgreedChange:
    """End it; its final invoice is due at that moment. An end that was planned for later is taken back."""
    desired = DesiredChange(kind=ChangeKind.END, when=when, voids_later=later_usage == VOID)
    return change(session, subscription_id, desired, actor=actor, now=now, precaution=precaution)


def own_ends(quotas: str = Own.KEEP, base_fee: str = Own.END) -> OwnEnds:
    """What a move to another plan lets end of a subscription's own terms: each ``keep`` or ``end``."""
    return OwnEnds(quotas=quotas == Own.END, base_fee=base_fee == Own.END)


def take_back(session: Session, subscription_id: str, change_id: int, *, actor: str, now: datetime) -> AgreedChange:
    """Let a planned change not happen, a cancellation too; nothing else that is planned changes.

    Raises NotFound, and Conflict when it has happened.
    """
    subscription = lock(session, subscription_id)
    row = get_change(session, subscription_id, change_id)
    changed = withdraw(session, subscription, row, actor=actor, now=now)
    return AgreedChange(subscription=subscription, effective_at=row.at, changed=changed)


def _check_plan(session: Session, old_id: str, new_id: str) -> None:
    old, new = session.get_one(Plan, old_id), session.get(Plan, new_id)
    if new is None:
        raise InvalidInput.field("/planId", f"there is no plan {new_id}", code="unknown_plan")
    if new.currency != old.currency:
        message = f"is in {new.currency}, the subscription is in {old.currency}"
        raise InvalidInput.field("/planId", message, code="other_currency")
