"""What Lago's clients read back: current usage, customers, subscriptions, wallets, billable metrics."""

from functools import partial

from flask import Blueprint, Response
from sqlalchemy import ColumnElement, and_, false, or_
from werkzeug.datastructures import MultiDict

from api.auth import requires
from api.foreign_errors import lago_form, speak
from api.foreign_pages import page_asked, paged
from api.honoured import reads
from api.json_provider import json_response
from api.lago_pages import PAGE, choice, listed, named
from api.lago_shown import customer_shown, metric_shown, subscription_shown, usage_shown, wallet_shown
from api.state import state, this_request
from usage_billing.access.principal import ADMIN, USAGE_READ
from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import usage_types_where
from usage_billing.core.errors import InvalidInput, NotFound, Unavailable
from usage_billing.customers.models import Customer
from usage_billing.customers.queries import customers_where, get_customer
from usage_billing.db.session import read_only
from usage_billing.flows.folding.drive_reads import counted
from usage_billing.reports.current_usage import current_usage
from usage_billing.reports.usage_types import usage_type_views
from usage_billing.reports.wallets import wallet_view, wallets_in_hand
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import get_contract, get_subscription, subscriptions_where
from usage_billing.subscriptions.views import subscription_view, subscription_views
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import owner_of_wallet, wallets_where

blp = Blueprint("lago_reads", __name__, url_prefix="/lago/api/v1")

_FLAGS = {"true": True, "false": False}


@blp.get("/customers/<identifier:external_id>/current_usage")
@requires(USAGE_READ)
@reads("query")
def show_current_usage(external_id: str) -> Response:
    """Show what a subscription used in its present period, and what that would cost."""
    subscription_id, taxed, codes = _usage_asked(this_request().args)
    with counted(state().engine, subscription_id=subscription_id) as (session, behind):
        with named("subscription_not_found"):
            contract = get_contract(session, subscription_id)
            if contract.customer_id != external_id:
                raise NotFound(f"there is no subscription {subscription_id} of {external_id}")
        if behind:
            raise Unavailable(f"{behind} recordings are not counted yet; ask again", code="still_counting")
        found = current_usage(session, contract, now=state().clock(), taxed=taxed, usage_types=codes)
    if codes and not found.charges:
        raise NotFound(f"there is no charge for {', '.join(codes)}", code="charge_not_found")
    return json_response({"customer_usage": usage_shown(found)})


@blp.get("/customers")
@requires(ADMIN)
@reads("query")
def list_customers() -> Response:
    """List customers by id."""
    asked = page_asked(this_request().args, PAGE)
    with read_only(state().engine) as session:
        found = paged(session, customers_where(), by=[Customer.id], asked=asked, counted=True)
        return listed("customers", [customer_shown(one) for one in found.rows], found, asked)


@blp.get("/customers/<identifier:external_id>")
@requires(ADMIN)
def show_customer(external_id: str) -> Response:
    """Show a customer."""
    with read_only(state().engine) as session, named("customer_not_found"):
        return json_response({"customer": customer_shown(get_customer(session, external_id))})


@blp.get("/subscriptions")
@requires(ADMIN)
@reads("lists")
def list_subscriptions() -> Response:
    """List subscriptions by id: those that are active, unless ``status[]`` says otherwise."""
    asked = page_asked(this_request().args, PAGE, also=("external_customer_id", "plan_code"), lists=("status[]",))
    now = state().clock()
    statement = subscriptions_where(
        now=now, customer_id=asked.more.get("external_customer_id"), plan_id=asked.more.get("plan_code")
    )
    begun, over = Subscription.started_at <= now, Subscription.ended_at <= now
    kinds: dict[str, ColumnElement[bool]] = {
        "active": and_(begun, or_(Subscription.ended_at.is_(None), Subscription.ended_at > now)),
        "pending": Subscription.started_at > now,
        "terminated": over,
        "canceled": false(),
    }
    wanted = [choice(one, kinds, "status[]") for one in asked.lists.get("status[]", ["active"])]
    with read_only(state().engine) as session:
        found = paged(session, statement.where(or_(*wanted)), by=[Subscription.id], asked=asked, counted=True)
        shown = [subscription_shown(one, now=now) for one in subscription_views(session, found.rows, now=now)]
    return listed("subscriptions", shown, found, asked)


@blp.get("/subscriptions/<identifier:external_id>")
@requires(ADMIN)
def show_subscription(external_id: str) -> Response:
    """Show a subscription."""
    now = state().clock()
    with read_only(state().engine) as session, named("subscription_not_found"):
        view = subscription_view(session, get_subscription(session, external_id), now=now)
        return json_response({"subscription": subscription_shown(view, now=now)})


@blp.get("/wallets")
@requires(USAGE_READ)
@reads("query")
def list_wallets() -> Response:
    """List wallets by id, with their balances."""
    asked = page_asked(this_request().args, PAGE, also=("external_customer_id",))
    now = state().clock()
    with read_only(state().engine) as session:
        statement = wallets_where(customer_id=asked.more.get("external_customer_id"))
        found = paged(session, statement, by=[Wallet.id], asked=asked, counted=True)
        owners = {one.customer_id for one in found.rows}
        views = {view.wallet.id: view for owner in owners for view in wallets_in_hand(session, owner, now=now)}
        shown = [wallet_shown(views[one.id]) for one in found.rows]
    return listed("wallets", shown, found, asked)


@blp.get("/wallets/<identifier:lago_id>")
@requires(USAGE_READ)
def show_wallet(lago_id: str) -> Response:
    """Show a wallet."""
    owner = partial(owner_of_wallet, wallet_id=lago_id)
    with named("wallet_not_found"), counted(state().engine, customer_of=owner) as (session, _):
        return json_response({"wallet": wallet_shown(wallet_view(session, lago_id, now=state().clock()))})


@blp.get("/billable_metrics")
@requires(USAGE_READ)
@reads("query")
def list_metrics() -> Response:
    """List usage types by id."""
    asked = page_asked(this_request().args, PAGE)
    with read_only(state().engine) as session:
        found = paged(session, usage_types_where(), by=[UsageType.id], asked=asked, counted=True)
        shown = [metric_shown(one) for one in usage_type_views(session, found.rows)]
    return listed("billable_metrics", shown, found, asked)


@blp.get("/billable_metrics/<identifier:code>")
@requires(USAGE_READ)
def show_metric(code: str) -> Response:
    """Show a usage type."""
    with read_only(state().engine) as session:
        found = session.get(UsageType, code)
        if found is None:
            raise NotFound(f"there is no billable metric {code}", code="billable_metric_not_found")
        (view,) = usage_type_views(session, [found])
        return json_response({"billable_metric": metric_shown(view)})


def _usage_asked(parameters: MultiDict[str, str]) -> tuple[str, bool, set[str]]:
    """The subscription, whether tax is asked for, and the usage types, none for all."""
    for name in parameters:
        if name not in {"external_subscription_id", "apply_taxes", "charge_code", "billable_metric_code"}:
            raise InvalidInput.field(f"?{name[:64]}", "is not a parameter that is obeyed here", code="unknown")
    subscription = parameters.get("external_subscription_id")
    if not subscription:
        raise InvalidInput.field("?external_subscription_id", "is required", code="required")
    taxed = choice(parameters.get("apply_taxes", "true").lower(), _FLAGS, "apply_taxes")
    codes = {parameters[n] for n in ("charge_code", "billable_metric_code") if n in parameters}
    if len(codes) > 1:
        raise InvalidInput.field("?charge_code", "differs from billable_metric_code", code="contradiction")
    return subscription, taxed, codes


speak(blp, lago_form, below=())
