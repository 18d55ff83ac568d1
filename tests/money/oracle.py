"""What is due, worked out by brute force from the product's description: every event, every agreement, in fractions.

Nothing here calls the code that bills. It is slow on purpose: it walks the calendar from the anchor, lists every
instant at which anything changes, and looks at every event for each span in between.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.money.prices import half_up
from tests.money.together import charges

Key = tuple[str, str, datetime]
"""(subscription, usage type or "fee", beginning of the span)"""

MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True)
class Plan:
    """A plan as it was defined."""

    id: str
    interval: str = "month"
    count: int = 1
    fee: Fraction | None = None
    proration: str = "time"
    edges: bool = False
    charges: bool = False


@dataclass(frozen=True)
class Version:
    """A quota as it was defined: of everybody on the plan, or one subscription's ``own``."""

    plan: str
    type: str
    own: str | None
    asked: datetime
    how: str | datetime
    limit: Fraction | None
    price: dict[str, Any]
    first: bool = False
    number: int = 0
    ended: datetime | None = None


@dataclass(frozen=True)
class Event:
    """A recording that was counted."""

    id: Any
    type: str
    at: datetime
    quantity: Fraction


@dataclass(frozen=True)
class Span:
    """From ``start`` to ``end`` nothing changes; it is a part of the billing period ``period``."""

    start: datetime
    end: datetime
    plan: Plan
    period: tuple[datetime, datetime]


