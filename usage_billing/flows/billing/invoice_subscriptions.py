"""Rates what is new of some subscriptions and puts it on their invoices, in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.billing_runs.pin import Pin
from usage_billing.catalog.quotas import QuotaVersion
from usage_billing.core.giving_way import in_turns
from usage_billing.drawing.coverage import coverage_changes
from usage_billing.flows.billing.agreements import lock_agreements
from usage_billing.flows.billing.apply_terms import SummaryTerms, aggregate, may_be_cut
from usage_billing.flows.billing.books import Agreements, Books
from usage_billing.flows.billing.charge_periods import Bases, bases_of
from usage_billing.flows.billing.claims import Claim, FeeClaim, PurchaseClaim, UsageClaim, by_cell
from usage_billing.flows.billing.invoice_desk import Desk, earliest_closings
from usage_billing.flows.billing.open_periods import open_periods
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.flows.billing.stored_books import StoredBooks
from usage_billing.flows.folding.fold_meters import fold_subscriptions
from usage_billing.flows.prepaid.settle_returns import settle_returns
from usage_billing.invoicing.builder import Tariff
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.subscriptions.openings import BilledSubscription

_NOTHING = Decimal(0)


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

    What came back to grants and no invoice says is posted, and what meters have not counted yet is counted first.
    Locks, in this order: the subscriptions, wallets of which anything came back, the plans, how far meters are, the
    summaries to rate, the fees, the purchases.
    """
    if not ids:
        return SliceOutcome()
    settle_returns(session, ids, now=as_of)
    agreements = lock_agreements(session, ids)
    folded = fold_subscriptions(session, agreements.subscriptions.keys(), as_of=as_of)
    prepaid = coverage_changes(session, {one.customer_id for one in agreements.subscriptions.values()}, now=as_of)
    stale = [usage.id for usage in prepaid.changed if usage.subscription_id in agreements.subscriptions]
    books = StoredBooks(session, as_of, held_to, folded, prepaid.wallets, stale)
    return charge_subscriptions(books, agreements, as_of=as_of, adjust_within=adjust_within)


def charge_subscriptions(
    books: Books, agreements: Agreements, *, as_of: datetime, adjust_within: timedelta
) -> SliceOutcome:
    """Charge in ``books`` what the subscriptions of ``agreements`` owe as of ``as_of``."""
    subscriptions, timelines, _, quotas, prices = agreements
    books.open(open_periods(agreements, as_of=as_of))
    summaries = books.unrated(subscriptions.keys(), as_of=as_of, cut=may_be_cut(timelines, quotas))
    fees = books.uncharged(subscriptions.keys(), as_of=as_of)
    purchases = books.unpaid(subscriptions.keys(), as_of=as_of)
    if not summaries and not fees and not purchases:
        return SliceOutcome()
    history = books.history(
        summary_ids=[s.id for s in summaries], fee_ids=[f.id for f in fees], purchase_ids=[p.id for p in purchases]
    )
    currencies = agreements.currencies
    terms = aggregate(summaries, move=books.move, timelines=timelines, quotas=quotas)
    seen = books.seen(summaries, terms)
    covered = books.covered(seen)
    for summary in seen:
        summary.covered = covered.get(summary.id, _NOTHING)
    zones = {name: line.zone for name, line in timelines.items()}
    periods = {id: found.agreed for id, found in terms.items()}
    bases = bases_of(seen, periods, currencies, parts=books.parts, series=books.series)
    whole = _usage_claims(seen, terms, subscriptions, bases=bases, currencies=currencies, zones=zones)
    claims: list[Claim] = list(by_cell(whole, bases.cells, history))
    for fee in fees:
        name = fee.subscription_id
        claims.append(FeeClaim(subscriptions[name], currencies[name], timelines[name], prices, fee))
    for purchase in purchases:
        name = purchase.subscription_id
        claims.append(PurchaseClaim(subscriptions[name], currencies[name], timelines[name], purchase))
    invoices = books.standing(earliest_closings(claims, as_of))
    desk = Desk(as_of, adjust_within, timelines, history, invoices)
    for claim in in_turns(claims):
        desk.settle(claim)
    books.write(desk.work)
    books.settle(summaries, fees, purchases)
    outcome = desk.outcome
    outcome.invoices = len(desk.work.touched)
    outcome.added = [item.id for item in desk.work.added]
    outcome.subscriptions = len({claim.subscription.id for claim in claims})
    outcome.rated = [Pin(*summary.key, summary.events, summary.voids) for summary in seen]
    return outcome


def _usage_claims(
    summaries: Sequence[UnratedSummary],
    terms: Mapping[int, SummaryTerms],
    subscriptions: Mapping[str, BilledSubscription],
    *,
    bases: Bases,
    currencies: Mapping[str, str],
    zones: Mapping[str, str],
) -> list[UsageClaim]:
    claims: list[UsageClaim] = []
    tariffs: dict[tuple[int, str], Tariff] = {}
    for summary in in_turns(summaries):
        subscription, under = subscriptions[summary.subscription_id], terms[summary.id]
        currency = currencies[subscription.id]
        tariff = None if under.quota is None else _tariff(under.quota, currency, tariffs)
        zone, basis = zones[subscription.id], bases.whole.get(summary.id)
        claims.append(UsageClaim(subscription, currency, under.period_start, summary, tariff, zone, basis))
    return claims


def _tariff(quota: QuotaVersion, currency: str, known: dict[tuple[int, str], Tariff]) -> Tariff:
    """The tariff of a quota version, made once in a slice and kept in ``known``."""
    key = (quota.id, currency)
    tariff = known.get(key)
    if tariff is None:
        tariff = known[key] = Tariff(quota_id=quota.id, price=quota.price, unit_name=quota.unit_name, currency=currency)
    return tariff
