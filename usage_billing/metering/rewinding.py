"""A running total as it stood earlier, or as it would be without some recordings, from the recordings themselves.

Its cost is that of the summary's recordings.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.metering.digest import hash_of, to_bytes
from usage_billing.metering.split import beyond, beyond_of_next
from usage_billing.metering.unrated import UnratedSummary

_FETCH = 5_000
_STOOD = text("""
    SELECT u.id, u.quantity
    FROM usage AS u
    LEFT JOIN usage_voids AS v ON v.usage_id = u.id AND v.ordinal <= :voids
    WHERE u.summary_id = :summary
        AND u.ordinal <= :events
        AND v.usage_id IS NULL
    ORDER BY u.ordinal
""")
_NOTHING = Decimal(0)


class _Recorded(NamedTuple):
    id: UUID
    quantity: Decimal


def as_it_stood(
    session: Session,
    summary: UnratedSummary,
    *,
    events: int,
    voids: int,
    allowance: Decimal | None,
    without: Collection[UUID] = (),
) -> UnratedSummary:
    """``summary`` when ``events`` were recorded and ``voids`` taken back, divided at ``allowance``.

    The recordings ``without`` are left out.
    """
    total, beyond_events, digest = _NOTHING, 0, 0
    for row in _recorded(session, summary.id, events=events, voids=voids):
        if row.id in without:
            continue
        total = EXACT.add(total, row.quantity)
        beyond_events += allowance is not None and total > allowance and row.quantity > 0
        digest += hash_of(row.id, row.quantity)
    return replace(
        summary,
        total=total,
        allowance=allowance,
        beyond_limit=beyond(total, allowance),
        events=events,
        beyond_events=beyond_events,
        voids=voids,
        events_hash=to_bytes(digest),
    )


def parts_beyond_of(session: Session, stood: UnratedSummary, *, without: Collection[UUID] = ()) -> list[Decimal]:
    """How much of each recording lies beyond, of a summary that ``as_it_stood`` gave, in the order recorded."""
    total, parts = _NOTHING, list[Decimal]()
    for row in _recorded(session, stood.id, events=stood.events, voids=stood.voids):
        if row.id not in without:
            if part := beyond_of_next(total, row.quantity, stood.allowance):
                parts.append(part)
            total = EXACT.add(total, row.quantity)
    return parts


def _recorded(session: Session, summary_id: int, *, events: int, voids: int) -> Iterator[_Recorded]:
    asked = {"summary": summary_id, "events": events, "voids": voids}
    for row in session.execute(_STOOD, asked, execution_options={"yield_per": _FETCH}):
        yield _Recorded(row.id, row.quantity)
