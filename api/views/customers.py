"""Customers: who pays."""

from typing import Any

from flask import Response

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.json_provider import json_response
from api.locations import makes
from api.pagination import BY_NAME, BY_NUMBER, filters_of, listed
from api.schemas.customers import CustomerChangesSchema, NewCreditSchema, NewCustomerSchema
from api.schemas.paging import PagedSpanQuery, PageQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ
from usage_billing.balances.models import CreditEntry
from usage_billing.balances.queries import balances_of, entries_of
from usage_billing.balances.service import NewCredit
from usage_billing.core.errors import NotFound
from usage_billing.customers.models import Customer
from usage_billing.customers.queries import customers_where, get_customer
from usage_billing.customers.service import CustomerChanges, NewCustomer
from usage_billing.db.session import read_only
from usage_billing.flows.administration import manage_customers
from usage_billing.flows.administration.give_credit import give_credit
from usage_billing.wire.credit import CREDIT_ENTRY, CREDITS, GIVEN_CREDIT
from usage_billing.wire.customer import CUSTOMER
from usage_billing.wire.noun import page_of, show

blp = Blueprint("customers", __name__, url_prefix="/api/customers", description="Who pays.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewCustomerSchema)
@blp.response(201, CUSTOMER)
@makes("/api/customers")
@tagged
def create_customer(new: NewCustomer) -> Customer:
    """Create a customer."""
    with writing() as session:
        return manage_customers.create_customer(session, new, actor=caller().actor, now=state().clock())


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(PagedSpanQuery, location="query")
@blp.response(200, page_of(CUSTOMER))
def list_customers(query: dict[str, Any]) -> dict[str, Any]:
    """List customers by id; `from` and `to` are of `createdAt`."""
    with read_only(state().engine) as session:
        return listed(
            session, customers_where(**filters_of(query)), query, noun=CUSTOMER, by=[Customer.id], kind=BY_NAME
        )


@blp.route("/<identifier:customer_id>", methods=["GET"])
@requires(ADMIN, users=True)
@blp.response(200, CUSTOMER)
@tagged
def show_customer(customer_id: str) -> Customer:
    """Show a customer. A user sees itself."""
    if not caller().may_see(customer_id):
        raise NotFound(f"there is no customer {customer_id}")
    with read_only(state().engine) as session:
        return get_customer(session, customer_id)


@blp.route("/<identifier:customer_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(CustomerChangesSchema)
@blp.response(200, CUSTOMER)
@tagged
@takes_if_match
def change_customer(changes: CustomerChanges, customer_id: str) -> Customer:
    """Change the name, or what invoices say of the customer; an address is replaced as a whole."""
    with writing() as session:
        check_match(CUSTOMER, lambda: get_customer(session, customer_id, lock=True))
        return manage_customers.change_customer(
            session, customer_id, changes, actor=caller().actor, now=state().clock()
        )


@blp.route("/<identifier:customer_id>/credits", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(PageQuery, location="query")
@blp.response(200, CREDITS)
def show_credits(query: dict[str, Any], customer_id: str) -> dict[str, Any]:
    """Show what a customer has in hand, and how it came and went."""
    if not caller().may_see(customer_id):
        raise NotFound(f"there is no customer {customer_id}")
    with read_only(state().engine) as session:
        get_customer(session, customer_id)
        statement = entries_of(customer_id)
        entries = listed(
            session, statement, query, noun=CREDIT_ENTRY, by=[CreditEntry.id], kind=BY_NUMBER, newest_first=True
        )
        return {"customer_id": customer_id, "balances": balances_of(session, customer_id), "entries": entries}


@blp.route("/<identifier:customer_id>/credits", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewCreditSchema)
@blp.response(201, GIVEN_CREDIT)
@blp.alt_response(200, noun=GIVEN_CREDIT, description="The key has given it before; nothing changed.", success=True)
@makes("/api/customers/{customer_id}/credits", named=None)
def give_credit_by_hand(new: NewCredit, customer_id: str) -> Response:
    """Give a customer credit by hand, for a reason; the next invoices use it.

    An `idempotencyKey` gives it once, for ever. The same key with other content is a conflict.
    """
    with writing() as session:
        given = give_credit(session, customer_id, new, actor=caller().actor, now=state().clock())
    return json_response(show(GIVEN_CREDIT, given), status=201 if given.is_new else 200)
