"""Billing periods that are one segment, whose summary depends on no other: most are, and what follows is told shortly.

What is agreed and divided alike gives the same answer, so it is reckoned once and remembered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from usage_billing.reports.verify.allowance import Bounds, Stretch, allowances
from usage_billing.reports.verify.arithmetic import UNREADABLE, Same, by_recording, due
from usage_billing.reports.verify.cell_totals import has_cells
from usage_billing.reports.verify.terms import Agreement, Segment
from usage_billing.reports.verify.together import Due

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Whole:
    """A billing period of one segment. ``price`` is None where nothing is ever charged."""

    segment: Segment
    quota: Any | None
    allowance: Decimal | None
    price: Mapping[str, Any] | None
    spans: tuple[tuple[datetime, datetime], ...]

    def due(self, quantity: Decimal, recordings: int) -> Due | None:
        """What is due for what lies beyond the allowance; None where the price cannot be read."""
        if self.price is None:
            return Due(NOTHING, NOTHING, 0)
        try:
            return Due(due(self.price, quantity, recordings, currency=self.segment.plan.currency), NOTHING, 0)
        except UNREADABLE:
            return None


@lru_cache(maxsize=4096)
def whole_of(parts: Same, agreement: Agreement) -> Whole | None:
    """``parts`` are the segments of a period, each with its quota.

    None where the summary alone does not tell what is due: with several segments, where a plan is left, and with a
    price by dimension, by recording, or with a maximum.
    """
    if len(parts.thing) != 1:
        return None
    segment, quota = parts.thing[0]
    price, stretch = price_of_quota(quota), stretch_of(segment, quota)
    if not stretch.keeps and segment.end != segment.period[1]:
        return None
    if price is not None and (has_cells(price) or by_recording(price) or price.get("maximumAmount") is not None):
        return None
    [allowance] = allowances(bounds_of(parts.thing, agreement), [stretch], [NOTHING])
    return Whole(segment, quota, allowance, price, ((segment.start, segment.end),))


def bounds_of(parts: Sequence[tuple[Segment, Any | None]], agreement: Agreement) -> Bounds:
    """The billing period of these segments, of which there is one at least."""
    period = parts[0][0].period
    return Bounds(period, max(period[0], agreement.terms[0].starts_at), agreement.zone)


def stretch_of(segment: Segment, quota: Any | None) -> Stretch:
    """A segment as the allowance sees it."""
    plan = segment.plan
    return Stretch(
        start=segment.start,
        end=segment.end,
        plan_id=plan.id,
        limit=None if quota is None else quota.monthly_limit,
        method=plan.proration,
        edges=plan.prorates_edges,
        keeps=plan.on_downgrade != "charge",
    )


def price_of_quota(quota: Any | None) -> Mapping[str, Any] | None:
    """What a quota charges for what lies beyond it; None if it never charges."""
    return None if quota is None or quota.monthly_limit is None else quota.price
