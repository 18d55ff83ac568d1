"""What is owed as time passes, found once more and not by the checked code: pieces on a slate. Pure.

The source is docs/prepaid.md, "Below zero".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, Protocol
from uuid import UUID

from usage_billing.reports.verify.drawn_words import NOTHING, REACHES_BACK, Payer, Place, Wants


class Owing(NamedTuple):
    """A wallet may owe ``most`` units at a time of windows from ``since`` on, until it is ``closed``.

    ``line`` stands for a grant in draws.
    """

    line: UUID
    since: datetime
    most: Fraction
    now: datetime
    closed: datetime | None = None


class Hands(Protocol):
    """What windows still want, grants still have, and each pays for."""

    left: dict[Place, Fraction]
    has: dict[UUID, Fraction]
    paid: dict[tuple[Place, UUID], Fraction]

    def take(self, place: Place, payer: UUID, most: Fraction) -> None:
        """Let a grant pay for a window what it wants still, at most ``most``."""


@dataclass(slots=True)
class _Piece:
    """Units that are owed of a window; ``by`` is the grant that repaid them, which begins later."""

    wants: Wants
    units: Fraction
    by: UUID | None


class Slate:
    """The pieces that are owed at a time; without ``owing`` it stays empty."""

    def __init__(self, owing: Owing | None, hands: Hands, payers: Sequence[Payer], wants: Sequence[Wants]) -> None:
        self.owing, self.hands, self.pieces = owing, hands, list[_Piece]()
        self.moments: list[tuple[datetime, int, Payer | None]] = []
        self.payers = {payer.id: payer for payer in payers}
        if owing is not None:
            ends = {at for at in (owing.closed, *(one.ends for one in wants)) if at is not None}
            self.moments = [(at, 0, None) for at in sorted(ends)]
            in_turn = enumerate(sorted(payers, key=lambda payer: payer.turn))
            self.moments += [(payer.since, 1 + place, payer) for place, payer in in_turn]
            self.moments = sorted((one for one in self.moments if one[0] <= owing.now), key=lambda one: one[:2])

    def until(self, at: datetime, *, before: bool = False) -> None:
        """Let pass what comes by then; what comes just then not, where only what is ``before``."""
        while self.moments and (self.moments[0][0] < at or (self.moments[0][0] == at and not before)):
            moment, _, payer = self.moments.pop(0)
            if payer is None:
                closed = self.owing is not None and moment == self.owing.closed
                self.pieces = [one for one in self.pieces if one.wants.ends != moment and not closed]
            else:
                self._repay(payer)

    def write_on(self, wants: Wants) -> None:
        """Owe of a window what is left of it, and what a grant paid of it that begins later.

        What a grant paid that reaches back is owed like what is left: it pays once all of time is over.
        """
        start = wants.place.start
        if self.owing is None or start < self.owing.since or (wants.ends is not None and wants.ends <= start):
            return
        if self.owing.closed is not None and self.owing.closed <= start:
            return
        rest = self.hands.left[wants.place]
        later: list[tuple[Fraction, UUID | None]] = []
        for (place, id), units in self.hands.paid.items():
            if place != wants.place or self.payers[id].since <= start:
                continue
            if self.payers[id].round_for(wants) == REACHES_BACK:
                rest += units
            else:
                later.append((units, id))
        for units, by in (*later, (rest, None)):
            room = self.owing.most - sum((one.units for one in self.pieces), NOTHING)
            if min(units, room) > 0:
                self.pieces.append(_Piece(wants, min(units, room), by))

    def draw(self) -> None:
        """Let what is owed in the end, and wanted still, be paid for by the line."""
        for one in self.pieces:
            units = min(one.units, self.hands.left[one.wants.place]) if one.by is None else NOTHING
            if units > 0 and self.owing is not None:
                key = one.wants.place, self.owing.line
                self.hands.paid[key] = self.hands.paid.get(key, NOTHING) + units
                self.hands.left[one.wants.place] -= units

    def _repay(self, payer: Payer) -> None:
        for one in self.pieces:
            if one.by == payer.id:
                one.by = None
                one.units -= min(one.units, self.hands.paid.get((one.wants.place, payer.id), NOTHING))
        for one in sorted(self.pieces, key=lambda piece: piece.wants.turn):
            place = one.wants.place
            if not payer.active or one.by is not None or not payer.is_for(one.wants):
                continue
            if payer.since > place.start and payer.round_for(one.wants) != REACHES_BACK:
                before = self.hands.left[place]
                self.hands.take(place, payer.id, min(one.units, self.hands.has[payer.id]))
                one.units -= before - self.hands.left[place]
        self.pieces = [one for one in self.pieces if one.units > 0]
