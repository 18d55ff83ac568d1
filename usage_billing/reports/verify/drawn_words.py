"""What usage wants and grants have to give, as the second finding of draws sees them. Pure.

The source is docs/prepaid.md, "Which grant pays".
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

NOTHING = Fraction(0)
NEVER = datetime.max.replace(tzinfo=UTC)
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
    ends: datetime | None = None  # when its subscription does, and what is owed of it is charged

    @property
    def turn(self) -> tuple[datetime, str, str, int]:
        """When its turn is among the windows of a wallet."""
        return self.place.start, self.subscription_id, self.usage_type_id, self.place.summary_id


class Carry(NamedTuple):
    """What a grant has from others: what they have left when it begins, in their order, at most ``most``; None: all.

    Of what others gave that are closed it has ``fixed``. Without a source it has what was left of an allowance.
    """

    sources: Sequence[UUID]
    most: Fraction | None
    fixed: Fraction = NOTHING


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
    made_at: datetime | None = None

    @classmethod
    def of(cls, grant: Any, units: Fraction, carries: Carry | None = None) -> "Payer":
        """A row of ``wallet_grants``, which had ``units`` to give."""
        carried = grant.category == "rollover"
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
            # The cost of what was carried over moves with it, and orders nothing.
            price_of_one=Fraction(grant.cost) / Fraction(grant.amount) if grant.cost and not carried else NOTHING,
            closes_at=grant.closes_at,
            active=grant.status == "active",
            carries=carries,
            made_at=grant.activated_at,
        )

    @property
    def turn(self) -> tuple[int, int, datetime, Fraction, datetime, UUID]:
        """When its turn is among those that may pay for the same."""
        scopes = [scope for scope in (self.types, self.subscriptions) if scope is not None]
        return self.priority, -len(scopes), self.until or NEVER, self.price_of_one, self.since, self.id

    def was_there(self, moment: datetime | None) -> bool:
        """Whether it had been made by then; without a moment, by now."""
        return moment is None or self.made_at is None or self.made_at <= moment

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
