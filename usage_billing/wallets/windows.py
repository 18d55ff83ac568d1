"""What the windows of a summary want: its recordings beyond the allowance, divided by when they occurred."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of

_NOTHING = Decimal(0)
_BY_WINDOW = text("""
    SELECT u.summary_id, width_bucket(u.occurred_at, CAST(:cuts AS timestamptz[])) AS place,
        sum(u.beyond_limit) AS beyond
    FROM usage AS u
    WHERE u.summary_id = ANY(CAST(:ids AS bigint[])) AND u.beyond_limit > 0
        AND (CAST(:until AS timestamptz) IS NULL OR u.received_at < :until)
        AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
    GROUP BY 1, 2
""")


def by_window(
    session: Session, ids: Sequence[int], cuts: Sequence[datetime], *, until: datetime | None = None
) -> dict[int, dict[datetime | None, Decimal]]:
    """What lies beyond in each summary since each cut (None: before all of them), of what arrived before ``until``."""
    found: dict[int, dict[datetime | None, Decimal]] = {}
    if ids:
        for row in session.execute(_BY_WINDOW, {"ids": list(ids), "cuts": list(cuts), "until": until}):
            since = cuts[row.place - 1] if row.place else None
            found.setdefault(row.summary_id, {})[since] = row.beyond
    return found


def divided(wants: Decimal, starts: Sequence[datetime], parts: Mapping[datetime | None, Decimal]) -> list[Decimal]:
    """What each window wants. The first has all that is marked before the second begins.

    Where the caller sees more or less beyond than is marked, the last windows have the difference.
    """
    later = [parts.get(start, _NOTHING) for start in starts[1:]]
    marked = sum_of(parts.values())
    found = [EXACT.subtract(marked, sum_of(later)), *later]
    surplus = EXACT.subtract(wants, marked)
    if surplus >= 0:
        found[-1] = EXACT.add(found[-1], surplus)
        return found
    for index in reversed(range(len(found))):
        taken = min(found[index], -surplus)
        found[index] = EXACT.subtract(found[index], taken)
        surplus = EXACT.add(surplus, taken)
    return found
