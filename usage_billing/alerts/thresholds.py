"""Which lines a value has crossed, which it has come back from, and where the next one is. Pure.

A line is told once in a cycle, however the value came there: in one step or in many. So what is told follows from the
largest value alone, and from how often a line was armed again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from usage_billing.alerts.states import FiringState
from usage_billing.core.decimals import EXACT

_HUNDRED = Decimal(100)
_MARGIN = Decimal("1.1")
_LEAST = Decimal("1e-12")
"""The smallest quantity that there is: a line there is one that any usage reaches."""


@dataclass(frozen=True, slots=True)
class Past:
    """The last time that a line was told in its cycle: under which id, in which round, and what became of it."""

    id: UUID
    round: int
    state: str


@dataclass(slots=True)
class Judgement:
    """What is to be told now: lines with their rounds, ascending, and firings that are resolved.

    ``waits`` are the lines that a greater value would reach, ascending.
    """

    fires: list[tuple[Decimal, int]] = field(default_factory=list)
    resolves: list[UUID] = field(default_factory=list)
    waits: list[Decimal] = field(default_factory=list)


def judge(
    thresholds: Sequence[Decimal],
    *,
    reached: Callable[[Decimal], bool],
    past: Mapping[Decimal, Past],
    rearms: bool,
    is_back: Callable[[Decimal], bool] = lambda _: True,
) -> Judgement:
    """Judge ascending ``thresholds`` by ``reached``, given the ``past`` of each that was told in this cycle.

    With ``rearms`` a line that was resolved in its period can be told again. Of lines that are not reached, those are
    resolved that ``is_back`` says so of.
    """
    found = Judgement()
    for line in thresholds:
        before = past.get(line)
        state = None if before is None else before.state
        if reached(line):
            if before is None:
                found.fires.append((line, 0))
            elif rearms and state == FiringState.BACK:
                found.fires.append((line, before.round + 1))
            continue
        if before is not None and state == FiringState.OPEN and is_back(line):
            found.resolves.append(before.id)
        if before is None or rearms:
            found.waits.append(line)
    return found


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of a rule that tells each multiple: all from ``begins`` to ``ends``, told as one."""

    begins: Decimal
    ends: Decimal


def multiples(every: Decimal, value: Decimal, *, told: Decimal) -> tuple[Run | None, Decimal]:
    """The multiples of ``every`` that ``value`` has reached and that were not told, and the next after them.

    ``told`` is the last line that was told in this cycle, a multiple or one of earlier lines of the rule; 0: none.
    """
    top = EXACT.multiply(EXACT.divide_int(value, every), every)
    following = EXACT.multiply(EXACT.add(EXACT.divide_int(told, every), 1), every)
    if top < following:
        return None, following
    return Run(following, top), EXACT.add(top, every)


def percent_reached(value: Decimal, whole: Decimal | None, percent: Decimal) -> bool:
    """Whether ``value`` is ``percent`` of ``whole`` or more. Of nothing any use is that, of no bound none ever is."""
    if whole is None or value <= 0:
        return False
    return EXACT.multiply(value, _HUNDRED) >= EXACT.multiply(whole, percent)


def percent_of(whole: Decimal, percent: Decimal) -> Decimal:
    """The least quantity above 0 that is ``percent`` of ``whole``, or an amount."""
    return max(EXACT.multiply(EXACT.multiply(whole, percent), Decimal("0.01")), _LEAST)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is available in a wallet, and of how much that was ``granted``; None where lines are no percentage."""

    available: Decimal
    granted: Decimal | None

    def is_down_to(self, line: Decimal) -> bool:
        """Whether it is ``line`` or less. Of nothing granted each percentage is."""
        return self._compared(line) <= 0

    def is_back_above(self, line: Decimal, *, rearm_above: Decimal | None) -> bool:
        """Whether it is more than ``line``, and not less than the margin: 10 percent over the line unless said."""
        margin = EXACT.multiply(line, _MARGIN) if rearm_above is None else rearm_above
        return self._compared(line) > 0 and self._compared(margin) >= 0

    def _compared(self, line: Decimal) -> Decimal:
        if self.granted is None:
            return EXACT.subtract(self.available, line)
        return EXACT.subtract(EXACT.multiply(self.available, _HUNDRED), EXACT.multiply(self.granted, line))


ANY_USAGE = _LEAST
"""The line of what is looked at with every batch."""

NEVER = Decimal(10) ** 28
"""The line of what is under a rule and has none left: no total reaches it."""


def least_quantity(charge: Callable[[Decimal], Decimal], amount: Decimal) -> Decimal | None:
    """The least quantity for which ``charge``, which never falls, is ``amount`` or more; None where it never is.

    Quantities have 12 places. ``charge`` is asked some 130 times.
    """
    low, high = 0, int(NEVER.scaleb(12)) - 1  # in the smallest quantity
    if charge(Decimal(high).scaleb(-12)) < amount:
        return None
    while low < high:
        middle = (low + high) // 2
        if charge(Decimal(middle).scaleb(-12)) >= amount:
            high = middle
        else:
            low = middle + 1
    return Decimal(low).scaleb(-12)
