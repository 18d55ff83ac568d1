"""Claims: what billing wants to charge, the usage of a summary, a base fee or a purchase."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from usage_billing.catalog.fees import FeeBook
from usage_billing.core.clock import as_text
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.flows.billing.charge_periods import CellCharged
from usage_billing.flows.billing.purchase_items import purchase_item
from usage_billing.flows.billing.slots import Slot, fee_slot, purchase_slot, rest_slot, usage_slot
from usage_billing.invoicing.builder import (
    Basis,
    BoughtPackage,
    Charge,
    EarlierCharge,
    ItemKind,
    Tariff,
    charge_for,
    charge_for_fee,
    charge_for_purchase,
)
from usage_billing.invoicing.causes import Cause, fee_cause, purchase_cause, summary_cause
from usage_billing.invoicing.fees import DueFee
from usage_billing.invoicing.items import NewItem, fee_item, usage_item
from usage_billing.invoicing.queries import History
from usage_billing.invoicing.wording import days_of
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.packages.charges import DuePurchase
from usage_billing.rating.pricing.priced_cell import WHOLE
from usage_billing.subscriptions.agreement import fee_parts
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.openings import BilledSubscription

_NOTHING = Decimal(0)


@dataclass(slots=True)
class UsageClaim:
    """The usage of a summary, on the invoice of the billing period that begins at ``period_start``.

    With ``cell`` it is what that cell of the price charges, and the summary says what the cell came to.
    """

    kind: ClassVar[ItemKind] = ItemKind.USAGE

    subscription: BilledSubscription
    currency: str
    period_start: datetime
    summary: UnratedSummary
    tariff: Tariff | None
    zone: str
    basis: Basis | None = None
    cell: str = ""

    rest: ClassVar[Slot | None] = None

    @property
    def slot(self) -> Slot:
        """The invoice that it belongs on."""
        return usage_slot(self.period_start, self.summary.bills_at)

    @property
    def cause(self) -> Cause:
        """The summary or fee that the claim's items charge for."""
        return summary_cause(self.summary.id, self.cell)

    @property
    def label(self) -> tuple[str, ...]:
        """The texts that stand for the claim in the digest of a run."""
        label = (self.subscription.id, self.summary.usage_type_id, as_text(self.summary.period_start))
        return (*label, self.cell) if self.cell else label

    def charge(self, kind: ItemKind, before: EarlierCharge) -> Charge | None:
        """The charge that is left after ``before``; None when nothing is left."""
        return charge_for(
            self.summary, self.tariff, before=before, kind=kind, zone=self.zone, basis=self.basis, cell=self.cell
        )

    def item(self, id: UUID, invoice_id: UUID, charge: Charge) -> NewItem:
        """The invoice item of a charge of this claim."""
        if self.tariff is None:
            raise ValueError(f"summary {self.summary.id} was charged and has no quota any more")
        return usage_item(
            id, invoice_id, charge, summary=self.summary, tariff=self.tariff, basis=self.basis, cell=self.cell
        )


def by_cell(
    claims: Sequence[UsageClaim], cells: Mapping[int, Sequence[CellCharged]], history: History
) -> Iterator[UsageClaim]:
    """Claims for each cell of those summaries that are charged by ``cells``; the others as they are.

    A cell of which something was charged, and which the price lacks by now, is claimed too: nothing is due for it.
    """
    charged = _cells_before(history)
    for claim in claims:
        id = claim.summary.id
        here = cells.get(id)
        if here is None and id not in charged:
            yield claim
            continue
        for cell in here or ():
            view = replace(
                claim.summary, total=cell.total, allowance=cell.allowance, beyond_limit=cell.beyond, beyond_events=0
            )
            yield replace(claim, summary=view, basis=cell.basis, cell=cell.name)
        if here is None:
            yield claim
        known = {WHOLE} if here is None else {cell.name for cell in here}
        before = [WHOLE] if claim.cause in history.charged or claim.cause in history.drafted else []
        for name in (*before, *charged.get(id, ())):
            if name not in known:
                nothing = replace(claim.summary, total=_NOTHING, allowance=None, beyond_limit=_NOTHING, beyond_events=0)
                yield replace(claim, summary=nothing, basis=None, cell=name)


