"""The items of purchases."""

from decimal import Decimal
from uuid import UUID

from usage_billing.core.clock import as_text
from usage_billing.core.instants import INSTANT
from usage_billing.invoicing.builder import Charge
from usage_billing.invoicing.items import NewItem
from usage_billing.packages.charges import DuePurchase

_NOTHING = Decimal(0)


def purchase_item(id: UUID, invoice_id: UUID, charge: Charge, *, purchase: DuePurchase) -> NewItem:
    """The item of a purchase; it is of the instant of the sale, by whose day it is taxed."""
    return NewItem(
        id=id,
        invoice_id=invoice_id,
        summary_id=None,
        cell="",
        fee_id=None,
        quota_id=None,
        usage_type_id=None,
        kind=charge.kind,
        period_start=as_text(purchase.sold_at),
        period_end=as_text(purchase.sold_at + INSTANT),
        total=_NOTHING,
        billable=_NOTHING,
        quantity=charge.quantity,
        charged_before=charge.charged_before,
        amount=charge.amount,
        allowance=None,
        covered=_NOTHING,
        events=0,
        billable_events=0,
        voids=0,
        events_hash=None,
        description=charge.wording.text,
        text_key=charge.wording.key,
        text_args=charge.wording.args,
        before_quantity=_NOTHING,
        before_recordings=0,
        before_amount=_NOTHING,
        price=None,
        rated_price=None,
        purchase_id=purchase.id,
    )
