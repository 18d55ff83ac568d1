"""Subscriptions: their list, and one with its terms over time, what is planned, what it used and what happened."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Response

from api.pagination import BY_NAME
from api.state import state
from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.queries import quotas_where
from usage_billing.core.periods import period_at
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.invoicing.queries import invoices_where
from usage_billing.reports.invoices import upcoming_page
from usage_billing.reports.usage import usage_under
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import get_contract, get_subscription, subscriptions_where
from usage_billing.subscriptions.states import STATUSES
from usage_billing.subscriptions.views import SubscriptionView, subscription_view, subscription_views
from usage_billing.wire.invoice import INVOICE
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.quota import QUOTA
from usage_billing.wire.subscription import SUBSCRIPTION
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking, looking_at_usage
from web.admin.history import last_of
from web.admin.invoice_lists import last_invoices
from web.admin.lists import ROWS, listed
from web.admin.plans import quotas_of
from web.allowances import with_bars
from web.timeline import AgreedSpan, Picture, bounds, draw

_MOST_MONTHS = 240


@blp.get("/subscriptions")
@looking
def list_subscriptions(desk: Desk) -> Response:
    """Subscriptions by id, of a customer, on a plan, or of a status."""
    query = query_of("find", "customer", "plan", "status", "after")
    statement = subscriptions_where(
        now=desk.now,
        customer_id=query.get("customer"),
        plan_id=query.get("plan"),
        status=query.get("status"),
        prefix=query.get("find", ""),
    )
    found = listed(
        desk,
        statement,
        query,
        noun=SUBSCRIPTION,
        by=[Subscription.id],
        kind=BY_NAME,
        path=["subscriptions"],
        viewed=lambda rows: subscription_views(desk.session, rows, now=desk.now),
        beside=lambda view: {"state": state_of(view, desk.now)},
    )
    statuses = [("", "all"), *((one, one) for one in STATUSES)]
    return framed(
        desk, "subscriptions", "subscriptions", subscriptions=found.rows, following=found.following, query=query,
        statuses=statuses,
    )  # fmt: skip


@blp.get("/subscriptions/<identifier:subscription_id>")
@looking_at_usage
def show_subscription(desk: Desk, subscription_id: str) -> Response:
    """One subscription; its days are those of its own zone."""
    query_of()
    contract = get_contract(desk.session, subscription_id)
    view = subscription_view(desk.session, get_subscription(desk.session, subscription_id), now=desk.now)
    own = replace(desk, writer=replace(desk.writer, zone=contract.timeline.zone))
    lines = usage_under(desk.session, [contract], now=desk.now, span=None)
    return framed(
        own,
        "subscriptions",
        "subscription",
        one=show(SUBSCRIPTION, view) | {"state": state_of(view, desk.now)},
        picture=_picture(view, contract.timeline.zone, desk.now),
        lines=with_bars(desk.session, lines, desk.now),
        own_quotas=_own_quotas(desk, subscription_id),
        currency=contract.currency,
        upcoming=_upcoming(desk, subscription_id),
        invoices=last_invoices(desk, invoices_where(subscription_id=subscription_id)),
        history=last_of(desk, [f"subscription:{subscription_id}"]),
    )


def rows_of(desk: Desk, subscriptions: Sequence[Subscription]) -> list[dict[str, Any]]:
    """Subscriptions as the API shows them, each with its ``state`` in a word."""
    views = subscription_views(desk.session, subscriptions, now=desk.now)
    return [show(SUBSCRIPTION, view) | {"state": state_of(view, desk.now)} for view in views]


def state_of(view: SubscriptionView, now: datetime) -> str:
    """Whether a subscription is planned, active, paused or over."""
    ended = view.subscription.ended_at
    if ended is not None and ended <= now:
        return "over"
    if view.subscription.started_at > now:
        return "planned"
    here = [term for term in view.terms if term.starts_at <= now and (term.ends_at is None or now < term.ends_at)]
    return "paused" if here and here[0].paused else "active"


def _picture(view: SubscriptionView, zone: str, now: datetime) -> Picture:
    spans = [
        AgreedSpan(plan=term.plan_id, starts_at=term.starts_at, ends_at=term.ends_at, paused=term.paused)
        for term in view.terms
    ]
    first, last = bounds(spans, now=now)
    months = [period_at(first, zone=zone).end]
    while months[-1] < last and len(months) < _MOST_MONTHS:
        months.append(period_at(months[-1], zone=zone).end)
    return draw(spans, months, now=now)


def _own_quotas(desk: Desk, subscription_id: str) -> list[tuple[str, list[dict[str, Any]]]]:
    statement = quotas_where(subscription_id=subscription_id).order_by(UsageQuota.id.desc()).limit(ROWS)
    return quotas_of([show(QUOTA, row) for row in desk.session.scalars(statement)][::-1])


def _upcoming(desk: Desk, subscription_id: str) -> Shape | None:
    found = upcoming(desk.session, subscription_id, now=desk.now, adjust_within=state().settings.adjust_within)
    return None if found is None else show(INVOICE, upcoming_page(found, most=0))
