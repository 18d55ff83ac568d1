"""Turns claims into items on drafts: it knows everything first, and then hands all changes over at once.

A charge goes on the invoice that it belongs on, while that is a draft or is not there yet. Once that is final, or part
of the charge is on a final one, it is an adjustment and goes where ``slots`` says. What is asked twice is written once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from usage_billing.core.clock import as_text
from usage_billing.core.decimals import EXACT
from usage_billing.core.giving_way import in_turns
from usage_billing.core.identifiers import new_id
from usage_billing.core.instants import INSTANT
from usage_billing.flows.billing.books import DeskWork
from usage_billing.flows.billing.claims import Claim
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.slots import Slot, correction_slot, running_slot
from usage_billing.invoicing.builder import Charge, EarlierCharge, ItemKind
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.queries import DraftItem, History, InvoiceKey, StandingInvoice
from usage_billing.invoicing.service import NewDraft
from usage_billing.subscriptions.lifecycle import Timeline

_NOTHING = Decimal(0)
_NEVER = EarlierCharge()


@dataclass(slots=True)
class Desk:
    """The standing invoices of some locked subscriptions, and the changes to be made to them."""

    as_of: datetime
    adjust_within: timedelta
    timelines: Mapping[str, Timeline]
    history: History
    invoices: dict[InvoiceKey, StandingInvoice]
    outcome: SliceOutcome = field(default_factory=SliceOutcome)
    work: DeskWork = field(default_factory=DeskWork)
    _corrections: dict[str, UUID] = field(init=False)

    def __post_init__(self) -> None:
        self._corrections = {
            name: invoice.id
            for (name, kind, _), invoice in self.invoices.items()
            if kind == InvoiceKind.CORRECTION and invoice.is_open
        }

    def settle(self, claim: Claim) -> None:
        """Decide which item of one claim is added, changed or removed."""
        cause = claim.cause
        before = self.history.charged.get(cause)
        drafted = self.history.drafted.get(cause)
        kind = ItemKind.ADJUSTMENT if before is not None or not self._takes(claim, claim.slot) else claim.kind
        charge = claim.charge(kind, before or _NEVER)
        stays = drafted is not None and charge is not None and self._stays(claim, kind, drafted)
        if drafted is not None:
            self.work.touched.add(drafted.invoice_id)
            if not stays:
                self.work.removed.append(drafted.id)
        if charge is not None:
            if drafted is not None and stays:
                self.work.changed.append(claim.item(drafted.id, drafted.invoice_id, charge))
            else:
                self._add(claim, charge, self._draft_for(claim, kind))
        if charge is not None or drafted is not None:
            amount = charge.amount if charge else _NOTHING
            self.outcome.add(
                *claim.label,
                quantity=charge.quantity if charge else _NOTHING,
                change=EXACT.subtract(amount, drafted.amount) if drafted else amount,
                currency=claim.currency,
            )

    def _add(self, claim: Claim, charge: Charge, invoice_id: UUID) -> None:
        self.work.touched.add(invoice_id)
        self.work.totals[invoice_id] = EXACT.add(self.work.totals.get(invoice_id, _NOTHING), charge.amount)
        self.work.added.append(claim.item(new_id(), invoice_id, charge))

    def _takes(self, claim: Claim, slot: Slot) -> bool:
        """Whether the invoice of ``slot`` is a draft, or is not there yet."""
        invoice = self._standing(claim, slot)
        return invoice is None or invoice.is_open

    def _standing(self, claim: Claim, slot: Slot) -> StandingInvoice | None:
        return self.invoices.get((claim.subscription.id, slot.kind, slot.closes_at))

    def _stays(self, claim: Claim, kind: ItemKind, drafted: DraftItem) -> bool:
        """Whether an item stays on the draft that it is on.

        An adjustment does, wherever another would go by now; but the rest of a fee goes with the change that cuts it.
        """
        rest = claim.rest
        if kind != ItemKind.ADJUSTMENT:
            wanted = self._standing(claim, claim.slot)
        elif rest is not None and self._takes(claim, rest):
            wanted = self._standing(claim, rest)
        else:
            return drafted.invoice_kind != InvoiceKind.CHANGE
        return wanted is not None and wanted.id == drafted.invoice_id

    def _draft_for(self, claim: Claim, kind: ItemKind) -> UUID:
        """The draft for a charge, made if it is not there yet."""
        if kind != ItemKind.ADJUSTMENT:
            return self._draft_of(claim, claim.slot)
        timeline = self.timelines[claim.subscription.id]
        running = running_slot(timeline, self.as_of)
        if running is not None and running.closes_at - self.as_of > self.adjust_within:
            running = None
        for slot in (claim.rest, running):
            if slot is not None and self._takes(claim, slot):
                return self._draft_of(claim, slot)
        return self._correction_for(claim, correction_slot(timeline, self.as_of))

    def _correction_for(self, claim: Claim, slot: Slot) -> UUID:
        """The open correction of a subscription, or else a new one, at the first instant that has none."""
        name = claim.subscription.id
        if name not in self._corrections:
            while not self._takes(claim, slot):
                slot = slot._replace(closes_at=slot.closes_at + INSTANT)
            self._corrections[name] = self._draft_of(claim, slot)
        return self._corrections[name]

    def _draft_of(self, claim: Claim, slot: Slot) -> UUID:
        subscription = claim.subscription
        standing = self._standing(claim, slot)
        if standing is None:
            standing = StandingInvoice(new_id(), is_open=True)
            self.invoices[subscription.id, slot.kind, slot.closes_at] = standing
            self.work.drafts.append(
                NewDraft(
                    id=standing.id,
                    customer_id=subscription.customer_id,
                    subscription_id=subscription.id,
                    kind=slot.kind,
                    currency=claim.currency,
                    period_start=as_text(slot.shown.start),
                    period_end=as_text(slot.shown.end),
                    closes_at=as_text(slot.closes_at),
                )
            )
        return standing.id


def earliest_closings(claims: Sequence[Claim], as_of: datetime) -> dict[str, datetime]:
    """By subscription id, from which closing on a desk needs to know the invoices to settle these claims."""
    since: dict[str, datetime] = {}
    for claim in in_turns(claims):
        name = claim.subscription.id
        since[name] = min(since.get(name, as_of), claim.slot.closes_at)
    return since
