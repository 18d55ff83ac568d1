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

    Raises InvalidInput for an unknown plan or
    another currency, Conflict where it does not fit.
    """
    subscription = enter(session, subscription_id, precaution)
    old, new = session.get_one(Plan, subscription.plan_id), session.get(Plan, plan_id)
    if new is None:
        raise InvalidInput.field("/planId", f"there is no plan {plan_id}", code="unknown_plan")
    if new.currency != old.currency:
        raise InvalidInput.field(
            "/planId", f"is in {new.currency}, the subscription is in {old.currency}", code="other_currency"
        )
    ends = OwnEnds(own.get("quotas") == Own.END, own.get("base_fee", Own.END) == Own.END)
    desired = DesiredChange(kind=ChangeKind.PLAN, when=when, plan_id=plan_id, ends=ends)
    action = "subscription.plan_changed"
    return agree(session, subscription, desired, action=action, actor=actor, now=now, precaution=precaution)


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
    subscription, action = enter(session, subscription_id, precaution), "subscription.paused"
    return agree(session, subscription, desired, action=action, actor=actor, now=now, precaution=precaution)


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
    subscription, action = enter(session, subscription_id, precaution), "subscription.resumed"
    return agree(session, subscription, desired, action=action, actor=actor, now=now, precaution=precaution)


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
    subscription, action = enter(session, subscription_id, precaution), "subscription.ended"
    return agree(session, subscription, desired, action=action, actor=actor, now=now, precaution=precaution)


def take_back(session: Session, subscription_id: str, change_id: int, *, actor: str, now: datetime) -> AgreedChange:
    """Let a planned change not happen, a cancellation too; nothing else that is planned changes.

    Raises NotFound, and Conflict when it has happened.
    """
    subscription = lock(session, subscription_id)
    row = get_change(session, subscription_id, change_id)
    changed = withdraw(session, subscription, row, actor=actor, now=now)
    return AgreedChange(subscription=subscription, effective_at=row.at, changed=changed)
