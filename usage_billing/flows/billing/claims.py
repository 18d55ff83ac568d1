"""Claims: what billing wants to charge, the usage of a summary or a base fee."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from usage_billing.catalog.fees import FeeBook
from usage_billing.core.clock import as_text
from usage_billing.core.periods import Period
from usage_billing.flows.billing.slots import Slot, fee_slot, rest_slot, usage_slot
from usage_billing.invoicing.builder import Basis, Charge, EarlierCharge, ItemKind, Tariff, charge_for, charge_for_fee
from usage_billing.invoicing.fees import DueFee
from usage_billing.invoicing.items import NewItem, fee_item, usage_item
from usage_billing.invoicing.queries import Cause, fee_cause, summary_cause
from usage_billing.invoicing.wording import days_of
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.subscriptions.agreement import fee_parts
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.openings import BilledSubscription


@dataclass(slots=True)
class UsageClaim:
    """The usage of a summary, on the invoice of the billing period that begins at ``period_start``."""

    kind: ClassVar[ItemKind] = ItemKind.USAGE

    subscription: BilledSubscription
    currency: str
    period_start: datetime
    summary: UnratedSummary
    tariff: Tariff | None
    zone: str
    basis: Basis | None = None

    rest: ClassVar[Slot | None] = None

    @property
    def slot(self) -> Slot:
        """The invoice that it belongs on."""
        return usage_slot(self.period_start, self.summary.bills_at)

    @property
    def cause(self) -> Cause:
        """The summary or fee that the claim's items charge for."""
        return summary_cause(self.summary.id)

    @property
    def label(self) -> tuple[str, ...]:
        """The texts that stand for the claim in the digest of a run."""
        return (self.subscription.id, self.summary.usage_type_id, as_text(self.summary.period_start))

    def charge(self, kind: ItemKind, before: EarlierCharge) -> Charge | None:
        """The charge that is left after ``before``; None when nothing is left."""
        return charge_for(self.summary, self.tariff, before=before, kind=kind, zone=self.zone, basis=self.basis)

    def item(self, id: UUID, invoice_id: UUID, charge: Charge) -> NewItem:
        """The invoice item of a charge of this claim."""
        if self.tariff is None:
            raise ValueError(f"summary {self.summary.id} was charged and has no quota any more")
        return usage_item(id, invoice_id, charge, summary=self.summary, tariff=self.tariff, basis=self.basis)


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


Claim = UsageClaim | FeeClaim
