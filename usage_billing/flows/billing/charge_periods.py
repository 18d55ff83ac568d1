"""What the summaries of periods that are cut are charged on: all segments of a period, reckoned together.

A summary that is its whole period is charged by its own total at its quota's price, and needs nothing of this, unless
the price has a rule for each recording.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from usage_billing.core.periods import Period
from usage_billing.invoicing.builder import Basis
from usage_billing.invoicing.reckoning import Measured, charge_period
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.rating.engine import stored_price
from usage_billing.rating.groups import CellCharge
from usage_billing.subscriptions.agreement import AgreedPeriod

ReadParts = Callable[[Sequence[UnratedSummary]], Mapping[int, Sequence[Decimal]]]
"""How much of each recording of these summaries lies beyond, in the order recorded, by summary id."""


@dataclass(slots=True)
class _Period:
    agreed: AgreedPeriod
    currency: str
    summaries: dict[datetime, UnratedSummary] = field(default_factory=dict)


def bases_of(
    summaries: Sequence[UnratedSummary],
    periods: Mapping[int, AgreedPeriod | None],
    currencies: Mapping[str, str],
    *,
    parts: ReadParts,
) -> dict[int, Basis]:
    """The basis by summary id, of those that have one; ``periods`` are those they are in, also by summary id."""
    found: dict[tuple[str, str, Period], _Period] = {}
    alone: list[_Period] = []
    for summary in summaries:
        agreed = periods.get(summary.id)
        # A frozen one is charged as it always was, by itself.
        if agreed is None or summary.frozen or (agreed.is_whole and not _reads_each(agreed)):
            continue
        currency = currencies[summary.subscription_id]
        if agreed.is_whole:
            alone.append(_Period(agreed, currency, {summary.period_start: summary}))
        else:
            key = (summary.subscription_id, summary.usage_type_id, agreed.period)
            found.setdefault(key, _Period(agreed, currency)).summaries[summary.period_start] = summary
    bases: dict[int, Basis] = {}
    for period in (*found.values(), *alone):
        bases |= _reckon(period, parts)
    return bases


def _reads_each(agreed: AgreedPeriod) -> bool:
    return any(part.price is not None and stored_price(part.price).reads_each for part in agreed.parts)


def _reckon(period: _Period, parts: ReadParts) -> dict[int, Basis]:
    agreed = period.agreed
    here = [period.summaries.get(part.start) for part in agreed.parts]
    each = parts(list(period.summaries.values())) if _reads_each(agreed) else {}
    measured = [
        Measured(summary.beyond_limit, summary.beyond_events, each.get(summary.id, ()))
        if summary is not None
        else Measured()
        for summary in here
    ]
    charges = charge_period(agreed, measured, currency=period.currency)
    return {
        summary.id: _basis(charge, part.price)
        for summary, charge, part in zip(here, charges, agreed.parts, strict=True)
        if summary is not None and charge is not None and part.price is not None
    }


def _basis(charge: CellCharge, price: Mapping[str, Any]) -> Basis:
    as_it_is = charge.price == stored_price(price)
    return Basis(
        due=charge.due,
        price=price if as_it_is else charge.price.fields(),
        before_quantity=charge.before_quantity,
        before_recordings=charge.before_recordings,
        before_amount=charge.before,
    )
