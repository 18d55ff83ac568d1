"""What rules compare: totals, allowances in force and charges of billing periods, by the rules that bill."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.alerts.thresholds import least_quantity
from usage_billing.catalog.queries import quotas_of
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.periods import Period
from usage_billing.core.spans import Span
from usage_billing.drawing.coverage import allocations
from usage_billing.drawing.levels import place_unstored
from usage_billing.invoicing.estimates import PeriodOfType, SegmentOfType, reckon
from usage_billing.invoicing.totals_now import totals_now
from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.metering.queries import PeriodTotal
from usage_billing.rating.engine import rate, stored_price
from usage_billing.subscriptions.queries import Contract, contracts_by_id
from usage_billing.wallets.allocation import Allocation, covered_by

_NOTHING = Decimal(0)
_NEVER_FALLING = frozenset({"per_unit", "graduated", "package", "flat"})
_SPANS = text("""
    SELECT s.subscription_id, min(s.period_start) AS starts, max(s.period_end) AS ends
    FROM usage_summaries AS s
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]))
        AS k (subscription_id, usage_type_id, period_start) USING (subscription_id, usage_type_id, period_start)
    GROUP BY s.subscription_id
""")
# What was carried over to another grant is in that one.
_BEFOREHAND = text("""
    SELECT coalesce(sum(g.amount - g.posted - g.expired - g.taken_back - g.refunded - g.rolled_over), 0)
    FROM wallets AS w
    JOIN wallet_scopes AS t ON t.wallet_id = w.id AND t.usage_type_id = :type
    JOIN wallet_grants AS g ON g.wallet_id = w.id AND g.status = 'active'
    WHERE w.customer_id = :customer AND w.currency IS NULL
        AND (w.subscription_id = :subscription OR (w.subscription_id IS NULL AND NOT EXISTS (
            SELECT
            FROM wallet_scopes AS own
            WHERE own.customer_id = w.customer_id AND own.subscription_id = :subscription AND own.usage_type_id = :type
        )))
        AND (g.usage_types IS NULL OR :type = ANY(g.usage_types))
        AND (g.subscription_ids IS NULL OR :subscription = ANY(g.subscription_ids))
        AND least(g.effective_at, g.covers_since) < :ends
        AND coalesce(g.reset_at, g.expires_at, 'infinity') > :starts
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFigures:
    """A billing period of one usage type of a subscription, as the books are.

    ``limit`` is the allowance in force for the whole period (None: no bound), ``charge`` what the usage costs so far.
    ``plan_id`` is the plan in force, or the last one of a period that is over. ``unused`` is what earlier periods left
    of their allowances for it, beyond what is stored of that.
    """

    contract: Contract
    usage_type: str
    period: Period
    plan_id: str
    total: Decimal
    limit: Decimal | None
    charge: Decimal
    segments: Sequence[SegmentOfType]
    is_paid_beforehand: bool
    unused: Decimal = _NOTHING

    @property
    def summaries(self) -> list[int]:
        """The ids of its summaries."""
        return [one.counted.id for one in self.segments if one.counted.id > 0]

    def quantity_for(self, amount: Decimal) -> Decimal | None:
        """The least total for which the charge is ``amount`` or more, where the charge follows from the total alone.

        None where no total comes to it. Raises LookupError where the charge depends on more: on recordings, on what is
        paid for beforehand, on segments, or where more may cost less.
        """
        (only, *others) = self.segments
        price = only.part.price
        if others or self.is_paid_beforehand or only.counted.frozen or only.part.end != self.period.end:
            raise LookupError(self.usage_type)
        if price is None or only.division.allowance is None:
            return None
        parsed = stored_price(price)
        if parsed.model.name not in _NEVER_FALLING:
            raise LookupError(parsed.model.name)
        currency = self.contract.currency
        beyond = least_quantity(lambda quantity: rate(parsed, quantity, recordings=1, currency=currency).amount, amount)
        return None if beyond is None else EXACT.add(only.division.allowance, beyond)


@dataclass(frozen=True, slots=True)
class Coming:
    """How much is still to come to a summary, and how many units of all of it will be paid for beforehand."""

    quantity: Decimal
    covered: Decimal | None


