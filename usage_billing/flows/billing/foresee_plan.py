"""What a change of a plan would charge and give back, of some of its subscriptions at a time."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
from usage_billing.flows.billing.foresee import TermsChange, foresee
from usage_billing.flows.billing.plan_change import SUBSCRIBED, PlanChange
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.turns import Turn

_NOTHING = Decimal(0)
_ALL = text(f"{SUBSCRIBED} ORDER BY 1")

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class FoundOfPlan:
    """What a change of a plan would do: counts and a digest, what is shown of it, and the digest by subscription.

    Subscriptions that it does not alter, and those that cannot be billed, have no digest.
    """

    outcome: SliceOutcome
    foreseen: ForeseenChange
    digests: dict[str, int] = field(default_factory=dict)


def foresee_plan(
    session: Session, change: PlanChange, ids: Sequence[str], *, now: datetime, adjust_within: timedelta
) -> FoundOfPlan:
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
            found = (foresee_plan(session, change, half, now=now, adjust_within=adjust_within) for half in halves)
            return _merged(change, found)
        _log.error("could not be billed", exc_info=error, extra={"subscription": ids[0]})
        warning = {"subscriptionId": ids[0], "code": "billing_failed", "detail": plain_words(error)}
        return FoundOfPlan(outcome=SliceOutcome(warnings=[warning]), foreseen=change.unseen())


def ids_on_plan(session: Session, plan_id: str) -> list[str]:
    """The subscriptions that are, were or will be on a plan, in order."""
    return list(session.scalars(_ALL, {"plan": plan_id}))


def _merged(change: PlanChange, found: Iterable[FoundOfPlan]) -> FoundOfPlan:
    """The sum of what was found of several slices, in their order."""
    whole = FoundOfPlan(outcome=SliceOutcome(), foreseen=change.unseen())
    for part in found:
        whole.outcome.merge(part.outcome)
        whole.foreseen.merge(part.foreseen)
        whole.digests |= part.digests
    return whole


def _together(
    session: Session, change: PlanChange, ids: Sequence[str], *, now: datetime, adjust_within: timedelta
) -> FoundOfPlan:
    whole = FoundOfPlan(outcome=SliceOutcome(), foreseen=change.unseen())
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
    whole.foreseen.looked = len(ids)
    for name, turn in held.items():
        charges = list(found[name].charges())
        if not charges:
            continue
        outcome = SliceOutcome(subscriptions=1, invoices=len(found[name].invoices))
        for cause, difference, currency in charges:
            outcome.add(name, as_text(turn.at), *cause, quantity=_NOTHING, change=difference, currency=currency)
        differences = [difference for _, difference, _ in charges]
        whole.outcome.merge(outcome)
        whole.digests[name] = outcome.digest
        whole.foreseen.add(
            ForeseenSubscription(
                subscription_id=name,
                effective_at=turn.at,
                until=found[name].until,
                charged=sum_of(one for one in differences if one > 0),
                credited=EXACT.subtract(_NOTHING, sum_of(one for one in differences if one < 0)),
            )
        )
    return whole
