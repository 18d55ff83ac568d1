"""What a meter should have counted, from the recordings as the test made them; nothing here is the product's."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass
class Call:
    """A recording: its metadata, and whether it still counts."""

    id: UUID
    metadata: dict[str, Any]
    hour: str
    counts: bool = True


@dataclass
class Expected:
    """By dimension values, recordings and sum; and by hour and dimension values."""

    series: dict[tuple[Any, ...], tuple[int, Decimal]] = field(default_factory=dict)
    buckets: dict[tuple[str, tuple[Any, ...]], tuple[int, Decimal]] = field(default_factory=dict)
    skipped: int = 0


def expected_of(calls: list[Call]) -> Expected:
    """Of the meter ``sum(input + 2 * output)`` where ``status == "ok"``, by model and direction."""
    found = Expected()
    series: dict[tuple[Any, ...], list[Decimal]] = defaultdict(list)
    buckets: dict[tuple[str, tuple[Any, ...]], list[Decimal]] = defaultdict(list)
    for call in calls:
        given = call.metadata
        if not call.counts:
            continue
        if not isinstance(given.get("status"), str):
            found.skipped += 1
            continue
        if given["status"] != "ok":
            continue
        tokens = [_number(given.get(name)) for name in ("input", "output")]
        if None in tokens:
            found.skipped += 1
            continue
        value = Decimal(tokens[0]) + 2 * Decimal(tokens[1])
        name = (_scalar(given.get("model")), _scalar(given.get("direction")))
        series[name].append(value)
        buckets[call.hour, name].append(value)
    found.series = {name: (len(values), sum(values, Decimal(0))) for name, values in series.items()}
    found.buckets = {name: (len(values), sum(values, Decimal(0))) for name, values in buckets.items()}
    return found


def stored(session: Session, meter: str) -> Expected:
    """What the folds have stored of that; what is empty by now is left out."""
    rows = session.execute(
        text(
            "SELECT x.dimensions, t.events, t.total FROM meter_totals AS t"
            " JOIN usage_summaries AS s ON s.id = t.summary_id"
            " JOIN meter_series AS x ON x.series = t.series AND x.subscription_id = s.subscription_id"
            " AND x.usage_type_id = s.usage_type_id WHERE s.usage_type_id = :meter AND t.events <> 0"
        ),
        {"meter": meter},
    )
    series: dict[tuple[Any, ...], tuple[int, Decimal]] = {}
    for row in rows:
        before = series.get(tuple(row.dimensions), (0, Decimal(0)))
        series[tuple(row.dimensions)] = (before[0] + row.events, before[1] + row.total)
    rows = session.execute(
        text(
            "SELECT x.dimensions, b.bucket_start, b.events, b.total FROM meter_buckets AS b"
            " JOIN usage_summaries AS s ON s.id = b.summary_id"
            " JOIN meter_series AS x ON x.series = b.series AND x.subscription_id = s.subscription_id"
            " AND x.usage_type_id = s.usage_type_id WHERE s.usage_type_id = :meter AND b.events <> 0"
        ),
        {"meter": meter},
    )
    buckets = {(row.bucket_start.strftime("%d-%H:%M"), tuple(row.dimensions)): (row.events, row.total) for row in rows}
    skipped = session.scalar(
        text("SELECT coalesce(sum(skipped), 0) FROM meter_folds WHERE usage_type_id = :meter"), {"meter": meter}
    )
    return Expected(series, buckets, int(skipped or 0))


def _number(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return value if value.replace(".", "", 1).isdigit() and value[0] != "0" else None
    return value if isinstance(value, int) else None


def _scalar(value: Any) -> Any:
    return None if isinstance(value, list | dict) or len(str(value)) > 128 else value
