"""Changes subscriptions and their terms, which follow one another without overlap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan
from usage_billing.catalog.own_quota import OwnQuota
from usage_billing.core.choices import BY_MONTHS
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.core.limits import LONGEST_MONTH
from usage_billing.core.periods import is_time_zone
from usage_billing.customers.models import Customer
from usage_billing.subscriptions.agreed_changes import add_change, write_terms
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.changes import Change, ChangeKind
from usage_billing.subscriptions.models import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """What a caller gives of a subscription; ``started_at`` is aware, ``quotas`` and ``base_fee`` are its own.

    ``base_fee`` is per period; None is the plan's.

    ``allow_backdating`` lets its first run make any number of invoices.
    """

    id: str
    customer_id: str
    plan_id: str
    started_at: datetime
    timezone: str = "UTC"
    anchor: str = Anchor.CALENDAR
    anchor_day: int | None = None
    quotas: Sequence[OwnQuota] = ()
    base_fee: Decimal | None = None
    base_fee_timing: str | None = None
    allow_backdating: bool = False


def add_subscription(session: Session, new: NewSubscription, *, by: str, now: datetime) -> Subscription:
    """Store ``new`` with its first term, and without its quotas.

    Raises Conflict when the id is taken, InvalidInput for an unknown customer, plan, time zone or anchor.
    """
    if session.get(Customer, new.customer_id) is None:
        raise InvalidInput.field("/userId", f"there is no customer {new.customer_id}", code="unknown_customer")
    plan = session.get(Plan, new.plan_id)
    if plan is None:
        raise InvalidInput.field("/planId", f"there is no plan {new.plan_id}", code="unknown_plan")
    if not is_time_zone(new.timezone):
        raise InvalidInput.field("/timezone", "must be an IANA time zone such as Europe/Berlin", code="unknown_zone")
    if new.anchor not in set(Anchor):
        raise InvalidInput.field("/anchor", f"must be {' or '.join(Anchor)}", code="not_supported")
    if new.anchor_day is not None:
        _check_anchor_day(new.anchor_day, anchor=new.anchor, interval=plan.interval)
    added = session.scalars(
        insert(Subscription)
        .values(
            id=new.id,
            customer_id=new.customer_id,
            plan_id=new.plan_id,
            started_at=new.started_at,
            timezone=new.timezone,
            anchor=new.anchor,
            anchor_day=new.anchor_day,
            opens_at=new.started_at,
        )
        .on_conflict_do_nothing()
        .returning(Subscription)
    ).first()
    if added is None:
        raise Conflict(f"there is a subscription {new.id} already", code="already_exists")
    begun = Change(at=new.started_at, kind=ChangeKind.PLAN, plan_id=new.plan_id)
    add_change(session, added, begun, by=by, now=now)
    write_terms(session, added)
    return added


def lock_subscriptions(session: Session, ids: Iterable[str]) -> list[Subscription]:
    """Lock these subscriptions against other billing, and return them, ordered by id. Recording goes on."""
    statement = (
        select(Subscription)
        .where(Subscription.id.in_(set(ids)))
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(statement))


def lock_subscription(session: Session, subscription_id: str) -> Subscription:
    """Lock one subscription against other billing, and return it; raises NotFound."""
    found = lock_subscriptions(session, [subscription_id])
    if not found:
        raise NotFound(f"there is no subscription {subscription_id}")
    return found[0]


def _check_anchor_day(day: int, *, anchor: str, interval: str) -> None:
    if not 1 <= day <= LONGEST_MONTH:
        raise InvalidInput.field("/anchorDay", f"must be from 1 to {LONGEST_MONTH}", code="out_of_range")
    if anchor != Anchor.CALENDAR:
        raise InvalidInput.field("/anchorDay", f"is for the anchor {Anchor.CALENDAR} alone", code="contradiction")
    if interval not in BY_MONTHS:
        message = f"is for periods by {', '.join(BY_MONTHS)}; the plan's are by {interval}"
        raise InvalidInput.field("/anchorDay", message, code="contradiction")
