"""Which grant of a wallet pays for what: a pure function of needs, grants and what is posted. Pure.

Draws follow from usage, grants and what is closed, never from when a reader looked. What is posted stays while the
need is that large; where it is not, it goes back, the grant first that comes last in the burn order. The other needs
take, in the order of their windows, from the grants that hold then, and what is left of them from grants that reach
back.

Source: docs/prepaid.md, "Which grant pays".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from usage_billing.core.decimals import sum_of

USUAL_PRIORITY, MAX_PRIORITY = 50, 100
"""That of a grant unless said otherwise, and the last in the burn order."""
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
    """What lies beyond the allowance in a window of a summary, in units; in money what it or a fee has to charge.

    At ``ends_at``, when its subscription ends (None: never), what is owed of it is charged.
    """

    key: NeedKey
    subscription_id: str
    usage_type_id: str
    quantity: Decimal
    ends_at: datetime | None = None

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
    ``unit_cost`` is what one unit of it cost. Before ``made_at`` (None: always there) it paid for nothing at all.
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
    made_at: datetime | None = None

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

    def repays(self, need: Need) -> bool:
        """Whether it repays what is owed of a need that was before it. One that reaches back to it does not."""
        start = need.key.window_start
        return self.fits(need) and self.effective_at > start and not self.reaches_back_to(start)

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


def windows_of(start: datetime, end: datetime, cuts: Iterable[datetime]) -> list[datetime]:
    """Where each window of a summary from ``start`` to ``end`` begins, given all the cuts of its wallet."""
    return [start, *sorted({cut for cut in cuts if start < cut < end})]


def covered_of(draws: Mapping[DrawKey, Decimal]) -> dict[int, Decimal]:
    """How many units of each summary are paid for, by summary id."""
    found: dict[int, list[Decimal]] = {}
    for key, quantity in draws.items():
        found.setdefault(key.need.summary_id, []).append(quantity)
    return {id: sum_of(parts) for id, parts in found.items()}
