"""The one allowance of a billing period, over the segments that changes cut it into. Pure.

A segment's *budget* is the allowance of the whole period as it would be if the segment's terms held to the period's
end. What earlier segments used within their budgets is taken from it; what they used beyond stays theirs. So no
change makes earlier usage dearer, and one that changes nothing leaves every figure as it is.

Source: docs/billing.md, "The allowance of a period that is cut".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple, Protocol

from usage_billing.core.choices import NOT_AT_ALL
from usage_billing.core.decimals import EXACT, PLACES
from usage_billing.core.periods import Period
from usage_billing.core.proration import rounded, share_until

_NOTHING = Decimal(0)
_ZERO = Fraction(0)


class Piece(Protocol):
    """One segment of a billing period, for one usage type. ``limit`` None: nothing in it is ever charged."""

    @property
    def start(self) -> datetime:
        """Where it begins, aware."""
        ...

    @property
    def end(self) -> datetime:
        """Where the next begins, or a pause, or where the period or the subscription ends."""
        ...

    @property
    def plan_id(self) -> str:
        """The plan in force; neighbours on one plan, a pause between them or not, are one term."""
        ...

    @property
    def limit(self) -> Decimal | None:
        """The plan's allowance for a whole period; None where there is no quota or it never charges."""
        ...

    @property
    def method(self) -> str:
        """How its plan divides: ``time``, ``days`` or ``none``."""
        ...

    @property
    def prorates_edges(self) -> bool:
        """Whether the time before the subscription's start counts as a part of the period."""
        ...

    @property
    def claws_back(self) -> bool:
        """Whether leaving its plan charges what was free and is no longer covered (``onDowngrade: charge``)."""
        ...


class CutPeriod(Protocol):
    """A billing period of one usage type, with all its segments."""

    @property
    def parts(self) -> Sequence[Piece]:
        """The segments, in order."""
        ...

    @property
    def period(self) -> Period:
        """From its start to its end, in UTC."""
        ...

    @property
    def begun(self) -> datetime:
        """When the subscription started."""
        ...

    @property
    def zone(self) -> str:
        """The time zone in which its days begin."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How the total of a segment lies within and beyond the period's allowance.

    ``before`` is what earlier segments used of the budget. The recordings of the segment are within, in the order
    recorded, up to ``allowance``: what is left of the budget, less what leaving a plan took back. Budget and
    allowance are None where nothing is ever charged.
    """

    budget: Decimal | None
    before: Decimal
    within: Decimal
    beyond: Decimal
    allowance: Decimal | None

    @property
    def remaining(self) -> Decimal | None:
        """What is left of the budget after this segment; None where nothing is ever charged."""
        if self.budget is None:
            return None
        return max(_NOTHING, EXACT.subtract(self.budget, EXACT.add(self.before, self.within)))


def divide(cut: CutPeriod, totals: Sequence[Decimal]) -> list[Division]:
    """Divide the totals of all segments of a period, in order, at its one allowance."""
    budgets = _budgets(cut)
    used = _NOTHING
    found: list[Division] = []
    for index, (budget, total) in enumerate(zip(budgets, totals, strict=True)):
        if budget.held is None:
            found.append(Division(budget=None, before=used, within=total, beyond=_NOTHING, allowance=None))
        else:
            left = max(_NOTHING, EXACT.subtract(budget.held, used))
            within = min(total, left)
            found.append(
                Division(
                    budget=budget.held,
                    before=used,
                    within=within,
                    beyond=EXACT.subtract(total, within),
                    allowance=left,
                )
            )
            used = EXACT.add(used, within)
        covered = _covered_after(index, cut, budgets)
        if covered is not None and used > covered:
            used = EXACT.subtract(used, _take_back(found, cut.parts, EXACT.subtract(used, covered)))
    return found


def budgets_of(cut: CutPeriod) -> list[Decimal | None]:
    """The budget of each segment of a period; None where nothing is ever charged."""
    return [budget.held for budget in _budgets(cut)]


def is_left(index: int, cut: CutPeriod) -> bool:
    """Whether the plan of a segment is left where it ends: for another plan, a pause or an end."""
    piece = cut.parts[index]
    if index + 1 == len(cut.parts):
        return piece.end < cut.period.end
    following = cut.parts[index + 1]
    return following.plan_id != piece.plan_id or following.start > piece.end


