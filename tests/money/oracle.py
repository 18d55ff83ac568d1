"""What is due, worked out by brute force from the product's description: every event, every agreement, in fractions.

Nothing here calls the code that bills. It is slow on purpose: it walks the calendar from the anchor, lists every
instant at which anything changes, and looks at every event for each span in between.
"""

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.money.prices import half_up
from tests.money.together import charges

Key = tuple[str, str, datetime]
"""(subscription, usage type or "fee", beginning of the span)"""

MONTHS = {"month": 1, "quarter": 3, "year": 12}
FEE = "fee"
"""What a version of a base fee is a version of, in the place of a usage type."""
EVER = datetime(1, 1, 1, tzinfo=UTC)
"""From when on holds what holds from each subscription's start."""


@dataclass(frozen=True)
class Plan:
    """A plan as it was defined; its base fee is its first version of ``FEE``."""

    id: str
    interval: str = "month"
    count: int = 1
    proration: str = "time"
    edges: bool = False
    charges: bool = False


@dataclass(frozen=True)
class Version:
    """A quota as it was defined: of everybody on the plan, or one subscription's ``own``.

    Of a base fee, ``price`` is its ``baseFee`` and ``baseFeeTiming``. ``ends`` says what ends one of its own, and when.
    """

    plan: str
    type: str
    own: str | None
    asked: datetime
    how: str | datetime
    limit: Fraction | None
    price: dict[str, Any]
    first: bool = False
    number: int = 0
    ends: dict[Any, datetime] = field(default_factory=dict)

    @property
    def ended(self) -> datetime | None:
        """From when on it holds no more."""
        return min(self.ends.values(), default=None)

    @property
    def terms(self) -> tuple[Any, ...]:
        """What it says of a base fee."""
        return self.price["baseFee"], self.price["baseFeeTiming"]


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
    day: int = 1
    divided: set[datetime] = field(default_factory=set)
    known: dict[Any, Any] | None = None
    """What was worked out already, while nothing changes."""

    @property
    def changes(self) -> list[tuple[datetime, Plan | None, bool]]:
        """What it is on from when on: plan, pause and end taken together, where that changes anything."""
        return self._once("changes", self._changes)

    def _once(self, what: Any, work: Callable[[], Any]) -> Any:
        if self.known is None:
            return work()
        if what not in self.known:
            self.known[what] = work()
        return self.known[what]

    def _changes(self) -> list[tuple[datetime, Plan | None, bool]]:
        found: list[tuple[datetime, Plan | None, bool]] = []
        for at in sorted({*self.plans, *self.pauses, *([self.ended] if self.ended else [])}):
            if self.ended is not None and at >= self.ended:
                return [*found, (self.ended, None, False)]
            plan = self.plans[max(begun for begun in self.plans if begun <= at)]
            paused = self.pauses[max(told)] if (told := [begun for begun in self.pauses if begun <= at]) else False
            if not found or found[-1][1:] != (plan, paused) or at in self.divided:
                found.append((at, plan, paused))
        return found

    def keep_divided(self, before: list[tuple[datetime, Plan | None, bool]], now: datetime) -> None:
        """Where something changed by ``now`` its usage stays divided, though the same holds on both sides by now."""
        self.divided |= {at for at, *_ in before if at <= now} - {at for at, *_ in self.changes}

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
        if self.anniversary:
            anchor = self.started.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        elif plan.interval in MONTHS:
            anchor = datetime(2000, 1, self.day)
        else:
            anchor = datetime(2001, 1, 1)
        found = calendar(self.zone, anchor, plan.interval, plan.count)
        walk(
            found,
            until,
            zone=self.zone,
            anchor=anchor,
            interval=plan.interval,
            count=plan.count,
            first=-99 if self.anniversary else 0,
        )
        return found[max(0, bisect_right(found, min(self.started, until)) - 2) : bisect_right(found, until) + 1]

    def spans(
        self,
        until: datetime,
        versions: list[Version] | None = None,
        type: str = "",
        *,
        opened: datetime | None = None,
    ) -> list[Span]:
        """Every span that begins by ``until``, for a usage type or the base fee with its ``versions``.

        With ``opened`` only those of periods that begin by then.
        """
        found: list[Span] = []
        for index, (begins, plan, paused) in enumerate(self.changes):
            if plan is None or paused or begins > until:
                continue
            ends = self.changes[index + 1][0] if index + 1 < len(self.changes) else None
            edges = self.boundaries(plan, max(until, begins))
            for start, end in pairwise(edges):
                first, last = max(start, begins), end if ends is None else min(end, ends)
                if first < last and first <= until and (opened is None or start <= opened):
                    whole = Span(first, last, plan, (start, end))
                    found += [whole] if versions is None else self._cut(whole, versions, type)
        return [span for span in found if span.start <= until]

    def _cut(self, whole: Span, versions: list[Version], type: str) -> list[Span]:
        told = {at for v in versions if v.type == type for at in (self.begins(v), v.ended) if at is not None}
        cuts = sorted(at for at in told if whole.start < at < whole.end)
        if type == FEE and whole.plan.proration == "none":
            cuts = []
        parts: list[Span] = []
        start = whole.start
        for cut in [*cuts, whole.end]:
            was, then = (self.quota(whole, versions, type, at) for at in (start, cut))
            once = any(v.own == self.id and v.type == type and self._never_held(v, cut) for v in versions)
            if type == FEE and was is not None and then is not None:
                changes = was.terms != then.terms
            else:
                changes = was is not then or once
            if changes or cut == whole.end:
                parts.append(Span(start, cut, whole.plan, whole.period))
                start = cut
        return parts

    def _never_held(self, version: Version, at: datetime) -> bool:
        """Whether a version began at an instant, and was ended later as of then or earlier."""
        return self.begins(version) == at and version.ended is not None and version.ended <= at

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
        begun: datetime | None = self._once(id(version), lambda: self._begins(version))
        return begun

    def _begins(self, version: Version) -> datetime | None:
        if isinstance(version.how, datetime):
            return version.how
        if version.how == "start" or (version.first and version.own is None and self.number > version.number):
            return EVER
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

    def own_instant(self, how: str, now: datetime) -> datetime:
        """From when a version of its own holds that is asked for at ``now``."""
        if how == "start" or now < self.started:
            return self.started
        plan = self.plans[max(at for at in self.plans if at <= now)]
        if self.ended is not None and self.ended <= now:
            plan = self.plans[max(at for at in self.plans if at < self.ended)]
        *_, start, end = self.boundaries(plan, now)
        return max(start, self.started) if how == "period" or start == now else end

    def fee(self, span: Span, versions: list[Version]) -> Fraction:
        """What of the base fee falls to ``span``; undivided, the first span of the plan in the period has it."""
        version = self.quota(span, versions, FEE, span.start)
        whole = Fraction(0) if version is None else Fraction(version.price["baseFee"] or 0)
        if span.plan.proration == "none":
            beside = self._once(span.period, lambda: [s for s in self.spans(span.period[1]) if s.period == span.period])
            again = any(s.plan == span.plan and s.start < span.start for s in beside)
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
        self.known = {}
        try:
            return self._dues(versions, types, until)
        finally:
            self.known = None

    def _dues(self, versions: list[Version], types: list[str], until: datetime) -> dict[Key, Fraction]:
        found = {(self.id, FEE, span.start): self.fee(span, versions) for span in self.spans(until, versions, FEE)}
        horizon = max((span.period[1] for span in self.spans(until)), default=until)
        for type in types:
            # All that is agreed counts for how a period is divided, also what is yet to come in it.
            spans = self.spans(horizon, versions, type, opened=until)
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
        return charges(prices, beyond, self._times(spans), [(s.plan.proration, s.plan.edges) for s in spans])

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

    def _times(self, spans: list[Span]) -> list[list[tuple[Fraction, Fraction]]]:
        """Of the time that is not paused, where each span begins and ends, as the plan of each counts time."""
        found: list[list[tuple[Fraction, Fraction]]] = []
        for span in spans:
            lengths = self._lengths(spans, span.plan)
            if not sum(lengths):
                lengths = self._lengths(spans, Plan(span.plan.id, edges=span.plan.edges))
            whole = sum(lengths, Fraction(0))
            ends = [sum(lengths[: index + 1], Fraction(0)) / whole for index in range(len(spans))]
            found.append(list(pairwise([Fraction(0), *ends])))
        return found

    def _lengths(self, spans: list[Span], by: Plan) -> list[Fraction]:
        ends = [span.end for span in spans]
        if ends[-1] == self.ended:
            ends[-1] = spans[-1].period[1]
        return [self._share(end, s, by) - self._share(s.start, s, by) for s, end in zip(spans, ends, strict=True)]


@lru_cache(maxsize=256)
def calendar(zone: str, anchor: datetime, interval: str, count: int) -> list[datetime]:
    """The beginnings of periods that were walked to so far, one list for each calendar."""
    return []


def walk(
    found: list[datetime], until: datetime, *, zone: str, anchor: datetime, interval: str, count: int, first: int
) -> None:
    """Walk on from period to period until after ``until``; the ``first`` is so many from the anchor."""
    while not found or found[-1] <= until:
        number = len(found) + first
        if interval in MONTHS:
            months = anchor.month - 1 + number * count * MONTHS[interval]
            year, month = anchor.year + months // 12, months % 12 + 1
            local = anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
        else:
            local = anchor + timedelta(days=number * count * (7 if interval == "week" else 1))
        found.append(local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))


def beyond_of(each: list[Fraction], bound: Fraction | None) -> list[Fraction]:
    """What of each recording lies beyond, of those of which a part does."""
    total, found = Fraction(0), list[Fraction]()
    for quantity in each:
        total += quantity
        if bound is not None and total > bound:
            found.append(min(quantity, total - bound))
    return found
