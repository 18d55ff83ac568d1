"""How the recordings of a summary lie in time: what lies beyond in each stretch between the cuts of a wallet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of

_NOTHING = Decimal(0)
_STRETCHES = """
    SELECT u.summary_id, width_bucket(u.occurred_at, CAST(:cuts AS timestamptz[])) AS place,
        sum({beyond}) AS beyond, count(*) AS recordings
    FROM usage AS u {moved}
    WHERE u.summary_id = ANY(CAST(:ids AS bigint[])) AND {beyond} > 0
        AND (CAST(:until AS timestamptz) IS NULL OR u.received_at < :until)
        AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
    GROUP BY 1, 2
"""
_BY_STRETCH = text(_STRETCHES.format(beyond="u.beyond_limit", moved=""))
# As billing would mark some recordings.
_BY_STRETCH_MOVED = text(
    _STRETCHES.format(
        beyond="coalesce(m.beyond, u.beyond_limit)",
        moved="LEFT JOIN unnest(CAST(:moved AS uuid[]), CAST(:parts AS numeric[])) AS m (id, beyond) ON m.id = u.id",
    )
)


class Stretch(NamedTuple):
    """What lies beyond the allowance between two neighbouring cuts, and in how many recordings."""

    beyond: Decimal = _NOTHING
    recordings: int = 0


Stretches = Mapping[datetime | None, Stretch]
"""By the cut where each begins; None: before all cuts."""

NONE = Stretch()
_PARTS = text("""
    SELECT u.summary_id, array_agg(coalesce(m.beyond, u.beyond_limit) ORDER BY u.ordinal) AS parts
    FROM usage AS u
    LEFT JOIN unnest(CAST(:moved AS uuid[]), CAST(:parts AS numeric[])) AS m (id, beyond) ON m.id = u.id
    WHERE u.summary_id = ANY(CAST(:ids AS bigint[])) AND coalesce(m.beyond, u.beyond_limit) > 0
        AND u.received_at < :until
        AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
    GROUP BY 1
""")


def parts_until(
    session: Session, summary_ids: Sequence[int], until: datetime, *, moved: Mapping[UUID, Decimal]
) -> dict[int, Sequence[Decimal]]:
    """What of each recording that had arrived before ``until`` lies beyond, in the order recorded, by summary.

    ``moved`` is as for ``stretches_of``.
    """
    asked = {"ids": list(summary_ids), "until": until, "moved": list(moved), "parts": list(moved.values())}
    found = session.execute(_PARTS, asked)
    return {row.summary_id: row.parts for row in found}


def stretches_of(
    session: Session,
    summary_ids: Sequence[int],
    cuts: Sequence[datetime],
    *,
    until: datetime | None = None,
    moved: Mapping[UUID, Decimal] | None = None,
) -> dict[int, dict[datetime | None, Stretch]]:
    """The stretches of each summary by its recordings' marks, of those that had arrived before ``until``.

    ``moved`` says of recordings, by id, what would lie beyond of them instead of what is marked.
    """
    found: dict[int, dict[datetime | None, Stretch]] = {}
    asked: dict[str, object] = {"ids": list(summary_ids), "cuts": list(cuts), "until": until}
    if moved:
        asked |= {"moved": list(moved), "parts": list(moved.values())}
    if summary_ids:
        for row in session.execute(_BY_STRETCH_MOVED if moved else _BY_STRETCH, asked):
            since = cuts[row.place - 1] if row.place else None
            found.setdefault(row.summary_id, {})[since] = Stretch(row.beyond, row.recordings)
    return found


def marked(starts: Sequence[datetime], stretches: Stretches) -> list[Stretch]:
    """What each window has that begins at one of ``starts``; the first has all from before the second begins."""
    later = [stretches.get(start, NONE) for start in starts[1:]]
    first = Stretch(
        EXACT.subtract(sum_of(one.beyond for one in stretches.values()), sum_of(one.beyond for one in later)),
        sum(one.recordings for one in stretches.values()) - sum(one.recordings for one in later),
    )
    return [first, *later]


def divided(wants: Decimal, marks: Sequence[Decimal]) -> list[Decimal]:
    """``wants`` by window, as it is marked; where that is more or less in all, the last windows have the difference."""
    found = list(marks)
    surplus = EXACT.subtract(wants, sum_of(found))
    if surplus >= 0:
        found[-1] = EXACT.add(found[-1], surplus)
        return found
    for index in reversed(range(len(found))):
        taken = min(found[index], -surplus)
        found[index] = EXACT.subtract(found[index], taken)
        surplus = EXACT.add(surplus, taken)
    return found