def _cells_before(history: History) -> dict[int, list[str]]:
    """The cells of which something was charged or drafted, by summary id, in the order of their names."""
    found: dict[int, set[str]] = {}
    for cause in (*history.charged, *history.drafted):
        if cause.cell:
            found.setdefault(cause.id, set()).add(cause.cell)
    return {id: sorted(names) for id, names in found.items()}


@dataclass(slots=True)
class FeeClaim:
    """A claim for a base fee, on the invoice of the period ``bills``."""

    kind: ClassVar[ItemKind] = ItemKind.FEE

    subscription: BilledSubscription
    currency: str
    timeline: Timeline
    fees: FeeBook
    fee: DueFee

    @property
    def slot(self) -> Slot:
        """The invoice that it belongs on."""
        return fee_slot(self.timeline, Period(self.fee.period_start, self.fee.period_end), self.fee.bills_at)

    @property
    def rest(self) -> Slot | None:
        """The invoice that gives back what a change left unused of it; None unless one cut it."""
        fee = Period(self.fee.period_start, self.fee.period_end)
        segment = self.timeline.segment_at(fee.start)
        parts = [] if segment is None else fee_parts(self.timeline, self.fees, self.subscription.id, segment)
        part = next((part for part, _ in parts if Period(part.start, part.end) == fee), None)
        return None if part is None else rest_slot(self.timeline, part, self.fee.bills_at)

    @property
    def cause(self) -> Cause:
        """The summary or fee that the claim's items charge for."""
        return fee_cause(self.fee.id)

    @property
    def label(self) -> tuple[str, ...]:
        """The texts that stand for the claim in the digest of a run."""
        return (self.subscription.id, "fee", as_text(self.fee.period_start))

    def charge(self, kind: ItemKind, before: EarlierCharge) -> Charge | None:
        """The charge that is left after ``before``; None when nothing is left."""
        fee = self.fee
        days = days_of(fee.period_start, fee.period_end, self.timeline.zone)
        return charge_for_fee(
            fee.amount, name=fee.plan_name, days=days, currency=self.currency, before=before, kind=kind
        )

    def item(self, id: UUID, invoice_id: UUID, charge: Charge) -> NewItem:
        """The invoice item of a charge of this claim."""
        return fee_item(id, invoice_id, charge, fee=self.fee)


@dataclass(slots=True)
class PurchaseClaim:
    """A claim for a purchase, on the invoice of the billing period in which it was made."""

    kind: ClassVar[ItemKind] = ItemKind.PURCHASE

    subscription: BilledSubscription
    currency: str
    timeline: Timeline
    purchase: DuePurchase

    rest: ClassVar[Slot | None] = None

    @property
    def slot(self) -> Slot:
        """The invoice that it belongs on."""
        return purchase_slot(self.timeline, self.purchase.sold_at)

    @property
    def cause(self) -> Cause:
        """The purchase that the claim's items charge for."""
        return purchase_cause(self.purchase.id)

    @property
    def label(self) -> tuple[str, ...]:
        """The texts that stand for the claim in the digest of a run."""
        return (self.subscription.id, "purchase", str(self.purchase.id))

    def charge(self, kind: ItemKind, before: EarlierCharge) -> Charge | None:
        """The charge that is left after ``before``; None when nothing is left."""
        one = self.purchase
        days = days_of(one.sold_at, one.sold_at + INSTANT, self.timeline.zone)
        what = BoughtPackage(one.package_name, one.times, days)
        return charge_for_purchase(one.amount, what, currency=self.currency, before=before, kind=kind)

    def item(self, id: UUID, invoice_id: UUID, charge: Charge) -> NewItem:
        """The invoice item of a charge of this claim."""
        return purchase_item(id, invoice_id, charge, purchase=self.purchase)


Claim = UsageClaim | FeeClaim | PurchaseClaim
