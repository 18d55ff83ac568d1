"""Which grant pays for what, found once more and not by the checked code: in fractions, one sorted list of turns. Pure.

The source is docs/prepaid.md, "Which grant pays".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

NOTHING = Fraction(0)
_NEVER = datetime.max.replace(tzinfo=UTC)
HOLDS, REACHES_BACK = 0, 1


class Place(NamedTuple):
    """A window of a summary."""

    summary_id: int
    start: datetime


@dataclass(frozen=True, slots=True)
class Wants:
    """What a window wants, in units."""

    place: Place
    subscription_id: str
    usage_type_id: str
    units: Fraction

    @property
    def turn(self) -> tuple[datetime, str, str, int]:
        """When its turn is among the windows of a wallet."""
        return self.place.start, self.subscription_id, self.usage_type_id, self.place.summary_id


@dataclass(frozen=True, slots=True)
class Payer:
    """A grant: ``units`` are those that usage had or may have."""

    id: UUID
    units: Fraction
    priority: int
    since: datetime
    until: datetime | None
    reset_at: datetime | None
    back_to: datetime | None
    types: Collection[str] | None
    subscriptions: Collection[str] | None
    price_of_one: Fraction
    closes_at: datetime | None
    active: bool

    @property
    def turn(self) -> tuple[int, int, datetime, Fraction, datetime, UUID]:
        """When its turn is among those that may pay for the same."""
        scopes = [scope for scope in (self.types, self.subscriptions) if scope is not None]
        return self.priority, -len(scopes), self.until or _NEVER, self.price_of_one, self.since, self.id

    @property
    def end(self) -> datetime | None:
        """From when on it pays for nothing: its expiry, or a reset before that."""
        return min((end for end in (self.until, self.reset_at) if end is not None), default=None)

    def is_for(self, wants: Wants) -> bool:
        """Whether it is for that usage, whenever it was."""
        named = self.types is None or wants.usage_type_id in self.types
        return named and (self.subscriptions is None or wants.subscription_id in self.subscriptions)

    def round_for(self, wants: Wants) -> int | None:
        """In which of the two rounds it may pay for a window: ``HOLDS``, ``REACHES_BACK``; None: in neither."""
        start = wants.place.start
        if not self.is_for(wants) or (self.end is not None and start >= self.end):
            return None
        if start >= self.since:
            return HOLDS
        return REACHES_BACK if self.back_to is not None and start >= self.back_to else None


Paid = dict[tuple[Place, UUID], Fraction]
"""What each grant pays for of each window, above 0."""


def paid_by(wants: Iterable[Wants], payers: Sequence[Payer], posted: Mapping[tuple[Place, UUID], Fraction]) -> Paid:
    """What every grant pays for where so much is posted."""
    wants = list(wants)
    left = {one.place: one.units for one in wants}
    has = {payer.id: payer.units for payer in payers}
    paid: Paid = {}

    def take(place: Place, payer: UUID, most: Fraction) -> None:
        units = min(most, left.get(place, NOTHING))
        if units > 0:
            left[place] -= units
            has[payer] -= units
            paid[place, payer] = paid.get((place, payer), NOTHING) + units

    order = {payer.id: payer.turn for payer in payers}
    for (place, id), units in sorted(posted.items(), key=lambda one: order[one[0][1]]):
        take(place, id, units)
    turns = [
        ((payer.round_for(one), one.turn, payer.turn), one.place, payer.id)
        for payer in payers
        if payer.active
        for one in wants
        if payer.round_for(one) is not None
    ]
    for _, place, id in sorted(turns):
        take(place, id, has[id])
    return paid


def paid_in_time(
    closings: Iterable[tuple[datetime, Sequence[Wants]]],
    wants: Sequence[Wants],
    payers: Sequence[Payer],
    posted: Mapping[tuple[Place, UUID], Fraction],
) -> Paid:
    """As ``paid_by``; each closing is a moment at which grants close, and what was wanted of what had arrived by then.

    A grant that closes then keeps what it paid for then, and pays for nothing that arrived later.
    """
    kept = dict(posted)
    for moment, then in closings:
        closing = {payer.id for payer in payers if payer.active and payer.closes_at == moment}
        for key, units in paid_by(then, payers, kept).items():
            if key[1] in closing:
                kept[key] = max(units, kept.get(key, NOTHING))
        payers = [_closed(payer) if payer.id in closing else payer for payer in payers]
    return paid_by(wants, payers, kept)


def _closed(payer: Payer) -> Payer:
    fields = {name: getattr(payer, name) for name in Payer.__slots__}
    return Payer(**fields | {"active": False})
