"""What an operator changes of customers: made, changed, given credit."""

from typing import Any

from sqlalchemy.orm import Session

from usage_billing.balances.service import NewCredit
from usage_billing.cli.frame.types import AMOUNT, NAME, NEW_IDENTIFIER, REASON
from usage_billing.core.errors import Conflict
from usage_billing.customers.models import Customer
from usage_billing.customers.queries import get_customer
from usage_billing.customers.service import CustomerChanges, NewCustomer
from usage_billing.flows.administration.give_credit import give_credit
from usage_billing.flows.administration.manage_customers import change_customer, create_customer
from usage_billing.wire.customer import CUSTOMER
from usage_billing.wire.noun import show
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change, key_box
from web.admin.party_boxes import buyer_boxes, buyer_in
from web.pages import tag_of


def _new(_: Session) -> Form:
    names = [
        Box(name="id", label="Id", kind=NEW_IDENTIFIER, help="The userId of its recordings; it stays for ever."),
        Box(name="name", label="Name", kind=NAME, help="What people call it."),
    ]
    says = "Who pays. What stands on invoices can be said later."
    return Form(
        title="New customer", says=says, verb="Create the customer", current="customers", back=address("customers"),
        boxes=[*names, *buyer_boxes({})],
    )  # fmt: skip


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    new = NewCustomer(id=values["id"], name=values["name"], **buyer_in(values))
    create_customer(session, new, actor=operator.actor, now=operator.now)
    return Done(address("customers", new.id))


def _changed(session: Session, customer_id: str) -> Form:
    known = show(CUSTOMER, get_customer(session, customer_id))
    return Form(
        title=f"Change {known['name']}",
        says=f"Customer {customer_id}. Invoices that are final stay as they are.",
        verb="Change the customer",
        current="customers",
        back=address("customers", customer_id),
        boxes=[
            Box(name="seen", label="", type="hidden", value=_seen(known)),
            Box(name="name", label="Name", kind=NAME, value=known["name"]),
            *buyer_boxes(known),
        ],
    )


def _change(session: Session, operator: Operator, values: dict[str, Any], customer_id: str) -> Done:
    found: Customer = get_customer(session, customer_id, lock=True)
    if values["seen"] != _seen(show(CUSTOMER, found)):
        raise Conflict("the customer was changed meanwhile: load the page again")
    changes = CustomerChanges(name=values["name"], **buyer_in(values))
    change_customer(session, customer_id, changes, actor=operator.actor, now=operator.now)
    return Done(address("customers", customer_id))


def _seen(known: dict[str, Any]) -> str:
    """What stands for all that a page showed of a customer."""
    return tag_of(known).strip('"')


def _credit(session: Session, customer_id: str) -> Form:
    customer = get_customer(session, customer_id)
    return Form(
        title="Give credit",
        says=f"To {customer.name}. Its next invoices in that currency use it. It cannot be taken back.",
        verb="Give the credit",
        current="customers",
        back=address("customers", customer_id),
        boxes=[
            Box(name="amount", label="Amount", kind=AMOUNT, help="Such as 25.00."),
            Box(name="currency", label="Currency", help="An ISO 4217 code such as USD."),
            Box(name="reason", label="Reason", kind=REASON, help="The audit log keeps it."),
            # Made with the page: sending the form twice gives once.
            key_box("", hidden=True),
        ],
    )


def _give(session: Session, operator: Operator, values: dict[str, Any], customer_id: str) -> Done:
    new = NewCredit(
        amount=values["amount"],
        currency=values["currency"],
        reason=values["reason"],
        idempotency_key=values["idempotencyKey"],
    )
    give_credit(session, customer_id, new, actor=operator.actor, now=operator.now)
    return Done(address("customers", customer_id))


change("/customers/new", "new_customer", _new, _create)
change("/customers/<identifier:customer_id>/change", "customer_change", _changed, _change)
change("/customers/<identifier:customer_id>/credit", "customer_credit", _credit, _give)
