"""Which grant of a wallet pays for what: a pure function of needs, grants and what is posted. Pure.

Draws follow from usage, grants and what is closed, never from when a reader looked. What is posted stays while the
need is that large; where it is not, it goes back, the grant first that comes last in the burn order. The other needs
take, in the order of their windows, from the grants that hold then, and what is left of them from grants that reach
back.

Source: docs/prepaid.md, "Which grant pays".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.prepaid.rollover import Rollover

_NOTHING = Decimal(0)
_NEVER = datetime.max.replace(tzinfo=UTC)


class Cause(NamedTuple):
    """What wants to be paid for: a summary, or else a base fee; the other is 0."""

    summary_id: int
    fee_id: int


class NeedKey(NamedTuple):
    """A summary, and where the window of it begins that wants to be paid for; or a fee, then ``summary_id`` is 0."""

    summary_id: int
    window_start: datetime
    fee_id: int = 0

    @property
    def cause(self) -> Cause:
        """What it is of."""
        return Cause(self.summary_id, self.fee_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What lies beyond the allowance in a window of a summary, in units; in money what it or a fee has to charge."""

    key: NeedKey
    subscription_id: str
    usage_type_id: str
    quantity: Decimal

    @property
    def order(self) -> tuple[datetime, str, str, int]:
        """Needs take in this order."""
        return self.key.window_start, self.subscription_id, self.usage_type_id, self.key.summary_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawable:
    """A grant as needs see it: ``amount`` units, for ``usage_types`` and ``subscriptions`` (None: for all).

    It pays for windows that begin from ``effective_at`` to before ``expires_at`` (None: never); after all others it
    pays for those from ``covers_since`` on. From ``reset_at`` on it pays for nothing, which leaves the burn order as it
    is, and so what it pays for before. One that is not ``is_open`` keeps what is posted and pays for nothing else.
    ``unit_cost`` is what one unit of it cost.
    """

    id: UUID
    amount: Decimal
    priority: int
    effective_at: datetime
    expires_at: datetime | None = None
    covers_since: datetime | None = None
    reset_at: datetime | None = None
    usage_types: frozenset[str] | None = None
    subscriptions: frozenset[str] | None = None
    unit_cost: Fraction = Fraction(0)
    is_open: bool = True

    @property
    def burn_order(self) -> tuple[int, int, datetime, Fraction, datetime, UUID]:
        """Priority, narrower scope, earlier expiry (never last), lower cost of a unit, earlier start, id."""
        narrow = (self.usage_types is not None) + (self.subscriptions is not None)
        expiry = self.expires_at or _NEVER
        return self.priority, -narrow, expiry, self.unit_cost, self.effective_at, self.id

    def fits(self, need: Need) -> bool:
        """Whether it is for usage of that kind, whenever it was."""
        return (self.usage_types is None or need.usage_type_id in self.usage_types) and (
            self.subscriptions is None or need.subscription_id in self.subscriptions
        )

    def holds_at(self, instant: datetime) -> bool:
        """Whether it pays for a window that begins then."""
        return self.effective_at <= instant and self._before_end(instant)

    def reaches_back_to(self, instant: datetime) -> bool:
        """Whether it pays for a window that begins then, once all needs have taken from what holds."""
        return self.covers_since is not None and self.covers_since <= instant and self._before_end(instant)

    def _before_end(self, instant: datetime) -> bool:
        return all(end is None or instant < end for end in (self.expires_at, self.reset_at))


class DrawKey(NamedTuple):
    """A need and the grant that pays for a part of it."""

    need: NeedKey
    grant_id: UUID


Draws = dict[DrawKey, Decimal]
"""How many units each grant pays of each need, above 0."""


class Allocated(NamedTuple):
    """Every draw, and how much each grant has that carries over, by its id."""

    draws: Draws
    carried: dict[UUID, Decimal]


