"""Subscriptions: a customer on a plan."""

from typing import Any

from sqlalchemy import select

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_NAME, listed
from api.schemas.customers import (
    NewSubscriptionSchema,
    SubscriptionChangesSchema,
    SubscriptionSchema,
    SubscriptionsQuery,
)
from api.schemas.paging import page_of
from api.state import state
from usage_billing.access.principal import ADMIN
from usage_billing.db.session import read_only, transaction
from usage_billing.flows import manage_subscriptions
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.service import NewSubscription, get_subscription

blp = Blueprint("subscriptions", __name__, url_prefix="/api/subscriptions", description="A customer on a plan.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewSubscriptionSchema)
@blp.response(201, SubscriptionSchema)
def create_subscription(body: dict[str, Any]) -> Subscription:
    """Create a subscription."""
    new = NewSubscription(**body)
    with transaction(state().engine) as session:
        return manage_subscriptions.create_subscription(session, new, actor=caller().actor, now=state().clock())


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(SubscriptionsQuery, location="query")
@blp.response(200, page_of(SubscriptionSchema))
def list_subscriptions(query: dict[str, Any]) -> dict[str, Any]:
    """List subscriptions by id."""
    statement = select(Subscription)
    if query["customer_id"] is not None:
        statement = statement.where(Subscription.customer_id == query["customer_id"])
    with read_only(state().engine) as session:
        return listed(session, statement, query, by=[Subscription.id], kind=BY_NAME)


@blp.route("/<identifier:subscription_id>", methods=["GET"])
@requires(ADMIN)
@blp.response(200, SubscriptionSchema)
def show_subscription(subscription_id: str) -> Subscription:
    """Show a subscription."""
    with read_only(state().engine) as session:
        return get_subscription(session, subscription_id)


@blp.route("/<identifier:subscription_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(SubscriptionChangesSchema)
@blp.response(200, SubscriptionSchema)
def end_subscription(body: dict[str, Any], subscription_id: str) -> Subscription:
    """End a subscription; its end cannot be moved."""
    with transaction(state().engine) as session:
        return manage_subscriptions.end_subscription(
            session, subscription_id, ended_at=body["ended_at"], actor=caller().actor, now=state().clock()
        )
