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

from tests.money.prices import cost, half_up

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


@dataclass(frozen=True)
class Version:
    """A quota as it was defined: of everybody on the plan, or one subscription's ``own``."""

    plan: str
    type: str
    own: str | None
    since: datetime | None
    immediate: bool
    limit: Fraction | None
    price: dict[str, Any]


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
    joined: datetime


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
            joined = begins
            for earlier in reversed(self.changes[:index]):
                if earlier[1] != plan:
                    break
                joined = earlier[0]
            for start, end in pairwise(edges):
                first, last = max(start, begins), end if ends is None else min(end, ends)
                if first < last and first <= until:
                    whole = Span(first, last, plan, (start, end), max(start, joined))
                    found += [whole] if versions is None else self._cut(whole, versions, type)
        return [span for span in found if span.start <= until]

    def _cut(self, whole: Span, versions: list[Version], type: str) -> list[Span]:
        cuts = sorted({v.since for v in versions if v.immediate and v.since and whole.start < v.since < whole.end})
        parts: list[Span] = []
        start = whole.start
        for cut in [*cuts, whole.end]:
            changes = cut == whole.end or self.quota(whole, versions, type, start) is not self.quota(
                whole, versions, type, cut
            )
            if changes:
                parts.append(Span(start, cut, whole.plan, whole.period, whole.joined))
                start = cut
        return parts

    def quota(self, span: Span, versions: list[Version], type: str, at: datetime) -> Version | None:
        """The version in force: its own first; at once where it says so, or else when the period begins."""
        for own in (self.id, None):
            for version in reversed(versions):
                if (version.plan, version.type, version.own) == (span.plan.id, type, own):
                    deadline = at if version.immediate else span.joined
                    if version.since is None or version.since <= deadline:
                        return version
        return None

    def part(self, whole: Fraction, span: Span, digits: int) -> Fraction:
        """What of an allowance or a fee falls to ``span``."""
        if span.plan.proration == "none":
            return half_up(whole, digits)
        first, last = self._share(span.start, span), self._share(span.end, span)
        if not span.plan.edges:
            first = Fraction(0) if span.start == self.started else first
            last = Fraction(1) if span.end == self.ended else last
        return half_up(whole * last, digits) - half_up(whole * first, digits)

    def _share(self, at: datetime, span: Span) -> Fraction:
        start, end = span.period
        if span.plan.proration == "days":
            zone = ZoneInfo(self.zone)
            day, first, last = (instant.astimezone(zone).date() for instant in (at, start, end))
            if at in (start, end) or last == first:
                return Fraction(at == end)
            return Fraction((day - first).days, (last - first).days)
        return Fraction((at - start) // timedelta(microseconds=1), (end - start) // timedelta(microseconds=1))

    def dues(self, versions: list[Version], types: list[str], until: datetime) -> dict[Key, Fraction]:
        """What is due, zeros left out."""
        found = {
            (self.id, "fee", span.start): self.part(span.plan.fee, span, 2)
            for span in self.spans(until)
            if span.plan.fee is not None
        }
        for type in types:
            for span in self.spans(until, versions, type):
                found[self.id, type, span.start] = self._usage(span, versions, type)
        return {key: amount for key, amount in found.items() if amount}

    def _usage(self, span: Span, versions: list[Version], type: str) -> Fraction:
        quota = self.quota(span, versions, type, span.start)
        if quota is None or quota.limit is None:
            return Fraction(0)
        allowance = self.part(quota.limit, span, 12)
        total, recordings = Fraction(0), 0
        for event in self.events:
            if event.type == type and span.start <= event.at < span.end and event.id not in self.voided:
                total += event.quantity
                recordings += total > allowance
        return cost(quota.price, max(Fraction(0), total - allowance), recordings)
