"""What is checked before the grant of a purchase goes back: no money is kept, and no more given than was paid."""

from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
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

_BOUGHT_BEFORE = text("""
    WITH RECURSIVE sources AS (
        SELECT id, wallet_id FROM wallet_grants WHERE id = :grant
        UNION
        SELECT g.id, g.wallet_id FROM wallet_grants AS g
        JOIN sources AS s ON g.wallet_id = s.wallet_id AND g.kept_in = s.id
    )
    SELECT FROM purchases WHERE grant_id IN (SELECT id FROM sources) LIMIT 1
""")
_REFUNDED = text("""
    SELECT coalesce(sum(m.cost), 0)
    FROM wallet_transfers AS m JOIN purchases AS p ON p.grant_id = m.grant_id
    WHERE m.kind = 'refunded' AND p.charge_id IN (
        SELECT purchase_id FROM usage_invoice_items WHERE invoice_id = ANY(:invoices))
""")


def check_kept(session: Session, grant: Grant) -> None:
    """What a reset kept of a purchase stays: no invoice would give back a part. Raises Conflict ``purchase_stands``."""
    if grant.is_kept and session.execute(_BOUGHT_BEFORE, {"grant": grant.id}).first() is not None:
        raise Conflict("a reset kept it of what was bought: give credit instead", code="purchase_stands")


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


def check_money_paid(session: Session, grant: Grant) -> None:
    """Money goes back for a purchase only as far as money paid the invoices that charge for it, and without tax.

    Called once the refund is in the ledger. Raises Conflict with ``purchase_unpaid`` and ``purchase_taxed``.
    """
    purchase = purchase_of_grant(session, grant.id)
    if purchase is None or purchase.charge_id is None:
        return
    invoices = standing_invoices(session, purchase)
    if not invoices or any(one.status != InvoiceStatus.PAID for one in invoices):
        raise Conflict("the purchase is not paid: void its grant", code="purchase_unpaid")
    if any(one.tax for one in invoices):
        raise Conflict("the invoice has tax, of which no part goes back", code="purchase_taxed")
    paid = sum((EXACT.subtract(one.payable, one.credit_applied) for one in invoices), Decimal(0))
    session.flush()
    refunded = session.scalars(_REFUNDED, {"invoices": [one.id for one in invoices]}).one()
    if refunded > paid:
        raise Conflict("money paid less of the invoice: credit paid the rest", code="purchase_unpaid")
