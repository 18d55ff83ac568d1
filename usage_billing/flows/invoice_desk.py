"""Where charges become items on drafts: everything is read before, and the changes are written as sets after.

A charge goes on the invoice that its segment bills on, while that is a draft or is not there yet; once it is
final, as an adjustment on the draft of the period at ``as_of``. Whatever is asked twice is written once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.core.identifiers import new_id
from usage_billing.core.periods import Cadence, Period, next_period, period_at
from usage_billing.flows.run_outcome import SliceOutcome
from usage_billing.invoicing.builder import ADJUSTMENT, Charge, Charged
from usage_billing.invoicing.lifecycle import DRAFT
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.queries import Cause, History
from usage_billing.invoicing.service import NewDraft, add_drafts, add_up, put_items, remove_items
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription

AnyInvoice = Invoice | NewDraft
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something to be charged for: what, whose, as which ``kind``, on which invoice, and how its item is made."""

    cause: Cause
    label: tuple[str, ...]
    subscription: Subscription
    currency: str
    kind: str
    bills: Period
    charge: Callable[[str, Charged], Charge | None]
    item: Callable[[UUID, Charge], dict[str, Any]]


@dataclass(slots=True)
class Desk:
    """The standing invoices of some locked subscriptions, and what is to change of them."""

    as_of: datetime
    timelines: Mapping[str, Timeline]
    history: History
    invoices: dict[tuple[str, datetime], AnyInvoice]
    outcome: SliceOutcome = field(default_factory=SliceOutcome)
    touched: set[UUID] = field(default_factory=set)
    _drafts: list[NewDraft] = field(default_factory=list)
    _items: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"summary_id": [], "fee_id": []})
    _removed: list[UUID] = field(default_factory=list)

    def settle(self, claim: Claim) -> None:
        """Decide what becomes of one claim."""
        own = self.invoices.get((claim.subscription.id, claim.bills.end))
        kind = claim.kind if own is None or _is_open(own) else ADJUSTMENT
        charge = claim.charge(kind, self.history.charged.get(claim.cause, Charged()))
        drafted = self.history.drafted.get(claim.cause)
        stays = drafted is not None and (kind == ADJUSTMENT or (own is not None and drafted.invoice_id == own.id))
        if drafted is not None:
            self.touched.add(drafted.invoice_id)
            if charge is None or not stays:
                self._removed.append(drafted.id)
        if charge is not None:
            invoice_id = drafted.invoice_id if drafted is not None and stays else self._draft_for(claim, kind)
            self.touched.add(invoice_id)
            self._items[f"{claim.cause.kind}_id"].append(claim.item(invoice_id, charge))
        if charge is not None or drafted is not None:
            amount = charge.amount if charge else Decimal(0)
            self.outcome.add(
                *claim.label,
                quantity=charge.quantity if charge else Decimal(0),
                change=EXACT.subtract(amount, drafted.amount if drafted else Decimal(0)),
                currency=claim.currency,
            )

    def write(self, session: Session) -> SliceOutcome:
        """Write what was decided, and say what it was."""
        add_drafts(session, self._drafts)
        remove_items(session, self._removed)
        for cause, rows in self._items.items():
            put_items(session, rows, cause=cause)
        add_up(session, self.touched)
        self.outcome.invoices = len(self.touched)
        return self.outcome

    def _draft_for(self, claim: Claim, kind: str) -> UUID:
        """The draft for a charge: its own, or for an adjustment the next one that is still open."""
        subscription = claim.subscription
        timeline = self.timelines[subscription.id]
        cadence = timeline.terms[-1].terms.cadence
        bills = self._next_bill(timeline, cadence) if kind == ADJUSTMENT else claim.bills
        while True:
            invoice = self.invoices.get((subscription.id, bills.end))
            if invoice is None:
                return self._add_draft(claim, bills)
            if _is_open(invoice):
                return invoice.id
            bills = next_period(bills, zone=timeline.zone, cadence=cadence)

    def _next_bill(self, timeline: Timeline, cadence: Cadence) -> Period:
        """What is under way at ``as_of`` and when it is invoiced; once the subscription has ended, its last period."""
        running, ended = timeline.segment_at(self.as_of), timeline.terms[-1].ends_at
        if running is not None:
            return Period(running.period.start, running.bills_at)
        if ended is None or self.as_of < ended:
            return period_at(self.as_of, zone=timeline.zone, cadence=cadence)
        return Period(period_at(ended - _INSTANT, zone=timeline.zone, cadence=cadence).start, ended)

    def _add_draft(self, claim: Claim, bills: Period) -> UUID:
        draft = NewDraft(
            id=new_id(),
            customer_id=claim.subscription.customer_id,
            subscription_id=claim.subscription.id,
            currency=claim.currency,
            period_start=bills.start,
            period_end=bills.end,
        )
        self.invoices[claim.subscription.id, bills.end] = draft
        self._drafts.append(draft)
        return draft.id


def _is_open(invoice: AnyInvoice) -> bool:
    return isinstance(invoice, NewDraft) or invoice.status == DRAFT
