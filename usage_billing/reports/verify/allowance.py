"""The one allowance of a billing period once more, in fractions, from docs/billing.md and not from the code it checks.

Each budget is worked out anew from the list of segments, and usage is taken from it segment by segment. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
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
    """A billing period, when its subscription began if that was in it, and the zone of its days."""

    period: tuple[datetime, datetime]
    begun: datetime
    zone: str


def allowances(bounds: Bounds, stretches: Sequence[Stretch], totals: Sequence[Decimal]) -> list[Decimal | None]:
    """Up to where each segment's recordings are within; None where nothing is ever charged."""
    bound: list[Fraction | None] = []
    within: list[Fraction] = []
    used = _ZERO
    held, ended = budgets(bounds, tuple(stretches))
    for index, stretch in enumerate(stretches):
        budget = held[index]
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
        covered = held[index + 1] if after is not None and after.start == stretch.end else ended[index]
        excess = _ZERO if covered is None else max(used - covered, _ZERO)
        for back in range(index, -1, -1):
            if not excess:
                break
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


@lru_cache(maxsize=4096)
def budgets(bounds: Bounds, stretches: tuple[Stretch, ...]) -> tuple[list[Fraction | None], list[Fraction | None]]:
    """Of each segment: the budget if it went on to the period's end, and the one up to where it ends.

    Both are rounded half up to 12 places. A plan's term counts by its last limit, for all of it; what segments with a
    limit last is added up once for each way in which plans divide.
    """
    ways = {(one.method, one.edges) for one in stretches}
    over = dict.fromkeys(ways, _ZERO)  # what the plan's terms that are over have earned
    lasted = dict.fromkeys(ways, _ZERO)  # how long those segments of the running term last that have a limit
    limit: Decimal | None = None  # the running term's last
    plan = stretches[0].plan_id if stretches else ""
    held: list[Fraction | None] = []
    ended: list[Fraction | None] = []
    for one in stretches:
        if one.plan_id != plan:
            over = {way: over[way] + Fraction(limit or 0) * lasted[way] for way in ways}
            lasted, limit, plan = dict.fromkeys(ways, _ZERO), None, one.plan_id
        if one.limit is None:
            held.append(None)
            ended.append(None)
            continue
        limit = one.limit
        shares = {way: [_share(bounds, way, at) for at in (one.start, one.end, bounds.period[1])] for way in ways}
        mine = (one.method, one.edges)
        for found, until in ((ended, shares[mine][1]), (held, shares[mine][2])):
            earned = over[mine] + Fraction(limit) * (lasted[mine] + until - shares[mine][0])
            found.append(Fraction(limit) if one.method == "none" else _rounded(earned))
        lasted = {way: lasted[way] + shares[way][1] - shares[way][0] for way in ways}
    return held, ended


def _share(bounds: Bounds, way: tuple[str, bool], at: datetime) -> Fraction:
    """How much of the period is over at an instant, as plans of a way divide it."""
    method, edges = way
    start = bounds.period[0] if edges else max(bounds.period[0], bounds.begun)
    return share_over((start, bounds.period[1]), at, method=method, zone=bounds.zone)


def _rounded(amount: Fraction) -> Fraction:
    return Fraction(floor(amount * 10**_PLACES + Fraction(1, 2)), 10**_PLACES)
