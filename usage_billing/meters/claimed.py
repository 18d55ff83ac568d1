"""Reads how far claimed summaries of recordings are counted into meters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.meters.queries import Pair

_CLAIMED = text("""
    SELECT s.id AS source, s.subscription_id, s.period_start, s.period_end, s.events, s.voids,
        f.usage_type_id AS meter, f.folded, f.folded_voids, f.starts, f.summaries
    FROM unnest(CAST(:sources AS bigint[]), CAST(:meters AS text[])) AS w (source, meter)
    JOIN usage_summaries AS s ON s.id = w.source
    JOIN meter_folds AS f ON f.source_summary_id = w.source AND f.usage_type_id = w.meter
    ORDER BY s.id, f.usage_type_id
""")


@dataclass(frozen=True, slots=True)
class ClaimedFold:
    """A claimed summary of recordings, and how far it is counted into a meter."""

    source: int
    subscription_id: str
    period_start: datetime
    period_end: datetime
    events: int
    voids: int
    meter: str
    folded: int
    folded_voids: int
    starts: list[datetime]
    summaries: list[int]

    @property
    def places(self) -> dict[datetime, int]:
        """Into which summaries it was counted so far, by where they begin."""
        return dict(zip(self.starts, self.summaries, strict=True))


def claimed(session: Session, pairs: Sequence[Pair]) -> list[ClaimedFold]:
    """How far claimed pairs are, and how far their recordings go by now; in the order of their ids."""
    asked = {"sources": [pair.source for pair in pairs], "meters": [pair.meter for pair in pairs]}
    return read_rows(session.execute(_CLAIMED, asked), ClaimedFold)
