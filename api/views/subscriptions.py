"""Subscriptions: a customer on a plan, and what becomes of that."""

from collections.abc import Callable
from typing import Any

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_NAME, filters_of, listed
from api.schemas.customers import (
    ChangePlanSchema,
    ChangeSchema,
    NewSubscriptionSchema,
    SubscriptionChangesSchema,
    SubscriptionsQuery,
)
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only, rolled_back
from usage_billing.flows.administration import change_subscription, manage_subscriptions
from usage_billing.flows.administration.change_subscription import When
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.reports.invoices import InvoiceView
from usage_billing.reports.subscriptions import SubscriptionView, subscription_view, subscription_views
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import get_subscription, subscriptions_where
from usage_billing.subscriptions.service import NewSubscription
from usage_billing.wire.invoice import INVOICE
from usage_billing.wire.noun import page_of
from usage_billing.wire.subscription import SUBSCRIPTION

Change = Callable[..., Subscription]

blp = Blueprint("subscriptions", __name__, url_prefix="/api/subscriptions", description="A customer on a plan.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewSubscriptionSchema)
@blp.response(201, SUBSCRIPTION)
def create_subscription(body: dict[str, Any]) -> SubscriptionView:
    """Create a subscription."""
    new = NewSubscription(**body)
    with writing() as session:
        made = manage_subscriptions.create_subscription(session, new, actor=caller().actor, now=state().clock())
        return subscription_view(session, made)


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(SubscriptionsQuery, location="query")
@blp.response(200, page_of(SUBSCRIPTION))
def list_subscriptions(query: dict[str, Any]) -> dict[str, Any]:
    """List subscriptions by id."""
    statement = subscriptions_where(now=state().clock(), **filters_of(query))
    with read_only(state().engine) as session:
        page = listed(session, statement, query, by=[Subscription.id], kind=BY_NAME)
        return page | {"data": subscription_views(session, page["data"])}


@blp.route("/<identifier:subscription_id>", methods=["GET"])
@requires(ADMIN)
@blp.response(200, SUBSCRIPTION)
def show_subscription(subscription_id: str) -> SubscriptionView:
    """Show a subscription."""
    with read_only(state().engine) as session:
        return subscription_view(session, get_subscription(session, subscription_id))


@blp.route("/<identifier:subscription_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(SubscriptionChangesSchema)
@blp.response(200, SUBSCRIPTION)
def end_subscription(body: dict[str, Any], subscription_id: str) -> SubscriptionView:
    """End a subscription."""
    with writing() as session:
        ended = manage_subscriptions.end_subscription(
            session, subscription_id, ended_at=body["ended_at"], actor=caller().actor, now=state().clock()
        )
        return subscription_view(session, ended)


@blp.route("/<identifier:subscription_id>/change-plan", methods=["POST"])
@requires(ADMIN)
@blp.arguments(ChangePlanSchema)
@blp.response(200, SUBSCRIPTION)
def change_subscription_plan(body: dict[str, Any], subscription_id: str) -> SubscriptionView:
    """Move a subscription to another plan, now or then; both parts of the period are billed by their own plan."""
    how: dict[str, Any] = {"when": When(moment=body["at"]), "actor": caller().actor, "now": state().clock()}
    with writing() as session:
        moved = change_subscription.change_plan(session, subscription_id, plan_id=body["plan_id"], **how)
        return subscription_view(session, moved)


@blp.route("/<identifier:subscription_id>/pause", methods=["POST"])
@requires(ADMIN)
@blp.arguments(ChangeSchema, required=False)
@blp.response(200, SUBSCRIPTION)
def pause_subscription(body: dict[str, Any], subscription_id: str) -> SubscriptionView:
    """Pause a subscription: until it is resumed nothing is charged, and what is recorded is quarantined."""
    return _changed(change_subscription.pause, subscription_id, body)


@blp.route("/<identifier:subscription_id>/resume", methods=["POST"])
@requires(ADMIN)
@blp.arguments(ChangeSchema, required=False)
@blp.response(200, SUBSCRIPTION)
def resume_subscription(body: dict[str, Any], subscription_id: str) -> SubscriptionView:
    """Resume a paused subscription."""
    return _changed(change_subscription.resume, subscription_id, body)


@blp.route("/<identifier:subscription_id>/cancel", methods=["POST"])
@requires(ADMIN)
@blp.arguments(ChangeSchema, required=False)
@blp.response(200, SUBSCRIPTION)
def cancel_subscription(body: dict[str, Any], subscription_id: str) -> SubscriptionView:
    """Cancel a subscription; its final invoice is due at that moment."""
    return _changed(change_subscription.cancel, subscription_id, body)


@blp.route("/<identifier:subscription_id>/upcoming-invoice", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.response(200, INVOICE)
def show_upcoming_invoice(subscription_id: str) -> InvoiceView:
    """Show the next invoice as billing would make it; ids of what is not stored yet hold for this answer."""
    with rolled_back(state().engine) as session:
        if not caller().may_see(get_subscription(session, subscription_id).customer_id):
            raise NotFound(f"there is no subscription {subscription_id}")
        found = upcoming(session, subscription_id, now=state().clock(), adjust_within=state().settings.adjust_within)
        if found is None:
            raise NotFound("nothing is to be invoiced", code="nothing_upcoming")
        return InvoiceView(invoice=found[0], items=found[1])


def _changed(change: Change, subscription_id: str, body: dict[str, Any]) -> SubscriptionView:
    with writing() as session:
        when = When(moment=body["at"])
        changed = change(session, subscription_id, when=when, actor=caller().actor, now=state().clock())
        return subscription_view(session, changed)
