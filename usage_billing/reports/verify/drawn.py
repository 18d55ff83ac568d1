"""Which grant pays for what, found once more and not by the checked code: in fractions, one sorted list of turns. Pure.

The source is docs/prepaid.md, "Which grant pays".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple
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


class Carry(NamedTuple):
    """What a grant has from another: what that has left when this one begins, at most ``most``; None: all.

    Without a source it has what was left of an allowance.
    """

    source: UUID | None
    most: Fraction | None


@dataclass(frozen=True, slots=True)
class Payer:
    """A grant: ``units`` are those that usage had or may have, beside what it ``carries`` over from one not closed."""

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
    carries: Carry | None = None

    @classmethod
    def of(cls, grant: Any, units: Fraction, carries: Carry | None = None) -> "Payer":
        """A row of ``wallet_grants``, which had ``units`` to give."""
        return cls(
            id=grant.id,
            units=units,
            priority=grant.priority,
            since=grant.effective_at,
            until=grant.expires_at,
            reset_at=grant.reset_at,
            back_to=grant.covers_since,
            types=grant.usage_types,
            subscriptions=grant.subscription_ids,
            price_of_one=Fraction(grant.cost) / Fraction(grant.amount) if grant.cost else NOTHING,
            closes_at=grant.closes_at,
            active=grant.status == "active",
            carries=carries,
        )

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
        units = settled
        if units is None and carry.source is not None:
            units = max(self.has[carry.source], NOTHING)
            units = units if carry.most is None else min(units, carry.most)
            self.has[carry.source] -= units
        units = units or NOTHING
        self.carried[payer.id] = units
        if payer.active:
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
) -> _Hands:
    """Each turn after the other, where so much is posted; ``settled`` is what is carried over for good."""
    wants = list(wants)
    hands = _Hands(wants, payers)
    order = {payer.id: payer.turn for payer in payers}
    for (place, id), units in sorted(posted.items(), key=lambda one: order[one[0][1]]):
        hands.take(place, id, units)
    turns: list[tuple[Any, Wants | None, Payer]] = [
        ((payer.round_for(one), one.turn, payer.turn), one, payer)
        for payer in payers
        if payer.active
        for one in wants
        if payer.round_for(one) is not None
    ]
    # What is carried over comes before windows that begin with the grant or later, and before those reached back to.
    turns += [((HOLDS, (one.since, "", "", 0), one.turn), None, one) for one in payers if one.carries is not None]
    for _, window, payer in sorted(turns, key=lambda one: one[0]):
        if window is not None:
            hands.take(window.place, payer.id, hands.has[payer.id])
        elif payer.carries is not None:
            hands.carry(payer, payer.carries, settled.get(payer.id))
    return hands


def paid_in_time(
    closings: Iterable[Closing],
    wants: Sequence[Wants],
    payers: Sequence[Payer],
    posted: Mapping[tuple[Place, UUID], Fraction],
    unused: Mapping[UUID, Fraction] = MappingProxyType({}),
) -> Paid:
    """What every grant pays for where so much is posted, and so much was left of allowances (``unused``).

    A grant that closes at a moment keeps what it paid for then, pays for nothing that arrived later, and what is
    carried over from it, or to it from an allowance, stays.
    """
    kept, settled = dict(posted), dict[UUID, Fraction]()
    for moment, then, left in closings:
        closing = {payer.id for payer in payers if payer.active and payer.closes_at == moment}
        found = _turns(then, payers, kept, {**left, **settled})
        for key, units in found.paid.items():
            if key[1] in closing:
                kept[key] = max(units, kept.get(key, NOTHING))
        over = [
            payer
            for payer in payers
            if payer.carries is not None and (payer.carries.source or payer.id) in closing and payer.id not in settled
        ]
        settled |= {payer.id: found.carried[payer.id] for payer in over}
        payers = [_closed(payer) if payer.id in closing else payer for payer in payers]
    return _turns(wants, payers, kept, {**unused, **settled}).paid


def _closed(payer: Payer) -> Payer:
    fields = {name: getattr(payer, name) for name in Payer.__slots__}
    return Payer(**fields | {"active": False})
