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
from typing import Protocol

from usage_billing.core.decimals import EXACT
from usage_billing.core.periods import Period
from usage_billing.metering.earned import Budget, Stretch, budgets_over

_NOTHING = Decimal(0)


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


def _budgets(cut: CutPeriod) -> Sequence[Budget]:
    stretches = (Stretch(p.start, p.end, p.plan_id, p.limit, p.method, p.prorates_edges) for p in cut.parts)
    return budgets_over(tuple(stretches), cut.period, cut.begun, cut.zone)


def _covered_after(index: int, cut: CutPeriod, budgets: Sequence[Budget]) -> Decimal | None:
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
