"""Bills the subscriptions of a slice in its caller's transaction; one that cannot be billed becomes a warning."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from usage_billing.balances.service import lock_balances
from usage_billing.core.errors import InvalidInput
from usage_billing.customers.queries import hold_customers
from usage_billing.db.clock import database_now
from usage_billing.db.words import plain_words
from usage_billing.flows.billing.agreements import lock_agreements
from usage_billing.flows.billing.finalize_invoices import finalize_invoices
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.subscriptions.openings import lock_to_bill
from usage_billing.wallets.service import lock_wallets

ITS_OWN_FAULT = (
    DataError,
    IntegrityError,
    InvalidInput,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
)
"""Errors that one subscription's own data can cause. They become a warning, and the other subscriptions are billed."""

_FAILED = "billing_failed"

_log = logging.getLogger(__name__)


class Windows(NamedTuple):
    """How long drafts wait to be finalized, and how long adjustments may wait for a draft."""

    grace: timedelta
    adjust_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceWork:
    """What is done with the subscriptions of a slice, for ``actor``.

    ``rates``: what is new up to ``as_of`` is put on drafts. ``finalizes``: drafts whose period and grace were over at
    ``as_of`` become final. A rehearsal does both, and rates once. With ``held_to`` it rates what that dry run
    rated.
    """

    as_of: datetime
    windows: Windows
    held_to: UUID | None
    actor: str
    rates: bool
    finalizes: bool


def bill_together(session: Session, work: SliceWork, ids: Sequence[str]) -> SliceOutcome:
    """Bill all of these subscriptions; raises what the first fails of that cannot be billed."""
    outcome = SliceOutcome()
    if work.rates and work.finalizes:  # wallets come before the summaries that rating locks
        lock_wallets(session, {one.customer_id for one in lock_to_bill(session, ids).values()})
    if work.rates:
        within = work.windows.adjust_within
        outcome = invoice_subscriptions(session, ids, as_of=work.as_of, adjust_within=within, held_to=work.held_to)
    if work.finalizes:
        finalized = finalize_invoices(
            session,
            ids,
            as_of=work.as_of,
            grace=work.windows.grace,
            now=database_now(session),
            actor=work.actor,
            adjust_within=work.windows.adjust_within,
            rates_again=not work.rates and work.held_to is None,
        )
        outcome.merge(finalized)
    return outcome


def bill_apart(session: Session, work: SliceWork, ids: Sequence[str]) -> SliceOutcome:
    """Bill these subscriptions except those that cannot be; each of those is a warning of the outcome."""
    # Lock everything at once and in order, as a whole slice does: once a first invoice has locked the series of
    # numbers, no lock may follow.
    agreements = lock_agreements(session, ids)
    if work.finalizes:
        plans = agreements.plans
        found = (one for one in agreements.subscriptions.values() if one.plan_id in plans)
        customers = {one.customer_id for one in agreements.subscriptions.values()}
        lock_wallets(session, customers)
        hold_customers(session, customers)  # as a purchase does before it comes to their credit
        lock_balances(session, ((one.customer_id, plans[one.plan_id].currency) for one in found))
    return _bill_halves(session, work, ids)


def _bill_halves(session: Session, work: SliceWork, ids: Sequence[str]) -> SliceOutcome:
    """Halve what fails until it is one subscription."""
    try:
        with session.begin_nested():
            return bill_together(session, work, ids)
    except ITS_OWN_FAULT as error:
        if len(ids) > 1:
            middle = len(ids) // 2
            outcome = _bill_halves(session, work, ids[:middle])
            outcome.merge(_bill_halves(session, work, ids[middle:]))
            return outcome
        if work.rates and work.finalizes:
            # A run does one after the other: what it rated stands on a draft, though that may not become final.
            outcome = _bill_halves(session, replace(work, finalizes=False), ids)
            if not any(one["code"] == _FAILED for one in outcome.warnings):
                outcome.merge(_bill_halves(session, replace(work, rates=False), ids))
            return outcome
        _log.error("could not be billed", exc_info=error, extra={"subscription": ids[0]})
        outcome = SliceOutcome()
        outcome.warn(ids[0], _FAILED, plain_words(error))
        return outcome
