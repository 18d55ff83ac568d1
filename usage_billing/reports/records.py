"""The recordings of a subscription, newest first, a page at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, select, tuple_
from sqlalchemy.orm import Session

from usage_billing.metering.models import Usage

Position = tuple[datetime, UUID]
"""Where a page ended: when its last recording occurred, and its id."""


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded use; ``metadata`` is JSON text, so that no number in it passes through a float."""

    id: UUID
    usage_type: str
    quantity: Decimal
    beyond_limit: Decimal
    occurred_at: datetime
    received_at: datetime
    recorded_at: datetime
    idempotency_key: str
    source: str
    metadata: str

    @property
    def within_limit(self) -> Decimal:
        """The part of the quantity that the allowance covers."""
        return self.quantity - self.beyond_limit


@dataclass(frozen=True, slots=True)
class Records:
    """A page; ``last`` is where it ended when there are more."""

    rows: list[Record]
    last: Position | None


def records_of(
    session: Session,
    subscription_id: str,
    *,
    limit: int,
    after: Position | None = None,
    usage_type: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Records:
    """Up to ``limit`` recordings that occurred from ``start`` to ``end`` (exclusive), after the page ``after``.

    Walks an index from where the last page ended: the thousandth page costs what the first did.
    """
    statement = select(
        Usage.id,
        Usage.usage_type_id,
        Usage.quantity,
        Usage.beyond_limit,
        Usage.occurred_at,
        Usage.received_at,
        Usage.recorded_at,
        Usage.idempotency_key,
        Usage.source,
        cast(Usage.usage_metadata, Text),
    ).where(Usage.subscription_id == subscription_id)
    if usage_type is not None:
        statement = statement.where(Usage.usage_type_id == usage_type)
    if start is not None:
        statement = statement.where(Usage.occurred_at >= start)
    if end is not None:
        statement = statement.where(Usage.occurred_at < end)
    if after is not None:
        statement = statement.where(tuple_(Usage.occurred_at, Usage.id) < after)
    # All three columns of the index, or the planner may sort.
    order = (Usage.subscription_id.desc(), Usage.occurred_at.desc(), Usage.id.desc())
    found: Iterable[Any] = session.execute(statement.order_by(*order).limit(limit + 1))
    rows = [Record(*row) for row in found]
    if len(rows) <= limit:
        return Records(rows, None)
    last = rows[limit - 1]
    return Records(rows[:limit], (last.occurred_at, last.id))
