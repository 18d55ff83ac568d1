"""Rates what is new of some subscriptions and puts it on their invoices, in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.billing_runs.pin import Pin
from usage_billing.billing_runs.pins import pins_of
from usage_billing.catalog.models import Plan
from usage_billing.catalog.queries import hold_plans, quotas_of
from usage_billing.catalog.quotas import QuotaVersion
from usage_billing.flows.billing.apply_terms import SummaryTerms, aggregate, may_be_cut
from usage_billing.flows.billing.charge_periods import bases_of
from usage_billing.flows.billing.claims import Claim, FeeClaim, UsageClaim
from usage_billing.flows.billing.invoice_desk import open_desk
from usage_billing.flows.billing.open_periods import open_periods
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.invoicing.builder import Basis, Tariff
from usage_billing.invoicing.fees import lock_uncharged, settle_fees
from usage_billing.invoicing.queries import history_of
from usage_billing.metering.rewinding import as_it_stood
from usage_billing.metering.settling import lock_unrated, reopen, settle
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.openings import BilledSubscription, lock_to_bill
from usage_billing.subscriptions.queries import timelines_of


def invoice_subscriptions(
    session: Session,
    ids: Collection[str],
    *,
    as_of: datetime,
    adjust_within: timedelta = ADJUSTMENT_SPAN,
    held_to: UUID | None = None,
) -> SliceOutcome:
    """Charge what these subscriptions owe as of ``as_of``; what is charged already is left alone.

    Adjustments of what is final wait for the running period's invoice if that closes ``adjust_within`` of ``as_of``.
    Of usage, a run that is ``held_to`` a dry run charges only the recordings which that rated.

    Locks, in this order: the subscriptions, their plans, their summaries to rate, their fees.
    """
    if not ids:
        return SliceOutcome()
    subscriptions, timelines, plans = lock_agreements(session, ids)
    quotas = quotas_of(session, plans, subscription_ids=subscriptions)
    open_periods(session, subscriptions.values(), timelines=timelines, plans=plans, quotas=quotas, as_of=as_of)
    summaries = lock_unrated(session, subscriptions.keys(), as_of=as_of, cut=may_be_cut(timelines, quotas))
    pins = None if held_to is None else pins_of(session, held_to, subscriptions.keys())
    if pins is not None:
        summaries = [summary for summary in summaries if summary.key in pins]
    fees = lock_uncharged(session, subscriptions.keys(), as_of=as_of)
    if not summaries and not fees:
        return SliceOutcome()
    history = history_of(session, summary_ids=[s.id for s in summaries], fee_ids=[f.id for f in fees])
    currencies = {one.id: plans[one.plan_id].currency for one in subscriptions.values()}
    terms = aggregate(session, summaries, timelines=timelines, quotas=quotas)
    seen = summaries if pins is None else [_as_pinned(session, summary, pins[summary.key]) for summary in summaries]
    zones = {name: line.zone for name, line in timelines.items()}
    bases = bases_of(session, seen, {id: found.agreed for id, found in terms.items()}, currencies)
    claims = _usage_claims(seen, terms, subscriptions, bases=bases, currencies=currencies, zones=zones)
    for fee in fees:
        name = fee.subscription_id
        claims.append(FeeClaim(subscriptions[name], currencies[name], timelines[name], fee))
    desk = open_desk(session, claims, as_of=as_of, adjust_within=adjust_within, timelines=timelines, history=history)
    for claim in claims:
        desk.settle(claim)
    outcome = desk.write(session)
    settle(session, summaries)
    reopen(session, [now.id for now, then in zip(summaries, seen, strict=True) if now is not then])
    settle_fees(session, fees)
    outcome.subscriptions = len({claim.subscription.id for claim in claims})
    outcome.rated = [Pin(*summary.key, summary.events, summary.voids) for summary in seen]
    return outcome


def lock_agreements(
    session: Session, ids: Collection[str]
) -> tuple[dict[str, BilledSubscription], dict[str, Timeline], dict[str, Plan]]:
    """Lock these subscriptions and hold the plans that they are or were on; returns all three by their id."""
    subscriptions = lock_to_bill(session, ids)
    timelines = timelines_of(session, subscriptions.keys())
    plans = hold_plans(session, {term.plan_id for line in timelines.values() for term in line.terms})
    return subscriptions, timelines, plans


def _as_pinned(session: Session, summary: UnratedSummary, pin: Pin) -> UnratedSummary:
    """The summary itself, unless something was recorded or taken back since the dry run."""
    if (summary.events, summary.voids) == (pin.events, pin.voids):
        return summary
    return as_it_stood(session, summary, events=pin.events, voids=pin.voids)


def _usage_claims(
    summaries: Sequence[UnratedSummary],
    terms: Mapping[int, SummaryTerms],
    subscriptions: Mapping[str, BilledSubscription],
    *,
    bases: Mapping[int, Basis],
    currencies: Mapping[str, str],
    zones: Mapping[str, str],
) -> list[Claim]:
    claims: list[Claim] = []
    tariffs: dict[tuple[int, str], Tariff] = {}
    for summary in summaries:
        subscription, under = subscriptions[summary.subscription_id], terms[summary.id]
        currency = currencies[subscription.id]
        tariff = None if under.quota is None else _tariff(under.quota, currency, tariffs)
        zone, basis = zones[subscription.id], bases.get(summary.id)
        claims.append(UsageClaim(subscription, currency, under.period_start, summary, tariff, zone, basis))
    return claims


def _tariff(quota: QuotaVersion, currency: str, known: dict[tuple[int, str], Tariff]) -> Tariff:
    """The tariff of a quota version, made once in a slice and kept in ``known``."""
    key = (quota.id, currency)
    tariff = known.get(key)
    if tariff is None:
        tariff = known[key] = Tariff(quota_id=quota.id, price=quota.price, unit_name=quota.unit_name, currency=currency)
    return tariff
