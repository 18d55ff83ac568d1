"""What is stored of the series of a level in one summary, beside the recordings."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.level_books import SEEN, Recorded
from usage_billing.reports.verify.level_steps import ends_of, weighted
from usage_billing.reports.verify.measure import series_text

_SERIES = text("""
    SELECT CAST(x.dimensions AS text) AS dimensions, t.*, b.events AS in_buckets, b.total AS sum_of_buckets,
        b.weighted AS weighted_in_buckets
    FROM meter_totals AS t
    JOIN meter_series AS x
        ON x.subscription_id = :subscription AND x.usage_type_id = :meter AND x.series = t.series
    LEFT JOIN LATERAL (
        SELECT sum(events) AS events, sum(total) AS total, sum(weighted) AS weighted
        FROM meter_buckets
        WHERE summary_id = t.summary_id AND series = t.series
    ) AS b ON true
    WHERE t.summary_id = :summary
""")
_OTHER = series_text({"other": True})
_any = msgspec.json.Decoder(float_hook=Decimal)


def stored_series(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of each series, of its totals and of its buckets added up."""
    return {series_text(_any.decode(row.dimensions)): row for row in session.execute(_SERIES, asked)}


def series_differ(
    stored: Mapping[str, Any], given: Mapping[str, Sequence[Recorded]], *, mode: str
) -> Iterator[tuple[str, str]]:
    """The kind of each difference, and what it is. Series that are counted as one are compared with the rest."""
    there, is_set, is_seen = dict(given), mode == "set", mode == SEEN
    if _OTHER in stored:
        rest = [name for name in there if name not in stored]
        there[_OTHER] = [one for name in rest for one in there.pop(name)]
    for name in sorted(stored.keys() | there.keys()):
        recorded, row = there.get(name, ()), stored.get(name)
        steps = [one.step for one in recorded]
        total = sum((Fraction(one.value) for one in steps), Fraction(0))
        moved = Fraction(0) if is_seen else weighted(steps, is_set=is_set)
        kept = (0, 0, 0) if row is None else (row.events, Fraction(row.total), Fraction(row.weighted or 0))
        if kept != (len(steps), total, moved):
            yield "meter_series", f"its series {name} is not what its usage gives"
        if row is None:
            continue
        buckets = (row.in_buckets or 0, Fraction(row.sum_of_buckets or 0), Fraction(row.weighted_in_buckets or 0))
        if buckets[:2] != kept[:2] or (not is_set and buckets != kept):
            yield "meter_buckets", f"its buckets of {name} do not add up to it"
        if is_seen and row.distinct_values != len({one.told for one in recorded}):
            yield "meter_values", f"its distinct values of {name} are not what its usage gives"
        if is_set and (_point(row.first), _point(row.latest)) != ends_of(steps):
            yield "meter_series", f"its series {name} does not begin and end as its usage does"


def _point(stored: Sequence[Decimal] | None) -> tuple[int, int, Decimal] | None:
    return None if stored is None else (int(stored[0]), int(stored[1]), stored[2])
