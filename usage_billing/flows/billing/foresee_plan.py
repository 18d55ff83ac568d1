"""What a change of a plan would charge and give back, of some of its subscriptions at a time."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.foreseen import ForeseenChange, ForeseenSubscription
from usage_billing.core.clock import as_text
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.db.words import plain_words
from usage_billing.flows.billing.agreements import read_agreements, reopened
from usage_billing.flows.billing.bill_slice import ITS_OWN_FAULT
from usage_billing.flows.billing.foresee import TermsChange, Turn, foresee
from usage_billing.flows.billing.plan_change import AT_A_TIME, SUBSCRIBED, PlanChange
from usage_billing.flows.billing.run_outcome import SliceOutcome

_NOTHING = Decimal(0)
_ALL = text(f"{SUBSCRIBED} ORDER BY 1")

_log = logging.getLogger(__name__)

_Found = tuple[SliceOutcome, ForeseenChange]


def foresee_plan(
    session: Session, change: PlanChange, ids: Sequence[str], *, now: datetime, adjust_within: timedelta
) -> _Found:
    """What ``change`` would do to these subscriptions, in the order of their ids; nothing is locked or written.

    The outcome counts what would be altered, and its digest is over the instants and amounts. A subscription that
    cannot be billed is a warning of it.
    """
    try:
        with session.begin_nested():
            return _together(session, change, ids, now=now, adjust_within=adjust_within)
    except ITS_OWN_FAULT as error:
        if len(ids) > 1:
            middle = len(ids) // 2
            halves = (ids[:middle], ids[middle:])
            return merged(
                change, (foresee_plan(session, change, half, now=now, adjust_within=adjust_within) for half in halves)
            )
        _log.error("could not be billed", exc_info=error, extra={"subscription": ids[0]})
        warning = {"subscriptionId": ids[0], "code": "billing_failed", "detail": plain_words(error)}
        return SliceOutcome(warnings=[warning]), change.unseen()


def foresee_whole_plan(session: Session, change: PlanChange, *, now: datetime, adjust_within: timedelta) -> _Found:
    """What ``change`` would do to every subscription that is, was or will be on the plan."""
    ids = list(session.scalars(_ALL, {"plan": change.plan_id}))
    slices = (ids[start : start + AT_A_TIME] for start in range(0, len(ids), AT_A_TIME))
    return merged(change, (foresee_plan(session, change, one, now=now, adjust_within=adjust_within) for one in slices))


def merged(change: PlanChange, found: Iterable[_Found]) -> _Found:
    """The sum of what was found of several slices, in their order."""
    outcome, foreseen = SliceOutcome(), change.unseen()
    for part, seen in found:
        outcome.merge(part)
        foreseen.merge(seen)
    return outcome, foreseen


def _together(
    session: Session, change: PlanChange, ids: Sequence[str], *, now: datetime, adjust_within: timedelta
) -> _Found:
    outcome, foreseen = SliceOutcome(), change.unseen()
    every = read_agreements(session, ids)
    instants = {name: change.holds_from(every.timelines[name]) for name in ids}
    held = {
        name: Turn(at=at, since=every.timelines[name].period_cut_at(at))
        for name, at in instants.items()
        if at is not None
    }
    before = every.of(held)
    after = change.made_in(reopened(before, since={name: turn.since for name, turn in held.items()}))
    looked = TermsChange(before=before, after=after, turns=held)
    found = foresee(session, looked, now=now, adjust_within=adjust_within) if held else {}
    foreseen.looked = len(ids)
    for name, turn in held.items():
        charges = list(found[name].charges())
        if not charges:
            continue
        for cause, difference, currency in charges:
            outcome.add(name, as_text(turn.at), *cause, quantity=_NOTHING, change=difference, currency=currency)
        differences = [difference for _, difference, _ in charges]
        outcome.subscriptions += 1
        outcome.invoices += len(found[name].invoices)
        foreseen.add(
            ForeseenSubscription(
                subscription_id=name,
                effective_at=turn.at,
                until=found[name].until,
                charged=sum_of(one for one in differences if one > 0),
                credited=EXACT.subtract(_NOTHING, sum_of(one for one in differences if one < 0)),
            )
        )
    return outcome, foreseen
