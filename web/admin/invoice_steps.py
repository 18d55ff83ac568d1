"""The steps of an invoice's life at the desk: made final, paid, void, given up."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import AMOUNT, METHOD, NAME
from usage_billing.core.money import money_text
from usage_billing.flows.billing import manage_invoices
from usage_billing.flows.billing.manage_invoices import Payment
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import get_invoice
from usage_billing.rating.currency import minor_unit
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change

_PAID = (
    Box(name="amount", label="Amount", kind=AMOUNT, required=False, help="Refused unless it is what is due."),
    Box(name="paidAt", label="When", kind=TIME, required=False, help="Such as 2026-12-01; now, if empty."),
    Box(name="reference", label="Reference", kind=NAME, required=False, help="What names the payment."),
    Box(name="method", label="How", kind=METHOD, required=False, help="Such as bank transfer."),
)


def _form(session: Session, invoice_id: UUID, *, title: str, says: str, verb: str, **more: Any) -> Form:
    invoice = get_invoice(session, invoice_id)
    name = number_text(invoice.number) or f"the draft of {invoice.subscription_id or invoice.customer_id}"
    due = money_text(invoice.amount_due, minor_unit(invoice.currency))
    says = f"{says} {due} {invoice.currency} is due on it."
    back = address("invoices", invoice_id)
    return Form(title=f"{title} {name}", says=says, verb=verb, current="invoices", back=back, **more)


def _step(
    flow: Callable[..., Invoice], session: Session, operator: Operator, _values: dict[str, Any], invoice_id: UUID
) -> Done:
    flow(session, invoice_id, actor=operator.actor, now=operator.now)
    return Done(address("invoices", invoice_id))


def _finalize(session: Session, operator: Operator, values: dict[str, Any], invoice_id: UUID) -> Done:
    flow = partial(manage_invoices.finalize_invoice, adjust_within=state().settings.adjust_within)
    return _step(flow, session, operator, values, invoice_id)


def _pay(session: Session, operator: Operator, values: dict[str, Any], invoice_id: UUID) -> Done:
    payment = Payment(
        amount=values["amount"],
        paid_at=values["paidAt"],
        reference=values["reference"],
        method=values["method"],
    )
    return _step(partial(manage_invoices.pay_invoice, payment=payment), session, operator, values, invoice_id)


_RULE = "/invoices/<uuid:invoice_id>"
change(
    f"{_RULE}/finalize",
    "finalize",
    partial(
        _form,
        title="Make final:",
        says="Its period is over, and the grace time is not waited for. It gets its number and never changes again.",
        verb="Make it final",
    ),
    _finalize,
)
change(
    f"{_RULE}/pay",
    "pay",
    partial(_form, title="Paid:", says="An invoice is paid whole.", verb="It was paid", boxes=_PAID),
    _pay,
)
change(
    f"{_RULE}/void",
    "void",
    partial(
        _form,
        title="Void",
        says="Its credit is undone, and the next run charges anew what it charged. This cannot be undone.",
        verb="Void it",
        danger=True,
    ),
    partial(_step, manage_invoices.void_invoice),
)
change(
    f"{_RULE}/uncollectible",
    "give_up",
    partial(_form, title="Give up", says="It will not be paid.", verb="It will not be paid", danger=True),
    partial(_step, manage_invoices.give_up_invoice),
)
