"""Customers: their list, and one with its money, its subscriptions, its invoices, and what happened."""

from typing import Any

from flask import Response

from api.pagination import BY_NAME
from api.state import state
from usage_billing.balances.models import CreditEntry
from usage_billing.balances.queries import balances_of, entries_of
from usage_billing.core.decimals import plain
from usage_billing.customers.models import Customer
from usage_billing.customers.queries import customers_where, get_customer
from usage_billing.db.session import transaction
from usage_billing.flows.administration.manage_portal import create_portal_session
from usage_billing.invoicing.queries import invoices_where
from usage_billing.reports.today import drafts_of
from usage_billing.reports.wallets import wallets_in_hand
from usage_billing.sessions.pages import OPENS
from usage_billing.sessions.service import NewPortalSession
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import subscriptions_where
from usage_billing.wire.credit import BALANCE, CREDIT_ENTRY
from usage_billing.wire.customer import CUSTOMER
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.wallet import WALLET_BALANCE
from web.admin.blueprint import blp
from web.admin.desk import Desk, Operator
from web.admin.frame import framed, query_of
from web.admin.gate import changing, looking, looking_at_usage
from web.admin.history import last_of
from web.admin.invoice_lists import last_invoices
from web.admin.lists import ROWS, listed
from web.admin.subscriptions import rows_of
from web.pages import see_other

_LAST_ENTRIES = 10


@blp.get("/customers")
@looking
def list_customers(desk: Desk) -> Response:
    """Customers by id; ``find`` is what their id begins with."""
    query = query_of("find", "after")
    statement = customers_where(prefix=query.get("find", ""))
    found = listed(desk, statement, query, noun=CUSTOMER, by=[Customer.id], kind=BY_NAME, path=["customers"])
    return framed(
        desk, "customers", "customers", customers=found.rows, following=found.following, find=query.get("find", "")
    )


@blp.get("/customers/<identifier:customer_id>")
@looking_at_usage
def show_customer(desk: Desk, customer_id: str) -> Response:
    """One customer: the page for a phone call."""
    query_of()
    customer = get_customer(desk.session, customer_id)
    return framed(
        desk,
        "customers",
        "customer",
        customer=show(CUSTOMER, customer),
        subscriptions=_subscriptions(desk, customer_id),
        most=ROWS,
        invoices=last_invoices(desk, invoices_where(customer_id=customer_id)),
        balances=[show(BALANCE, one) for one in balances_of(desk.session, customer_id)],
        entries=_entries(desk, customer_id),
        drafts=_drafts(desk, customer_id),
        wallets=[show(WALLET_BALANCE, one) for one in wallets_in_hand(desk.session, customer_id, now=desk.now)[:ROWS]],
        history=last_of(desk, [f"customer:{customer_id}"]),
    )


@blp.post("/customers/<identifier:customer_id>/portal")
@changing
def open_portal(operator: Operator, customer_id: str) -> Response:
    """The pages as the customer sees them, for an hour; that they were opened stands in the audit log."""
    here = state()
    with transaction(here.engine) as session:
        new = NewPortalSession(customer_id=customer_id)
        secret = here.settings.require_secret()
        issued = create_portal_session(session, new, secret=secret, actor=operator.actor, now=operator.now)
    return see_other(f"{OPENS}{issued.code}")


def _subscriptions(desk: Desk, customer_id: str) -> list[dict[str, Any]]:
    statement = subscriptions_where(now=desk.now, customer_id=customer_id)
    return rows_of(desk, desk.session.scalars(statement.order_by(Subscription.id).limit(ROWS)).all())


def _entries(desk: Desk, customer_id: str) -> list[Shape]:
    statement = entries_of(customer_id).order_by(CreditEntry.id.desc()).limit(_LAST_ENTRIES)
    return [show(CREDIT_ENTRY, entry) for entry in desk.session.scalars(statement)]


def _drafts(desk: Desk, customer_id: str) -> list[dict[str, Any]]:
    found = drafts_of(desk.session, customer_id)
    return [{"currency": one.currency, "total": plain(one.total), "invoices": one.invoices} for one in found]