class _Terms(NamedTuple):
    """What the budget of a segment depends on."""

    start: datetime
    end: datetime
    plan_id: str
    limit: Decimal | None
    method: str
    prorates_edges: bool


@dataclass(frozen=True, slots=True)
class _Budget:
    """``held``: if the terms held to the period's end. ``until``: what the time up to the segment's end earned."""

    held: Decimal | None
    until: Decimal | None


@dataclass(slots=True)
class _Course:
    """What the terms so far have earned, all of it divided in one way."""

    method: str
    zone: str
    subscribed: Period
    closed: Fraction = _ZERO
    limit: Fraction = _ZERO
    share: Fraction = _ZERO

    def close(self) -> None:
        """Another plan's term begins: the one before earned its last limit for its share."""
        self.closed += self.limit * self.share
        self.limit = self.share = _ZERO

    def at(self, instant: datetime) -> Fraction:
        """The running share of the subscribed part of the period."""
        return share_until(instant, self.subscribed, method=self.method, zone=self.zone)

    def budget(self, piece: _Terms, limit: Decimal) -> _Budget:
        """That of a segment; its limit replaces what the term had before."""
        if self.method == NOT_AT_ALL:
            return _Budget(limit, limit)
        whole = Fraction(limit)
        begins = self.at(piece.start)
        held = self.closed + whole * (self.share + 1 - begins)
        until = self.closed + whole * (self.share + self.at(piece.end) - begins)
        return _Budget(rounded(held, PLACES), rounded(until, PLACES))

    def add(self, piece: _Terms, limit: Decimal) -> None:
        """The segment is over."""
        self.limit = Fraction(limit)
        if self.method != NOT_AT_ALL:
            self.share += self.at(piece.end) - self.at(piece.start)


def _budgets(cut: CutPeriod) -> Sequence[_Budget]:
    terms = (_Terms(p.start, p.end, p.plan_id, p.limit, p.method, p.prorates_edges) for p in cut.parts)
    return _reckon(tuple(terms), cut.period, cut.begun, cut.zone)


@lru_cache(maxsize=4096)  # late usage comes to the same few periods, and fractions are slow
def _reckon(terms: Sequence[_Terms], period: Period, begun: datetime, zone: str) -> Sequence[_Budget]:
    """Each by the way of division of its own plan, which then holds for the terms before it as well."""
    subscribed = {False: Period(max(period.start, begun), period.end), True: period}
    ways = {(piece.method, piece.prorates_edges) for piece in terms}
    courses = {way: _Course(way[0], zone, subscribed[way[1]]) for way in ways}
    plan_id = ""
    found: list[_Budget] = []
    for piece in terms:
        if piece.plan_id != plan_id:
            plan_id = piece.plan_id
            for course in courses.values():
                course.close()
        if piece.limit is None:
            found.append(_Budget(None, None))
            continue
        found.append(courses[piece.method, piece.prorates_edges].budget(piece, piece.limit))
        for course in courses.values():
            course.add(piece, piece.limit)
    return tuple(found)


def _covered_after(index: int, cut: CutPeriod, budgets: Sequence[_Budget]) -> Decimal | None:
    """How much stays covered where a plan is left that charges for that; None where nothing is taken back."""
    piece = cut.parts[index]
    if piece.limit is None or not piece.claws_back or not is_left(index, cut):
        return None
    following = index + 1
    if following < len(cut.parts) and cut.parts[following].start == piece.end:
        return budgets[following].held
    return budgets[index].until


def _take_back(divisions: list[Division], pieces: Sequence[Piece], amount: Decimal) -> Decimal:
    """Move up to ``amount`` from within to beyond, the last segment first; returns how much was there to move.

    Nothing comes from segments that are never charged, nor from plans that leave what was free as it is.
    """
    missing = amount
    for index in reversed(range(len(divisions))):
        division = divisions[index]
        if missing and division.allowance is not None and pieces[index].claws_back:
            taken = min(missing, division.within)
            if taken:
                kept = EXACT.subtract(division.within, taken)
                divisions[index] = Division(
                    budget=division.budget,
                    before=division.before,
                    within=kept,
                    beyond=EXACT.add(division.beyond, taken),
                    allowance=kept,
                )
                missing = EXACT.subtract(missing, taken)
    return EXACT.subtract(amount, missing)