def figures_of(
    session: Session,
    keys: Collection[SummaryKey],
    *,
    now: datetime,
    coming: Mapping[int, Coming] = MappingProxyType({}),
) -> list[PeriodFigures]:
    """All usage types of the billing periods that these summaries are in, by subscription, period and type.

    Summaries to which something is still ``coming``, by id, are reckoned as they will be.
    """
    contracts = contracts_by_id(session, {key.subscription_id for key in keys})
    plans = {term.plan_id for one in contracts for term in one.timeline.terms}
    quotas = quotas_of(session, plans, subscription_ids=[one.id for one in contracts])
    spans = _spans(session, keys)
    held = [one for one in contracts if one.id in spans]
    counted = totals_now(session, held, quotas, spans, now=now)
    books = allocations(session, {one.customer_id for one in held}, now=now)
    place_unstored((total for totals in counted.values() for total in totals), books)
    covered = covered_by(books)
    covered |= _go_ahead([one for listed in counted.values() for one in listed], coming, covered)
    payers = {book.wallet.customer_id for book in books}
    found: list[PeriodFigures] = []
    for contract in held:
        for period in reckon(session, contract, quotas, counted[contract.id], present=None, now=now, covered=covered):
            if period.segments:
                one = _figures(contract, period, now=now, paid=contract.customer_id in payers)
                found.append(replace(one, unused=_unused_for(one, books)))
    starts: dict[str, list[datetime]] = {}
    for key in keys:
        starts.setdefault(key.subscription_id, []).append(key.period_start)
    return [one for one in found if any(start in one.period for start in starts[one.contract.id])]


def _go_ahead(
    totals: Sequence[PeriodTotal], coming: Mapping[int, Coming], covered: Mapping[int, Decimal]
) -> dict[int, Decimal]:
    """Let totals be what they will be, under ids below 0; returns how many of their units are paid for then."""
    paid = {}
    for one in totals:
        found = coming.get(one.id)
        if found is None:
            continue
        whole = EXACT.add(one.total, found.quantity)
        if one.total > 0:  # a fee for each recording comes with as many more
            one.beyond_events = int(Fraction(whole) / Fraction(one.total) * one.beyond_events)
        paid[-one.id] = covered.get(one.id, _NOTHING) if found.covered is None else found.covered
        one.total, one.id = whole, -one.id
    return paid


def paid_beforehand(session: Session, figures: PeriodFigures) -> Decimal:
    """How many units of the grants that fit this usage are not used up by what is final."""
    asked = {
        "type": figures.usage_type,
        "customer": figures.contract.customer_id,
        "subscription": figures.contract.id,
        "starts": figures.period.start,
        "ends": figures.period.end,
    }
    return EXACT.add(session.scalars(_BEFOREHAND, asked).one(), figures.unused)


def _unused_for(figures: PeriodFigures, books: Sequence[Allocation]) -> Decimal:
    """What earlier periods left of allowances for this one, beyond what is stored of that."""
    return sum_of(
        EXACT.subtract(book.amount_of(grant), grant.amount)
        for book in books
        for grant in book.grants
        if grant.id in book.unused
        and (grant.unused_of, grant.usage_types) == (figures.contract.id, [figures.usage_type])
        and grant.effective_at < figures.period.end
        and (grant.expires_at is None or figures.period.start < grant.expires_at)
    )


def charge_of(figures: Collection[PeriodFigures]) -> Decimal:
    """What the usage of several types costs so far."""
    return sum_of(one.charge for one in figures)


def _spans(session: Session, keys: Collection[SummaryKey]) -> dict[str, Span]:
    asked = sorted(keys)
    rows = session.execute(
        _SPANS,
        {
            "subscriptions": [key.subscription_id for key in asked],
            "types": [key.usage_type_id for key in asked],
            "starts": [key.period_start for key in asked],
        },
    )
    return {row.subscription_id: Span(start=row.starts, end=row.ends) for row in rows}


def _figures(contract: Contract, found: PeriodOfType, *, now: datetime, paid: bool) -> PeriodFigures:
    segments = found.segments
    begun = [one for one in segments if one.part.start <= now] or segments[:1]
    running = begun[-1]
    return PeriodFigures(
        contract=contract,
        usage_type=segments[0].counted.usage_type,
        period=running.part.segment.period,
        plan_id=running.part.plan_id,
        total=sum_of(one.counted.total for one in segments),
        limit=running.division.budget,
        charge=sum_of(one.charge for one in segments),
        segments=segments,
        is_paid_beforehand=paid,
    )


def by_period(figures: Sequence[PeriodFigures]) -> Iterator[list[PeriodFigures]]:
    """The usage types of each subscription's billing period together."""
    found: dict[tuple[str, Period], list[PeriodFigures]] = {}
    for one in figures:
        found.setdefault((one.contract.id, one.period), []).append(one)
    yield from found.values()
