"""The one allowance of a billing period once more, in fractions, from docs/billing.md and not from the code it checks.

Each budget is worked out anew from the list of segments, and usage is taken from it segment by segment. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor

from usage_billing.reports.verify.calendar import share_over

_ZERO = Fraction(0)
_PLACES = 12


@dataclass(frozen=True, slots=True)
class Stretch:
    """A segment as the allowance sees it. ``edges``: the time before the subscription counts; ``keeps``: what was free.

    ``limit`` None: no quota, or one that never charges.
    """

    start: datetime
    end: datetime
    plan_id: str
    limit: Decimal | None
    method: str
    edges: bool
    keeps: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """A billing period, when its subscription began, and the zone of its days."""

    period: tuple[datetime, datetime]
    begun: datetime
    zone: str


def allowances(bounds: Bounds, stretches: Sequence[Stretch], totals: Sequence[Decimal]) -> list[Decimal | None]:
    """Up to where each segment's recordings are within; None where nothing is ever charged."""
    bound: list[Fraction | None] = []
    within: list[Fraction] = []
    used = _ZERO
    for index, stretch in enumerate(stretches):
        budget = _budget(bounds, stretches[: index + 1], bounds.period[1])
        if budget is None:
            bound.append(None)
            within.append(_ZERO)
            continue
        bound.append(max(budget - used, _ZERO))
        within.append(min(Fraction(totals[index]), budget - used) if budget > used else _ZERO)
        used += within[-1]
        if stretch.keeps or not _leaves(bounds, stretches, index):
            continue
        after = stretches[index + 1] if index + 1 < len(stretches) else None
        if after is not None and after.start == stretch.end:
            covered = _budget(bounds, stretches[: index + 2], bounds.period[1])
        else:
            covered = _budget(bounds, stretches[: index + 1], stretch.end)
        excess = _ZERO if covered is None else max(used - covered, _ZERO)
        for back in range(index, -1, -1):
            if bound[back] is not None and not stretches[back].keeps and (taken := min(excess, within[back])):
                within[back] -= taken
                used -= taken
                excess -= taken
                bound[back] = within[back]
    return [None if one is None else Decimal(one.numerator) / Decimal(one.denominator) for one in bound]


def _leaves(bounds: Bounds, stretches: Sequence[Stretch], index: int) -> bool:
    """Whether the plan is left where a segment ends."""
    if index + 1 < len(stretches):
        after = stretches[index + 1]
        return after.plan_id != stretches[index].plan_id or after.start != stretches[index].end
    return stretches[index].end != bounds.period[1]


def _budget(bounds: Bounds, known: Sequence[Stretch], until: datetime) -> Fraction | None:
    """Of the last of the segments ``known``, if it went on ``until`` then; rounded half up to 12 places."""
    last = known[-1]
    if last.limit is None:
        return None
    if last.method == "none":
        return Fraction(last.limit)
    start = bounds.period[0] if last.edges else max(bounds.period[0], bounds.begun)
    part = (start, bounds.period[1])

    def share(stretch: Stretch) -> Fraction:
        end = until if stretch is last else stretch.end
        ends, begins = (share_over(part, at, method=last.method, zone=bounds.zone) for at in (end, stretch.start))
        return ends - begins

    total = _ZERO
    limit: Decimal | None = None
    plan = last.plan_id
    for stretch in reversed(known):  # of a plan's term the last limit counts, for all of it
        if stretch.plan_id != plan:
            plan, limit = stretch.plan_id, None
        if stretch.limit is not None:
            limit = stretch.limit if limit is None else limit
            total += Fraction(limit) * share(stretch)
    return Fraction(floor(total * 10**_PLACES + Fraction(1, 2)), 10**_PLACES)
