"""What is owed where no grant pays: up to an overdraft, repaid first by the grants that begin after it. Pure.

Time is walked once. A window owes what the grants that hold then leave of it, as far as the overdraft has room. A grant
that begins pays what is owed by then before anything of its own time. When a subscription ends, what is owed of its
usage is charged. What a grant repaid and is posted counts as owed until that grant began, so that posting it changes
nothing. A grant that reaches back to a window repays nothing of it: it pays after all others, and frees no room.

Source: docs/prepaid.md, "Below zero".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from usage_billing.core.decimals import EXACT
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Draws, Need, NeedKey

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdraft:
    """Of windows that begin from ``since`` on ``most`` may be owed at one time. ``id`` names it among grants.

    Grants that begin after ``now`` have not repaid anything yet, and a subscription that ends later runs. At ``until``
    (None: never) all that is owed is charged, and nothing is owed from then on.
    """

    id: UUID
    since: datetime
    most: Decimal
    now: datetime
    until: datetime | None = None


class _Books(Protocol):
    """What is free of each grant and wanted of each need, while draws are found."""

    draws: Draws
    wanted: dict[NeedKey, Decimal]
    free: dict[UUID, Decimal]

    def take(self, need: NeedKey, grant_id: UUID, most: Decimal | None = None) -> None:
        """Let a grant pay of a need what it can, at most so much."""

    def carry_over(self, until: datetime) -> None:
        """Give the grants that carry over and begin by ``until`` what is left for them."""


class Debts:
    """What is owed of each need as time passes; ``room`` is what more of the overdraft may be owed."""

    def __init__(self, overdraft: Overdraft, books: _Books, grants: Sequence[Drawable], needs: Sequence[Need]) -> None:
        self._overdraft, self._books = overdraft, books
        self._room = overdraft.most
        self._owed: dict[NeedKey, Decimal] = {}
        self._needs: dict[NeedKey, Need] = {}
        # What grants repaid that have not begun yet as time is walked: by grant.
        self._repaid: dict[UUID, dict[NeedKey, Decimal]] = {}
        self._later, self._back = _paid_later(books.draws, {grant.id: grant for grant in grants})
        ends = {need.ends_at for need in needs if need.ends_at is not None and need.ends_at <= overdraft.now}
        if overdraft.until is not None and overdraft.until <= overdraft.now:
            ends.add(overdraft.until)
        begun = [grant for grant in grants if grant.effective_at <= overdraft.now]
        # A subscription that ends when a grant begins is over by then.
        self._events: list[tuple[datetime, int, Drawable | None]] = [(at, -1, None) for at in ends]
        self._events += [(grant.effective_at, place, grant) for place, grant in enumerate(begun)]
        self._events.sort(key=lambda one: one[:2])

    def pass_to(self, instant: datetime) -> None:
        """Let all happen that comes by then: grants begin, subscriptions end."""
        while self._events and self._events[0][0] <= instant:
            at, _, grant = self._events.pop(0)
            self._books.carry_over(at)
            if grant is None:
                self._end(at)
            else:
                self._begin(grant)

    def incur(self, need: Need) -> None:
        """Let be owed of a need whose turn is over what there is room for."""
        start = need.key.window_start
        ends = (need.ends_at, self._overdraft.until)
        if start < self._overdraft.since or any(end is not None and end <= start for end in ends):
            return
        self._needs[need.key] = need
        for id, quantity in self._later.get(need.key, {}).items():
            repaid = self._put(quantity)
            if repaid:
                self._repaid.setdefault(id, {})[need.key] = repaid
        owed = self._put(EXACT.add(self._books.wanted[need.key], self._back.get(need.key, _NOTHING)))
        if owed:
            self._owed[need.key] = owed

    def write(self) -> None:
        """Draw what is owed in the end, and nothing pays for that reaches back, on the overdraft."""
        for need, owed in self._owed.items():
            quantity = min(owed, self._books.wanted[need])
            if quantity > 0:
                self._books.draws[DrawKey(need, self._overdraft.id)] = quantity

    def _put(self, quantity: Decimal) -> Decimal:
        """How much of it there is room for, which is taken."""
        put = min(quantity, self._room)
        self._room = EXACT.subtract(self._room, put)
        return put

    def _release(self, quantity: Decimal) -> None:
        self._room = EXACT.add(self._room, quantity)

    def _begin(self, grant: Drawable) -> None:
        for need, quantity in self._repaid.pop(grant.id, {}).items():
            # Less of it stands where what the grant carries over became less.
            stands = min(quantity, self._books.draws.get(DrawKey(need, grant.id), _NOTHING))
            self._release(stands)
            if stands < quantity:
                self._owed[need] = EXACT.add(self._owed.get(need, _NOTHING), EXACT.subtract(quantity, stands))
        if grant.id not in self._books.free:
            return
        for need, owed in sorted(self._owed.items(), key=lambda one: self._needs[one[0]].order):
            if self._books.free[grant.id] <= 0:
                return
            if grant.repays(self._needs[need]):
                before = self._books.wanted[need]
                self._books.take(need, grant.id, owed)
                paid = EXACT.subtract(before, self._books.wanted[need])
                self._release(paid)
                self._owed[need] = EXACT.subtract(owed, paid)
                if not self._owed[need]:
                    del self._owed[need]

    def _end(self, at: datetime) -> None:
        for need, one in self._needs.items():
            if at in (one.ends_at, self._overdraft.until):
                self._release(self._owed.pop(need, _NOTHING))
                for repaid in self._repaid.values():
                    self._release(repaid.pop(need, _NOTHING))


def _paid_later(
    draws: Draws, grants: Mapping[UUID, Drawable]
) -> tuple[dict[NeedKey, dict[UUID, Decimal]], dict[NeedKey, Decimal]]:
    """What grants that begin after a need repaid of it, by grant, and what those paid that reach back to it."""
    repaid: dict[NeedKey, dict[UUID, Decimal]] = {}
    back: dict[NeedKey, Decimal] = {}
    for key, quantity in draws.items():
        grant, start = grants[key.grant_id], key.need.window_start
        if grant.effective_at > start and grant.reaches_back_to(start):
            back[key.need] = EXACT.add(back.get(key.need, _NOTHING), quantity)
        elif grant.effective_at > start:
            repaid.setdefault(key.need, {})[key.grant_id] = quantity
    return repaid, back
