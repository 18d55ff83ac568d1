"""Which grant pays for what, found once more and not by the checked code: in fractions, one sorted list of turns. Pure.

The source is docs/prepaid.md, "Which grant pays".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from usage_billing.reports.verify.drawn_words import HOLDS, NEVER, NOTHING, Carry, Payer, Place, Wants
from usage_billing.reports.verify.slate import Owing, Slate

_AFTER_ALL = 101  # no grant's priority is higher than 100

Paid = dict[tuple[Place, UUID], Fraction]
"""What each grant pays for of each window, above 0."""


class Closing(NamedTuple):
    """A moment at which grants close, what was wanted of what had arrived by then, and left of allowances."""

    moment: datetime
    wants: Sequence[Wants]
    unused: Mapping[UUID, Fraction] = MappingProxyType({})


class _Hands:
    """What windows still want and grants still have, while it is found who pays for what."""

    def __init__(self, wants: Sequence[Wants], payers: Sequence[Payer]) -> None:
        self.left = {one.place: one.units for one in wants}
        self.has = {payer.id: payer.units for payer in payers}
        self.turns = {one.place: one.turn for one in wants}
        self.paid: Paid = {}
        self.carried: dict[UUID, Fraction] = {}

    def take(self, place: Place, payer: UUID, most: Fraction) -> None:
        """Let a grant pay for a window what it wants still, at most ``most``."""
        units = min(most, self.left.get(place, NOTHING))
        if units > 0:
            self._put(place, payer, units)

    def carry(self, payer: Payer, carry: Carry, settled: Fraction | None) -> None:
        """Hand over what is left; what was paid for with more than that goes back, from the last window on."""
        units = carry.fixed if settled is None else settled
        for source in carry.sources if settled is None else ():
            part = max(self.has[source], NOTHING)
            part = part if carry.most is None else min(part, max(carry.most - units, NOTHING))
            self.has[source] -= part
            units += part
        self.carried[payer.id] = units
        self.has[payer.id] += units
        for place in sorted((key[0] for key in self.paid if key[1] == payer.id), key=self.turns.__getitem__)[::-1]:
            self._put(place, payer.id, -max(min(self.paid[place, payer.id], -self.has[payer.id]), NOTHING))

    def _put(self, place: Place, payer: UUID, units: Fraction) -> None:
        self.left[place] -= units
        self.has[payer] -= units
        self.paid[place, payer] = self.paid.get((place, payer), NOTHING) + units
        if not self.paid[place, payer]:
            del self.paid[place, payer]


def _turns(
    wants: Iterable[Wants],
    payers: Sequence[Payer],
    posted: Mapping[tuple[Place, UUID], Fraction],
    settled: Mapping[UUID, Fraction],
    owing: Owing | None = None,
) -> _Hands:
    """Each turn after the other, where so much is posted; ``settled`` is what is carried over for good."""
    wants = list(wants)
    hands = _Hands(wants, payers)
    order = {payer.id: payer.turn for payer in payers}
    by_grants = [one for one in posted.items() if one[0][1] in order]
    for (place, id), units in sorted(by_grants, key=lambda one: order[one[0][1]]):
        hands.take(place, id, units)
    slate = Slate(owing, hands, payers, wants)
    turns: list[tuple[Any, Wants | None, Payer | None]] = [
        ((payer.round_for(one), one.turn, payer.turn), one, payer)
        for payer in payers
        if payer.active
        for one in wants
        if payer.round_for(one) is not None
    ]
    # What is carried over comes before windows that begin with the grant or later, and before those reached back to.
    turns += [((HOLDS, (one.since, "", "", 0), one.turn), None, one) for one in payers if one.carries is not None]
    # A window owes what is left of it once all that hold had their turn.
    turns += [((HOLDS, one.turn, (_AFTER_ALL,)), one, None) for one in wants if owing is not None]
    for (which, (at, *_), _), window, payer in sorted(turns, key=lambda one: one[0]):
        # All of a time that is over is on the slate before a window of that time, or one that is reached back to, pays.
        carries = window is None
        slate.until(at if which == HOLDS else NEVER, before=carries)
        if window is not None and payer is None:
            slate.write_on(window)
        elif window is not None and payer is not None:
            hands.take(window.place, payer.id, hands.has[payer.id])
        elif payer is not None and payer.carries is not None:
            hands.carry(payer, payer.carries, settled.get(payer.id))
    slate.until(NEVER)
    slate.draw()
    return hands


def paid_in_time(
    closings: Iterable[Closing],
    wants: Sequence[Wants],
    payers: Sequence[Payer],
    posted: Mapping[tuple[Place, UUID], Fraction],
    unused: Mapping[UUID, Fraction] = MappingProxyType({}),
    owing: Owing | None = None,
) -> Paid:
    """What every grant pays for where so much is posted, and so much was left of allowances (``unused``).

    A grant that closes at a moment keeps what it paid for then, pays for nothing that arrived later, and what is
    carried over from it, or to it from an allowance, stays. What is owed is there too.
    """
    kept, settled = dict(posted), dict[UUID, Fraction]()
    for moment, then, left in closings:
        closing = {payer.id for payer in payers if payer.active and payer.closes_at == moment}
        owed_then = None if owing is None else owing._replace(now=min(owing.now, moment))
        there = [payer if payer.was_there(moment) else _closed(payer) for payer in payers]
        found = _turns(then, there, kept, {**left, **settled}, owed_then)
        anew = {id for one in payers if one.carries and one.id not in settled for id in one.carries.sources}
        for id, has in found.carried.items():
            if sum((units for key, units in kept.items() if key[1] == id), NOTHING) > has:
                anew.add(id)
        kept = {key: units for key, units in kept.items() if key[1] not in anew & closing}
        for key, units in found.paid.items():
            if key[1] in closing:
                kept[key] = max(units, kept.get(key, NOTHING))
        over = [
            payer
            for payer in payers
            if payer.carries is not None
            and closing & {*(payer.carries.sources or (payer.id,))}
            and payer.id not in settled
        ]
        settled |= {payer.id: found.carried[payer.id] for payer in over}
        payers = [_closed(payer) if payer.id in closing else payer for payer in payers]
    return _turns(wants, payers, kept, {**unused, **settled}, owing).paid


def _closed(payer: Payer) -> Payer:
    fields = {name: getattr(payer, name) for name in Payer.__slots__}
    return Payer(**fields | {"active": False})
