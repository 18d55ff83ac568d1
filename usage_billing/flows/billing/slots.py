"""Which invoice a charge belongs on, told from what was agreed. Pure.

What a billing period owes stands on its invoice. A fee in advance stands on the invoice that closes when the fee's
period begins. Where a change cuts such a fee, an invoice of the change gives back the rest and charges the new fee.
Any other adjustment stands on the draft of the running period if that closes soon, or else on a correction.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period, period_at
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.settings import ADJUSTMENT_DAYS
from usage_billing.subscriptions.lifecycle import Segment, Timeline

ADJUSTMENT_SPAN = timedelta(days=ADJUSTMENT_DAYS)


class Slot(NamedTuple):
    """An invoice of one subscription: its kind and when it is due to be final, which are its key, and what it shows."""

    kind: InvoiceKind
    closes_at: datetime
    shown: Period


def usage_slot(period_start: datetime, bills_at: datetime) -> Slot:
    """The invoice of the billing period that usage belongs to."""
    return Slot(InvoiceKind.PERIOD, bills_at, Period(period_start, bills_at))


def fee_slot(timeline: Timeline, fee: Period, bills_at: datetime) -> Slot:
    """The invoice of a base fee for ``fee``, in advance if it bills where its period begins, or else in arrears."""
    segment = timeline.segment_at(fee.start)
    if bills_at > fee.start:
        return usage_slot(segment.period.start if segment else fee.start, bills_at)
    before = _period_that_closes(timeline, bills_at)
    if before is not None:
        return Slot(InvoiceKind.PERIOD, bills_at, before)
    begins_within = segment is not None and segment.period.start < fee.start
    if begins_within and fee.start > timeline.terms[0].starts_at:
        return _change_slot(timeline, fee.start)
    return Slot(InvoiceKind.PERIOD, bills_at, fee)


def rest_slot(timeline: Timeline, fee: Segment, bills_at: datetime) -> Slot | None:
    """Where the unused rest of a fee in advance comes back; None unless its period is cut where ``fee`` ends."""
    if bills_at > fee.start or fee.end == fee.period.end:
        return None
    return _change_slot(timeline, fee.end)


def running_slot(timeline: Timeline, as_of: datetime) -> Slot | None:
    """The invoice of the billing period at ``as_of``; None once the subscription has ended."""
    running, ended = timeline.segment_at(as_of), timeline.terms[-1].ends_at
    if ended is not None and ended <= as_of:
        return None
    if running is not None:
        return usage_slot(running.period.start, running.bills_at)
    period = period_at(as_of, zone=timeline.zone, cadence=(timeline.term_at(as_of) or timeline.terms[-1]).terms.cadence)
    return usage_slot(period.start, period.end if ended is None else min(period.end, ended))


def purchase_slot(timeline: Timeline, sold_at: datetime) -> Slot:
    """The invoice of what was bought while a billing period ran; after the subscription's end a correction."""
    return running_slot(timeline, sold_at) or correction_slot(timeline, sold_at)


def correction_slot(timeline: Timeline, as_of: datetime) -> Slot:
    """A correction made at ``as_of``; it shows the period under way, of a subscription that ended its last one."""
    ended = timeline.terms[-1].ends_at
    moment = as_of if ended is None else min(as_of, ended - INSTANT)
    term = timeline.term_at(moment) or timeline.terms[0]
    period = period_at(max(moment, term.starts_at), zone=timeline.zone, cadence=term.terms.cadence)
    return Slot(InvoiceKind.CORRECTION, as_of, Period(period.start, min(period.end, ended or period.end)))


def _change_slot(timeline: Timeline, at: datetime) -> Slot:
    """It shows what is left of the billing period that runs from ``at`` on, or else of the one that was cut."""
    segment = timeline.segment_at(at) or timeline.segment_at(at - INSTANT)
    return Slot(InvoiceKind.CHANGE, at, Period(at, segment.period.end if segment else at + INSTANT))


def _period_that_closes(timeline: Timeline, at: datetime) -> Period | None:
    """The last billing period that ran before ``at``, if its invoice closes just then."""
    for term in reversed(timeline.terms):
        if not term.paused and term.starts_at < at:
            segment = timeline.segment_at(min(at, term.ends_at or at) - INSTANT)
            return Period(segment.period.start, at) if segment and segment.bills_at == at else None
    return None