@dataclass
class Agreement:
    """A subscription: its plans from when on, when it is paused and resumed, and when it ends."""

    id: str
    zone: str
    started: datetime
    anniversary: bool
    plans: dict[datetime, Plan]
    pauses: dict[datetime, bool] = field(default_factory=dict)
    ended: datetime | None = None
    events: list[Event] = field(default_factory=list)
    voided: set[Any] = field(default_factory=set)
    number: int = 0

    @property
    def changes(self) -> list[tuple[datetime, Plan | None, bool]]:
        """What it is on from when on: plan, pause and end taken together, where that changes anything."""
        found: list[tuple[datetime, Plan | None, bool]] = []
        for at in sorted({*self.plans, *self.pauses, *([self.ended] if self.ended else [])}):
            if self.ended is not None and at >= self.ended:
                return [*found, (self.ended, None, False)]
            plan = self.plans[max(begun for begun in self.plans if begun <= at)]
            paused = self.pauses[max(told)] if (told := [begun for begun in self.pauses if begun <= at]) else False
            if not found or found[-1][1:] != (plan, paused):
                found.append((at, plan, paused))
        return found

    def state(self, at: datetime) -> tuple[Plan | None, bool]:
        """The plan at an instant, and whether it is paused."""
        past = [one for one in self.changes if one[0] <= at]
        return (past[-1][1], past[-1][2]) if past else (None, False)

    def runs(self, at: datetime) -> bool:
        """Whether something may be recorded that occurred then."""
        plan, paused = self.state(at)
        return plan is not None and not paused

    def boundaries(self, plan: Plan, until: datetime) -> list[datetime]:
        """Every beginning of a billing period, from before the start until after ``until``."""
        zone = ZoneInfo(self.zone)
        if self.anniversary:
            anchor = self.started.astimezone(zone).replace(tzinfo=None)
        else:
            anchor = datetime(2001, 1, 1) if plan.interval in {"day", "week"} else datetime(2000, 1, 1)
        found: list[datetime] = []
        number = 0
        while not found or found[-1] <= until:
            if plan.interval in MONTHS:
                months = anchor.month - 1 + number * plan.count * MONTHS[plan.interval]
                year, month = anchor.year + months // 12, months % 12 + 1
                local = anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
            else:
                local = anchor + timedelta(days=number * plan.count * (7 if plan.interval == "week" else 1))
            found.append(local.replace(tzinfo=zone).astimezone(UTC))
            number += 1
        return found

    def spans(self, until: datetime, versions: list[Version] | None = None, type: str = "") -> list[Span]:
        """Every span that begins by ``until``, for the base fee, or for a usage type with its ``versions``."""
        found: list[Span] = []
        for index, (begins, plan, paused) in enumerate(self.changes):
            if plan is None or paused or begins > until:
                continue
            ends = self.changes[index + 1][0] if index + 1 < len(self.changes) else None
            edges = self.boundaries(plan, max(until, begins))
            for start, end in pairwise(edges):
                first, last = max(start, begins), end if ends is None else min(end, ends)
                if first < last and first <= until:
                    whole = Span(first, last, plan, (start, end))
                    found += [whole] if versions is None else self._cut(whole, versions, type)
        return [span for span in found if span.start <= until]

    def _cut(self, whole: Span, versions: list[Version], type: str) -> list[Span]:
        told = {at for v in versions if v.type == type for at in (self.begins(v), v.ended) if at is not None}
        cuts = sorted(at for at in told if whole.start < at < whole.end)
        parts: list[Span] = []
        start = whole.start
        for cut in [*cuts, whole.end]:
            changes = cut == whole.end or self.quota(whole, versions, type, start) is not self.quota(
                whole, versions, type, cut
            )
            if changes:
                parts.append(Span(start, cut, whole.plan, whole.period))
                start = cut
        return parts

    def quota(self, span: Span, versions: list[Version], type: str, at: datetime) -> Version | None:
        """The version in force: its own first; the one that began last, of equals the later one."""
        for own in (self.id, None):
            best: tuple[datetime, int] | None = None
            holds: Version | None = None
            for version in versions:
                if version.type != type or version.own != own or (own is None and version.plan != span.plan.id):
                    continue
                begins = self.begins(version)
                if begins is None or begins > at or (version.ended is not None and version.ended <= begins):
                    continue
                if best is None or (begins, version.number) > best:
                    best, holds = (begins, version.number), version
            if holds is not None and (holds.ended is None or at < holds.ended):
                return holds
        return None

    def begins(self, version: Version) -> datetime | None:
        """From when a version holds for this subscription, walking its periods and its plans."""
        if isinstance(version.how, datetime):
            return version.how
        if version.how == "start" or (version.first and version.own is None and self.number > version.number):
            return self.started
        if version.own is not None or version.how == "now":
            return version.asked
        plans = [plan for plan in self.plans.values() if plan.id == version.plan]
        if not plans:
            return None
        edges = self.boundaries(plans[0], version.asked)
        if version.how == "period":
            return None if self.ended is not None and self.ended <= version.asked else edges[-2]
        arrivals: list[datetime] = []
        before: Plan | None = None
        for at, plan, _ in self.changes:
            if plan is not None and plan.id == version.plan and plan != before and at >= version.asked:
                arrivals.append(at)
            before = plan
        return min([next(edge for edge in edges if edge >= version.asked), *arrivals])

    def fee(self, span: Span) -> Fraction:
        """What of the fee of its plan falls to ``span``; undivided, the first span of the plan in the period has it."""
        whole = span.plan.fee or Fraction(0)
        if span.plan.proration == "none":
            earlier = [s for s in self.spans(span.start) if s.start < span.start]
            again = any(s.plan == span.plan and s.period == span.period for s in earlier)
            return Fraction(0) if again else half_up(whole, 2)
        first, last = self._share(span.start, span, span.plan), self._share(span.end, span, span.plan)
        if not span.plan.edges and span.end == self.ended:
            last = Fraction(1)
        return half_up(whole * last, 2) - half_up(whole * first, 2)

    def _share(self, at: datetime, span: Span, by: Plan) -> Fraction:
        """How much of the subscribed part of the period of ``span`` is over at an instant, as ``by`` divides."""
        start, end = span.period
        if not by.edges:
            start = max(start, self.started)
        if by.proration == "days":
            zone = ZoneInfo(self.zone)
            day, first, last = (instant.astimezone(zone).date() for instant in (at, start, end))
            if last > first:
                return Fraction(1) if at == end else Fraction((day - first).days, (last - first).days)
        return Fraction((at - start) // timedelta(microseconds=1), (end - start) // timedelta(microseconds=1))

    def dues(self, versions: list[Version], types: list[str], until: datetime) -> dict[Key, Fraction]:
        """What is due, zeros left out."""
        found = {
            (self.id, "fee", span.start): self.fee(span) for span in self.spans(until) if span.plan.fee is not None
        }
        for type in types:
            # All that is agreed counts for how a period is divided, also what is yet to come in it.
            spans = self.spans(until + timedelta(days=800), versions, type)
            for period in {span.period for span in spans if span.start <= until}:
                segments = [span for span in spans if span.period == period]
                for span, amount in zip(segments, self._usage(segments, versions, type), strict=True):
                    if span.start <= until:
                        found[self.id, type, span.start] = amount
        return {key: amount for key, amount in found.items() if amount}

    def _usage(self, spans: list[Span], versions: list[Version], type: str) -> list[Fraction]:
        """What each span of a period is charged."""
        quotas = [self.quota(span, versions, type, span.start) for span in spans]
        limits = [None if quota is None else quota.limit for quota in quotas]
        used = [
            [e.quantity for e in self.events if e.type == type and s.start <= e.at < s.end and e.id not in self.voided]
            for s in spans
        ]
        bounds = self._bounds(spans, limits, [sum(each, Fraction(0)) for each in used])
        beyond = [beyond_of(each, bound) for each, bound in zip(used, bounds, strict=True)]
        prices = [
            None if limit is None or quota is None else quota.price for quota, limit in zip(quotas, limits, strict=True)
        ]
        return charges(prices, beyond, self._times(spans), [span.plan.proration == "none" for span in spans])

    def _budget(self, spans: list[Span], limits: list[Fraction | None], until: datetime) -> Fraction | None:
        """The allowance of the period if the last of these spans went on until then, every earlier one as it was."""
        now, limit = spans[-1], limits[-1]
        if limit is None:
            return None
        if now.plan.proration == "none":
            return limit
        terms: list[list[int]] = []
        for index, span in enumerate(spans):
            if not terms or spans[terms[-1][-1]].plan != span.plan:
                terms.append([])
            terms[-1].append(index)
        total = Fraction(0)
        for term in terms:
            counted = [index for index in term if limits[index] is not None]
            for index in counted:
                end = until if index == len(spans) - 1 else spans[index].end
                length = self._share(end, now, now.plan) - self._share(spans[index].start, now, now.plan)
                total += (limits[counted[-1]] or Fraction(0)) * length
        return half_up(total, 12)

    def _bounds(
        self, spans: list[Span], limits: list[Fraction | None], totals: list[Fraction]
    ) -> list[Fraction | None]:
        """Up to where each span's usage is free."""
        bounds: list[Fraction | None] = []
        free: list[Fraction] = []
        for k, span in enumerate(spans):
            budget = self._budget(spans[: k + 1], limits[: k + 1], span.period[1])
            left = None if budget is None else max(Fraction(0), budget - sum(free))
            bounds.append(left)
            free.append(Fraction(0) if left is None else min(totals[k], left))
            follows = spans[k + 1] if k + 1 < len(spans) else None
            goes_on = follows is not None and follows.start == span.end
            stays = (goes_on and follows is not None and follows.plan == span.plan) or span.end == span.period[1]
            if stays or not span.plan.charges or budget is None:
                continue
            if goes_on:
                covered = self._budget(spans[: k + 2], limits[: k + 2], span.period[1])
            else:
                covered = self._budget(spans[: k + 1], limits[: k + 1], span.end)
            excess = Fraction(0) if covered is None else max(Fraction(0), sum(free, Fraction(0)) - covered)
            for j in reversed(range(k + 1)):
                if spans[j].plan.charges and limits[j] is not None and (taken := min(excess, free[j])):
                    free[j] -= taken
                    excess -= taken
                    bounds[j] = free[j]
        return bounds

    def _times(self, spans: list[Span]) -> list[tuple[Fraction, Fraction]]:
        """Of the time that is not paused, where each span begins and ends, as its own plan counts time."""
        found: list[tuple[Fraction, Fraction]] = []
        for index, span in enumerate(spans):
            plan = span.plan
            lengths = self._lengths(spans, plan)
            if not sum(lengths):
                lengths = self._lengths(spans, Plan(plan.id, edges=plan.edges))
            whole = sum(lengths, Fraction(0))
            found.append((sum(lengths[:index], Fraction(0)) / whole, sum(lengths[: index + 1], Fraction(0)) / whole))
        return found

    def _lengths(self, spans: list[Span], by: Plan) -> list[Fraction]:
        ends = [span.end for span in spans]
        if ends[-1] == self.ended:
            ends[-1] = spans[-1].period[1]
        return [self._share(end, s, by) - self._share(s.start, s, by) for s, end in zip(spans, ends, strict=True)]


def beyond_of(each: list[Fraction], bound: Fraction | None) -> list[Fraction]:
    """What of each recording lies beyond, of those of which a part does."""
    total, found = Fraction(0), list[Fraction]()
    for quantity in each:
        total += quantity
        if bound is not None and total > bound:
            found.append(min(quantity, total - bound))
    return found
