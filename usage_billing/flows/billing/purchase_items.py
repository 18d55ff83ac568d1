"""The items of purchases."""

from uuid import UUID

from usage_billing.core.clock import as_text
from usage_billing.core.instants import INSTANT
from usage_billing.invoicing.builder import Charge
from usage_billing.invoicing.items import NewItem, item_without_usage
from usage_billing.packages.charges import DuePurchase


def purchase_item(id: UUID, invoice_id: UUID, charge: Charge, *, purchase: DuePurchase) -> NewItem:
    """The item of a purchase; it is of the instant of the sale, by whose day it is taxed."""
    span = as_text(purchase.sold_at), as_text(purchase.sold_at + INSTANT)
    return item_without_usage(id, invoice_id, charge, span=span, purchase_id=purchase.id)
