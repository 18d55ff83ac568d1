"""Charges for a purchase: on the next invoice of a subscription, or on one of its own that is final at once."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.clock import as_text
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import Conflict
from usage_billing.core.identifiers import new_id
from usage_billing.core.instants import INSTANT
from usage_billing.db import clock
from usage_billing.drawing.planning import Prepayment
from usage_billing.flows.billing.finalize_invoices import TAX_PENDING, finalize_drafts
from usage_billing.flows.billing.purchase_items import purchase_item
from usage_billing.invoicing.builder import BoughtPackage, EarlierCharge, ItemKind, charge_for_purchase
from usage_billing.invoicing.items import add_items
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.queries import get_invoice
from usage_billing.invoicing.service import NewDraft, add_drafts
from usage_billing.invoicing.taxing import tax_stored
from usage_billing.invoicing.wording import days_of
from usage_billing.packages.charges import DuePurchase, add_charge
from usage_billing.packages.models import Package, PackageVersion, Purchase, PurchaseCharge

_UTC = "UTC"


def charge_on_next(session: Session, package: Package, version: PackageVersion, purchase: Purchase) -> int:
    """Let the next invoice of the purchase's subscription charge for it; returns the number of the charge."""
    return _charge(session, package, version, purchase, subscription_id=purchase.subscription_id).id


def charge_now(
    session: Session, package: Package, version: PackageVersion, purchase: Purchase, *, actor: str, now: datetime
) -> int:
    """Charge for a purchase on an invoice of its own, which is final then; returns the number of the charge.

    Raises Conflict ``tax_pending``; Unavailable when ``now`` is too far from the database's clock.
    """
    final_at = clock.agreed_now(session, now)
    charge = _charge(session, package, version, purchase, subscription_id=None)
    draft = NewDraft(
        id=new_id(),
        customer_id=purchase.customer_id,
        subscription_id=None,
        kind=InvoiceKind.PURCHASE,
        currency=package.currency,
        period_start=as_text(purchase.at),
        period_end=as_text(purchase.at + INSTANT),
        closes_at=as_text(purchase.at),
    )
    add_drafts(session, [draft], totals={draft.id: charge.amount})
    bought = BoughtPackage(package.name, purchase.count, days_of(purchase.at, purchase.at + INSTANT, _UTC))
    charged = charge_for_purchase(
        charge.amount, bought, currency=package.currency, before=EarlierCharge(), kind=ItemKind.PURCHASE
    )
    if charged is not None:
        due = DuePurchase(charge.id, "", package.name, purchase.count, purchase.at, charge.amount)
        add_items(session, [purchase_item(new_id(), draft.id, charged, purchase=due)])
    invoice = get_invoice(session, draft.id, lock=True)
    taxations = tax_stored(session, [invoice], lock=True)
    taxation = taxations.of(invoice.id)
    if taxation is not None and taxation.pending is not None:
        raise Conflict(f"the tax of the invoice is not known: {taxation.pending}", code=TAX_PENDING)
    finalize_drafts(session, [invoice], taxations, Prepayment(), now=final_at, actor=actor)
    return charge.id


def _charge(
    session: Session, package: Package, version: PackageVersion, purchase: Purchase, *, subscription_id: str | None
) -> PurchaseCharge:
    return add_charge(
        session,
        PurchaseCharge(
            subscription_id=subscription_id,
            package_name=package.name,
            count=purchase.count,
            sold_at=purchase.at,
            amount=EXACT.multiply(version.price, Decimal(purchase.count)),
            currency=package.currency,
            tax_category=version.tax_category,
            payment_days=version.payment_days,
            to_charge=subscription_id is not None,
        ),
    )
