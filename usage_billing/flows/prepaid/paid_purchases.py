"""What holds for the grant of a purchase that was paid: it goes back whole, before money for it is kept."""

from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.errors import Conflict
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.queries import get_invoice
from usage_billing.packages.models import ChargedBy, Purchase
from usage_billing.packages.queries import purchase_of_grant
from usage_billing.wallets.models import Grant

_STANDING = text("""
    SELECT t.invoice_id
    FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
    WHERE t.purchase_id = :charge AND i.status <> 'void'
    GROUP BY t.invoice_id
    HAVING sum(t.amount) > 0
    ORDER BY t.invoice_id
""")


def check_taken_back_whole(session: Session, grant: Grant, left: Decimal) -> None:
    """Of a purchase that no later invoice corrects nothing is taken back but the whole, unless money paid for it.

    Raises Conflict with ``purchase_stands``.
    """
    purchase = purchase_of_grant(session, grant.id)
    if purchase is None or purchase.charge == ChargedBy.NEXT_INVOICE:
        return
    if left != grant.amount:
        message = "a part of the purchase is used or gone, and no invoice would give back the rest: refund it"
        raise Conflict(message, code="purchase_stands")
    for invoice in standing_invoices(session, purchase):
        if invoice.status == InvoiceStatus.PAID and invoice.credit_applied != invoice.payable:
            raise Conflict("the invoice of the purchase is paid: refund the grant", code="purchase_stands")


def standing_invoices(session: Session, purchase: Purchase) -> list[Invoice]:
    """The locked invoices that are not void and charge for a purchase; not those that only give back."""
    found = session.scalars(_STANDING, {"charge": purchase.charge_id}).all()
    invoices = [get_invoice(session, id, lock=True) for id in found]
    return [one for one in invoices if one.status != InvoiceStatus.VOID]
