"""Every draw on the grants of a wallet: what is posted and stays, then what each need takes in its turn. Pure.

Source: docs/prepaid.md, "Which grant pays", "Below zero".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Draws, Need, NeedKey
from usage_billing.prepaid.owing import Debts, Overdraft
from usage_billing.prepaid.rollover import Rollover

_NOTHING = Decimal(0)
_NEVER = datetime.max.replace(tzinfo=UTC)
Parts = dict[tuple[UUID | None, UUID], Decimal]


class Allocated(NamedTuple):
    """Every draw, how much each grant has that carries over, and what of it is from which: by source and grant."""

    draws: Draws
    carried: dict[UUID, Decimal]
    parts: Parts


def allocate(needs: Iterable[Need], grants: Iterable[Drawable], posted: Mapping[DrawKey, Decimal]) -> Draws:
    """Every draw, posted or not, where nothing is carried over; as ``allocate_all``."""
    return allocate_all(needs, grants, posted, ()).draws


def allocate_all(
    needs: Iterable[Need],
    grants: Iterable[Drawable],
    posted: Mapping[DrawKey, Decimal],
    rollovers: Iterable[Rollover],
    overdraft: Overdraft | None = None,
) -> Allocated:
    """Every draw, posted or not. What of ``posted`` is missing in it goes back; what is more in it is provisional.

    ``grants`` has every grant of ``posted``. The grants of ``rollovers`` have, whatever their ``amount``, what their
    sources have left when they begin: needs of before come first, and so does late usage. Of what no grant pays for
    as much is owed as the ``overdraft`` lets in: it has draws of its own, which follow the books even where posted.
    """
    ordered = sorted(grants, key=lambda grant: grant.burn_order)
    in_turn = sorted(needs, key=lambda need: need.order)
    draws = _kept({need.key: need.quantity for need in in_turn}, ordered, posted)
    books = _Books(draws, ordered, in_turn, sorted(rollovers, key=_in_turn))
    debts = None if overdraft is None else Debts(overdraft, books, ordered, in_turn)
    for may_pay in (Drawable.holds_at, Drawable.reaches_back_to):
        owes = debts if may_pay == Drawable.holds_at else None
        for need in in_turn:
            if owes is not None:
                owes.pass_to(need.key.window_start)
            books.carry_over(need.key.window_start)
            for grant in ordered:
                if not books.wanted[need.key]:
                    break
                if books.free.get(grant.id, _NOTHING) <= 0 or not grant.fits(need):
                    continue
                if may_pay(grant, need.key.window_start):
                    books.take(need.key, grant.id)
            if owes is not None:
                owes.incur(need)
        if owes is not None:
            owes.pass_to(_NEVER)
        books.carry_over(_NEVER)
    if debts is not None:
        debts.write()
    return Allocated(draws, books.carried, books.parts)


def _in_turn(one: Rollover) -> tuple[datetime, UUID, bool]:
    """When it is carried over; of one grant what is settled comes first, as it takes of what all may give."""
    return one.begins, one.grant_id, one.settled is None


class _Books:
    """What is free of each open grant, and wanted of each need, while draws are found."""

    def __init__(
        self, draws: Draws, grants: Sequence[Drawable], needs: Sequence[Need], rollovers: Sequence[Rollover]
    ) -> None:
        self.draws, self.carried = draws, dict[UUID, Decimal]()
        self.parts: Parts = {}
        self._waiting = list(rollovers)
        self._order = {need.key: need.order for need in needs} if rollovers else {}
        self.wanted = {need.key: need.quantity for need in needs}
        taken = dict.fromkeys((grant.id for grant in grants), _NOTHING)
        for key, quantity in draws.items():
            taken[key.grant_id] = EXACT.add(taken[key.grant_id], quantity)
            self.wanted[key.need] = EXACT.subtract(self.wanted[key.need], quantity)
        later = {one.grant_id for one in rollovers}
        self.free = {
            grant.id: EXACT.subtract(_NOTHING if grant.id in later else grant.amount, taken[grant.id])
            for grant in grants
            if grant.is_open
        }

    def take(self, need: NeedKey, grant_id: UUID, most: Decimal | None = None) -> None:
        """Let a grant pay of a need what it can, at most so much."""
        quantity = min(self.free[grant_id], self.wanted[need])
        quantity = quantity if most is None else min(quantity, most)
        if quantity > 0:
            self._move(DrawKey(need, grant_id), quantity)

    def carry_over(self, until: datetime) -> None:
        """Give the grants that carry over and begin by ``until`` what is left for them.

        Where more of one is posted than that, the latest of it goes back, also where its time to close came too.
        """
        while self._waiting and self._waiting[0].begins <= until:
            one = self._waiting.pop(0)
            left = _NOTHING if one.source_id is None else self.free.get(one.source_id, _NOTHING)
            given = self.carried.get(one.grant_id, _NOTHING)
            amount = one.of(max(left, _NOTHING), given)
            self.carried[one.grant_id] = EXACT.add(given, amount)
            self.parts[one.source_id, one.grant_id] = amount
            if one.settled is None and one.source_id is not None:
                self.free[one.source_id] = EXACT.subtract(self.free.get(one.source_id, _NOTHING), amount)
            if one.grant_id in self.free:
                self.free[one.grant_id] = EXACT.add(self.free[one.grant_id], amount)
            if not self._waiting or self._waiting[0].grant_id != one.grant_id:
                self._give_back(one.grant_id)

    def _give_back(self, grant_id: UUID) -> None:
        drawn = [key for key in self.draws if key.grant_id == grant_id]
        too_much = EXACT.subtract(sum_of(self.draws[key] for key in drawn), self.carried[grant_id])
        for key in sorted(drawn, key=lambda key: self._order[key.need], reverse=True):
            back = min(self.draws[key], too_much)
            if back > 0:
                self._move(key, -back)
                too_much = EXACT.subtract(too_much, back)

    def _move(self, key: DrawKey, quantity: Decimal) -> None:
        if key.grant_id in self.free:
            self.free[key.grant_id] = EXACT.subtract(self.free[key.grant_id], quantity)
        self.wanted[key.need] = EXACT.subtract(self.wanted[key.need], quantity)
        drawn = EXACT.add(self.draws.get(key, _NOTHING), quantity)
        if drawn:
            self.draws[key] = drawn
        else:
            del self.draws[key]


def _kept(
    quantities: Mapping[NeedKey, Decimal], ordered: Sequence[Drawable], posted: Mapping[DrawKey, Decimal]
) -> Draws:
    """What of ``posted`` stays: of each need as much as it still wants, first in the burn order first."""
    kept: Draws = {}
    left = dict(quantities)
    by_grant: dict[UUID, list[DrawKey]] = {}
    for key in sorted(posted):
        by_grant.setdefault(key.grant_id, []).append(key)
    for grant in ordered:
        for key in by_grant.get(grant.id, ()):
            stays = min(posted[key], left.get(key.need, _NOTHING))
            if stays > 0:
                kept[key] = stays
                left[key.need] = EXACT.subtract(left[key.need], stays)
    return kept