def allocate(needs: Iterable[Need], grants: Iterable[Drawable], posted: Mapping[DrawKey, Decimal]) -> Draws:
    """Every draw, posted or not, where nothing is carried over; as ``allocate_all``."""
    return allocate_all(needs, grants, posted, ()).draws


def allocate_all(
    needs: Iterable[Need],
    grants: Iterable[Drawable],
    posted: Mapping[DrawKey, Decimal],
    rollovers: Iterable[Rollover],
) -> Allocated:
    """Every draw, posted or not. What of ``posted`` is missing in it goes back; what is more in it is provisional.

    ``grants`` has every grant of ``posted``. The grants of ``rollovers`` have, whatever their ``amount``, what their
    sources have left when they begin: needs of before come first, and so does late usage.
    """
    ordered = sorted(grants, key=lambda grant: grant.burn_order)
    in_turn = sorted(needs, key=lambda need: need.order)
    draws = _kept({need.key: need.quantity for need in in_turn}, ordered, posted)
    books = _Books(draws, ordered, in_turn, sorted(rollovers, key=lambda one: (one.begins, one.grant_id)))
    for may_pay in (Drawable.holds_at, Drawable.reaches_back_to):
        for need in in_turn:
            books.carry_over(need.key.window_start)
            for grant in ordered:
                if not books.wanted[need.key]:
                    break
                if books.free.get(grant.id, _NOTHING) <= 0 or not grant.fits(need):
                    continue
                if may_pay(grant, need.key.window_start):
                    books.take(need.key, grant.id)
        books.carry_over(_NEVER)
    return Allocated(draws, books.carried)


class _Books:
    """What is free of each open grant, and wanted of each need, while draws are found."""

    def __init__(
        self, draws: Draws, grants: Sequence[Drawable], needs: Sequence[Need], rollovers: Sequence[Rollover]
    ) -> None:
        self.draws, self.carried = draws, dict[UUID, Decimal]()
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

    def take(self, need: NeedKey, grant_id: UUID) -> None:
        """Let a grant pay of a need what it can."""
        quantity = min(self.free[grant_id], self.wanted[need])
        self._move(DrawKey(need, grant_id), quantity)

    def carry_over(self, until: datetime) -> None:
        """Give the grants that carry over and begin by ``until`` what is left for them.

        Where more of one is posted than that, the latest of it goes back. One that is closed itself pays no more.
        """
        while self._waiting and self._waiting[0].begins <= until:
            one = self._waiting.pop(0)
            left = _NOTHING if one.source_id is None else self.free.get(one.source_id, _NOTHING)
            amount = one.of(max(left, _NOTHING))
            self.carried[one.grant_id] = amount
            if one.settled is None and one.source_id is not None:
                self.free[one.source_id] = EXACT.subtract(self.free.get(one.source_id, _NOTHING), amount)
            if one.grant_id not in self.free:
                continue
            self.free[one.grant_id] = EXACT.add(self.free[one.grant_id], amount)
            drawn = [key for key in self.draws if key.grant_id == one.grant_id]
            for key in sorted(drawn, key=lambda key: self._order[key.need], reverse=True):
                back = min(self.draws[key], -self.free[one.grant_id])
                if back > 0:
                    self._move(key, -back)

    def _move(self, key: DrawKey, quantity: Decimal) -> None:
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


def windows_of(start: datetime, end: datetime, cuts: Iterable[datetime]) -> list[datetime]:
    """Where each window of a summary from ``start`` to ``end`` begins, given all the cuts of its wallet."""
    return [start, *sorted({cut for cut in cuts if start < cut < end})]


def covered_of(draws: Mapping[DrawKey, Decimal]) -> dict[int, Decimal]:
    """How many units of each summary are paid for, by summary id."""
    found: dict[int, list[Decimal]] = {}
    for key, quantity in draws.items():
        found.setdefault(key.need.summary_id, []).append(quantity)
    return {id: sum_of(parts) for id, parts in found.items()}
