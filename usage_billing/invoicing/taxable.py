"""What the tax of drafts is reckoned of, and what is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from usage_billing.core.instants import INSTANT
from usage_billing.customers.models import SellerVersion
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.tax.categories import RULES
from usage_billing.rating.tax.sums import ItemTax, TaxLine, tax_of

_NOTHING = Decimal(0)


class TaxedDraft(Protocol):
    """A draft, stored or not."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def customer_id(self) -> str:
        """Who would pay."""

    @property
    def currency(self) -> str:
        """That of its amounts."""


class TaxableItem(NamedTuple):
    """An item of a draft as far as its tax depends on it.

    It charges for usage of a type, for the fee of a plan or for a purchase: that is its cause.
    """

    id: UUID
    invoice_id: UUID
    kind: str
    amount: Decimal
    period_end: datetime
    summary_id: int | None
    fee_id: int | None
    purchase_id: int | None
    usage_type_id: str | None
    plan_id: str | None
    zone: str


@dataclass(frozen=True, slots=True)
class Taxation:
    """The tax of a draft: its lines and how each item is taxed, or why it is not known."""

    lines: Sequence[TaxLine] = ()
    items: Mapping[UUID, ItemTax] = field(default_factory=dict)
    pending: str | None = None

    @property
    def tax(self) -> Decimal:
        """What comes on top of the items."""
        return tax_of(self.lines)


@dataclass(frozen=True, slots=True)
class Taxations:
    """The tax of some drafts, and the seller by which it was reckoned; of none without rules."""

    seller: SellerVersion | None
    by_draft: Mapping[UUID, Taxation] = field(default_factory=dict)

    def of(self, draft_id: UUID) -> Taxation | None:
        """That of a draft; None where no tax is reckoned."""
        return self.by_draft.get(draft_id)

    def tax(self, draft_id: UUID) -> Decimal:
        """What comes on top of the items of a draft."""
        found = self.by_draft.get(draft_id)
        return _NOTHING if found is None else found.tax


def by_rules(seller: SellerVersion | None) -> bool:
    """Whether the tax of what a seller bills is reckoned at all."""
    return seller is not None and seller.taxes["mode"] == RULES


def last_day(period_end: datetime, zone: str) -> date:
    """The last day of a period in its time zone: the day whose rate holds."""
    return (period_end - INSTANT).astimezone(ZoneInfo(zone)).date()


def taxable(item: UsageInvoiceItem, *, plan_id: str | None, zone: str) -> TaxableItem:
    """An item as far as its tax depends on it; ``plan_id`` is that of its fee."""
    own = {name: getattr(item, name) for name in TaxableItem._fields if name not in {"plan_id", "zone"}}
    return TaxableItem(**own, plan_id=plan_id, zone=zone)


def put_tax(taxation: Taxation | None, draft: Invoice, items: Sequence[UsageInvoiceItem]) -> None:
    """Show the tax on a draft and items of it that belong to no session; nothing where no tax is reckoned."""
    if taxation is None:
        return
    draft.tax_pending = taxation.pending
    if taxation.pending is None:
        digits = minor_unit(draft.currency)
        draft.tax, draft.taxes = taxation.tax, [line.kept(digits) for line in taxation.lines]
    for item in items:
        tax = taxation.items.get(item.id)
        if tax is not None:
            item.tax_category, item.tax_country, item.tax_rate = tax.category, tax.country, tax.rate
