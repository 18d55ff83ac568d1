"""Turns claims into items on drafts: it reads everything first, and then writes all changes in few statements.

A charge goes on the invoice that its segment bills on, as long as that is a draft or does not exist yet. Once that
invoice is final, the charge goes as an adjustment on the draft of the period at ``as_of``. A claim that is settled
twice is written once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.clock import as_text
from usage_billing.core.decimals import EXACT
from usage_billing.core.identifiers import new_id
from usage_billing.core.periods import Cadence, Period, next_period, period_at
from usage_billing.flows.billing.claims import Claim
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.invoicing.builder import Charge, EarlierCharge, ItemKind
from usage_billing.invoicing.items import NewItem, add_items, change_items, remove_items
from usage_billing.invoicing.queries import History, StandingInvoice, standing_invoices
from usage_billing.invoicing.service import NewDraft, add_drafts, add_up, remove_empty
from usage_billing.subscriptions.lifecycle import Timeline

_INSTANT = timedelta(microseconds=1)
_NOTHING = Decimal(0)
_NEVER = EarlierCharge()


@dataclass(slots=True)
class Desk:
    """The standing invoices of some locked subscriptions, and the changes to be written to them."""

    as_of: datetime
    timelines: Mapping[str, Timeline]
    history: History
    invoices: dict[tuple[str, datetime], StandingInvoice]
    outcome: SliceOutcome = field(default_factory=SliceOutcome)
    touched: set[UUID] = field(default_factory=set)
    _drafts: list[NewDraft] = field(default_factory=list)
    _totals: dict[UUID, Decimal] = field(default_factory=dict)
    _added: list[NewItem] = field(default_factory=list)
    _changed: list[NewItem] = field(default_factory=list)
    _removed: list[UUID] = field(default_factory=list)

    def settle(self, claim: Claim) -> None:
        """Decide which item of one claim is added, changed or removed."""
        cause = claim.cause
        own = self.invoices.get((claim.subscription.id, claim.bills.end))
        kind = claim.kind if own is None or own.is_open else ItemKind.ADJUSTMENT
        charge = claim.charge(kind, self.history.charged.get(cause, _NEVER))
        drafted = self.history.drafted.get(cause)
        stays = drafted is not None and (
            kind == ItemKind.ADJUSTMENT or (own is not None and drafted.invoice_id == own.id)
        )
        if drafted is not None:
            self.touched.add(drafted.invoice_id)
            if charge is None or not stays:
                self._removed.append(drafted.id)
        if charge is not None:
            if drafted is not None and stays:
                self._changed.append(claim.item(drafted.id, drafted.invoice_id, charge))
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

    def write(self, session: Session) -> SliceOutcome:
        """Write what was decided, and return it."""
        add_drafts(session, self._drafts, totals=self._totals)
        remove_items(session, self._removed)
        change_items(session, self._changed)
        add_items(session, self._added)
        # A new draft is stored with its total; the drafts that existed before are added up anew.
        before = self.touched - {draft.id for draft in self._drafts}
        add_up(session, before)
        if self._removed:
            remove_empty(session, before)
        self.outcome.invoices = len(self.touched)
        return self.outcome

    def _add(self, claim: Claim, charge: Charge, invoice_id: UUID) -> None:
        self.touched.add(invoice_id)
        self._totals[invoice_id] = EXACT.add(self._totals.get(invoice_id, _NOTHING), charge.amount)
        self._added.append(claim.item(new_id(), invoice_id, charge))

    def _draft_for(self, claim: Claim, kind: ItemKind) -> UUID:
        """The id of the draft for a charge: that of its own period, or for an adjustment the next open one."""
        subscription = claim.subscription
        bills = claim.bills
        if kind == ItemKind.ADJUSTMENT:
            bills = next_bill(self.timelines[subscription.id], self.as_of)
        while True:
            invoice = self.invoices.get((subscription.id, bills.end))
            if invoice is None:
                return self._add_draft(claim, bills)
            if invoice.is_open:
                return invoice.id
            timeline = self.timelines[subscription.id]
            bills = next_period(bills, zone=timeline.zone, cadence=_cadence(timeline))

    def _add_draft(self, claim: Claim, bills: Period) -> UUID:
        draft = NewDraft(
            id=new_id(),
            customer_id=claim.subscription.customer_id,
            subscription_id=claim.subscription.id,
            currency=claim.currency,
            period_start=as_text(bills.start),
            period_end=as_text(bills.end),
        )
        self.invoices[claim.subscription.id, bills.end] = StandingInvoice(draft.id, is_open=True)
        self._drafts.append(draft)
        return draft.id


def open_desk(
    session: Session,
    claims: Sequence[Claim],
    *,
    as_of: datetime,
    timelines: Mapping[str, Timeline],
    history: History,
) -> Desk:
    """A desk with every invoice that these claims can concern: those of their own periods, and all that end later."""
    since: dict[str, datetime] = {}
    for claim in claims:
        name = claim.subscription.id
        known = since.get(name)
        if known is None:
            ended = timelines[name].terms[-1].ends_at
            known = as_of if ended is None else min(as_of, ended)
        since[name] = min(known, claim.bills.end)
    return Desk(as_of=as_of, timelines=timelines, history=history, invoices=standing_invoices(session, since))


def next_bill(timeline: Timeline, as_of: datetime) -> Period:
    """The period under way at ``as_of``, up to when it is invoiced; for an ended subscription, its last period."""
    running, ended = timeline.segment_at(as_of), timeline.terms[-1].ends_at
    cadence = _cadence(timeline)
    if running is not None:
        return Period(running.period.start, running.bills_at)
    if ended is None or as_of < ended:
        return period_at(as_of, zone=timeline.zone, cadence=cadence)
    return Period(period_at(ended - _INSTANT, zone=timeline.zone, cadence=cadence).start, ended)


def _cadence(timeline: Timeline) -> Cadence:
    return timeline.terms[-1].terms.cadence
