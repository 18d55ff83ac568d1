"""Summaries that may not be stored yet: what identifies them, and how those that are missing are made."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.clock import as_text
from usage_billing.db.bulk import array_of, joined
from usage_billing.metering.budget import CutPeriod, budgets_of


class SummaryKey(NamedTuple):
    """What identifies a summary. Summaries are locked in the order of these fields."""

    subscription_id: str
    usage_type_id: str
    period_start: datetime


class NewSummary(msgspec.Struct, frozen=True, gc=False):
    """A summary that may not be stored yet: its segment, when that is invoiced, and its allowance.

    ``limit`` is its allowance unless it has a ``share``: the billing period, and which segment of it this is. ``cut``
    is that period if others are in it.
    """

    key: SummaryKey
    period_end: datetime
    bills_at: datetime
    quota_id: int | None
    limit: Decimal | None
    share: tuple[CutPeriod, int] | None = None
    cut: CutPeriod | None = None

    @property
    def allowance(self) -> Decimal | None:
        """That with which it begins: its budget, if the other segments of its period are empty."""
        if self.share is None:
            return self.limit
        period, place = self.share
        return budgets_of(period)[place]

    @property
    def neighbours(self) -> list[SummaryKey]:
        """The keys of all segments of its billing period, in order, its own included."""
        if self.cut is None:
            return [self.key]
        return [self.key._replace(period_start=piece.start) for piece in self.cut.parts]


# Each row says which of the keys it answers: comparing two times costs more in Python than the rest of its key.
ASKED = """
    FROM usage_summaries AS s
    JOIN unnest(string_to_array(:subscriptions, chr(31)), string_to_array(:types, chr(31)),
        CAST(:starts AS timestamptz[])) WITH ORDINALITY AS k (subscription_id, usage_type_id, period_start, place)
        USING (subscription_id, usage_type_id, period_start)
"""
_THERE = text(f"SELECT k.place {ASKED}")
_CREATE = text("""
    INSERT INTO usage_summaries (subscription_id, usage_type_id, period_start, period_end, bills_at, quota_id,
        allowance, total, beyond_limit, events, beyond_events, events_hash, to_rate)
    SELECT *, 0, 0, 0, 0, decode(repeat('00', 32), 'hex'), true
    FROM unnest(string_to_array(:subscriptions, chr(31)), string_to_array(:types, chr(31)),
        CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:bills AS timestamptz[]),
        CAST(:quotas AS bigint[]), CAST(:allowances AS numeric[]))
    ON CONFLICT DO NOTHING
""")

_MOST_FOUND = 100_000
_found: set[int] = set()
"""Hashes of keys whose summaries this process has found in the books, where they stay: it need not look again.

About 7 MB at most; with more it begins anew. Where two keys have one hash, or a transaction is undone, nothing but time
is lost.
"""


def create_missing(session: Session, wanted: Collection[NewSummary]) -> None:
    """Create those that are missing, in the order of their keys.

    The caller has locked no summary yet: to create one waits for another transaction that is creating it, and that may
    wait for one that is locked (the order of locks, docs/architecture.md).
    """
    unfound = [new for new in wanted if hash(new.key) not in _found]
    if not unfound:
        return
    there = stored_keys(session, [new.key for new in unfound])
    if len(_found) + len(there) > _MOST_FOUND:
        forget_found()
    _found.update(map(hash, there))
    missing = sorted((new for new in unfound if new.key not in there), key=lambda new: new.key)
    if missing:
        create_summaries(session, missing)


def forget_found() -> None:
    """Look for each summary again."""
    _found.clear()


def create_summaries(session: Session, wanted: Sequence[NewSummary]) -> None:
    """Store empty summaries; those that are there already are left as they are."""
    session.execute(
        _CREATE,
        {
            **asked([new.key for new in wanted]),
            "ends": array_of([as_text(new.period_end) for new in wanted]),
            "bills": array_of([as_text(new.bills_at) for new in wanted]),
            "quotas": array_of([new.quota_id for new in wanted]),
            "allowances": array_of([new.allowance for new in wanted]),
        },
    )


def stored_keys(session: Session, keys: Sequence[SummaryKey]) -> set[SummaryKey]:
    """Those of these keys of which there is a summary; nothing is locked."""
    return {keys[place - 1] for place in session.scalars(_THERE, asked(keys))}


def asked(keys: Sequence[SummaryKey]) -> dict[str, str]:
    """The parameters of a statement that has ASKED."""
    subscriptions, types, starts = zip(*keys, strict=True) if keys else ((), (), ())
    return {"subscriptions": joined(subscriptions), "types": joined(types), "starts": array_of(map(as_text, starts))}
