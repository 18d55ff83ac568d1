"""Subscriptions: a customer on a plan, and what becomes of that."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from api.arguments import Blueprint
from api.auth import caller, narrowed, requires
from api.etags import check_match, tagged, takes_if_match
from api.invoices_shown import shown
from api.locations import makes
from api.pagination import BY_NAME, BY_NUMBER, filters_of, listed, read_cursor
from api.schemas.customers import (
    ChangePlanSchema,
    ChangeSchema,
    NewSubscriptionSchema,
    StopSchema,
    SubscriptionChangesSchema,
    SubscriptionsQuery,
)
from api.schemas.paging import CursorQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ
from usage_billing.core.errors import NotFound
from usage_billing.core.limits import MAX_BIGINT, MAX_ITEMS
from usage_billing.db.session import read_only
from usage_billing.flows.administration import change_subscription, manage_subscriptions
from usage_billing.flows.administration.agree import PLAIN, Precaution, enter
from usage_billing.flows.administration.decide import AskedChange, AskedSpan
from usage_billing.flows.administration.move_start import move_start
from usage_billing.flows.administration.situation import When
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.flows.folding.drive_reads import counted, foreseeing
from usage_billing.reports.invoices import upcoming_page
from usage_billing.reports.subscriptions import ChangedSubscriptionView, changed_view
from usage_billing.subscriptions.changes import ChangeKind
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.moments import NOW
from usage_billing.subscriptions.queries import get_subscription, subscriptions_where
from usage_billing.subscriptions.service import NewSubscription
from usage_billing.subscriptions.views import SubscriptionView, subscription_view, subscription_views
from usage_billing.wire.invoice import UPCOMING_INVOICE
from usage_billing.wire.noun import page_of
from usage_billing.wire.subscription import CHANGED_SUBSCRIPTION, SUBSCRIPTION

blp = Blueprint("subscriptions", __name__, url_prefix="/api/subscriptions", description="A customer on a plan.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewSubscriptionSchema)
@blp.response(201, SUBSCRIPTION)
@makes("/api/subscriptions")
@tagged
def create_subscription(new: NewSubscription) -> SubscriptionView:
    """Create a subscription."""
    with writing() as session:
        now = state().clock()
        most = state().settings.max_first_invoices
        made = manage_subscriptions.create_subscription(
            session, new, actor=caller().actor, now=now, most_first_invoices=most
        )
        return subscription_view(session, made, now=now)


@blp.route("", methods=["GET"])
@requires(ADMIN, users=True)
@blp.arguments(SubscriptionsQuery, location="query")
@blp.response(200, page_of(SUBSCRIPTION))
def list_subscriptions(query: dict[str, Any]) -> dict[str, Any]:
    """List subscriptions by id. A user sees its own."""
    if not narrowed(query):
        return {"data": [], "next_cursor": None}
    now = state().clock()
    statement = subscriptions_where(now=now, **filters_of(query))
    with read_only(state().engine) as session:
        views = partial(subscription_views, session, now=now)
        return listed(session, statement, query, noun=SUBSCRIPTION, by=[Subscription.id], kind=BY_NAME, viewed=views)


@blp.route("/<identifier:subscription_id>", methods=["GET"])
@requires(ADMIN, users=True)
@blp.response(200, SUBSCRIPTION)
@tagged
def show_subscription(subscription_id: str) -> SubscriptionView:
    """Show a subscription. A user sees its own."""
    with read_only(state().engine) as session:
        found = get_subscription(session, subscription_id)
        if not caller().may_see(found.customer_id):
            raise NotFound(f"there is no subscription {subscription_id}")
        return subscription_view(session, found, now=state().clock())


@blp.route("/<identifier:subscription_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(SubscriptionChangesSchema)
@blp.response(200, CHANGED_SUBSCRIPTION)
@takes_if_match
def end_subscription(asked: AskedSpan, subscription_id: str) -> ChangedSubscriptionView:
    """End a subscription, or move its start while nothing of it is final."""
    started_at = asked.started_at
    if started_at is None:
        return _changed(ChangeKind.END, subscription_id, AskedChange(when=When(moment=asked.ended_at or NOW)))
    with writing() as session:
        now = state().clock()
        _check_match(session, subscription_id, PLAIN, now=now)
        done = move_start(session, subscription_id, started_at=started_at, actor=caller().actor, now=now)
        return changed_view(session, done, now=now)


@blp.route("/<identifier:subscription_id>/change-plan", methods=["POST"])
@requires(ADMIN)
@blp.arguments(ChangePlanSchema)
@blp.response(200, CHANGED_SUBSCRIPTION)
@takes_if_match
def change_subscription_plan(asked: AskedChange, subscription_id: str) -> ChangedSubscriptionView:
    """Move a subscription to another plan, now or then; both parts of the period are billed by their own plan."""
    return _changed(ChangeKind.PLAN, subscription_id, asked)


@blp.route("/<identifier:subscription_id>/pause", methods=["POST"])
@requires(ADMIN)
@blp.arguments(StopSchema, required=False)
@blp.response(200, CHANGED_SUBSCRIPTION)
@takes_if_match
def pause_subscription(asked: AskedChange, subscription_id: str) -> ChangedSubscriptionView:
    """Pause a subscription: until it is resumed nothing is charged, and what is recorded is quarantined."""
    return _changed(ChangeKind.PAUSE, subscription_id, asked)


@blp.route("/<identifier:subscription_id>/resume", methods=["POST"])
@requires(ADMIN)
@blp.arguments(ChangeSchema, required=False)
@blp.response(200, CHANGED_SUBSCRIPTION)
@takes_if_match
def resume_subscription(asked: AskedChange, subscription_id: str) -> ChangedSubscriptionView:
    """Resume a paused subscription."""
    return _changed(ChangeKind.RESUME, subscription_id, asked)


@blp.route("/<identifier:subscription_id>/cancel", methods=["POST"])
@requires(ADMIN)
@blp.arguments(StopSchema, required=False)
@blp.response(200, CHANGED_SUBSCRIPTION)
@takes_if_match
def cancel_subscription(asked: AskedChange, subscription_id: str) -> ChangedSubscriptionView:
    """Cancel a subscription; its final invoice is due at that moment."""
    return _changed(ChangeKind.END, subscription_id, asked)


@blp.route(f"/<identifier:subscription_id>/scheduled/<int(max={MAX_BIGINT}):change_id>", methods=["DELETE"])
@requires(ADMIN)
@blp.response(200, CHANGED_SUBSCRIPTION)
@takes_if_match
def take_back_scheduled_change(subscription_id: str, change_id: int) -> ChangedSubscriptionView:
    """Take back what is planned, a cancellation too: the customer stays, and nothing else changes."""
    with writing() as session:
        now = state().clock()
        _check_match(session, subscription_id, PLAIN, now=now)
        done = change_subscription.take_back(session, subscription_id, change_id, actor=caller().actor, now=now)
        return changed_view(session, done, now=now)


@blp.route("/<identifier:subscription_id>/upcoming-invoice", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(CursorQuery, location="query")
@blp.response(200, UPCOMING_INVOICE)
def show_upcoming_invoice(query: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """Show the next invoice as billing would make it; ids of what is not stored yet hold for this answer.

    It shows up to 1,000 of its items; `nextCursor` brings the next. Each page is made anew from the books.
    """
    (after,) = read_cursor(query["cursor"], BY_NUMBER) or (0,)
    with counted(state().engine, subscription_id=subscription_id) as (session, behind):
        if not caller().may_see(get_subscription(session, subscription_id).customer_id):
            raise NotFound(f"there is no subscription {subscription_id}")
        found = upcoming(session, subscription_id, now=state().clock(), adjust_within=state().settings.adjust_within)
        if found is None:
            raise NotFound("nothing of the period that runs is to be invoiced", code="nothing_upcoming")
        return shown(upcoming_page(found, most=MAX_ITEMS, after=after), after=after) | {"behind": behind}


def _changed(kind: ChangeKind, subscription_id: str, asked: AskedChange) -> ChangedSubscriptionView:
    """Change a subscription, or only look at what that would do."""
    now, actor, desired = state().clock(), caller().actor, asked.of(kind)
    precaution = Precaution(
        dry_run=asked.dry_run,
        expected_digest=asked.expected_digest,
        adjust_within=state().settings.adjust_within,
    )
    looking = partial(foreseeing, state().engine, subscription_id, takes_back=desired.voids_later)
    with looking() if precaution.dry_run else writing() as session:
        _check_match(session, subscription_id, precaution, now=now)
        done = change_subscription.change(
            session, subscription_id, desired, actor=actor, now=now, precaution=precaution
        )
        return changed_view(session, done, now=now)


def _check_match(session: Session, subscription_id: str, precaution: Precaution, *, now: datetime) -> None:
    def entered() -> SubscriptionView:
        return subscription_view(session, enter(session, subscription_id, precaution), now=now)

    check_match(SUBSCRIPTION, entered)
