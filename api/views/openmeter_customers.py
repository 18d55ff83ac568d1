"""OpenMeter's customers and subjects, both of which are our customers: listed, shown and made."""

from flask import Blueprint, Response

from api.auth import caller, requires
from api.foreign_errors import openmeter_form, speak
from api.foreign_pages import Page, page_asked, paged
from api.honoured import reads
from api.ingest.body import json_of
from api.json_provider import json_response
from api.locations import makes
from api.openmeter_customers import customer_of, subjects_of
from api.openmeter_shown import customer_shown, subject_shown
from api.state import state, this_request
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.core.errors import InvalidInput
from usage_billing.customers.models import Customer
from usage_billing.customers.queries import customers_where, get_customer
from usage_billing.customers.service import CustomerChanges
from usage_billing.db.session import read_only
from usage_billing.flows.administration.manage_customers import change_customer, create_customer
from usage_billing.subscriptions.queries import Contract, contracts_of, contracts_of_customers

blp = Blueprint("openmeter_customers", __name__, url_prefix="/openmeter")

_MOST_SUBJECTS = 10_000
_PAGE = Page(number="page", size="pageSize", usual=100, most=1000)


@blp.get("/api/v1/customers")
@requires(ADMIN)
@reads("query")
def list_customers() -> Response:
    """List customers by id; ``key`` asks for one."""
    asked = page_asked(this_request().args, _PAGE, also=("key",))
    statement = customers_where()
    if "key" in asked.more:
        statement = statement.where(Customer.id == asked.more["key"])
    with read_only(state().engine) as session:
        found = paged(session, statement, by=[Customer.id], asked=asked, counted=True)
        theirs: dict[str, list[Contract]] = {}
        for one in contracts_of_customers(session, [customer.id for customer in found.rows]):
            theirs.setdefault(one.customer_id, []).append(one)
        items = [customer_shown(one, theirs.get(one.id, [])) for one in found.rows]
    return json_response({"items": items, "page": asked.number, "pageSize": asked.size, "totalCount": found.total})


@blp.post("/api/v1/customers")
@requires(ADMIN)
@reads("json")
@makes("/openmeter/api/v1/customers")
def make_customer() -> Response:
    """Make a customer; a subscription to a plan is given to it by our own interface."""
    new = customer_of(json_of(this_request()))
    with writing() as session:
        made = create_customer(session, new, actor=caller().actor, now=state().clock())
        return json_response(customer_shown(made, []), status=201)


@blp.get("/api/v1/customers/<identifier:customer_id>")
@requires(ADMIN)
def show_customer(customer_id: str) -> Response:
    """Show a customer."""
    with read_only(state().engine) as session:
        found = get_customer(session, customer_id)
        return json_response(customer_shown(found, contracts_of(session, customer_id)))


@blp.get("/api/v1/subjects")
@requires(ADMIN)
def list_subjects() -> Response:
    """List customers as subjects, in a list without pages."""
    with read_only(state().engine) as session:
        found = session.scalars(customers_where().order_by(Customer.id).limit(_MOST_SUBJECTS + 1)).all()
    if len(found) > _MOST_SUBJECTS:
        raise InvalidInput(f"there are more than {_MOST_SUBJECTS} subjects: list customers, in pages", code="too_much")
    return json_response([subject_shown(one) for one in found])


@blp.post("/api/v1/subjects")
@requires(ADMIN)
@reads("json")
def put_subjects() -> Response:
    """Make the customers that are not there yet, and name those that are; all or none."""
    subjects = subjects_of(json_of(this_request()))
    actor, now, put = caller().actor, state().clock(), []
    with writing() as session:
        for one in subjects:
            found = session.get(Customer, one.customer.id)
            if found is None:
                found = create_customer(session, one.customer, actor=actor, now=now)
            elif one.is_named and found.name != one.customer.name:
                found = change_customer(
                    session, found.id, CustomerChanges(name=one.customer.name), actor=actor, now=now
                )
            put.append(subject_shown(found))
        return json_response(put)


speak(blp, openmeter_form, below=())
