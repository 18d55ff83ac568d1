"""What a change of terms does to one subscription: from when it holds, and which recordings it takes back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.db.locks import lock_shards
from usage_billing.flows.folding.fold_meters import fold_subscriptions
from usage_billing.flows.recording.void_later import stop_counting
from usage_billing.metering.recording import shard_of
from usage_billing.subscriptions.openings import lock_to_bill

_METERED = text("""
    SELECT EXISTS (
        SELECT
        FROM usage_summaries AS s
        JOIN usage_types AS t ON t.of = s.usage_type_id
        WHERE s.id = ANY(CAST(:ids AS bigint[]))
    )
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """From when a change holds for one subscription, and what it brings with it.

    What ends after ``since`` is charged anew. The recordings ``gone``, by summary id, which occurred before ``until``,
    count no more. ``last`` is the period that the change makes the subscription's last.
    """

    at: datetime
    since: datetime
    gone: Mapping[int, frozenset[UUID]] = field(default_factory=dict)
    until: datetime | None = None
    last: Period | None = None


@contextmanager
def without(session: Session, turns: Mapping[str, Turn], *, now: datetime) -> Iterator[Mapping[int, frozenset[UUID]]]:
    """The books as they are without what these changes take back; yields the recordings that are still to be left out.

    What a meter has counted cannot be left out in memory. There the recordings are taken back, and counted so, in a
    savepoint that is rolled back when the block ends: until the transaction does, the subscriptions are locked, and
    nothing is recorded in their shards. ``session`` must be one that writes then.
    """
    gone = {id: usage for turn in turns.values() for id, usage in turn.gone.items()}
    if not gone or not session.scalar(_METERED, {"ids": list(gone)}):
        yield gone
        return
    names = sorted(name for name, turn in turns.items() if turn.gone)
    lock_shards(session, sorted({shard_of(name) for name in names}))
    with session.begin_nested() as savepoint:
        lock_to_bill(session, names)
        for name in names:
            turn = turns[name]
            stop_counting(session, name, since=turn.at, until=turn.until, actor="", now=now)
        fold_subscriptions(session, names, as_of=now)
        try:
            yield {}
        finally:
            savepoint.rollback()
