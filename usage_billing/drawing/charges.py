"""What subscriptions are charged at this moment, as groups of segments that are charged as one quantity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.core.decimals import EXACT
from usage_billing.core.spans import Span
from usage_billing.drawing.levels import place_unstored
from usage_billing.invoicing.estimates import PeriodOfType, SegmentOfType, reckon
from usage_billing.invoicing.totals_now import totals_now
from usage_billing.rating.engine import stored_price
from usage_billing.rating.price import Price
from usage_billing.subscriptions.queries import Contract
from usage_billing.wallets.allocation import Allocation, covered_by

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedGroup:
    """Segments in order, and what all of them come to with each. ``price``: all of it comes to that by it.

    It is None where parts of a segment are charged by themselves: by recording, by cell, or under earlier rules. By
    recording, ``each_price`` is that price.
    """

    contract: Contract
    usage_type: str
    segments: Sequence[SegmentOfType]
    amounts: Sequence[Decimal]
    price: Price | None
    each_price: Price | None = None


def charged_groups(
    session: Session,
    contracts: Sequence[Contract],
    *,
    since: Mapping[str, datetime],
    now: datetime,
    units: Sequence[Allocation],
) -> Iterator[ChargedGroup]:
    """Every group of these subscriptions in billing periods that go on beyond ``since``, by subscription id.

    ``units`` are the wallets in units of these customers: what they pay for is not charged.
    """
    plans = {term.plan_id for contract in contracts for term in contract.timeline.terms}
    quotas = quotas_of(session, plans, subscription_ids=[contract.id for contract in contracts])
    spans = {contract.id: Span(start=since[contract.id], end=None) for contract in contracts}
    found = totals_now(session, contracts, quotas, spans, now=now)
    covered = covered_by(units)
    place_unstored((total for totals in found.values() for total in totals), units)
    for contract in contracts:
        for period in reckon(session, contract, quotas, found[contract.id], present=now, now=now, covered=covered):
            yield from _groups(contract, period)


def _groups(contract: Contract, period: PeriodOfType) -> Iterator[ChargedGroup]:
    charged = [one for one in period.segments if one.part.price is not None]
    if not charged:
        return
    name = charged[0].counted.usage_type
    if any(one.cells or one.counted.frozen for one in charged):
        yield ChargedGroup(contract=contract, usage_type=name, segments=charged, amounts=_running(charged), price=None)
        return
    groups: dict[Price, list[SegmentOfType]] = {}
    for one in charged:
        if one.part.price is not None and one.rated is not None:
            groups.setdefault(stored_price(one.part.price), []).append(one)
    for price, segments in groups.items():
        rated = [one.rated for one in segments if one.rated is not None]
        yield ChargedGroup(
            contract=contract,
            usage_type=name,
            segments=segments,
            amounts=[one.amount for one in rated],
            price=None if price.reads_each else rated[-1].price,
            each_price=rated[-1].price if price.reads_each else None,
        )


def _running(segments: Sequence[SegmentOfType]) -> list[Decimal]:
    found: list[Decimal] = []
    total = _NOTHING
    for segment in segments:
        total = EXACT.add(total, segment.charge)
        found.append(total)
    return found
