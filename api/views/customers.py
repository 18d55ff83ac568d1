"""Customers: who pays."""

from typing import Any

from sqlalchemy import select

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_NAME, listed
from api.schemas.customers import CustomerChangesSchema, CustomerSchema, NewCustomerSchema
from api.schemas.paging import PageQuery, page_of
from api.state import state
from usage_billing.access.principal import ADMIN
from usage_billing.customers.models import Customer
from usage_billing.customers.service import NewCustomer, get_customer
from usage_billing.db.session import read_only, transaction
from usage_billing.flows import manage_customers

blp = Blueprint("customers", __name__, url_prefix="/api/customers", description="Who pays.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewCustomerSchema)
@blp.response(201, CustomerSchema)
def create_customer(body: dict[str, Any]) -> Customer:
    """Create a customer."""
    with transaction(state().engine) as session:
        return manage_customers.create_customer(
            session, NewCustomer(**body), actor=caller().actor, now=state().clock()
        )


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(PageQuery, location="query")
@blp.response(200, page_of(CustomerSchema))
def list_customers(query: dict[str, Any]) -> dict[str, Any]:
    """List customers by id."""
    with read_only(state().engine) as session:
        return listed(session, select(Customer), query, by=[Customer.id], kind=BY_NAME)


@blp.route("/<identifier:customer_id>", methods=["GET"])
@requires(ADMIN)
@blp.response(200, CustomerSchema)
def show_customer(customer_id: str) -> Customer:
    """Show a customer."""
    with read_only(state().engine) as session:
        return get_customer(session, customer_id)


@blp.route("/<identifier:customer_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(CustomerChangesSchema)
@blp.response(200, CustomerSchema)
def change_customer(body: dict[str, Any], customer_id: str) -> Customer:
    """Change the name or the e-mail address."""
    with transaction(state().engine) as session:
        return manage_customers.change_customer(
            session, customer_id, changes=body, actor=caller().actor, now=state().clock()
        )
